"""A captured closed loop, forward and backward, with static tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import TensorWeakRef

from recast.nn.recurrence.eager.closed_loop import LoopStructure, backward, forward
from recast.nn.recurrence.graphs.capture import Capture

Row = Sequence[Any]
"""Tensors that a closed loop takes, None for absent ones; see
`recast.nn.recurrence.eager.closed_loop.LoopTensors`."""


class Recording:
    """Replays a closed loop for tensors of the shapes it was captured with.

    It copies inputs into its static tensors and returns copies of the results. Between forward and backward pass its
    tensors hold the saved activations: until then it is lent out, and not free for another forward pass.

    Args:
        structure: The structure of the loop.
        row: Example tensors of the shapes it will be replayed with.
        wanted: For each of them, whether its gradient is needed.
        capture: How to capture a graph.
    """

    def __init__(self, structure: LoopStructure, row: Row, wanted: Sequence[bool], capture: Capture) -> None:
        # Tensors created in inference mode could not be written outside it.
        with torch.inference_mode(mode=False), torch.no_grad():
            self._row: Row = [None if tensor is None else _own(tensor) for tensor in row]
            tensors = structure.tensors(self._row)
            device = tensors.first.device

            def run_forward() -> list[Tensor]:
                values, kept = forward(structure, tensors)
                return [values, *kept]

            self._forward = capture(run_forward, device)
            self._values, *kept = self._forward.results
            self._gradient = torch.zeros_like(self._values)
            # Which gradients exist depends only on `wanted`.
            self._present: list[bool] = []

            def run_backward() -> list[Tensor]:
                gradients = backward(structure, tensors, kept, self._gradient, structure.tensors(wanted)).flat
                self._present = [gradient is not None for gradient in gradients]
                return [gradient for gradient in gradients if gradient is not None]

            self._backward = capture(run_backward, device) if any(wanted) else None
        self._plays = 0
        self._lease: TensorWeakRef | None = None

    @property
    def is_free(self) -> bool:
        """Whether its tensors hold no activations still needed."""
        return self._lease is None or self._lease() is None

    def lend(self, lease: Tensor) -> None:
        """Marks it as in use for as long as `lease` exists."""
        self._lease = TensorWeakRef(lease)

    def forward(self, row: Row) -> tuple[Tensor, int]:
        """The values of all leads, and the sequence number of this pass.

        Args:
            row: Tensors of these shapes.
        """
        self._plays += 1
        for own, given in zip(self._row, row, strict=True):
            if own is not None and given is not None:
                own.copy_(given)
        self._forward.play()
        return self._values.clone(), self._plays

    def backward(self, gradient: Tensor, number: int) -> list[Tensor | None]:
        """Gradients of the tensors that it was replayed with.

        Args:
            gradient: The upstream gradient of the values.
            number: The number of the pass.

        Raises:
            RuntimeError: if there has been another pass since, or no gradient was requested at capture.
        """
        if self._backward is None:
            raise RuntimeError("this closed loop was recorded without a backward pass")
        if number != self._plays:
            raise RuntimeError(
                "the activations that this closed loop saved for its backward pass have been overwritten by another "
                "pass, for autograd no longer held on to them; hooks on saved tensors go with "
                "recurrence.implementation=autograd alone"
            )
        self._gradient.copy_(gradient)
        self._backward.play()
        gradients = iter(self._backward.results)
        return [next(gradients).clone() if present else None for present in self._present]


def _own(tensor: Tensor) -> Tensor:
    """A contiguous copy that shares no memory."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
