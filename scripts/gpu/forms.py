"""Every form of model on a batch, against the CPU: the loss of training, its gradients, the free-running forecast."""

from copy import deepcopy
from typing import Any

import torch
import yaml
from measuring.recast_run import checked_config

from recast.nn.models.model import ForecastModel
from recast.runs.configure.build import build
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.targets import resolve
from recast.runs.fit import build_task
from recast.types import Progress

from .device import exact, on
from .difference import Computed, autocast, compared, in_precision, values_and_gradients

HALFWAY = Progress(step=1, total_steps=2, epoch=0, total_epochs=1)
SMALL = ("data=ar2", "data.source.rows=600", "data.windows.context=48", "data.windows.horizon=12", "data.batch_size=16")
OPTIONS = {"segment": ("model.segment=12",)}
"""What a form needs for windows of that size."""


def names() -> list[str]:
    """All of the configuration that forecast."""
    folder = conf_folder() / "model"
    targets = {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"] for path in folder.glob("*.yaml")
    }
    return sorted(name for name, target in targets.items() if issubclass(resolve(target), ForecastModel))


def agreement(*, device: str, name: str) -> dict[str, Any]:
    """Differences of losses, gradients and forecasts, by precision.

    Args:
        device: The device that is checked.
        name: The form's, in the configuration.
    """
    exact()
    config = checked_config([*SMALL, f"model={name}", *OPTIONS.get(name, ()), "logger=none"])
    torch.manual_seed(0)
    data = build(config["data"])
    built = build_task(config, data.spec).model
    batch = next(iter(data.train_dataloader()))

    def computed(place: str, precision: str) -> Computed:
        model = on(place, in_precision(deepcopy(built), precision))
        given = on(place, batch.to_precision(next(model.parameters()).dtype))
        with autocast(place, precision):
            # Which truths are fed is drawn anew by each copy, from equal generators.
            loss = model.head.loss(*model.training_forecast(given, HALFWAY))
            with torch.no_grad():
                forecast = model.eval()(given)
        return values_and_gradients(model, [forecast.float() if precision == "bfloat16" else forecast], loss)

    return compared(computed, device, ("float64", "float32", "bfloat16"))
