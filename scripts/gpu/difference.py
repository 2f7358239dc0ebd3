"""How far two computations of the same thing are from each other."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LIMITS = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 5e-2}
"""Largest difference of values, and of gradients in 64 and 32 bits, relative to the largest number.

In bfloat16 the root of the mean square, relative to that of the numbers: its rounding grows over the steps, at some
numbers much more than at others.
"""
LEAST_COSINE = 0.97
"""Of the gradient in bfloat16 (8 bits of fraction) and that in 32 bits, over all weights."""

Computed = tuple[list[Tensor], list[Tensor]]
"""Values and gradients, on the CPU."""


def compared(computed: Callable[[str, str], Computed], device: str, precisions: Sequence[str]) -> dict[str, Any]:
    """The device against the CPU, in each precision; bfloat16 against 32 bits.

    Args:
        computed: What a device computes in a precision.
        device: The device that is checked.
        precisions: Of `LIMITS`.

    Raises:
        AssertionError: where they differ by more than rounding.
    """
    found: dict[str, Any] = {}
    for precision in precisions:
        theirs = computed("cpu", "float32" if precision == "bfloat16" else precision)
        ours = computed(device, precision)
        limit = LIMITS[precision]
        found[precision] = (rms if precision == "bfloat16" else worst)(ours[0], theirs[0])
        if precision == "bfloat16":
            found["bfloat16, cosine of gradients"] = cosine = _cosine(ours[1], theirs[1])
            assert cosine > LEAST_COSINE, f"{precision}: cosine of gradients {cosine:.3f}"
        else:
            found[f"{precision}, gradients"] = gradients = worst(ours[1], theirs[1])
            assert gradients < limit, f"{precision}: gradients differ by {gradients:.1e}"
        assert found[precision] < limit, f"{precision}: values differ by {found[precision]:.1e}"
    return found


def worst(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest number of its tensor.

    Raises:
        AssertionError: if something is not finite.
    """
    assert all(torch.isfinite(one).all() for one in ones), "something is not finite"
    pairs = [(one.double(), other.double()) for one, other in zip(ones, others, strict=True)]
    return max(float((one - other).abs().max() / other.abs().max().clamp(min=1e-6)) for one, other in pairs)


def rms(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The root of the mean squared difference, relative to that of the numbers, of the tensor where it is largest."""
    pairs = [(one.double(), other.double()) for one, other in zip(ones, others, strict=True)]
    return max(float((one - other).norm() / other.norm().clamp(min=1e-6)) for one, other in pairs)


def in_precision(network: nn.Module, precision: str) -> nn.Module:
    """A network whose weights have it; in bfloat16 they keep 32 bits, as in mixed precision."""
    return network.double() if precision == "float64" else network.float()


def autocast(device: str, precision: str) -> torch.autocast:
    """Around forward passes, as Lightning's precision=bf16-mixed."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def values_and_gradients(network: nn.Module, values: Sequence[Tensor], loss: Tensor) -> Computed:
    """Both on the CPU; a weight that the loss does not depend on has a gradient of zeros."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    filled = [torch.zeros_like(w) if g is None else g for g, w in zip(gradients, weights, strict=True)]
    return [value.detach().cpu() for value in (*values, loss)], [gradient.cpu() for gradient in filled]


def _cosine(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    one, other = (torch.cat([part.double().flatten() for part in parts]) for parts in (ones, others))
    return float(functional.cosine_similarity(one, other, dim=0))
