"""The bands of groups of runs and of the best baseline: their scores, and the sampling error of their coverage."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recast.errors import DataError
from recast.report import band_hits
from recast.report.run import Run, numbers
from recast.report.statistics.block_bootstrap import LEAST_BLOCKS, Share
from recast.report.study import Ranked
from recast.report.words import NOTHING, several

LEVELS = ("50", "80", "90", "95")
KINDS = {"model": "own", "calibrated": "calibrated"}
"""The bands of a model, by their name in metrics.json."""


@dataclass(frozen=True, eq=False)
class Bands:
    """The bands of a group of runs, or of a baseline in one run.

    Args:
        names: Values of the options that distinguish groups; of a baseline its name, as in a table.
        name: What it is called in a sentence.
        label: The same with the number of runs.
        kind: "own" or "calibrated".
        scores: What metrics.json has of them, for each run.
        shares: Coverage at each of `LEVELS` with its sampling error; empty where what they hold of each origin is not
            known.
        resampled: What was resampled, in words.
        reference: Whether they are a baseline's.
    """

    names: tuple[str, ...]
    name: str
    label: str
    kind: str
    scores: tuple[dict[str, list[float]], ...]
    shares: tuple[Share, ...] = ()
    resampled: str = ""
    reference: bool = False

    def mean(self, name: str) -> list[float]:
        """The mean over runs of "coverage", "width" (at each of `LEVELS`), "crps" or "pit_deviation"."""
        return np.mean([scores[name] for scores in self.scores], axis=0).tolist()

    @property
    def pit(self) -> list[list[float]]:
        """The shares of truths in tenths of the forecast distribution, of each run that has them."""
        return [scores["pit"] for scores in self.scores if len(scores["pit"]) == 10]

    @property
    def known(self) -> bool:
        """Whether the sampling error of its coverage is known."""
        return bool(self.shares) and self.shares[0].enough

    @property
    def off(self) -> dict[str, str]:
        """The levels at which its coverage is off by more than its sampling error: "too narrow" or "too wide"."""
        return {
            level: "too narrow" if share.value < float(level) / 100 else "too wide"
            for level, share in zip(LEVELS, self.shares, strict=False)
            if share.differs(float(level) / 100)
        }

    @property
    def verdict(self) -> str:
        """Whether it holds what it says, in words."""
        if not self.shares:
            return NOTHING
        if not self.known:
            return f"too few origins to say: {self.resampled}, {LEAST_BLOCKS} are needed"
        found = self.off
        if not found:
            return "off by no more than sampling error"
        at = {words: [level for level, said in found.items() if said == words] for words in found.values()}
        return "off: " + "; ".join(f"{words} at {', '.join(levels)} %" for words, levels in at.items())


def bands(ranked: Ranked, alpha: float, problems: defaultdict[str, list[str]]) -> list[Bands]:
    """The bands of all groups, the best group first, and those of the baseline with the smallest CRPS.

    Args:
        ranked: The data set.
        alpha: Level of the tests.
        problems: Receives, by the reason, the bands of which it is not known what they hold of each origin.
    """
    found = []
    for group in ranked.scored:
        for kind, title in KINDS.items():
            runs = [run for run in group.finished if kind in run.bands]
            if runs:
                names = group.values or ("model",)
                name = f"{group.label}, {title}"
                label = f"{name} ({several(len(runs), 'run')})"
                told = {"names": names, "name": name, "label": label, "kind": title}
                found.append(_of(ranked, runs, kind, alpha, problems, **told))
    best = _best_baseline([run for group in ranked.scored for run in group.finished])
    if found and best is not None:
        name, run = best
        names = (f"baseline: {name}", *("" for _ in found[0].names[1:]))
        told = {"names": names, "name": name, "label": f"{name} (baseline)", "kind": "calibrated"}
        found.append(_of(ranked, [run], name, alpha, problems, **told))
    return found


def _of(
    ranked: Ranked,
    runs: Sequence[Run],
    forecaster: str,
    alpha: float,
    problems: defaultdict[str, list[str]],
    **told: Any,
) -> Bands:
    shares, resampled = [], ""
    try:
        tables = [band_hits.read(run.folder / band_hits.FILE, forecaster, LEVELS) for run in runs]
        shares, resampled = band_hits.coverage(tables, LEVELS, ranked.data.horizon or 1, alpha)
    except (DataError, OSError, ValueError) as error:
        reason = (
            f"{band_hits.FILE} is missing, as an older version wrote its results"
            if isinstance(error, FileNotFoundError)
            else (str(error).splitlines() or [type(error).__name__])[0]
        )
        problems[reason].append(told["name"])
    scores = tuple(_scores(run, forecaster) for run in runs)
    return Bands(**told, scores=scores, shares=tuple(shares), resampled=resampled, reference=forecaster not in KINDS)


def _scores(run: Run, forecaster: str) -> dict[str, list[float]]:
    found = run.bands[forecaster]
    by_level = {name: numbers(found.get(name)) for name in ("coverage", "width")}
    pit, overall = found.get("pit"), numbers(found)
    return {
        **{name: [values.get(level, math.nan) for level in LEVELS] for name, values in by_level.items()},
        **{name: [overall.get(name, math.nan)] for name in ("crps", "pit_deviation")},
        "pit": [*numbers({str(place): share for place, share in enumerate(pit)}).values()]
        if isinstance(pit, list)
        else [],
    }


def _best_baseline(runs: Sequence[Run]) -> tuple[str, Run] | None:
    """The baseline, and the run, with the smallest CRPS."""
    found = [
        (crps, name, run)
        for run in runs
        for name, scores in run.bands.items()
        if name not in KINDS and (crps := numbers(scores).get("crps")) is not None
    ]
    return min(found, key=lambda entry: entry[0])[1:] if found else None
