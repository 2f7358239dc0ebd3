"""Every cell over a sequence, against the CPU."""

from typing import Any

import torch

from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose

from .device import exact, on
from .difference import Computed, autocast, compared, in_precision, values_and_gradients

BATCH, STEPS, INPUTS, UNITS = 16, 50, 3, 32


def names() -> list[str]:
    """All in the configuration."""
    return sorted(path.stem for path in (folders.conf_folder() / "model" / "cell").glob("*.yaml"))


def agreement(*, device: str, name: str) -> dict[str, Any]:
    """Differences of outputs, final states and gradients, by precision.

    Args:
        device: The device that is checked.
        name: The cell's, in the configuration.
    """
    exact()
    folders.register()
    node = compose("train", [f"model/cell={name}", f"model.cell.hidden_size={UNITS}"])["model"]["cell"]

    def computed(place: str, precision: str) -> Computed:
        torch.manual_seed(0)
        cell = in_precision(build(node)(input_size=INPUTS), precision)
        inputs = torch.randn(BATCH, STEPS, INPUTS, dtype=next(cell.parameters()).dtype)
        cell, inputs = on(place, cell), on(place, inputs)
        with autocast(place, precision):
            outputs, state = cell(inputs)
        values = [outputs.float() if precision == "bfloat16" else outputs, *state]
        return values_and_gradients(cell, values, values[0].square().mean())

    return compared(computed, device, ("float64", "float32", "bfloat16"))
