"""Closed loops on a GPU, launched in one go."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from recast.nn.recurrence.autograd import Autograd
from recast.nn.recurrence.eager.closed_loop import LoopTensors, Structure, structured
from recast.nn.recurrence.graphs.cache import RecordingCache
from recast.nn.recurrence.graphs.capture import Capture, cuda_graph
from recast.nn.recurrence.graphs.recording import Recording, Row
from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.refusals import common_refusal
from recast.nn.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled

ROOM = 8
"""Recordings that are kept: of training, validation and forecasts, with the last batches, which are smaller."""


@final
class CudaGraph(Implementation):
    """The steps of `Autograd` as CUDA graphs: a closed loop is one launch instead of some twenty for each lead.

    A loop is recorded when its shapes are met for the first time, forward and back, and then played on tensors of its
    own. While autograd still needs what these tensors hold, as where several forward passes come before one backward
    pass, another recording is made; where there is no room for it, `Autograd` runs the loop.

    Tested with recordings that repeat their work on a CPU; untested on a GPU.

    Args:
        capture: How to record.
        room: Greatest number of recordings.
    """

    name: ClassVar[str] = "cuda_graph"

    def __init__(self, *, capture: Capture = cuda_graph, room: int = ROOM) -> None:
        self._capture = capture
        self._cache = RecordingCache(room)
        self._unrecorded = Autograd()

    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """Data elsewhere than on a GPU, open loops, which cuDNN runs, and what `Autograd` does not support."""
        data = request.inputs if isinstance(request, OpenLoop) else request.first
        if data.device.type != "cuda":
            return "the data are not on a GPU"
        if isinstance(request, OpenLoop):
            return "cuDNN runs open loops"
        if torch.cuda.is_current_stream_capturing():
            return "a CUDA graph is being recorded already"
        return common_refusal(request)

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop, unrecorded."""
        return self._unrecorded.sequence(request)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        structure, tensors = structured(request)
        row, wanted = tensors.flat, _wanted(tensors)
        recording = self._cache.take(
            _key(structure, row, wanted), lambda: Recording(structure, row, wanted, self._capture)
        )
        if recording is None:
            return self._unrecorded.decode(request)
        values = _ReplayedLoop.apply(recording, *row) if any(wanted) else recording.forward(row)[0]
        return Rollout(values.unsqueeze(-1), values)


def _wanted(tensors: LoopTensors[Tensor]) -> tuple[bool, ...]:
    """For each tensor whether its gradient will be asked for."""
    without = replace(tensors, mask=None, dropout=[None] * len(tensors.dropout))
    return tuple(torch.is_grad_enabled() and tensor is not None and tensor.requires_grad for tensor in without.flat)


def _key(structure: Structure, row: Row, wanted: tuple[bool, ...]) -> Hashable:
    """All that a recording depends on, beside the numbers themselves."""
    shapes = tuple(None if tensor is None else (tensor.shape, tensor.dtype, tensor.device) for tensor in row)
    return structure, shapes, wanted, torch.get_float32_matmul_precision()


class _ReplayedLoop(Function):
    """`(recording, *row)` to the values of all leads."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, *row: Any) -> Tensor:
        # autograd keeps the lease exactly as long as the backward pass may come, and would keep the tapes.
        lease = row[0].new_empty(0)
        recording.lend(lease)
        values, ctx.number = recording.forward(row)
        ctx.recording = recording
        ctx.save_for_backward(*row, lease)
        return values

    @staticmethod
    # The decorator's type has no names of arguments.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        # torch complains here where what was given has been changed since, or where the backward pass comes twice.
        _ = ctx.saved_tensors
        recording: Recording = ctx.recording
        (gradient,) = grad_outputs
        return (None, *recording.backward(gradient, ctx.number))
