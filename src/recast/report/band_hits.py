"""What bands hold of each origin, over seeds, and the sampling error of their coverage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recast.errors import DataError
from recast.report.statistics.block_bootstrap import LEAST_BLOCKS, Share, block_length, shares

FILE = "per_origin_bands.csv"
IN, OF = "in", "of"


def read(path: Path, forecaster: str, levels: Sequence[str]) -> pd.DataFrame:
    """A row for each origin: `row`, `origin`, `item` ("" of a single series), and for each level two counts.

    `in:<level>` is how many truths the band of a forecaster holds, `of:<level>` of how many; 0 of 0 where it is not
    known.

    Args:
        path: A per_origin_bands.csv.
        forecaster: Whose band: "model", "calibrated" or a baseline.
        levels: Levels of the bands as in the names of columns. [%]

    Raises:
        DataError: if it lacks the forecaster, holds no counts, or an origin occurs twice.
        OSError: if it cannot be read.
        ValueError: if it is not such a table.
    """
    table: Any = pd.read_csv(path, converters={"item": str, "origin": str})
    if any(name not in table for name in ("origin", "row", "truths")):
        raise DataError(f"{path.name} has no columns origin, row and truths")
    known = [level for level in levels if f"{forecaster}:{level}" in table]
    if not known:
        raise DataError(f"{path.name} has no bands of {forecaster}")
    if table["row"].duplicated().any():
        raise DataError(f"{path.name}: origins come more than once")
    found = pd.DataFrame({"row": table["row"], "origin": table["origin"], "item": table.get("item", "")})
    for level in levels:
        column = f"{forecaster}:{level}"
        found[f"{IN}:{level}"] = table[column] if level in known else 0
        found[f"{OF}:{level}"] = table.get(f"{column}:truths", table["truths"]) if level in known else 0
    counts = found.drop(columns=["row", "origin", "item"])
    if not all(pd.api.types.is_integer_dtype(kind) for kind in counts.dtypes):
        raise DataError(f"{path.name} has counts of {forecaster} that are no whole numbers")
    return found


def coverage(
    tables: Sequence[pd.DataFrame], levels: Sequence[str], horizon: int, alpha: float
) -> tuple[list[Share], str]:
    """The coverage at each level over all seeds, with its sampling error; and what was resampled, in words.

    Hits and truths of an origin are added over seeds, which are resampled together: the error is that of these trained
    models at other times. Origins of several items at the same time stand in one block, since their errors may have
    one cause. Where the times make up too few blocks, as of many series that are forecast once, items are resampled.

    Args:
        tables: Those of `read`, one for each seed.
        levels: The levels.
        horizon: Steps that are forecast.
        alpha: Level of the test.
    """
    counted = [column for column in tables[0] if ":" in column]
    rows: Any = pd.concat(tables).groupby(["row", "origin", "item"], as_index=False)[counted].sum()

    def over(units: pd.DataFrame, block: int) -> list[Share]:
        parts, wholes = (units[[f"{kind}:{level}" for level in levels]].to_numpy() for kind in (IN, OF))
        return shares(parts, wholes, block, alpha=alpha)

    stride = _stride(rows)
    block = block_length(horizon, stride or horizon)
    times = over(rows.groupby("origin")[counted].sum(), block)
    items = rows.groupby("item")[counted].sum()
    if (stride is None or not times[0].enough) and len(items) >= LEAST_BLOCKS:
        return over(items, 1), f"{len(items):,} items"
    return times, f"{times[0].blocks:.3g} blocks of {block:,} origins"


def _stride(rows: pd.DataFrame) -> int | None:
    """Steps between the times of successive origins; None where no item has two."""
    ordered = rows.sort_values("row")
    seconds = np.array([origin.removesuffix("Z") for origin in ordered["origin"]], dtype="datetime64[s]").astype(float)
    same = (ordered["item"].to_numpy()[1:] == ordered["item"].to_numpy()[:-1]).nonzero()[0]
    if not len(same):
        return None
    step = np.median(np.diff(seconds)[same] / np.diff(ordered["row"].to_numpy())[same])
    return max(1, round(float(np.median(np.diff(np.unique(seconds))) / step)))
