"""Measuring what a trained model gains by each of its inputs, and its results as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recast.errors import ConfigurationError
from recast.figures.importance import importances
from recast.figures.png import save
from recast.runs.machine import set_up
from recast.runs.restored_forecast import chosen_windows, results_folder
from recast.runs.scores import local_metrics
from recast.scoring.metrics.description import ranking
from recast.system.files import require_folder, write_json, write_text
from recast.training.permutation import Input, inputs_of, permuted_errors

FOLDER = "importance"
"""Name of the folder of its results, where none is given."""


@dataclass(frozen=True, eq=False)
class Importance:
    """What was measured of a checkpoint.

    Args:
        inputs: The inputs, in the order of the data.
        error: The model's error on the windows.
        errors: Its error with each input permuted, shape (inputs, repeats).
        metric: Name of the error.
        unit: Its unit; "" for none.
        part: "train", "validation" or "test".
        windows: Number of windows.
        checkpoint: The file.
    """

    inputs: list[Input]
    error: float
    errors: np.ndarray
    metric: str
    unit: str
    part: str
    windows: int
    checkpoint: str

    def table(self) -> pd.DataFrame:
        """One row for each input, the most important first.

        Columns: `role`; the mean `error` with the input permuted; its `increase` over the model's own error, with the
        `spread` (standard deviation over the permutations, empty for a single one), and as a `share` of that error.
        """
        mean = self.errors.mean(axis=1)
        spread = self.errors.std(axis=1, ddof=1) if self.errors.shape[1] > 1 else np.full(len(mean), np.nan)
        frame = pd.DataFrame(
            {
                "role": [one.role for one in self.inputs],
                "error": mean,
                "increase": mean - self.error,
                "spread": spread,
                "share": (mean - self.error) / self.error if self.error else np.nan,
            },
            index=pd.Index([one.name for one in self.inputs], name="input"),
        )
        return frame.sort_values("increase", ascending=False, kind="stable")

    def to_dict(self) -> dict[str, Any]:
        """The content of importance.json."""
        return {
            "checkpoint": self.checkpoint,
            "part": self.part,
            "windows": self.windows,
            "metric": self.metric,
            "unit": self.unit,
            "error": self.error,
            "inputs": {
                one.name: {"role": one.role, "errors": errors.tolist()}
                for one, errors in zip(self.inputs, self.errors, strict=True)
            },
        }

    @property
    def title(self) -> str:
        """What was measured, in one line."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.part}, {self.windows} windows: {self.metric} {self.error:.4g}{unit}, more with an input permuted"

    def figure(self) -> Figure:
        """The picture."""
        table = self.table()
        spread = table["spread"].to_numpy() if self.errors.shape[1] > 1 else None
        names = [str(name) for name in table.index]
        return importances(names, table["increase"].to_numpy(), spread, metric=self.metric, unit=self.unit)

    def write(self, folder: Path) -> None:
        """Writes importance.csv, importance.png and importance.json, each whole."""
        write_text(folder / "importance.csv", self.table().to_csv())
        save(self.figure(), folder / "importance.png")
        write_json(folder / "importance.json", self.to_dict())


def measure_importance(config: dict[str, Any]) -> Importance:
    """Permutes each input of a checkpoint's model on windows spread evenly over a part.

    Args:
        config: A configuration of recast-importance that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or data cannot be used.
    """
    set_up(config)
    require_folder(results_folder(config, FOLDER), "output")
    restored, data, chosen = chosen_windows(config)
    if len(chosen) < 2:
        raise ConfigurationError(
            f"split={config['split']}, windows={config['windows']}: a permutation takes two windows at least"
        )
    metrics = local_metrics(restored.task.metrics_of("test"))
    descriptions = {name: metric.description for name, metric in metrics.items()}
    name = ranking(descriptions)
    if name is None:
        raise ConfigurationError(f"{config['checkpoint']}: it was trained without a metric that ranks, such as mse")
    inputs = inputs_of(restored.spec)
    error, errors = permuted_errors(
        restored.task,
        metrics[name],
        data.windows_at,
        chosen,
        inputs=inputs,
        repeats=config["repeats"],
        samples=config["samples"],
        batch_size=config["batch_size"],
    )
    return Importance(
        inputs=inputs,
        error=error,
        errors=np.array(errors),
        metric=name,
        unit=descriptions[name].unit,
        part=config["split"],
        windows=len(chosen),
        checkpoint=str(Path(config["checkpoint"]).resolve()),
    )
