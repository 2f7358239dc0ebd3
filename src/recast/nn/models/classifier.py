"""A recurrent classifier of sequences of different lengths."""

import logging
import math
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recast.data.spec import LONG, Feature, PanelSpec, SequenceSpec
from recast.errors import ConfigurationError
from recast.nn.cells.torch_cell import TorchCell
from recast.nn.models.front import Front, inside
from recast.nn.models.inputs import Inputs
from recast.nn.models.reads import EVERYTHING, reject_unread
from recast.nn.models.stack import CellFactory, Stack
from recast.options import Fraction, NonNegativeFloat, PositiveInt, checked
from recast.types import Batch

log = logging.getLogger(__name__)

Pooling = Literal["last", "mean", "max", "mean+last", "max+last", "mean+max"]
Route = Literal["padded", "packed"]


@final
class Classifier(nn.Module):
    """Recurrent layers over a sequence, pooling of their outputs over time, and a linear map to the classes.

        z_1 ... z_S = front(x_1 ... x_T),    S = ceil(T / stride)
        h_1 ... h_S = layers(z_1 ... z_S)
        scores = W pool(h_1 ... h_S) + b
        P(class) = softmax(scores)

    The front are convolutions with strides, see `recast.nn.models.front.Front`; with a stride of 1 there is none, and
    the layers read the sequence itself. Neither padding nor the rest of the batch affects a sequence: layers are
    causal, convolutions read zeros beyond the end, and neither outputs nor gradients are taken from padding. Sequences
    may be longer than any of those trained on.

    Defaults by length: if the longest sequence of the training file has more than 200 steps, `stride` is the smallest
    power of 2 that leaves 200 or fewer of them, and `pooling` is "mean+max"; otherwise they are 1 and "last". A log
    line says so.

    Args:
        spec: The data's names, classes and scaling.
        cell: Builds one layer from `input_size`.
        layers: Number of recurrent layers.
        dropout: Probability of dropping an output between layers, and of those entering the linear map.
        noise: Standard deviation of Gaussian noise added to each number of a sequence in training (Bishop 1995,
            "Training with noise is equivalent to Tikhonov regularization"). [scaled]
        stride: Steps of a sequence that the front turns into one step of the recurrence; none: by length. [steps]
        filters: Filters of each convolution of the front.
        pooling: The output at a sequence's "last" step, the "mean" or maximum ("max") over its steps, or two of these
            side by side ("mean+max"); none: by length.
        route: How sequences of different lengths are processed, with equal results: "padded", all to the end of the
            longest; "packed", each to its own end with torch's PackedSequence (cells rnn, gru and lstm). Padded was
            faster on the CPU even for lengths from 10 to 800; scripts/benchmark_padding.py measures both.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or the cell cannot run packed.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: PanelSpec,
        cell: CellFactory,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        noise: NonNegativeFloat = 0.0,
        stride: PositiveInt | None = None,
        filters: PositiveInt = 32,
        pooling: Pooling | None = None,
        route: Route = "padded",
    ) -> None:
        super().__init__()
        reject_unread("Classifier", spec, self.reads)
        self.spec = spec
        self.inputs = Inputs(spec)
        longest = spec.longest if isinstance(spec, SequenceSpec) else 0
        self.noise = noise
        self.stride = stride or stride_for(longest)
        self.pooling: Pooling = pooling or ("mean+max" if longest > LONG else "last")
        if stride is None or pooling is None:
            log.info(
                "Classifier: stride=%d, pooling=%s for sequences of up to %d steps (model.stride, model.pooling)",
                *(self.stride, self.pooling, longest),
            )
        self.front = Front(inputs=self.inputs.context_size, stride=self.stride, filters=filters)
        self.stack = Stack(cell=cell, input_size=self.front.output_size, layers=layers, dropout=dropout)
        self.linear = nn.Linear(self.stack.hidden_size * len(self.pooling.split("+")), len(spec.classes))
        self.route = route
        if route == "packed":
            for layer in self.stack.cells:
                if not isinstance(layer, TorchCell):
                    raise ConfigurationError(
                        f"Classifier: route=packed needs a cell of torch (rnn, gru or lstm), which "
                        f"{type(layer).__name__} is not; use route=padded, which gives the same results"
                    )

    def forward(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        """The scores of each class, before the softmax."""
        values = self.inputs.context(batch._replace(past=self._noisy(batch.past)))
        lengths = batch.start.new_full((len(values),), values.shape[1]) if batch.lengths is None else batch.lengths
        # A gradient of zero times a NaN of the padding would be NaN.
        values, lengths = self.front(values.where(inside(values, lengths), 0.0), lengths)
        outputs = self._packed(values, lengths) if self.route == "packed" else self.stack(values)[0]
        pooled = [_pooled(name, outputs, lengths) for name in self.pooling.split("+")]
        return self.linear(functional.dropout(torch.cat(pooled, dim=1), self.stack.dropout, self.training))

    def _noisy(self, values: Tensor) -> Tensor:
        return values + self.noise * torch.randn_like(values) if self.training and self.noise else values

    def _packed(
        self, values: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch steps hidden"]:
        packed = pack_padded_sequence(values, lengths.cpu(), batch_first=True, enforce_sorted=False)
        for layer, cell in enumerate(self.stack.cells):
            if layer:
                packed = _replaced(packed, functional.dropout(packed.data, self.stack.dropout, self.training))
            packed, _ = cast("TorchCell[Any]", cell).forward_packed(packed)
        outputs, _ = pad_packed_sequence(packed, batch_first=True)
        return outputs


def stride_for(longest: int) -> int:
    """The smallest power of 2 that leaves at most `LONG` of the longest sequence's steps."""
    stride = 1
    while -(-longest // stride) > LONG:
        stride *= 2
    return stride


def _pooled(
    name: str, outputs: Float[Tensor, "batch time hidden"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch hidden"]:
    """The outputs at the last step of each sequence, or their mean or maximum over its steps."""
    if name == "last":
        return outputs[torch.arange(len(lengths), device=lengths.device), lengths - 1]
    within = inside(outputs, lengths)
    if name == "mean":
        return outputs.where(within, 0.0).sum(1) / lengths.unsqueeze(1)
    return outputs.where(within, -math.inf).amax(1)


def _replaced(packed: PackedSequence, data: Tensor) -> PackedSequence:
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
