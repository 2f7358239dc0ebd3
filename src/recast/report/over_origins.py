"""Differences between single runs, tested over forecast origins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recast.errors import DataError
from recast.report.document import Block, Items, Row, Table
from recast.report.run import Run
from recast.report.statistics.diebold_mariano import DieboldMariano, diebold_mariano, overlap_lags
from recast.report.statistics.holm import holm
from recast.report.study import Ranked
from recast.report.words import NOTHING, probability, signed

FILE = "per_origin.csv"
MODEL = "model:"
HOW = (
    "Diebold-Mariano test with the correction of Harvey, Leybourne and Newbold; the variance counts as many lags as "
    "forecasts overlap. The loss of an origin is its error averaged over leads. p adjusted by Holm over this table. "
    "The test speaks about these trained models and other times, not about training again."
)


@dataclass(frozen=True)
class Contest:
    """Two forecasts of the same origins, as (run, column) each."""

    names: tuple[str, str]
    first: tuple[Run, str]
    second: tuple[Run, str]


def blocks(ranked: Ranked, alpha: float) -> list[Block]:
    """Single runs against each other, and the median run of the first group against the best baseline."""
    if ranked.data.horizon is None or not ranked.scored:
        return []
    problems: list[str] = []
    tested: list[tuple[Contest, DieboldMariano]] = []
    loss = ""
    for contest in contests(ranked):
        try:
            loss = loss_of(contest.first[0].folder / FILE, ranked.metric.name)
            tested.append((contest, _test(contest, ranked.data.horizon, loss, alpha)))
        except (DataError, OSError, ValueError, KeyError) as error:
            problems.append(f"{contest.names[0]} against {contest.names[1]}: nothing can be said; {_reason(error)}")
    found: list[Block] = [_table(ranked, tested, loss, alpha)] if tested else []
    return [*found, *([Items(problems)] if problems else [])]


def loss_of(path: Path, metric: str) -> str:
    """The tested loss: the ranking metric if available per origin, otherwise the first available.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not a table.
        KeyError: if it has no errors of the model.
    """
    columns = pd.read_csv(path, nrows=0).columns
    kept = [column.removeprefix(MODEL) for column in columns if column.startswith(MODEL)]
    if not kept:
        raise KeyError(MODEL)
    return metric if metric in kept else kept[0]


def contests(ranked: Ranked) -> list[Contest]:
    """The comparisons over origins."""
    first, *others = ranked.scored
    run = first.middle
    found = []
    if run is None:
        return []
    if ranked.reference is not None:
        title = first.label if len(first.scores) == 1 else f"{first.label}, median seed {run.seed}"
        found.append(Contest((title, ranked.reference.name), (run, "model"), (run, ranked.reference.name)))
    if len(first.scores) == 1:
        found += [
            Contest((first.label, other.label), (run, "model"), (other.middle, "model"))
            for other in others
            if len(other.scores) == 1 and other.middle is not None
        ]
    return found


def read_losses(path: Path, column: str) -> Any:
    """Loss of one forecast at each origin: `row`, its row in the data, and `loss`.

    Raises:
        DataError: if values are missing or an origin occurs twice.
        OSError: if the file cannot be read.
        ValueError: if it is not a table.
        KeyError: if a column is missing.
    """
    read: Any = pd.read_csv(path, usecols=lambda name: name in ("row", column))
    table: Any = pd.DataFrame({"row": read["row"], "loss": read[column].astype(np.float64)})
    if not np.isfinite(table["loss"]).all() or table["row"].isna().any():
        raise DataError(f"{path}: column {column} has values that are no finite numbers")
    if table["row"].duplicated().any():
        raise DataError(f"{path}: origins come more than once")
    return table.sort_values("row")


def _test(contest: Contest, horizon: int, loss: str, alpha: float) -> DieboldMariano:
    (run, name), (other, other_name) = contest.first, contest.second
    first = read_losses(run.folder / FILE, f"{name}:{loss}")
    second = read_losses(other.folder / FILE, f"{other_name}:{loss}")
    both = first.merge(second, on="row", suffixes=("_a", "_b"))
    if len(both) < max(len(first), len(second)) or len(both) < 2:
        raise DataError(f"they have {len(first)} and {len(second)} origins, {len(both)} of them the same")
    stride = int(np.median(np.diff(both["row"])))
    return diebold_mariano(
        both["loss_a"].to_numpy(),
        both["loss_b"].to_numpy(),
        overlap_lags(horizon, max(1, stride)),
        names=contest.names,
        alpha=alpha,
    )


def _table(ranked: Ranked, tested: Sequence[tuple[Contest, DieboldMariano]], loss: str, alpha: float) -> Table:
    known = [result.p_value for _, result in tested if result.p_value is not None]
    adjusted = iter(holm(known, alpha=alpha).adjusted if known else ())
    rows = [_row(result, math.nan if result.p_value is None else next(adjusted), alpha) for _, result in tested]
    return Table(
        f"{ranked.data.name}: single runs over origins ({loss})",
        ("first", "second", "verdict", "origins", "lags", "first - second", "interval", "p", "Holm p"),
        rows,
        words=3,
        note=HOW,
    )


def verdict(result: DieboldMariano, adjusted: float, alpha: float) -> str:
    """The conclusion after the correction, in words."""
    if result.significant and adjusted > alpha:
        return f"no difference is shown among so many comparisons ({result.n} origins)"
    words = result.conclusion
    # The two are named in columns of their own.
    return words.partition(": ")[2] if words.startswith(f"{result.names[0]} against ") else words


def _row(result: DieboldMariano, adjusted: float, alpha: float) -> Row:
    interval = NOTHING if result.interval is None else f"{signed(result.interval[0])} to {signed(result.interval[1])}"
    shown = result.significant and adjusted <= alpha
    return Row(
        (
            *result.names,
            verdict(result, adjusted, alpha),
            str(result.n),
            str(result.lags),
            signed(result.mean_difference),
            interval,
            probability(math.nan if result.p_value is None else result.p_value),
            probability(adjusted),
        ),
        "best" if shown else "",
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{FILE} is missing in {Path(str(error.filename)).parent.name}"
    if isinstance(error, KeyError):
        return f"{FILE} has no column {error}"
    return " ".join(str(error).split())
