"""What several rounds gave: median and range."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def cell(values: dict[str, float] | None, digits: int) -> str:
    """Median, and the range below it; nothing where there is none, as a ratio to a naive loop that failed."""
    if values is None:
        return ""
    median, low, high = (f"{values[key]:,.{digits}f}" for key in ("median", "low", "high"))
    return median if low == high else f"{median}\n{low} to {high}"
