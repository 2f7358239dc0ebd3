"""Training that goes on from the weights of another run."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch

from recast.data.datamodule import ForecastDataModule
from recast.data.spec import SeriesSpec
from recast.data.training_data import TrainingData
from recast.errors import ConfigurationError
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.runs.checkpoints.checkpoint import fitting, read
from recast.runs.tasks.task_plug import TaskPlug
from recast.system.files import user_path
from recast.training.checkpoint_format import KEY, chosen_checkpoint_path
from recast.training.training_task import TrainingTask

log = logging.getLogger(__name__)

Kept = Literal["scaling", "anchor"]
MODEL, ANCHOR, IMPUTER = "model.", "anchor.", "inputs.imputer."


class InitialState:
    """The weights of a finished run, for training on other data, or on more of them (fine-tuning).

    Optimiser, learning rate and everything that is random begin anew.

    Args:
        plug: The kind of task.
        place: A checkpoint, or the folder of its run.
        keeps: What is kept beside the weights; all else is fitted on the training part, as without a checkpoint.
            "scaling": scales, levels of categories and fitted columns (a tide) of the data. "anchor": the numbers of a
            fixed anchor; the share of the correction is fitted in any case, after training.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
    """

    def __init__(self, plug: TaskPlug[Any, Any, Any], place: str, keeps: list[Kept]) -> None:
        path = user_path(place)
        self.path = chosen_checkpoint_path(path) if path.is_dir() else path
        self.keeps = frozenset(keeps)
        content = read(self.path)
        with fitting(self.path):
            self._spec = plug.checked_spec(content[KEY].get("spec"))
        self._weights = {
            name.removeprefix(MODEL): values
            for name, values in content["state_dict"].items()
            if name.startswith(MODEL) and isinstance(values, torch.Tensor)
        }

    def scale(self, data: TrainingData) -> None:
        """Gives data that are not read yet the scaling of the run, where it is kept.

        Raises:
            ConfigurationError: if they cannot take it over.
        """
        if "scaling" not in self.keeps:
            return
        spec = self._spec
        if isinstance(spec, SeriesSpec) and isinstance(data, ForecastDataModule):
            # The weights tell whether a model can read and forecast that many steps.
            windows, imputer = data.windows, data.grid.imputer
            spec = replace(spec, context=windows.context, horizon=windows.horizon, imputer=imputer)
        data.adopt(spec)

    def load(self, task: TrainingTask) -> None:
        """Gives an untrained task, whose anchor is solved, the weights.

        Raises:
            ConfigurationError: if they are not those of such a model.
        """
        self.require_same_model(task)
        task.model.load_state_dict(self._taken(task, self._weights), strict=False)
        anchor = getattr(task.model, "anchor", None)
        fixed = isinstance(anchor, FixedAnchor)
        if fixed:
            anchor.share.fill_(1.0)
        log.info("%s: its weights are where training starts; %s", self.path, self._told(fixed=fixed))

    def require_same_model(self, task: TrainingTask) -> None:
        """Raises ConfigurationError where the weights are not those of the model of a task."""
        found, wanted = (_shapes(self._taken(task, weights)) for weights in (self._weights, task.model.state_dict()))
        names = [*wanted, *(name for name in found if name not in wanted)]
        differing = [name for name in names if found.get(name) != wanted.get(name)]
        if differing:
            name = differing[0]
            raise ConfigurationError(
                f"init_from={self.path}: its model is another one: {name} is {found.get(name, 'absent')} there, "
                f"{wanted.get(name, 'absent')} here ({len(differing)} of {len(names)} tensors differ); give data and "
                f"model the options of that run, see {self.path.parent.parent / 'config.yaml'}"
            )

    @property
    def facts(self) -> dict[str, Any]:
        """What is recorded with the results."""
        return {"init": {"checkpoint": str(self.path.resolve()), "keeps": sorted(self.keeps)}}

    def _taken(self, task: TrainingTask, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Those weights of a model that are taken over.

        Not those of a fixed anchor that is solved anew, nor those of an imputation model, which the data name.
        """
        solved = isinstance(getattr(task.model, "anchor", None), FixedAnchor) and "anchor" not in self.keeps
        left = (IMPUTER, ANCHOR) if solved else (IMPUTER,)
        return {name: values for name, values in weights.items() if not name.startswith(left)}

    def _told(self, *, fixed: bool) -> str:
        parts = ["scaling", "anchor"] if fixed else ["scaling"]
        kept = " and ".join(part for part in parts if part in self.keeps)
        anew = " and ".join(part for part in parts if part not in self.keeps)
        told = [f"{kept} kept" if kept else "", f"{anew} fitted to the training part" if anew else ""]
        return ", ".join(part for part in told if part)


def initial_state(config: Mapping[str, Any], plug: TaskPlug[Any, Any, Any]) -> InitialState | None:
    """What a configuration of recast-train names as `init_from`; None where it names none."""
    if config.get("init_from") is None:
        return None
    return InitialState(plug, config["init_from"], config["init_keeps"])


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, str]:
    return {name: "x".join(map(str, values.shape)) or "a number" for name, values in weights.items()}
