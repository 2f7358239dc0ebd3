"""Every form of model, built from the parts found in the configuration."""

import functools
from functools import partial
from typing import Any

import synthetic
import yaml
from synthetic import with_weights

from recast.data.spec import SeriesSpec
from recast.nn.models.model import ForecastModel
from recast.nn.models.recursive import Recursive
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.targets import resolve
from recast.types import Progress

GROUP = conf_folder() / "model"
HALFWAY = Progress(step=5, total_steps=10, epoch=0, total_epochs=1)
BATCH, CONTEXT, HORIZON, TARGETS, UNITS = 3, 10, 4, 2, 4


def names_in(group: str) -> list[str]:
    return sorted(path.stem for path in (GROUP / group).glob("*.yaml"))


def form_of(name: str) -> Any:
    return resolve(yaml.safe_load((GROUP / f"{name}.yaml").read_text())["_target_"])


def is_forecast_model(name: str) -> bool:
    target = form_of(name)
    return isinstance(target, type) and issubclass(target, ForecastModel)


def defaults_of(name: str) -> list[Any]:
    return yaml.safe_load((GROUP / f"{name}.yaml").read_text())["defaults"]


MODELS = [name for name in names_in("") if is_forecast_model(name)]
ONE_STEP = [name for name in MODELS if issubclass(form_of(name), Recursive)]
"""Those that forecast one step ahead and feed it back, and so read no inputs of the past."""
ANCHORED = [name for name in MODELS if any("anchor" in entry for entry in defaults_of(name))]
"""Those that are trained on top of a base forecast that is chosen."""
CELLS, HEADS, ANCHORS = names_in("cell"), names_in("head"), names_in("anchor")
spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON, periods=1)


def small(node: dict[str, Any]) -> dict[str, Any]:
    sizes = {"hidden_size": UNITS, "window": 3, "segment": CONTEXT // 2, "seasons": [2, 5], "lags": [2, 5]}
    # What is random in training would hide what the tests compare.
    sizes["dropout"] = 0.0
    return node | {option: size for option, size in sizes.items() if node.get(option)}


@functools.cache
def part(group: str, name: str) -> Any:
    """What a yaml file of the model group describes, small; a head is built, cells and anchors wait for their sizes."""
    node = yaml.safe_load((GROUP / group / f"{name}.yaml").read_text())
    if "defaults" in node:
        folders.register()
        size = [f"model.{group}.hidden_size={UNITS}"] if group == "cell" else []
        node = compose("train", [f"model/{group}={name}", *size])["model"][group]
    seasons = {"lags": [4, 7]} if "lags" in node else {}
    return build(small(node) | seasons)


def model_of(
    name: str,
    cell: str = "gru",
    head: str = "point",
    anchor: str = "none",
    *,
    spec: SeriesSpec | None = None,
    **options: Any,
) -> ForecastModel:
    """A float64 model as its yaml describes it, in evaluation mode, with weights that let every path matter.

    `options` stand in place of those of the yaml.
    """
    node = yaml.safe_load((GROUP / f"{name}.yaml").read_text())
    chosen = {"cell": cell, "head": head, "anchor": anchor}
    groups = {group: choice for entry in node.pop("defaults") if entry != "_self_" for group, choice in entry.items()}
    parts = {group: part(group, chosen.get(group, choice)) for group, choice in groups.items()}
    course = parts["anchor"].keywords.get("course") if "anchor" in parts else None
    built = with_weights(build(small(node | options))(spec=spec or spec_of(course=course), **parts))
    for solved in ("weight", "inputs_weight", "constant"):
        if solved in dict(built.anchor.named_buffers()):
            getattr(built.anchor, solved).normal_(0, 0.1)
    return built
