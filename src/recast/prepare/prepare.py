"""From a source to what training needs: grid, split, scale, storage, windows."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recast.errors import DataError
from recast.prepare.grid import Grid
from recast.prepare.scale import Scaler
from recast.prepare.split import Parts, Split
from recast.prepare.windows import Windows
from recast.series.fingerprint import fingerprint
from recast.types import Series, SeriesSpec


class Starts(NamedTuple):
    """First rows of the windows of each part, int64 tensors."""

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True, eq=False)
class Prepared:
    """A series ready for training.

    Args:
        series: The series on its grid, in the data's own unit.
        spec: What a model must know of it.
        storage: Scaled channels and periodic inputs of all rows, float32, shape (rows, inputs).
        parts: Row ranges of training, validation and test.
        starts: Window starts of each part.
        fingerprint: SHA-256 of the series as it was read.
    """

    series: Series
    spec: SeriesSpec
    storage: Tensor
    parts: Parts
    starts: Starts
    fingerprint: str


def hours(times: np.ndarray) -> np.ndarray:
    """Hours since 1970-01-01 UTC of `datetime64[ns]` stamps, float64."""
    return times.astype("datetime64[ns]").astype(np.int64) / 3.6e12


def periodic(times: np.ndarray, periods: tuple[float, ...]) -> np.ndarray:
    """Sine and cosine of 2 pi t / period for each period, shape (rows, 2 * periods), float32.

    Args:
        times: Stamps, `datetime64[ns]`.
        periods: Periods. [hours]
    """
    cycles = hours(times)[:, None] / np.asarray(periods, dtype=np.float64)
    angles = 2 * np.pi * (cycles % 1.0)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(times), -1).astype(np.float32)


def scaled_storage(series: Series, spec: SeriesSpec) -> Tensor:
    """All inputs of all rows: the scaled channels, then the periodic inputs; float32, shape (rows, inputs)."""
    storage = torch.empty(len(series), spec.inputs, dtype=torch.float32)
    channels = len(spec.names)
    # Scaled in float64 first: a small signal on a large offset would lose its digits in float32.
    storage[:, :channels] = torch.from_numpy((series.values - np.asarray(spec.offset)) / np.asarray(spec.scale))
    if spec.periods:
        storage[:, channels:] = torch.from_numpy(periodic(series.times, spec.periods))
    return storage


def prepare(
    raw: Series,
    *,
    grid: Grid,
    split: Split,
    scaler: Scaler,
    windows: Windows,
    periods: tuple[float, ...] = (),
    season: int = 1,
) -> Prepared:
    """Puts a series on its grid, splits it, fits the scaling on its training rows, and finds its windows.

    Args:
        raw: The series as read.
        grid: Policy for missing and off-grid stamps.
        split: Policy for training, validation and test rows.
        scaler: Scaling, fitted on training rows unless it says otherwise.
        windows: Context, horizon, strides.
        periods: Periods of additional sine and cosine inputs. [hours]
        season: Lag of the naive forecast in the denominator of MASE. [steps]

    Raises:
        DataError: if a part that is asked for has no window, or a channel is constant.
    """
    series = grid.apply(raw)
    parts = split.parts(series)
    starts = Starts(
        *(
            torch.from_numpy(windows.starts(series.pieces, part, training=part is parts.train))
            for part in (parts.train, parts.validation, parts.test)
        )
    )
    _require_windows(series, parts, starts, windows)
    fitted_on = slice(*parts.train) if scaler.fitted_on == "train" else slice(None)
    offset, scale = scaler.fit(series.values[fitted_on], series.names)
    spec = SeriesSpec(
        names=series.names,
        units=series.units,
        targets=series.targets,
        step=series.step,
        context=windows.context,
        horizon=windows.horizon,
        periods=periods,
        offset=offset,
        scale=scale,
        naive_error=_naive_error(series, parts.train, season),
        timezone=series.timezone,
    )
    return Prepared(series, spec, scaled_storage(series, spec), parts, starts, fingerprint(raw))


def check_channels(series: Series, spec: SeriesSpec) -> None:
    """Raises DataError where a series has other channels, targets or steps than a model was trained on."""
    for what, found, expected in (
        ("columns", series.names, spec.names),
        ("targets", series.targets, spec.targets),
        ("step", series.step, spec.step),
    ):
        if found != expected:
            raise DataError(f"{series.label}: {what} {found!r}, but the model was trained on {expected!r}")


def rescale(prepared: Prepared, spec: SeriesSpec) -> Prepared:
    """The same windows under the scaling that a model was trained with.

    Args:
        prepared: The series.
        spec: The spec of the model's training.

    Raises:
        DataError: if the series has other channels, targets or steps.
    """
    check_channels(prepared.series, spec)
    return replace(prepared, spec=spec, storage=scaled_storage(prepared.series, spec))


def _require_windows(series: Series, parts: Parts, starts: Starts, windows: Windows) -> None:
    needed = f"a window takes context {windows.context} + horizon {windows.horizon} = {windows.length} rows"
    if len(series) < windows.length:
        raise DataError(
            f"{series.label}: {len(series)} rows are too short: {needed}; give a longer series or shorter windows"
        )
    for name, part, found in zip(Parts._fields, parts, starts, strict=True):
        rows = part[1] - part[0]
        if len(found) == 0 and (rows > 0 or name == "train"):
            raise DataError(
                f"{series.label}: the {name} part ({rows} rows) has no window: {needed} without a gap; "
                "give it more rows, shorten the windows, fill short gaps (data/grid=interpolate), "
                "or let its context reach back (data.windows.reach_back=true)"
            )


def _naive_error(series: Series, train: tuple[int, int], season: int) -> tuple[float, ...]:
    """Mean |y(t) - y(t - season)| of the targets over training rows, within pieces."""
    total = np.zeros(series.targets)
    count = 0
    for first, stop in series.pieces:
        values = series.values[first : min(stop, train[1]), : series.targets]
        if len(values) > season:
            total += np.abs(values[season:] - values[:-season]).sum(axis=0)
            count += len(values) - season
    if count == 0:
        raise DataError(f"{series.label}: no training rows lie {season} steps apart; choose a shorter data.season")
    return tuple((total / count).tolist())
