"""Anchors: base forecasts that the network is trained to correct."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import SeriesSpec
from recast.options import PositiveInt, checked
from recast.types import Batch


class Anchor(nn.Module, ABC):
    """A base forecast; the network forecasts the residual.

    It is the sum of what follows from the last `reach` values of the targets (`forward`) and of what follows from other
    inputs (`beside`), so that models which feed values back can form the first part from these. A new anchor subclasses
    this and implements `forward`.

    Attributes:
        is_last: Whether the base of every lead is the last value.
        is_zero: Whether it is zero.
        interpolates: Whether it reads values that were not observed as interpolated linearly between their neighbours
            up to the origin; otherwise the last one observed before stands for them.
        reads_inputs: Whether it reads other inputs than the targets; see `beside`.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.
        reach: Number of past steps that it reads. [steps]
    """

    def __init__(self, *, spec: SeriesSpec, leads: int, reach: int) -> None:
        super().__init__()
        self.targets = spec.targets
        self.leads = leads
        self.reach = reach

    @property
    def is_last(self) -> bool:
        """False unless overridden."""
        return False

    @property
    def is_zero(self) -> bool:
        """False unless overridden."""
        return False

    @property
    def interpolates(self) -> bool:
        """False unless overridden."""
        return False

    @property
    def reads_inputs(self) -> bool:
        """False unless overridden."""
        return False

    @abstractmethod
    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The part of the forecast that comes from the targets, for every lead, in scaled values.

        Args:
            recent: The last `reach` values of the targets up to the origin, oldest first.
        """

    def beside(self, batch: Batch) -> Float[Tensor, "batch leads targets"]:
        """The part of the forecast that comes from all other inputs, for every lead, in scaled values.

        Args:
            batch: Windows with at least `reach` steps of context, and of what is known ahead `leads` steps after it.
                Their targets are not read, except for where they were observed.
        """
        return batch.history.new_zeros(batch.start.shape[0], self.leads, self.targets)


class NoAnchor(Anchor):
    """Zero, which is the mean of standardised data: the network forecasts the values themselves.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, leads: PositiveInt) -> None:
        super().__init__(spec=spec, leads=leads, reach=1)

    @property
    def is_zero(self) -> bool:
        """True."""
        return True

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """Zeros."""
        return recent.new_zeros(*recent.shape[:-2], self.leads, self.targets)


class LastAnchor(Anchor):
    """The last observation for every lead: the network forecasts the change from it.

    It then starts from persistence, which is hard to beat at the first leads.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, leads: PositiveInt) -> None:
        super().__init__(spec=spec, leads=leads, reach=1)

    @property
    def is_last(self) -> bool:
        """True."""
        return True

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The last value, repeated."""
        return recent[..., -1:, :].expand(*recent.shape[:-2], self.leads, self.targets)


class LinearAnchor(Anchor):
    """A linear autoregression of each target on its own past: the network forecasts the residual.

    For lead k, with x_0 the last value and x_i the value i steps before it,

        base_k = x_0 + w_k0 x_0 + sum over 0 < i < window of w_ki (x_i - x_0) + b_k

    It is the "highway" of LSTNet (Lai et al. 2018, arXiv 1703.07015, "Autoregressive component"), trained jointly with
    the network. Differences from the last value span the same linear maps as the values themselves. All weights start
    at zero, so that the base is initially persistence, as with `LastAnchor`.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.
        window: Last values that it reads, at most the context. [steps]
        shared: Whether all targets share one map, as in LSTNet; otherwise each has its own.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, leads: PositiveInt, window: PositiveInt = 24, shared: bool = True) -> None:
        super().__init__(spec=spec, leads=leads, reach=window)
        maps = () if shared else (spec.targets,)
        self.weight = nn.Parameter(torch.zeros(*maps, leads, window))
        self.bias = nn.Parameter(torch.zeros(*maps, leads))

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The linear forecast of each lead."""
        series = recent.transpose(-1, -2)
        last = series[..., -1:]
        inputs = torch.cat([series[..., :-1] - last, last], dim=-1)
        if self.weight.dim() == 2:
            change = functional.linear(inputs, self.weight, self.bias)
        else:
            change = torch.einsum("...tw,tlw->...tl", inputs, self.weight) + self.bias
        return (last + change).transpose(-1, -2)
