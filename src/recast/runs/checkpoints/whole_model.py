"""The model of a configuration, with the imputation model from which its networks read what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from recast.data.spec import SeriesSpec
from recast.nn.models.context_imputer import ContextImputer
from recast.nn.models.inputs import Inputs
from recast.runs.checkpoints import checkpoint
from recast.runs.configure import targets
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.options import ImputerPart


def whole_model(node: Mapping[str, Any], spec: Any, allowed: Sequence[str] = targets.ALLOWED) -> Any:
    """The untrained model of a configuration for data of a spec.

    Where the spec names an imputation model, each part that assembles inputs has one: in an ensemble each member.

    Args:
        node: Configuration of the model, checked.
        spec: What the model must know about the data.
        allowed: What the configuration may name.

    Raises:
        ConfigurationError: if parts do not fit each other or the data.
    """
    model = build(node, allowed)(spec=spec)
    if isinstance(spec, SeriesSpec) and spec.imputer is not None:
        # Listed before any is given: an imputation model may have inputs itself.
        for inputs in [part for part in model.modules() if isinstance(part, Inputs)]:
            # The description came in a checkpoint, perhaps that of a stranger.
            check({"model": spec.imputer.model}, ImputerPart, allowed=checkpoint.ALLOWED)
            imputer = build(spec.imputer.model, checkpoint.ALLOWED)(spec=spec.imputer.spec)
            inputs.imputer = ContextImputer(imputer=imputer, spec=spec)
    return model
