"""The base of all models that fill what is missing in a window."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recast.data.spec import Feature, SeriesSpec
from recast.nn.models.reads import reject_unread
from recast.types import Batch


class Imputation(NamedTuple):
    """What a model makes of the values of a window, scaled.

    mean: its value for each step and target, to be used where none was observed; estimates: all that are trained to
    meet the values, of which that is made; penalty: what else is minimised, for each window.
    """

    mean: Float[Tensor, "batch steps targets"]
    estimates: Float[Tensor, "estimates batch steps targets"]
    penalty: Float[Tensor, " batch"]


class Imputer(nn.Module, ABC):
    """Fills windows from both sides of a gap.

    A new form subclasses this and implements `forward`, which reads `history` and `observed.history` of a batch, and
    what inputs it says in `reads`, never `target`. Windows may have any number of steps.

    Attributes:
        estimates_left: Whether it estimates values that were left, too, without reading them; otherwise its estimate of
            such a value is the value itself.

    Args:
        spec: The data's columns and scaling.

    Raises:
        ConfigurationError: if the data have inputs that it does not read.
    """

    reads: ClassVar[frozenset[Feature]] = frozenset({"masks"})
    estimates_left: ClassVar[bool] = True

    def __init__(self, *, spec: SeriesSpec) -> None:
        super().__init__()
        reject_unread(type(self).__name__, spec, self.reads)
        self.spec = spec

    @property
    def precision(self) -> torch.dtype:
        """The dtype of its weights, in which it computes."""
        return next((weight.dtype for weight in self.parameters()), torch.get_default_dtype())

    @abstractmethod
    def forward(self, batch: Batch) -> Imputation:
        """An estimate of every value, made from those that are in `batch.history`."""


def observed_of(batch: Batch) -> Bool[Tensor, "batch steps targets"]:
    """Where a batch has values to fill from; everywhere if it carries no masks."""
    if batch.observed is None:
        return torch.ones_like(batch.history, dtype=torch.bool)
    return batch.observed.history


def elapsed_steps(observed: Bool[Tensor, "batch steps targets"]) -> Float[Tensor, "batch steps targets"]:
    """Steps since the last observation before each step; since the first step where there was none.

    delta_1 = 0; delta_t = 1 where step t - 1 was observed, else 1 + delta_(t-1) (Che et al. 2018, arXiv 1606.01865,
    equation 2, and Cao et al. 2018, arXiv 1805.10572, section 3).

    Args:
        observed: True where a value was observed.
    """
    steps = torch.arange(observed.shape[1], device=observed.device).reshape(1, -1, 1)
    last = steps.where(observed, 0).cummax(dim=1).values
    before = torch.cat([torch.zeros_like(last[:, :1]), last[:, :-1]], dim=1)
    return (steps - before).to(torch.get_default_dtype())
