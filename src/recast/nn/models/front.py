"""Convolutions that shorten a sequence in front of a recurrence."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional


class Front(nn.Module):
    """Convolutions with strides that turn a sequence into one with fewer, richer steps.

    A layer for each prime factor p of the stride: a convolution of 3 p + 1 steps with a stride of p, then layer
    normalisation over its filters (Ba et al. 2016, arXiv 1607.06450) and max(x, 0). Of T steps ceil(T / stride) remain.
    What lies beyond a sequence's end is read as zeros in each layer, however much padding there is.

    Args:
        inputs: Numbers at each step.
        stride: Steps that become one; 1: there are no layers, the sequence stays as it is.
        filters: Filters of each layer.

    Attributes:
        output_size: Numbers at each step of what comes out.
    """

    def __init__(self, *, inputs: int, stride: int, filters: int) -> None:
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        self.strides = prime_factors(stride)
        self.output_size = inputs
        for factor in self.strides:
            self.convolutions.append(nn.Conv1d(self.output_size, filters, 3 * factor + 1, stride=factor))
            self.norms.append(nn.LayerNorm(filters))
            self.output_size = filters

    def forward(
        self, values: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch steps outputs"], Int[Tensor, " batch"]]:
        """The shortened sequences, zero beyond their ends, and their lengths.

        Args:
            values: Sequences, zero beyond their ends.
            lengths: Steps of each.
        """
        for factor, convolution, norm in zip(self.strides, self.convolutions, self.norms, strict=True):
            before = 3 * factor // 2
            padded = functional.pad(values.transpose(1, 2), (before, 3 * factor - before))
            values = functional.relu(norm(convolution(padded).transpose(1, 2)))
            lengths = (lengths + factor - 1) // factor
            values = values.where(inside(values, lengths), 0.0)
        return values, lengths


def inside(values: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]) -> Bool[Tensor, "batch time 1"]:
    """Which steps belong to a sequence, and which are padding."""
    return (torch.arange(values.shape[1], device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(2)


def prime_factors(number: int) -> list[int]:
    """The prime factors of a positive number, ascending; none of 1."""
    found, factor = [], 2
    while number > 1:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return found
