"""Recurrences compiled by Numba, for the CPU."""

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional

from recast.nn.recurrence.compiled.autograd_function import CompiledLoop, LoopCall
from recast.nn.recurrence.compiled.kernels import compiled
from recast.nn.recurrence.compiled.loop import Selection
from recast.nn.recurrence.compiled.packing import Packing
from recast.nn.recurrence.compiled.rows import blocks
from recast.nn.recurrence.compiled.unit_cells import UNIT_CELLS, compiled_units
from recast.nn.recurrence.compiled.unit_passes import UnitCall, run_layer
from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.refusals import common_refusal, refusal_of_any_cell
from recast.nn.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled


@final
class Numba(Implementation):
    """A loop over time in machine code, with hand-written backpropagation through time.

    A block of up to 16 rows of the batch goes through all layers and all steps on one core, without synchronisation at
    each step; blocks run in parallel. A step's products stay in vector registers. Only the states are saved for the
    backward pass; gates are recomputed from them, 8 steps at a time, and weight gradients are products over these
    steps. Results do not depend on the number of threads.

    Cells beyond torch's run so in open loops only, one layer after the other, with their gates saved.

    Args:
        cache_dir: Where compiled kernels are cached; none: the user's cache folder. [folder]
        threads: Blocks that run in parallel; none: as many as torch has threads. [threads]
    """

    name: ClassVar[str] = "numba"

    def __init__(self, *, cache_dir: Path | None = None, threads: int | None = None) -> None:
        self.cache_dir = cache_dir
        self._threads = threads

    @property
    def threads(self) -> int:
        """Largest number of blocks that run in parallel."""
        return self._threads or torch.get_num_threads()

    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """Why it does not support this request."""
        data = request.inputs if isinstance(request, OpenLoop) else request.first
        if data.device.type != "cpu":
            return "the data are not on the CPU"
        if not len(data):
            return "there are no rows"
        if isinstance(request, OpenLoop) and request.layers[0].kind in UNIT_CELLS:
            return refusal_of_any_cell(request)
        return common_refusal(request)

    def describe(self, request: OpenLoop | ClosedLoop) -> str:
        """Its name, and the number of blocks of rows."""
        data = request.inputs if isinstance(request, OpenLoop) else request.first
        count = len(blocks(len(data), keep=torch.is_grad_enabled(), threads=self.threads))
        threads = min(count, self.threads)
        return f"numba, {count} block{'s' * (count > 1)} of rows on {threads} thread{'s' * (threads > 1)}"

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""
        if request.layers[0].kind in UNIT_CELLS:
            return self._sequence_of_units(request)
        inputs = request.inputs
        states = [
            layer.initial_state(len(inputs), inputs) if state is None else state
            for layer, state in zip(request.layers, request.states, strict=True)
        ]
        packing = _packing(request.layers, inputs.shape[2], 0)
        call = LoopCall(
            packing,
            compiled(_dtype(inputs), self.cache_dir),
            torch.is_grad_enabled(),
            self.threads,
            wanted=Selection(request.at, request.outputs_from),
            dropout=tuple(request.dropout),
        )
        outputs, *fields = CompiledLoop.apply(call, inputs, None, None, *_flat(states), *_weights(request.layers))
        pairs = zip(states, packing.by_layer(fields), strict=True)
        return Unrolled(outputs, [state._make(parts) for state, parts in pairs])

    def _sequence_of_units(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop layer by layer; see `recast.nn.recurrence.compiled.unit_loop`."""
        given, found, cell = request.inputs, [], UNIT_CELLS[request.layers[0].kind]
        kernels = compiled_units(cell, _dtype(given), self.cache_dir)
        call = UnitCall(cell, kernels, torch.is_grad_enabled(), self.threads, request.at)
        for number, (layer, start) in enumerate(zip(request.layers, request.states, strict=True)):
            if number and request.dropout:
                given = given * request.dropout[number - 1]
            state = layer.initial_state(len(given), given) if start is None else start
            given, fields = run_layer(call, given, state, layer.weights)
            found.append(state._make(fields))
        return Unrolled(given[:, request.outputs_from :], found)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        first = functional.pad(request.first.unsqueeze(1), (0, 0, 0, request.known.shape[1] - 1))
        inputs = torch.cat([first, request.known], dim=-1) if request.known.shape[2] else first
        call = LoopCall(
            _packing(request.layers, inputs.shape[2], request.first.shape[1]),
            compiled(_dtype(inputs), self.cache_dir),
            torch.is_grad_enabled(),
            self.threads,
            dropout=tuple(request.dropout),
            mask=request.mask,
            detach=request.detach,
            residual=request.readout.residual,
        )
        weights = [*_weights(request.layers), request.readout.weight, request.readout.bias]
        truth = None if request.mask is None else request.truth
        values, *_ = CompiledLoop.apply(call, inputs, request.base, truth, *_flat(request.states), *weights)
        return Rollout(values.unsqueeze(-1), values)


def _packing(layers: Any, inputs: int, targets: int) -> Packing:
    return _cached_packing(layers[0].kind, tuple(layer.hidden_size for layer in layers), inputs, targets)


# Its tables of offsets are computed once.
_cached_packing = lru_cache(maxsize=64)(Packing)


def _dtype(tensor: Tensor) -> Any:
    return torch.empty(0, dtype=tensor.dtype).numpy().dtype


def _flat(states: Any) -> list[Tensor]:
    return [field for state in states for field in state]


def _weights(layers: Any) -> list[Tensor]:
    return [weight for layer in layers for weight in layer.weights]
