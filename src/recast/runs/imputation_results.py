"""The results of imputation, as files for people and programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from recast.runs.results import ResultTable, RunResults, finite
from recast.scoring.metrics.description import Description, ranking, ranking_remark
from recast.system.files import write_json, write_text


class GapScores(NamedTuple):
    """Scores over the values removed: of all columns together, and of each, by metric."""

    overall: dict[str, float]
    per_column: dict[str, list[float]]


@dataclass(frozen=True)
class ImputationResults(RunResults):
    """Scores of a model and of its baselines over the same values removed from the windows of one part.

    Args:
        part: "train", "validation" or "test".
        windows: Number of windows in each part.
        removed: Number of values that were observed and removed in the windows scored.
        columns: Names of the columns.
        metrics: The description of each metric.
        model: Scores of the model.
        baselines: The same of the baselines, by name.
        seconds: What took how long. [s]
        facts: Whatever else is worth keeping: number of parameters, checkpoint, seed.
    """

    part: str
    windows: dict[str, int]
    removed: int
    columns: tuple[str, ...]
    metrics: dict[str, Description]
    model: GapScores
    baselines: dict[str, GapScores]
    seconds: dict[str, float]
    facts: dict[str, Any]

    @property
    def overall(self) -> dict[str, float]:
        """The model's scores by metric."""
        return self.model.overall

    def table(self) -> pd.DataFrame:
        """One row for the model and each baseline, best first; one column for each metric."""
        scores = {name: found.overall for name, found in self._all.items()}
        return self._sorted(pd.DataFrame.from_dict(scores, orient="index"))

    def per_column(self) -> pd.DataFrame:
        """The metric that ranks, for each column of the data, in the same order; empty if none ranks."""
        first = ranking(self.metrics)
        if first is None:
            return pd.DataFrame(columns=list(self.columns))
        found = {name: dict(zip(self.columns, self._all[name].per_column[first], strict=True)) for name in self._all}
        return pd.DataFrame.from_dict(found, orient="index").loc[self.table().index]

    @property
    def _all(self) -> dict[str, GapScores]:
        return {"model": self.model} | self.baselines

    def _sorted(self, frame: pd.DataFrame) -> pd.DataFrame:
        first = ranking(self.metrics)
        if first is None:
            return frame
        return frame.sort_values(first, ascending=not self.metrics[first].higher_is_better, kind="stable")

    def tables(self) -> list[ResultTable]:
        """Scores beside the baselines', and those of each column where there are several."""
        title = f"{self.part}: {self.removed} values removed from {self.windows[self.part]} windows"
        tables = [ResultTable(title, "filled by", self.table(), "model")]
        if len(self.columns) > 1:
            tables.append(
                ResultTable(f"{ranking(self.metrics)} of each column", "filled by", self.per_column(), "model")
            )
        return tables

    def remarks(self) -> list[str]:
        """Why another metric than the first ranks, where one does."""
        remark = ranking_remark(self.metrics)
        return [] if remark is None else [remark]

    def to_dict(self) -> dict[str, Any]:
        """The content of metrics.json. Numbers that are not finite become null."""
        return finite(
            {
                "windows": self.windows,
                "removed": self.removed,
                "columns": list(self.columns),
                self.part: self.model.overall,
                f"{self.part}_per_column": self.model.per_column,
                "metrics": {name: description.to_dict() for name, description in self.metrics.items()},
                "baselines": {name: scores.overall for name, scores in self.baselines.items()},
                "baselines_per_column": {name: scores.per_column for name, scores in self.baselines.items()},
                "seconds": self.seconds,
                **self.facts,
            }
        )

    def write(self, folder: Path) -> None:
        """Writes metrics.csv, per_column.csv and metrics.json, each whole."""
        write_text(folder / "metrics.csv", self.table().to_csv(index_label="filled by"))
        write_text(folder / "per_column.csv", self.per_column().to_csv(index_label="filled by"))
        write_json(folder / "metrics.json", self.to_dict())
