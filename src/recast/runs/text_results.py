"""The results of a language model, as files for people and programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recast.runs.results import ResultTable, RunResults, finite
from recast.scoring.metrics.description import Description, ranking
from recast.system.files import write_json, write_text


@dataclass(frozen=True)
class TextResults(RunResults):
    """Scores of a language model and of its baselines over the same symbols of one part.

    Args:
        part: "train", "validation" or "test".
        symbol: What a symbol is: "character" or "word".
        symbols: Number of symbols in each part: those that are trained on or can be scored.
        scored: Number of symbols of the part that model and baselines were scored on: all of them, unless the trainer
            has a limit.
        vocabulary: Number of different symbols, without that of what is unknown.
        metrics: The description of each metric.
        model: Scores of the model by metric.
        baselines: The same of the baselines, by name.
        sample: A text that the model wrote.
        seconds: What took how long. [s]
        facts: Whatever else is worth keeping: number of parameters, checkpoint, seed.
    """

    part: str
    symbol: str
    symbols: dict[str, int]
    scored: int
    vocabulary: int
    metrics: dict[str, Description]
    model: dict[str, float]
    baselines: dict[str, dict[str, float]]
    sample: str
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
        if first is None:
            return frame
        return frame.sort_values(first, ascending=not self.metrics[first].higher_is_better, kind="stable")

    def tables(self) -> list[ResultTable]:
        """Scores beside the baselines'."""
        total = self.symbols[self.part]
        scored = total if self.scored == total else f"{self.scored} of {total}"
        title = f"{self.part}: {scored} {self.symbol}s, a vocabulary of {self.vocabulary}"
        return [ResultTable(title, "language model", self.table(), "model")]

    def remarks(self) -> list[str]:
        """What the model writes."""
        return ["a sample (recast-generate writes more):", self.sample]

    def to_dict(self) -> dict[str, Any]:
        """The content of metrics.json. Numbers that are not finite become null."""
        return finite(
            {
                "symbol": self.symbol,
                "symbols": self.symbols,
                "scored": {self.part: self.scored},
                "vocabulary": self.vocabulary,
                self.part: self.model,
                "metrics": {name: description.to_dict() for name, description in self.metrics.items()},
                "baselines": self.baselines,
                "seconds": self.seconds,
                **self.facts,
            }
        )

    def write(self, folder: Path) -> None:
        """Writes sample.txt, metrics.csv and metrics.json, each whole."""
        write_text(folder / "sample.txt", self.sample)
        write_text(folder / "metrics.csv", self.table().to_csv(index_label="language model"))
        write_json(folder / "metrics.json", self.to_dict())
