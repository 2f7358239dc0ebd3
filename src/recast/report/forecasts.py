"""Sample forecasts, chosen by rank and not by eye."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recast.errors import DataError
from recast.figures.panel import Panel
from recast.figures.panels import forecast_panels
from recast.report.document import Block, Picture, Section, Text
from recast.report.run import Run, mapping
from recast.report.study import Ranked, Study
from recast.report.svg import data_uri
from recast.report.words import number

RANKS = ("best", "median", "worst")
FILE = "ranked_forecasts.csv"
LEVEL = 0.9  # between the 5 % and the 95 % quantile
SIZE = (6.0, 7.0)  # inches
NOTE = (
    "The test windows with the smallest, the median and the largest mean squared error of this run: the median says "
    "what is usual, the other two what can happen. The run is that of the median seed of the first group."
)


def section(study: Study) -> Section:
    """The best, the median and the worst forecast of one run of each data set."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        run = ranked.scored[0].middle if ranked.scored else None
        if run is None or ranked.data.horizon is None:
            continue
        try:
            panels = read(run.folder / FILE)
        except (DataError, OSError, ValueError, KeyError) as error:
            blocks.append(Text(f"{ranked.data.name}: no forecasts of {run.name}: {_reason(error)}", "warning"))
            continue
        blocks.append(_picture(ranked, run, panels))
    if not blocks:
        blocks = [Text("There are no forecasts to show.")]
    return Section("Sample forecasts by rank", blocks, "forecasts")


def read(path: Path) -> list[Panel]:
    """The forecasts of a ranked_forecasts.csv, the best first.

    Raises:
        DataError: if it holds none of the ranks, or one is not whole.
        OSError: if it cannot be read.
        ValueError: if it is no such table.
        KeyError: if a column is missing.
    """
    table: Any = pd.read_csv(path, dtype={"time": str, "origin": str})
    found = [_panel(rank, table[table["rank"] == rank].sort_values("lead")) for rank in RANKS]
    panels = [panel for panel in found if panel is not None]
    if not panels:
        raise DataError(f"{path.name} holds no forecast of rank {', '.join(RANKS)}")
    return panels


def _panel(rank: str, rows: Any) -> Panel | None:
    past, future = rows[rows["lead"] <= 0], rows[rows["lead"] > 0]
    if not len(past) or not len(future):
        return None
    forecast, true = _numbers(future["forecast"]), _numbers(future["true"])
    band = {}
    if future["lower"].notna().all() and future["upper"].notna().all():
        band = {"lower": _numbers(future["lower"]), "upper": _numbers(future["upper"]), "level": LEVEL}
    error = float(np.mean((forecast - true) ** 2))
    return Panel(
        title=f"{rank}: from {_minutes(rows['origin'].iloc[0])}, MSE {number(error, 3)}",
        context_times=_times(past["time"]),
        context=_numbers(past["true"]),
        future_times=_times(future["time"]),
        truth=true,
        mean=forecast,
        **band,
    )


def _numbers(column: Any) -> np.ndarray:
    return column.to_numpy(dtype=np.float64)


def _times(column: Any) -> np.ndarray:
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")


def _minutes(stamp: str) -> str:
    """A time stamp without what no reader needs: seconds of 0, and "T"."""
    text = str(stamp).replace("T", " ")
    return text[:16] if text[16:].strip(":0.") in ("", "Z", "+") else text


def _picture(ranked: Ranked, run: Run, panels: list[Panel]) -> Picture:
    spec = mapping(run.data.get("spec"))
    names, units = spec.get("names") or ["value"], spec.get("units") or [""]
    figure = forecast_panels(panels, unit=str(units[0]), title="", timezone=spec.get("timezone"))
    figure.set_size_inches(*SIZE)
    said = "; ".join(panel.title for panel in panels)
    return Picture(
        f"{ranked.data.name}: {names[0]}, forecasts of {run.name}",
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
