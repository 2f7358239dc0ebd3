"""A closed loop of layers and a linear readout: forward and backward passes as functions of tensors.

They are stateless, so that `recast.nn.recurrence.autograd` can run them directly, and `recast.nn.recurrence.cuda_graph`
can capture them once and replay them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.accumulation import Wanted, side_by_side
from recast.nn.recurrence.eager.layer import backward_steps, forward_steps
from recast.nn.recurrence.eager.steps import CellSteps, Tape
from recast.nn.recurrence.eager.supported import CELL_STEPS, common_kind
from recast.nn.recurrence.eager.weights import PackedWeights, Weights
from recast.nn.recurrence.request import ClosedLoop, Kind

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class LoopTensors(Generic[Part]):
    """The tensors that a closed loop takes, or something for each of them, such as its gradient.

    Args:
        first: See `recast.nn.recurrence.request.ClosedLoop`, also for everything not described here.
        known: Inputs known ahead.
        base: Base forecast.
        weight: Weight of the readout.
        bias: Bias of the readout.
        truth: True values.
        mask: The teacher-forcing mask.
        dropout: Factors between the layers; empty: nothing is dropped.
        states: The fields of the state of each layer.
        weights: The weights of each layer, in the order of `recast.nn.recurrence.eager.weights.Weights`.
    """

    first: Part
    known: Part
    base: Part
    weight: Part
    bias: Part
    truth: Part | None
    mask: Part | None
    dropout: list[Part]
    states: list[list[Part]]
    weights: list[list[Part]]

    @property
    def flat(self) -> list[Part | None]:
        """All of them as a flat list, as `LoopStructure.tensors` takes them."""
        single = (self.first, self.known, self.base, self.weight, self.bias, self.truth, self.mask)
        return [*single, *self.dropout, *chain.from_iterable(self.states), *chain.from_iterable(self.weights)]


class LoopStructure(NamedTuple):
    """The structure of a closed loop, apart from the sizes of its tensors.

    Attributes:
        kind: The kind of its layers.
        layers: Number of layers.
        dropped: Whether there are dropout factors between the layers.
        detach: Whether the gradient stops at values fed back.
        residual: Whether the value of a lead adds the value fed there.
    """

    kind: Kind
    layers: int
    dropped: bool
    detach: bool
    residual: bool

    @property
    def cell(self) -> CellSteps:
        """How its layers use their buffers."""
        return CELL_STEPS[self.kind]

    def tensors(self, row: Sequence[Part]) -> LoopTensors[Part]:
        """The tensors, from a flat list of all of them."""
        parts = iter(row)

        def take(number: int) -> list[Part]:
            return [next(parts) for _ in range(number)]

        return LoopTensors(
            *take(7),
            dropout=take(self.layers - 1 if self.dropped else 0),
            states=[take(self.cell.fields) for _ in range(self.layers)],
            weights=[take(len(Weights._fields)) for _ in range(self.layers)],
        )


def structure_and_tensors(request: ClosedLoop) -> tuple[LoopStructure, LoopTensors[Tensor]]:
    """The structure and the tensors of a closed loop.

    Args:
        request: A closed loop of layers of one kind, with a linear readout.
    """
    tensors = LoopTensors(
        first=request.first,
        known=request.known,
        base=request.base,
        weight=request.readout.weight,
        bias=request.readout.bias,
        truth=None if request.mask is None else request.truth,
        mask=request.mask,
        dropout=list(request.dropout),
        states=[list(state) for state in request.states],
        weights=[layer.weights for layer in request.layers],
    )
    structure = LoopStructure(
        kind=common_kind(request.layers),
        layers=len(request.layers),
        dropped=bool(request.dropout),
        detach=request.detach,
        residual=request.readout.residual,
    )
    return structure, tensors


def forward(
    structure: LoopStructure, tensors: LoopTensors[Tensor]
) -> tuple[Float[Tensor, "batch horizon targets"], list[Tensor]]:
    """The values that are fed back, and the activations saved for the backward pass in addition to these tensors.

    Args:
        structure: The structure of the loop.
        tensors: Its tensors.
    """
    layers = zip(_weights(structure, tensors), _given(tensors), tensors.states, strict=True)
    tapes, steps = zip(*(forward_steps(*layer) for layer in layers), strict=True)
    values = (_feature_major(tensors.base) + tensors.bias.unsqueeze(1)).contiguous()
    value = values.unbind(0)
    truths, masks = _taught(tensors)
    between = _between(steps, tensors)
    bottom, top = steps[0], steps[-1]
    bottom.fed[0].copy_(tensors.first.t())
    for lead in range(len(value)):
        bottom.step(lead)
        for lower, upper, factors in between:
            if factors is None:
                upper.fed[lead].copy_(lower.hidden[lead + 1])
            else:
                torch.mul(lower.hidden[lead + 1], factors[lead], out=upper.fed[lead])
            upper.step(lead)
        value[lead].addmm_(tensors.weight, top.hidden[lead + 1])
        if structure.residual:
            value[lead].add_(bottom.fed[lead])
        if lead < len(masks):
            torch.where(masks[lead], truths[lead], value[lead], out=bottom.fed[lead + 1])
        else:
            # The last one is written where a lead after the horizon would read it.
            bottom.fed[lead + 1].copy_(value[lead])
    return _batch_major(values), list(chain.from_iterable(zip(*(tape.tensors for tape in tapes), strict=True)))


def backward(
    structure: LoopStructure,
    tensors: LoopTensors[Tensor],
    kept: Sequence[Tensor],
    gradient: Float[Tensor, "batch horizon targets"],
    wanted: LoopTensors[bool],
) -> LoopTensors[Tensor | None]:
    """Gradients of the tensors; none for the mask and the factors between the layers.

    Args:
        structure: The structure of the loop.
        tensors: Its tensors.
        kept: The saved activations.
        gradient: The upstream gradient of the values.
        wanted: Which gradients are needed.
    """
    weights = list(_weights(structure, tensors))
    tapes = [Tape.of(kept[number :: structure.layers], layer.hidden_size) for number, layer in enumerate(weights)]
    wishes = [Wanted(wanted.known and not number, *layer) for number, layer in enumerate(wanted.weights)]
    layers = zip(weights, tapes, _given(tensors), wishes, strict=True)
    steps, accumulators = zip(*(backward_steps(*layer) for layer in layers), strict=True)
    # Gradients of the values, initially only the upstream ones.
    of_values = _feature_major(gradient).clone(memory_format=torch.contiguous_format)
    of_value = of_values.unbind(0)
    of_truths = torch.zeros_like(of_values) if wanted.truth else None
    feedback = _FeedbackGradient(structure, tensors, of_value, of_truths)
    between = _between(steps, tensors)
    bottom, top = steps[0], steps[-1]
    readout = tensors.weight.t()
    for lead in reversed(range(len(of_value))):
        if lead + 1 < len(of_value):
            feedback.add(lead, bottom.fed)
        top.state[0].addmm_(readout, of_value[lead])
        top.step(lead)
        for lower, upper, factors in reversed(between):
            if factors is None:
                lower.state[0].add_(upper.fed)
            else:
                lower.state[0].addcmul_(upper.fed, factors[lead])
            lower.step(lead)
        if structure.residual:
            bottom.fed.add_(of_value[lead])
    found = [accumulator.gradients() for accumulator in accumulators]
    known = found[0].given
    outputs = tapes[-1].field(0)[1:]
    return LoopTensors(
        first=bottom.fed.t() if wanted.first else None,
        known=None if known is None else _batch_major(known),
        base=_batch_major(of_values) if wanted.base else None,
        weight=side_by_side(of_values) @ side_by_side(outputs).t() if wanted.weight else None,
        bias=of_values.sum((0, 2)) if wanted.bias else None,
        truth=None if of_truths is None else _batch_major(of_truths),
        mask=None,
        dropout=[None] * len(tensors.dropout),
        states=[[field.t() for field in back.state] for back in steps],
        weights=[list(gradients[1:]) for gradients in found],
    )


def _weights(structure: LoopStructure, tensors: LoopTensors[Tensor]) -> Iterator[PackedWeights]:
    fed = tensors.first.shape[1]
    for row in tensors.weights:
        packed = PackedWeights(structure.cell, Weights(*row), fed)
        yield packed
        fed = packed.hidden_size


def _given(tensors: LoopTensors[Tensor]) -> Iterator[Float[Tensor, "horizon given batch"]]:
    """The inputs of each layer given in advance: those known ahead for the lowest, none for the others."""
    known = _feature_major(tensors.known)
    yield known
    for _ in tensors.weights[1:]:
        yield known[:, :0]


def _taught(tensors: LoopTensors[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The truth of each lead, (targets, batch), and whether it is fed to the next one, (1, batch)."""
    if tensors.truth is None or tensors.mask is None:
        return (), ()
    last = tensors.base.shape[1] - 1
    return _feature_major(tensors.truth).unbind(0), tensors.mask[:, :last].t().unsqueeze(1).unbind(0)


class _FeedbackGradient:
    """Routes the gradient of what a lead was fed to the value of the previous lead, or to its truth.

    Args:
        structure: The structure of the loop.
        tensors: Its tensors.
        of_value: For each lead, where the gradient of its value is accumulated.
        of_truths: Where the gradient of the truths is written, initially zeros; None: nowhere.
    """

    def __init__(
        self,
        structure: LoopStructure,
        tensors: LoopTensors[Tensor],
        of_value: Sequence[Tensor],
        of_truths: Tensor | None,
    ) -> None:
        _, masks = _taught(tensors)
        self._of_value = () if structure.detach else of_value
        self._of_truth = () if of_truths is None else of_truths.unbind(0)
        self._by_truth = [mask.to(tensors.base.dtype) for mask in masks]
        self._by_value = [1 - share for share in self._by_truth]

    def add(self, lead: int, gradient: Tensor) -> None:
        """Routes the gradient of what was fed after `lead`."""
        masked = lead < len(self._by_truth)
        if self._of_truth and masked:
            torch.mul(gradient, self._by_truth[lead], out=self._of_truth[lead])
        if self._of_value and masked:
            self._of_value[lead].addcmul_(gradient, self._by_value[lead])
        elif self._of_value:
            self._of_value[lead].add_(gradient)


Steps = TypeVar("Steps")


def _between(
    steps: Sequence[Steps], tensors: LoopTensors[Tensor]
) -> list[tuple[Steps, Steps, Sequence[Tensor] | None]]:
    """Each layer, the one above it, and the factors between them at each step; None: nothing is dropped."""
    factors = [_feature_major(tensor).contiguous().unbind(0) for tensor in tensors.dropout]
    absent = [None] * (len(steps) - 1)
    return [(lower, upper, drop) for (lower, upper), drop in zip(pairwise(steps), factors or absent, strict=True)]


def _feature_major(tensor: Float[Tensor, "batch time features"]) -> Float[Tensor, "time features batch"]:
    return tensor.permute(1, 2, 0)


def _batch_major(tensor: Float[Tensor, "time features batch"]) -> Float[Tensor, "batch time features"]:
    return tensor.permute(2, 0, 1).contiguous()
