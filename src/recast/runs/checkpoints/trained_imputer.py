"""A trained imputation model that is to fill the contexts of forecasts."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import ImputeGrid
from recast.data.spec import ImputerSpec, SeriesSpec
from recast.errors import CheckpointError
from recast.nn.models.context_imputer import ContextImputer
from recast.runs.checkpoints.bare_model import require_imputer, weights_of
from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting, read
from recast.runs.checkpoints.spec import checked_imputation_spec, checked_series_spec
from recast.runs.configure.check import check
from recast.runs.configure.options import ImputerPart
from recast.system.files import user_path
from recast.training.checkpoint_format import KEY, chosen_checkpoint_path
from recast.training.nodes import node_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedImputer:
    """What a checkpoint holds of an imputation model.

    Args:
        path: The checkpoint.
        spec: What the model is built from.
        weights: Its weights by name; None: they come with the state of the forecasting model.
    """

    path: Path
    spec: ImputerSpec
    weights: Mapping[str, torch.Tensor] | None

    def load(self, model: nn.Module) -> None:
        """Gives the weights to the parts of a forecasting model that fill contexts.

        Raises:
            CheckpointError: if they are not those of such a model.
        """
        for part in model.modules():
            if isinstance(part, ContextImputer):
                self._tell_of_other_fit(part.spec)
                if self.weights is not None:
                    with fitting(self.path):
                        part.imputer.load_state_dict(self.weights)

    def _tell_of_other_fit(self, spec: SeriesSpec) -> None:
        """A log line where a computed column was fitted on other rows."""
        own = self.spec.spec.fitted
        other = [name for name in own if name in spec.fitted and own[name] != spec.fitted[name]]
        if other:
            log.warning(
                "%s: %s was fitted on other rows for the imputation model than for the forecast, whose numbers hold "
                "for both from here on",
                *(self.path, ", ".join(other)),
            )


def trained_imputer(place: str) -> tuple[TrainedImputer, Mapping[str, Any]]:
    """The imputation model of a run of task=imputation, and the configuration in its checkpoint.

    Args:
        place: A checkpoint, or the folder of its run.

    Raises:
        CheckpointError: if it cannot be read safely, its parts do not fit each other, or it fills no gaps.
    """
    path = user_path(place)
    path = chosen_checkpoint_path(path) if path.is_dir() else path
    content, config = described(path)
    require_imputer(path, config)
    with fitting(path):
        check({"model": config["model"]}, ImputerPart, allowed=ALLOWED)
        spec = ImputerSpec(model=config["model"], spec=checked_imputation_spec(content[KEY].get("spec")))
    return TrainedImputer(path, spec, weights_of(content)), config


def imputer_for(data: object, state: Path | None = None) -> TrainedImputer | None:
    """The imputation model that a data module names; None where it names none. The module is given its description.

    Args:
        data: The data module, nothing read yet.
        state: The state that a run resumes from, which holds the model; None: the checkpoint that the data name does.

    Raises:
        CheckpointError: if the checkpoint cannot be used.
    """
    if not (isinstance(data, ForecastDataModule) and isinstance(data.grid, ImputeGrid)):
        return None
    if state is not None:
        with fitting(state):
            spec = checked_series_spec(read(state)[KEY].get("spec")).imputer
        if spec is None:
            raise CheckpointError(f"{state}: its parts do not fit each other: it holds no imputation model")
        found = TrainedImputer(state, spec, None)
    else:
        found, config = trained_imputer(data.grid.checkpoint)
        _tell_of_other_split(found.path, config, data)
    data.grid.imputer = found.spec
    return found


def _tell_of_other_split(path: Path, config: Mapping[str, Any], data: ForecastDataModule) -> None:
    """A log line where the imputation model may have learned from rows that are to judge the forecast."""
    of_imputer = config.get("data")
    split = of_imputer.get("split") if isinstance(of_imputer, Mapping) else None
    if split != node_of(data.split, key="split"):
        log.warning(
            "%s: the imputation model was trained with another data.split, perhaps on rows of the validation or test "
            "part of the forecast; train it with the same one",
            path,
        )
