"""The scaling of a panel's columns, and another panel under that of a trained model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from recast.data.panel import ITEM, Column, Panel, with_item
from recast.data.prepare.scale import Scaler
from recast.data.spec import PanelSpec, SeriesSpec
from recast.errors import DataError

log = logging.getLogger(__name__)

Scaling = tuple[tuple[float, ...], tuple[float, ...]]


def column_scaling(
    columns: Sequence[Column],
    values: np.ndarray,
    scaler: Scaler,
    own: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Scaling:
    """Offset and scale of each column over time; categories are unchanged.

    Args:
        columns: The columns.
        values: The rows that the scaling is fitted on, shape (rows, columns).
        scaler: How it is fitted.
        own: Offset and scale of columns that need no fit, by name.

    Raises:
        DataError: if a column is constant on these rows.
    """
    reals = [place for place, column in enumerate(columns) if not (column.is_category or column.name in own)]
    offset, scale = np.zeros(len(columns)), np.ones(len(columns))
    for place, column in enumerate(columns):
        if column.name in own:
            offset[place], scale[place] = own[column.name]
    kept = values if len(reals) == len(columns) else values[:, reals]
    if reals:
        offset[reals], scale[reals] = scaler.fit(kept, tuple(columns[place].name for place in reals))
    return tuple(offset.tolist()), tuple(scale.tolist())


def static_scaling(panel: Panel) -> Scaling:
    """Mean and standard deviation over items of each real static column; 1 for a category or an unknown column."""
    offset, scale = [], []
    for column, values in zip(panel.static, panel.static_values.T, strict=True):
        seen = values[~np.isnan(values)]
        plain = column.is_category or not len(seen)
        offset.append(0.0 if plain else float(seen.mean()))
        scale.append(1.0 if plain else float(seen.std()))
    return tuple(offset), tuple(scale)


def check_columns(panel: Panel, spec: PanelSpec) -> None:
    """Raises DataError if a panel has other columns or steps than a model was trained on, or gaps it cannot read."""
    step = spec.step if isinstance(spec, SeriesSpec) else panel.step
    zone = spec.timezone if isinstance(spec, SeriesSpec) else panel.timezone
    if panel.timezone != zone:
        words = {None: "no time zone", "UTC": "a time zone"}
        remedy = (
            "write a zone or an offset after each stamp, or name the zone: data.source.timezone=UTC"
            if panel.timezone is None
            else "write its stamps without a zone, in the local time of the training"
        )
        raise DataError(
            f"{panel.label}: its stamps have {words[panel.timezone]}, those of the training had {words[zone]}; {remedy}"
        )
    for what, found, expected in (
        ("columns", _roles(panel.columns), _roles(spec.columns)),
        ("static columns", _roles(panel.static), _roles(spec.static)),
        ("step", panel.step, step),
    ):
        if found != expected:
            raise DataError(f"{panel.label}: {what} {found!r}, but the model was trained on {expected!r}")
    if not spec.masked and np.isnan(panel.values).any():
        raise DataError(
            f"{panel.label}: some values were not observed, but the model was trained on complete rows and reads no "
            "masks; drop or fill such rows (data/grid=split, interpolate), or train on data with gaps"
        )


def align(panel: Panel, spec: PanelSpec) -> Panel:
    """The panel with its categories as levels of a trained model's spec.

    Raises:
        DataError: if the panel has other columns or steps, or levels unseen in training.
    """
    item = next((column for column in spec.static if column.name == ITEM), None)
    if item is not None:
        panel = with_item(panel, item.levels or ())
    check_columns(panel, spec)
    _warn_of_other_units(panel, spec)
    for column, values, offset, scale in zip(
        spec.static, panel.static_values.T, spec.static_offset, spec.static_scale, strict=True
    ):
        other = values[~np.isnan(values) & (values != offset)]
        if scale == 0 and len(other):
            raise DataError(
                f"{panel.label}: static column {column.name!r} is {other[0]:g}, but {offset:g} throughout the "
                "training, from which nothing could be learnt about other values; train on items that "
                "differ, or leave it out"
            )
    return replace(
        panel,
        columns=spec.columns,
        static=spec.static,
        values=translated(panel.label, panel.values, panel.columns, spec.columns),
        static_values=translated(panel.label, panel.static_values, panel.static, spec.static),
    )


FAR = 20.0
"""Scales of the training by which values lie away from it, or spread, that are hardly in the same unit."""
NARROW = 0.01
"""The same for values that hardly vary at all."""
FEW = 10
"""Rows that say too little."""


def _warn_of_other_units(panel: Panel, spec: PanelSpec) -> None:
    """Warns of columns that are constant, or so far from those of the training that their unit may be another.

    Scales say this where they were fitted: not for `NoScaling`.
    """
    for place, column in enumerate(spec.columns):
        offset, scale = spec.offset[place], spec.scale[place]
        values = panel.values[:, place]
        values = values[~np.isnan(values)]
        if column.is_category or len(values) < FEW:
            continue
        if (values == values[0]).all():
            log.warning(
                "%s: column %r is %g in all %d rows; does the instrument work?",
                *(panel.label, column.name, values[0], len(values)),
            )
            continue
        if (offset, scale) == (0.0, 1.0):
            continue
        middle, spread = float(np.median(values)), float(values.std())
        if abs(middle - offset) > FAR * scale or not NARROW * scale < spread < FAR * scale:
            log.warning(
                "%s: column %r has the median %g and the standard deviation %g, but the model was trained on values "
                "around %g that spread by %g; is it in the same unit%s?",
                *(panel.label, column.name, middle, spread, offset, scale),
                f" ({column.unit})" if column.unit else "",
            )


def aligned_known(panel: Panel, spec: PanelSpec) -> Panel:
    """A panel of inputs known ahead alone, its categories as levels of a trained model's spec.

    Raises:
        DataError: if it has levels unseen in training.
    """
    wanted = [column for column in spec.of("known") if column.name in panel.names]
    return replace(panel, columns=tuple(wanted), values=translated(panel.label, panel.values, panel.columns, wanted))


def translated(label: str, values: np.ndarray, found: Sequence[Column], wanted: Sequence[Column]) -> np.ndarray:
    """Values with categories numbered by the levels of other columns.

    Args:
        label: What they were read from, for messages.
        values: Of shape (rows, columns); NaN stays so.
        found: Their columns.
        wanted: The same columns with the levels of the training.

    Raises:
        DataError: if a column has a level that the one wanted lacks.
    """
    changed = [place for place, (old, new) in enumerate(zip(found, wanted, strict=True)) if old.levels != new.levels]
    result = values.copy() if changed else values
    for place in changed:
        numbers = {name: number for number, name in enumerate(wanted[place].levels or ())}
        levels = found[place].levels or ()
        unknown = [name for name in levels if name not in numbers]
        if unknown:
            raise DataError(
                f"{label}: column {wanted[place].name!r} has the level {unknown[0]!r}, which the training had not; "
                f"it had {', '.join(numbers)}"
            )
        table = np.array([*(numbers[name] for name in levels), np.nan])
        codes = np.nan_to_num(values[:, place], nan=len(levels)).astype(np.int64)
        result[:, place] = table[codes]
    return result


def _roles(columns: Sequence[Column]) -> list[tuple[str, str, str]]:
    return [(column.name, column.role, "category" if column.is_category else "real") for column in columns]
