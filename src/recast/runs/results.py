"""The results of a run, as tables and files."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from recast.runs.forecasts_file import write_forecasts
from recast.runs.scores import Scores
from recast.scoring.metrics.description import ranking_remark
from recast.scoring.metrics.item_errors import spread
from recast.scoring.metrics.skill import skill
from recast.system.files import write_json, write_text


class ResultTable(NamedTuple):
    """A table for the terminal: title, name of the first column, rows, and the highlighted row."""

    title: str
    first: str
    frame: pd.DataFrame
    highlighted: str | None = None


class RunResults(ABC):
    """The scores of a run on one part of the data.

    Attributes:
        part: "train", "validation" or "test".
        facts: Other facts: number of parameters, checkpoint, seed.
    """

    part: str
    facts: dict[str, Any]

    @property
    @abstractmethod
    def overall(self) -> dict[str, float]:
        """The model's scores by metric."""

    @abstractmethod
    def tables(self) -> list[ResultTable]:
        """What is printed, the most important first."""

    @abstractmethod
    def remarks(self) -> list[str]:
        """Lines printed below the tables."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Writes the results into a folder, metrics.json last: its presence marks the run as complete."""


@dataclass(frozen=True)
class Results(RunResults):
    """Scores of a model and of its baselines over the same windows of one part.

    Args:
        part: "train", "validation" or "test".
        unit: Unit of the targets; "mixed" where they differ.
        windows: Number of windows in each part.
        scored: Number of windows of the part that model and baselines were scored on: all of them, unless the trainer
            has a limit.
        model: Scores of the model.
        baselines: Scores of the baselines by name.
        items: Name of each item of the data.
        per_origin: The errors of each window, see `recast.runs.per_origin`.
        ranked_forecasts: The best, the median and the worst forecast, see `recast.runs.ranked_forecasts`.
        seconds: What took how long. [s]
        facts: Whatever else is worth keeping: number of parameters, checkpoint, seed.
        bands: Scores of bands (see `recast.scoring.metrics.band_scores`): those of the model ("model"), the calibrated
            ones ("calibrated"), and those of the baselines, by name.
        per_origin_bands: What these bands hold of each window, see `recast.runs.per_origin`; empty without any.
    """

    part: str
    unit: str
    windows: dict[str, int]
    scored: int
    model: Scores
    baselines: dict[str, Scores]
    items: tuple[str, ...]
    per_origin: pd.DataFrame
    ranked_forecasts: pd.DataFrame
    seconds: dict[str, float]
    facts: dict[str, Any]
    bands: dict[str, dict[str, Any]] = field(default_factory=dict)
    per_origin_bands: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def overall(self) -> dict[str, float]:
        """The model's scores by metric."""
        return self.model.overall

    @property
    def best_baseline(self) -> str | None:
        """The best baseline in the metric that ranks; None without baselines."""
        first = self.model.ranking
        found = {name: scores.overall[first] for name, scores in self.baselines.items() if first in scores.overall}
        if first is None or not found:
            return None
        return (max if self.model.metrics[first].higher_is_better else min)(found, key=found.__getitem__)

    @property
    def references(self) -> dict[str, str]:
        """The baselines that skill is stated against: last value, and the best one, where there are any."""
        chosen = {"last_value": "last_value" if "last_value" in self.baselines else None, "best": self.best_baseline}
        return {name: baseline for name, baseline in chosen.items() if baseline is not None}

    def skills(self) -> dict[str, dict[str, Any]]:
        """Skill of the model in the metric that ranks against each reference, overall and for each lead."""
        first = self.model.ranking
        if first is None:
            return {}
        perfect = self.model.metrics[first].perfect
        scored = {name: (baseline, self.baselines[baseline]) for name, baseline in self.references.items()}
        return {
            name: {
                "baseline": baseline,
                "metric": first,
                "overall": skill(self.model.overall[first], scores.overall[first], perfect),
                "per_horizon": [
                    skill(value, reference, perfect)
                    for value, reference in zip(self.model.per_lead[first], scores.per_lead[first], strict=True)
                ],
            }
            for name, (baseline, scores) in scored.items()
            if first in scores.overall
        }

    def to_dict(self) -> dict[str, Any]:
        """The content of metrics.json. Numbers that are not finite become null."""
        content = {
            "windows": self.windows,
            "scored": {self.part: self.scored},
            "unit": self.unit,
            "metrics": {name: description.to_dict() for name, description in self.model.metrics.items()},
            self.part: self.model.overall,
            f"{self.part}_per_horizon": self.model.per_lead,
            f"{self.part}_per_target": self.model.per_target,
            "baselines": {name: scores.overall for name, scores in self.baselines.items()},
            "baselines_per_horizon": {name: scores.per_lead for name, scores in self.baselines.items()},
            **self._over_items(),
            **({f"{self.part}_bands": self.bands} if self.bands else {}),
            "skill": self.skills(),
            "seconds": self.seconds,
            **self.facts,
        }
        return finite(content)

    def spreads(self) -> dict[str, dict[str, dict[str, Any]]]:
        """How each metric is spread over the items of a panel, by forecaster; empty for a single series."""
        return {
            name: {
                metric: spread(values, self.items, scores.metrics[metric]) for metric, values in scores.per_item.items()
            }
            for name, scores in {"model": self.model, **self.baselines}.items()
            if scores.per_item
        }

    def _over_items(self) -> dict[str, Any]:
        spreads = self.spreads()
        if not spreads:
            return {}
        return {f"{self.part}_per_item": spreads.pop("model"), "baselines_per_item": spreads}

    def per_item(self) -> pd.DataFrame:
        """One row for each item that was scored, one column for each forecaster and metric."""
        columns = {
            f"{name}:{metric}": values
            for name, scores in {"model": self.model, **self.baselines}.items()
            for metric, values in scores.per_item.items()
        }
        return pd.DataFrame(columns, index=pd.Index(self.items, name="item")).dropna(how="all")

    def table(self) -> pd.DataFrame:
        """One row for the model and each baseline, best first; one column for each metric."""
        rows = {"model": self.model.overall} | {name: scores.overall for name, scores in self.baselines.items()}
        frame = pd.DataFrame.from_dict(rows, orient="index")
        first = self.model.ranking
        if first is None:
            return frame
        return frame.sort_values(first, ascending=not self.model.metrics[first].higher_is_better)

    def tables(self) -> list[ResultTable]:
        """The model's scores beside the baselines'."""
        unit = f" [{self.unit}]" if self.unit else ""
        total = self.windows[self.part]
        scored = total if self.scored == total else f"{self.scored} of {total}"
        title = f"{self.part}: {scored} windows, all leads{unit}"
        scores = self.table()
        tables = [ResultTable(title, "forecaster", scores, "model")]
        first, spreads = self.model.ranking, self.spreads()
        rows = {name: spreads[name][first] for name in scores.index if first and spreads.get(name, {}).get(first)}
        if rows:
            frame = pd.DataFrame.from_dict(rows, orient="index").drop(columns="items")
            tables.append(ResultTable(f"{self.part}: {first} over the items", "forecaster", frame, "model"))
        return tables

    def remarks(self) -> list[str]:
        """Skill against each reference, and why the first metric does not rank, if so."""
        skills = (
            f"skill in {found['metric']} against {found['baseline']}: {found['overall']:+.3f}"
            for found in self.skills().values()
        )
        remark = ranking_remark(self.model.metrics)
        return [*([] if remark is None else [remark]), *dict.fromkeys(skills)]

    def write(self, folder: Path) -> None:
        """Writes metrics.csv, per_horizon.csv, per_origin.csv, ranked_forecasts.csv and metrics.json, each whole.

        Of a panel per_item.csv, of bands per_origin_bands.csv, too; and forecasts.npz, where forecasts were kept.

        Every number has as many digits as reading it back exactly takes.
        """
        per_lead = {
            f"{name}:{metric}": values
            for name, scores in {"model": self.model, **self.baselines}.items()
            for metric, values in scores.per_lead.items()
        }
        leads = pd.DataFrame(per_lead)
        leads.index = pd.RangeIndex(1, len(leads) + 1, name="lead")
        write_text(folder / "per_horizon.csv", leads.to_csv())
        for name, table in (("per_origin", self.per_origin), ("ranked_forecasts", self.ranked_forecasts)):
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
        if not self.per_origin_bands.empty:
            write_text(folder / "per_origin_bands.csv", self.per_origin_bands.to_csv(index=False))
        if self.model.per_item:
            write_text(folder / "per_item.csv", self.per_item().to_csv())
        kept = {name: scores.kept for name, scores in {"model": self.model, **self.baselines}.items() if scores.kept}
        if kept:
            write_forecasts(folder, kept)
        write_text(folder / "metrics.csv", self.table().to_csv(index_label="forecaster"))
        # Last: whoever finds it knows that the run is complete.
        write_json(folder / "metrics.json", self.to_dict())


def finite(value: Any) -> Any:
    """The same containers; None, which JSON has, in place of NaN and infinity, which it lacks."""
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
