"""Measuring how far back the gradient of a trained model reaches, and its results as files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recast.figures.png import save
from recast.runs.machine import set_up
from recast.runs.restored_forecast import chosen_windows, results_folder
from recast.system.files import require_folder, write_json, write_text
from recast.training.memory.memory import LayerMemory, measure
from recast.training.memory.picture import layer_name, picture

FOLDER = "gradients"
"""Name of the folder of its results, where none is given."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """What was measured of a checkpoint.

    Args:
        layers: The recurrent layers that read the context.
        part: "train", "validation" or "test".
        windows: Number of windows averaged over.
        target: Name of the first target, for the picture.
        checkpoint: The file.
    """

    layers: list[LayerMemory]
    part: str
    windows: int
    target: str
    checkpoint: str

    def table(self) -> pd.DataFrame:
        """One row for each layer and step, the earliest step first.

        Columns: `norm:<loss>:<field>`, the gradient norm; `relative:<loss>`, that of the whole state divided by its
        value at the last step; lowest, median and highest `singular_value` and `spectral_radius` over windows, empty
        at steps whose Jacobian was not taken.
        """
        frames = []
        for layer in self.layers:
            columns: dict[str, Any] = {"layer": layer_name(layer), "steps_before_origin": layer.before}
            for loss, fields in layer.norms.items():
                columns |= {f"norm:{loss}:{field}": norms for field, norms in fields.items()}
                columns[f"relative:{loss}"] = layer.relative(loss)
            frame = pd.DataFrame(columns)
            for name, values in (("singular_value", layer.singular), ("spectral_radius", layer.radius)):
                for statistic in (np.min, np.median, np.max):
                    found = dict(zip(layer.spectrum_before, statistic(values, axis=1), strict=True))
                    frame[f"{name}:{statistic.__name__.removeprefix('a')}"] = [found.get(at) for at in layer.before]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """The content of gradients.json. Numbers that are not finite, such as an infinite time constant, are null."""
        return {
            "checkpoint": self.checkpoint,
            "part": self.part,
            "windows": self.windows,
            "layers": {
                layer_name(layer): {
                    "module": layer.name,
                    "cell": layer.cell,
                    "steps": len(layer.before),
                    "decay_rate": {loss: _finite(layer.decay_rate(loss)) for loss in layer.norms},
                    "time_constant": {loss: _finite(layer.time_constant(loss)) for loss in layer.norms},
                    "relative_at_first_step": {loss: _finite(float(layer.relative(loss)[0])) for loss in layer.norms},
                    "singular_value": layer.singular_median,
                    "spectral_radius": layer.radius_median,
                    "gates": {name: gate._asdict() for name, gate in layer.gates.items()},
                }
                for layer in self.layers
            },
        }

    def figure(self) -> Figure:
        """The picture."""
        return picture(self.layers, title=f"{self.target}: {self.part}, {self.windows} windows")

    def write(self, folder: Path) -> None:
        """Writes gradients.csv, gradients.png and gradients.json, each whole."""
        write_text(folder / "gradients.csv", self.table().to_csv(index=False))
        save(self.figure(), folder / "gradients.png")
        write_json(folder / "gradients.json", self.to_dict())


def measure_gradients(config: dict[str, Any]) -> Gradients:
    """Measures a checkpoint on windows spread evenly over a part.

    Args:
        config: A configuration of recast-gradients that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or data cannot be used.
    """
    set_up(config)
    require_folder(results_folder(config, FOLDER), "output")
    restored, data, chosen = chosen_windows(config)
    layers = measure(
        restored.task.model,
        data.windows_at(chosen),
        jacobian_windows=config["jacobian_windows"],
        jacobian_steps=config["jacobian_steps"],
    )
    return Gradients(
        layers=layers,
        part=config["split"],
        windows=len(chosen),
        target=restored.spec.target_names[0],
        checkpoint=str(Path(config["checkpoint"]).resolve()),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
