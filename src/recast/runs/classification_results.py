"""The results of a classifier, as files for people and programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recast.runs.predictions import Predictions
from recast.runs.results import ResultTable, RunResults, finite
from recast.scoring.metrics.description import Description, ranking
from recast.system.files import write_json, write_text

MOST_ROWS = 30  # classes in the printed table; more of them leave the others out of sight


@dataclass(frozen=True)
class ClassificationResults(RunResults):
    """Scores of a classifier and of its baselines over all sequences of one part.

    Args:
        part: "train", "validation" or "test".
        sequences: Number of sequences in each part.
        predictions: The predictions for each sequence of the part.
        metrics: The description of each metric.
        model: Scores of the model by metric; none where the true classes are unknown.
        baselines: The same of the baselines, by name.
        seconds: What took how long. [s]
        facts: Whatever else is worth keeping: number of parameters, checkpoint, seed.
    """

    part: str
    sequences: dict[str, int]
    predictions: Predictions
    metrics: dict[str, Description]
    model: dict[str, float]
    baselines: dict[str, dict[str, float]]
    seconds: dict[str, float]
    facts: dict[str, Any]

    @property
    def overall(self) -> dict[str, float]:
        """The model's scores by metric."""
        return self.model

    def table(self) -> pd.DataFrame:
        """One row for the model and each baseline, best first; one column for each metric."""
        frame = pd.DataFrame.from_dict({"model": self.model} | self.baselines, orient="index")
        first = ranking(self.metrics)
        if first is None or first not in frame:
            return frame
        return frame.sort_values(first, ascending=not self.metrics[first].higher_is_better, kind="stable")

    def tables(self) -> list[ResultTable]:
        """Scores beside the baselines', and those of each class.

        How often each is predicted where labels are missing.
        """
        count = f"{self.part}: {len(self.predictions.labels)} sequences"
        if not self.predictions.labelled:
            return [ResultTable(f"{count} without label", "class", self._frequencies())]
        classes = self.predictions.per_class()
        title = "each class"
        if len(classes) > MOST_ROWS:
            title = f"the {MOST_ROWS} classes of {len(classes)} with the smallest F1"
            classes = classes.sort_values("f1", kind="stable").head(MOST_ROWS)
        scores = ResultTable(f"{count} of {len(self.predictions.classes)} classes", "classifier", self.table(), "model")
        return [scores, ResultTable(title, "class", classes)]

    def remarks(self) -> list[str]:
        """None."""
        return []

    def to_dict(self) -> dict[str, Any]:
        """The content of metrics.json. Numbers that are not finite become null."""
        content: dict[str, Any] = {"sequences": self.sequences, "classes": list(self.predictions.classes)}
        if self.predictions.labelled:
            content |= {
                self.part: self.model,
                f"{self.part}_per_class": self.predictions.per_class().to_dict(orient="index"),
                "metrics": {name: description.to_dict() for name, description in self.metrics.items()},
                "confusion": self.predictions.confusion().tolist(),
            }
        else:
            content["predicted"] = self._frequencies()["predicted"].to_dict()
        return finite(content | {"baselines": self.baselines, "seconds": self.seconds, **self.facts})

    def write(self, folder: Path) -> None:
        """Writes predictions.csv, per_class.csv, metrics.csv and metrics.json, each whole.

        Without labels there are no scores: it writes predictions.csv and metrics.json.
        """
        write_text(folder / "predictions.csv", self.predictions.table().to_csv())
        if self.predictions.labelled:
            write_text(folder / "per_class.csv", self.predictions.per_class().to_csv())
            write_text(folder / "metrics.csv", self.table().to_csv(index_label="classifier"))
        write_json(folder / "metrics.json", self.to_dict())

    def _frequencies(self) -> pd.DataFrame:
        classes = self.predictions.classes
        counts = np.bincount(self.predictions.predicted, minlength=len(classes))
        return pd.DataFrame({"predicted": counts}, index=pd.Index(classes, name="class"))
