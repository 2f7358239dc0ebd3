"""A recurrent classifier of sequences of different lengths."""

from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recast.data.spec import Feature, PanelSpec
from recast.errors import ConfigurationError
from recast.nn.cells.torch_cell import TorchCell
from recast.nn.models.inputs import Inputs
from recast.nn.models.reads import EVERYTHING, reject_unread
from recast.nn.models.stack import CellFactory, Stack
from recast.options import Fraction, NonNegativeFloat, PositiveInt, checked
from recast.types import Batch

Pooling = Literal["last", "mean"]
Route = Literal["padded", "packed"]


@final
class Classifier(nn.Module):
    """Recurrent layers over a sequence, pooling of their outputs over time, and a linear map to the classes.

        h_1 ... h_T = layers(x_1 ... x_T)
        scores = W pool(h_1 ... h_T) + b,    pool = h_T ("last") or their mean ("mean")
        P(class) = softmax(scores)

    Neither padding nor the rest of the batch affects a sequence: layers are causal, and neither outputs nor gradients
    are taken from padding. Sequences may be longer than any of those trained on.

    Args:
        spec: The data's names, classes and scaling.
        cell: Builds one layer from `input_size`.
        layers: Number of recurrent layers.
        dropout: Probability of dropping an output between layers, and of those entering the linear map.
        noise: Standard deviation of Gaussian noise added to each number of a sequence in training (Bishop 1995,
            "Training with noise is equivalent to Tikhonov regularization"). [scaled]
        pooling: The output at a sequence's "last" step, or the "mean" over its steps.
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
        pooling: Pooling = "last",
        route: Route = "padded",
    ) -> None:
        super().__init__()
        reject_unread("Classifier", spec, self.reads)
        self.spec = spec
        self.inputs = Inputs(spec)
        self.stack = Stack(cell=cell, input_size=self.inputs.context_size, layers=layers, dropout=dropout)
        self.linear = nn.Linear(self.stack.hidden_size, len(spec.classes))
        self.noise = noise
        self.pooling = pooling
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
        run = self._packed if self.route == "packed" else self._padded
        inputs = self.inputs.context(batch._replace(past=self._noisy(batch.past)))
        lengths = batch.start.new_full((len(inputs),), inputs.shape[1]) if batch.lengths is None else batch.lengths
        pooled = run(inputs, lengths)
        return self.linear(functional.dropout(pooled, self.stack.dropout, self.training))

    def _noisy(self, values: Tensor) -> Tensor:
        return values + self.noise * torch.randn_like(values) if self.training and self.noise else values

    def _padded(
        self, values: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch hidden"]:
        inside = (torch.arange(values.shape[1], device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(2)
        # A gradient of zero times a NaN of the padding would be NaN.
        outputs, _ = self.stack(values.where(inside, 0.0))
        if self.pooling == "mean":
            return outputs.where(inside, 0.0).sum(1) / lengths.unsqueeze(1)
        return outputs[torch.arange(len(lengths), device=lengths.device), lengths - 1]

    def _packed(
        self, values: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch hidden"]:
        packed = pack_padded_sequence(values, lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden = values
        for layer, cell in enumerate(self.stack.cells):
            if layer:
                packed = _replaced(packed, functional.dropout(packed.data, self.stack.dropout, self.training))
            packed, state = cast("TorchCell[Any]", cell).forward_packed(packed)
            hidden = state.hidden
        if self.pooling == "last":
            return hidden
        outputs, _ = pad_packed_sequence(packed, batch_first=True)
        return outputs.sum(1) / lengths.unsqueeze(1)


def _replaced(packed: PackedSequence, data: Tensor) -> PackedSequence:
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
