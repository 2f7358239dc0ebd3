"""Closed loops on a GPU as CUDA graphs."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from recast.nn.recurrence.autograd import Autograd
from recast.nn.recurrence.eager.closed_loop import LoopStructure, LoopTensors, structure_and_tensors
from recast.nn.recurrence.graphs.cache import RecordingCache
from recast.nn.recurrence.graphs.capture import Capture, cuda_graph
from recast.nn.recurrence.graphs.recording import Recording, Row
from recast.nn.recurrence.implementation import NO_GPU, Implementation
from recast.nn.recurrence.refusals import common_refusal
from recast.nn.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled

ROOM = 8
"""Size of the LRU cache of captured graphs: for training, validation and forecasts, each with a smaller last batch."""


@final
class CudaGraph(Implementation):
    """The steps of `Autograd` as CUDA graphs: a closed loop is one launch instead of about twenty per lead.

    A loop's forward and backward passes are captured when its shapes first occur, and then replayed on static tensors.
    While autograd still needs the activations in them, as with several forward passes before one backward pass, another
    graph is captured; if the cache is full, `Autograd` runs the loop.

    Tested with recordings that repeat their work on a CPU; untested on a GPU.

    Args:
        capture: How to capture a graph.
        room: Largest number of recordings.
    """

    name: ClassVar[str] = "cuda_graph"

    def __init__(self, *, capture: Capture = cuda_graph, room: int = ROOM) -> None:
        self._capture = capture
        self._cache = RecordingCache(room)
        self._unrecorded = Autograd()

    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """Unsupported: data not on a GPU, open loops (left to cuDNN), and what `Autograd` does not support."""
        data = request.inputs if isinstance(request, OpenLoop) else request.first
        if data.device.type != "cuda":
            return NO_GPU
        if isinstance(request, OpenLoop):
            return "cuDNN runs open loops"
        if torch.cuda.is_current_stream_capturing():
            return "a CUDA graph is being recorded already"
        return common_refusal(request)

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop, without a graph."""
        return self._unrecorded.sequence(request)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        structure, tensors = structure_and_tensors(request)
        row, wanted = tensors.flat, _wanted(tensors)
        recording = self._cache.take(
            _key(structure, row, wanted), lambda: Recording(structure, row, wanted, self._capture)
        )
        if recording is None:
            return self._unrecorded.decode(request)
        values = _ReplayedLoop.apply(recording, *row) if any(wanted) else recording.forward(row)[0]
        return Rollout(values.unsqueeze(-1), values)


def _wanted(tensors: LoopTensors[Tensor]) -> tuple[bool, ...]:
    """For each tensor, whether its gradient is needed."""
    without = replace(tensors, mask=None, dropout=[None] * len(tensors.dropout))
    return tuple(torch.is_grad_enabled() and tensor is not None and tensor.requires_grad for tensor in without.flat)


def _key(structure: LoopStructure, row: Row, wanted: tuple[bool, ...]) -> Hashable:
    """Everything a recording depends on except the values of its tensors."""
    shapes = tuple(None if tensor is None else (tensor.shape, tensor.dtype, tensor.device) for tensor in row)
    return structure, shapes, wanted, torch.get_float32_matmul_precision()


class _ReplayedLoop(Function):
    """`(recording, *row)` to the values of all leads."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, *row: Any) -> Tensor:
        # autograd holds the lease exactly as long as a backward pass is possible; it would also hold the tapes.
        lease = row[0].new_empty(0)
        recording.lend(lease)
        values, ctx.number = recording.forward(row)
        ctx.recording = recording
        ctx.save_for_backward(*row, lease)
        return values

    @staticmethod
    # The decorator's type has no argument names.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        # torch raises here if the inputs were modified in place, or on a second backward pass.
        _ = ctx.saved_tensors
        recording: Recording = ctx.recording
        (gradient,) = grad_outputs
        return (None, *recording.backward(gradient, ctx.number))
