"""A fixed anchor before and after the training of the network on top of it."""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.prepare import Prepared
from recast.errors import ConfigurationError
from recast.nn.fixed_anchors.auto import AutoAnchor
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.least_squares import separate_blocks
from recast.nn.models.model import ForecastModel
from recast.runs.baseline_windows import BATCH, PointForecasts
from recast.runs.configure.wording import value_text
from recast.training.guard import added_whole, fit_share
from recast.training.task import ForecastTask
from recast.types import Batch

log = logging.getLogger(__name__)


def solve_anchor(model: ForecastModel, data: ForecastDataModule) -> None:
    """Solves a model's anchor on the training windows, and lets the model start at it; any other anchor stands.

    Args:
        model: A model that is not trained.
        data: Its data.

    Raises:
        ConfigurationError: if the anchor cannot be solved on these windows.
    """
    anchor = model.anchor
    if not isinstance(anchor, FixedAnchor):
        return
    prepared = data.prepared
    blocks, rest = separate_blocks(prepared.starts.train.numpy(), prepared.windows.length)
    anchor.solve([_windows(block, prepared) for block in blocks], _windows(rest, prepared))
    if isinstance(anchor, AutoAnchor):
        _choose(anchor, model, prepared)
    model.start_at_anchor()
    if anchor.facts:
        chosen = ", ".join(f"{name}={value_text(value)}" for name, value in anchor.facts.items())
        log.info("%s solved on %d training windows: %s", type(anchor).__name__, len(prepared.starts.train), chosen)


def _choose(anchor: AutoAnchor, model: ForecastModel, prepared: Prepared) -> None:
    """Takes the candidate whose forecasts have the smallest squared error on the validation windows."""
    starts = prepared.starts.validation
    if not len(starts):
        raise ConfigurationError(
            "model/anchor=auto chooses on validation windows, and there are none; give data.split.validation a part, "
            "or name an anchor: " + ", ".join(f"model/anchor={name}" for name in anchor.names)
        )

    @torch.no_grad()
    def error() -> float:
        square, count = 0.0, 0
        for batch in _windows(starts, prepared):
            precise = batch.to_precision(model.precision)
            miss = (model.base(precise) - precise.target[:, : anchor.leads]).double().square()
            if precise.target_observed is not None:
                miss = miss[precise.target_observed[:, : anchor.leads]]
            square, count = square + float(miss.sum()), count + miss.numel()
        return square / count if count else float("inf")

    anchor.choose(error)


def guard(model: ForecastModel, data: ForecastDataModule, samples: int) -> bool:
    """Fits the share of the network's correction on the validation windows; see `fit_share`.

    Args:
        model: A trained model, on the device that is to compute.
        data: Its data.
        samples: Trajectories of a stochastic head that is fed back. [trajectories]

    Returns:
        Whether the model has changed.
    """
    # Every process takes all windows, so that all have the same share.
    device = next(model.parameters()).device
    batches = (move_data_to_device(batch, device) for batch in _windows(data.prepared.starts.validation, data.prepared))
    share = fit_share(model.eval(), batches, samples=samples)
    if share is None:
        if isinstance(model.anchor, FixedAnchor):
            reason = _added_whole(model, data.prepared)
            log.info("the network's correction of its anchor is added whole, not guarded: %s", reason)
        return False
    log.info(
        "share of the network's correction of its anchor: %.2f at the first lead, %.2f at the last, %.2f on average",
        *(share[0], share[-1], share.mean()),
    )
    return True


def _added_whole(model: ForecastModel, prepared: Prepared) -> str | None:
    """Why the correction is not guarded; None if it is."""
    return added_whole(model) or (None if len(prepared.starts.validation) else "there is no validation window")


def anchor_facts(model: ForecastModel, prepared: Prepared) -> dict[str, object]:
    """What was chosen for a fixed anchor, and its share, None if none was fitted; nothing for any other anchor."""
    anchor = model.anchor
    if not isinstance(anchor, FixedAnchor):
        return {}
    fitted = _added_whole(model, prepared) is None or bool((anchor.share != 1).any())
    share = [round(value, 4) for value in anchor.share.tolist()] if fitted else None
    return {"anchor": {"name": type(anchor).__name__, **anchor.facts, "share": share}}


def anchor_forecasts(task: ForecastTask) -> PointForecasts:
    """The forecasts of the anchor of a trained task alone."""

    @torch.no_grad()
    def forecasts(prepared: Prepared, part: str) -> Iterator[Tensor]:
        for batch in _windows(getattr(prepared.starts, part), prepared):
            base = task.model.base(batch.to_precision(task.model.precision))
            yield task.in_unit(base.double(), batch)

    return forecasts


def _windows(starts: Int[np.ndarray, " windows"] | Int[Tensor, " windows"], prepared: Prepared) -> Iterator[Batch]:
    for some in torch.as_tensor(starts).split(BATCH) if len(starts) else ():
        yield prepared.storage.windows(some, prepared.spec.context, prepared.spec.horizon)
