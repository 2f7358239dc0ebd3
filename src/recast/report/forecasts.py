"""Sample forecasts, chosen by rank."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recast.errors import DataError
from recast.figures.panels import TargetPanels, target_panels
from recast.figures.plot import Plot
from recast.report.document import Block, Picture, Section, Text
from recast.report.run import Run, mapping
from recast.report.study import Ranked, Study
from recast.report.svg import data_uri
from recast.report.words import number

RANKS = ("best", "median", "worst")
FILE = "ranked_forecasts.csv"
SIZE = (6.0, 7.0)  # inches: of a single target
WIDTH = 7.5  # of several
NOTE = (
    "The test windows with the smallest, the median and the largest error of this run over all leads and targets: the "
    "median says what is usual, the other two what can happen. The run is that of the median seed of the first group."
)


def section(study: Study) -> Section:
    """The best, the median and the worst forecast of one run of each data set."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        run = ranked.scored[0].middle if ranked.scored else None
        if run is None or ranked.data.horizon is None:
            continue
        try:
            targets = read(run.folder / FILE, _units(run))
        except (DataError, OSError, ValueError, KeyError) as error:
            blocks.append(Text(f"{ranked.data.name}: no forecasts of {run.name}: {_reason(error)}", "warning"))
            continue
        blocks.append(_picture(ranked, run, targets))
    if not blocks:
        blocks = [Text("There are no forecasts to show.")]
    return Section("Sample forecasts by rank", blocks, "forecasts")


def read(path: Path, units: Mapping[str, str]) -> list[TargetPanels]:
    """The forecasts of a ranked_forecasts.csv by target, the best first.

    Args:
        path: The file.
        units: Unit of each target by name.

    Raises:
        DataError: if it holds none of the ranks, or one is not whole.
        OSError: if it cannot be read.
        ValueError: if it is not such a table.
        KeyError: if a column is missing.
    """
    table: Any = pd.read_csv(path, dtype={"time": str, "origin": str, "target": str, "loss": str})
    targets = []
    for name in table["target"].unique():
        rows = table[table["target"] == name]
        found = [_panel(rank, rows[rows["rank"] == rank].sort_values("lead")) for rank in RANKS]
        targets.append(TargetPanels(name, units.get(name, ""), tuple(panel for panel in found if panel is not None)))
    if not any(target.panels for target in targets):
        raise DataError(f"{path.name} holds no forecast of rank {', '.join(RANKS)}")
    return targets


def _panel(rank: str, rows: Any) -> Plot | None:
    past, future = rows[rows["lead"] <= 0], rows[rows["lead"] > 0]
    if not len(past) or not len(future):
        return None
    band: dict[str, Any] = {}
    if future[["lower", "upper", "level"]].notna().all(axis=None):
        band = {name: _numbers(future[name]) for name in ("lower", "upper")} | {"level": float(future["level"].iloc[0])}
    loss, error = future["loss"].iloc[0], float(future["error"].iloc[0])
    return Plot(
        title=f"{rank}: from {_minutes(rows['origin'].iloc[0])}, {loss} {number(error, 3)}",
        context_times=_times(past["time"]),
        context=_numbers(past["true"]),
        future_times=_times(future["time"]),
        truth=_numbers(future["true"]),
        mean=_numbers(future["forecast"]),
        **band,
    )


def _numbers(column: Any) -> np.ndarray:
    return column.to_numpy(dtype=np.float64)


def _times(column: Any) -> np.ndarray:
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")


def _minutes(stamp: str) -> str:
    """A time stamp without zero seconds and "T"."""
    text = str(stamp).replace("T", " ")
    return text[:16] if text[16:].strip(":0.") in ("", "Z", "+") else text


def _units(run: Run) -> dict[str, str]:
    columns = mapping(run.data.get("spec")).get("columns")
    described = map(mapping, columns if isinstance(columns, list) else [])
    return {str(column.get("name")): str(column.get("unit", "")) for column in described}


def _picture(ranked: Ranked, run: Run, targets: list[TargetPanels]) -> Picture:
    timezone = mapping(run.data.get("spec")).get("timezone")
    figure = target_panels(targets, title="", timezone=timezone, width=WIDTH)
    if len(targets) == 1:
        figure.set_size_inches(*SIZE)
    said = "; ".join(panel.title for panel in targets[0].panels)
    what = targets[0].name if len(targets) == 1 else f"{len(targets)} targets"
    return Picture(
        f"{ranked.data.name}: {what}, forecasts of {run.name}",
        data_uri(figure),
        f"Forecast and truth, {said}",
        NOTE,
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{FILE} is missing"
    if isinstance(error, KeyError):
        return f"{FILE} has no column {error}"
    return f"{FILE}: {' '.join(str(error).split())}"
