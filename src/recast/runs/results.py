"""The results of a run: what is measured, as files for people and programs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recast.files import write_json, write_text
from recast.metrics.skill import skill
from recast.runs.run_results import ResultTable, RunResults
from recast.runs.scores import Scores


@dataclass(frozen=True)
class Results(RunResults):
    """Scores of a model and of its baselines over all windows of one part.

    Args:
        part: "train", "validation" or "test".
        unit: Unit of the targets; "mixed" where they differ.
        windows: Number of windows in each part.
        model: Scores of the model.
        baselines: Scores of the baselines by name.
        per_origin: The errors of each window, see `recast.runs.per_origin`.
        ranked_forecasts: The best, the median and the worst forecast, see `recast.runs.ranked_forecasts`.
        seconds: What took how long. [s]
        facts: Whatever else is worth keeping: number of parameters, checkpoint, seed.
    """

    part: str
    unit: str
    windows: dict[str, int]
    model: Scores
    baselines: dict[str, Scores]
    per_origin: pd.DataFrame
    ranked_forecasts: pd.DataFrame
    seconds: dict[str, float]
    facts: dict[str, Any]

    @property
    def overall(self) -> dict[str, float]:
        """The model's scores by metric."""
        return self.model.overall

    @property
    def best_baseline(self) -> str | None:
        """The baseline with the smallest mean squared error; None without baselines."""
        errors = {name: scores.overall["mse"] for name, scores in self.baselines.items() if "mse" in scores.overall}
        return min(errors, key=errors.__getitem__) if errors else None

    @property
    def references(self) -> dict[str, str]:
        """The baselines that skill is stated against: last value, and the best one, where there are any."""
        chosen = {"last_value": "last_value" if "last_value" in self.baselines else None, "best": self.best_baseline}
        return {name: baseline for name, baseline in chosen.items() if baseline is not None}

    def skills(self) -> dict[str, dict[str, Any]]:
        """Skill of the model in mean squared error against each reference, overall and for each lead."""
        if "mse" not in self.model.overall:
            return {}
        return {
            name: {
                "baseline": baseline,
                "overall": skill(self.model.overall["mse"], self.baselines[baseline].overall["mse"]),
                "per_horizon": [
                    skill(error, reference)
                    for error, reference in zip(
                        self.model.per_lead["mse"], self.baselines[baseline].per_lead["mse"], strict=True
                    )
                ],
            }
            for name, baseline in self.references.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """The content of metrics.json. Numbers that are not finite become null."""
        content = {
            "windows": self.windows,
            "unit": self.unit,
            self.part: self.model.overall,
            f"{self.part}_per_horizon": self.model.per_lead,
            f"{self.part}_per_target": self.model.per_target,
            "baselines": {name: scores.overall for name, scores in self.baselines.items()},
            "baselines_per_horizon": {name: scores.per_lead for name, scores in self.baselines.items()},
            "skill": self.skills(),
            "seconds": self.seconds,
            **self.facts,
        }
        return finite(content)

    def table(self) -> pd.DataFrame:
        """One row for the model and each baseline, best first; one column for each metric."""
        rows = {"model": self.model.overall} | {name: scores.overall for name, scores in self.baselines.items()}
        frame = pd.DataFrame.from_dict(rows, orient="index")
        return frame.sort_values("mse") if "mse" in frame else frame

    def tables(self) -> list[ResultTable]:
        """The model's scores beside the baselines'."""
        unit = f" [{self.unit}]" if self.unit else ""
        title = f"{self.part}: {self.windows[self.part]} windows, all leads{unit}"
        return [ResultTable(title, "forecaster", self.table(), "model")]

    def remarks(self) -> list[str]:
        """Skill against each reference."""
        skills = {reference["baseline"]: reference["overall"] for reference in self.skills().values()}
        return [f"skill in MSE against {baseline}: {value:+.3f}" for baseline, value in skills.items()]

    def write(self, folder: Path) -> None:
        """Writes metrics.csv, per_horizon.csv, per_origin.csv, ranked_forecasts.csv and metrics.json, each whole."""
        per_lead = {
            f"{name}:{metric}": values
            for name, scores in {"model": self.model, **self.baselines}.items()
            for metric, values in scores.per_lead.items()
        }
        leads = pd.DataFrame(per_lead)
        leads.index = pd.RangeIndex(1, len(leads) + 1, name="lead")
        write_text(folder / "per_horizon.csv", leads.to_csv())
        for name, table in (("per_origin", self.per_origin), ("ranked_forecasts", self.ranked_forecasts)):
            write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.9g"))
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
