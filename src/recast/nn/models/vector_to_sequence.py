"""Vector to sequence: a recurrent decoder whose initial state is a linear map of the context."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.data.spec import Feature, SeriesSpec
from recast.nn.anchors import LastAnchor
from recast.nn.attention import Memory, NoAttention
from recast.nn.cells.cell import Cell
from recast.nn.heads.head import Head
from recast.nn.models.decoder import Feedback
from recast.nn.models.model import AnchorFactory
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory, Stack
from recast.nn.models.teacher_forcing import MaskUnit
from recast.nn.models.unrolling import UnrollingModel
from recast.nn.schedules import Schedule
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch

Bound = Literal["tanh", "none"]


class VectorEncoder(nn.Module):
    """A linear map from a vector to the states of several cells.

    Args:
        cells: The cells.
        input_size: Size of the vector.
        bound: Whether the states are squeezed into (-1, 1) by tanh.
    """

    def __init__(self, *, cells: Sequence[nn.Module], input_size: int, bound: Bound) -> None:
        super().__init__()
        built = [cast("Cell[Any]", cell) for cell in cells]
        self.types = [cell.state_type for cell in built]
        self.sizes = [cell.state_sizes for cell in built]
        self.bound: Bound = bound
        self.map = nn.Linear(input_size, sum(map(sum, self.sizes)))

    def forward(self, vector: Float[Tensor, "batch numbers"]) -> list[Any]:
        """The state of each cell."""
        numbers = self.map(vector)
        if self.bound == "tanh":
            numbers = torch.tanh(numbers)
        parts = iter(numbers.split([size for sizes in self.sizes for size in sizes], dim=-1))
        return [of_type(*(next(parts) for _ in sizes)) for of_type, sizes in zip(self.types, self.sizes, strict=True)]


class VectorToSequence(UnrollingModel):
    """A vector sets the initial state of a recurrent decoder, which unrolls the horizon.

    The vector is the whole context, its steps concatenated, without recurrence. With a context of one step it is the
    state of a system at one moment, and the decoder learns the dynamics from there: the one-to-many form of Karpathy
    2015, "The unreasonable effectiveness of recurrent neural networks", as image captioning uses it (Vinyals et al.
    2015, arXiv 1411.4555). See `UnrollingModel` for what the decoder is fed, and how `schedule` determines it.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer of the decoder.
        head: What is forecast, and the training loss.
        schedule: Teacher-forcing probability over training.
        layers: Layers of the decoder. [layers]
        dropout: Probability of dropping an output between layers in training.
        bound: Function applied to the linear map that gives the initial states: "tanh", as the outputs of most cells
            lie in (-1, 1), or "none".
        anchor: The base forecast that the network's output is added to.
        feedback: What the free-running decoder reads: its own "prediction", or always the last observation
            ("constant"), so that only the state evolves.
        detach_feedback: Whether the gradient stops at values fed back, or flows through.
        mask_unit: Whether the choice between truth and output is made at each "step" of each sample, once per
            "sequence", or once per "batch".

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        schedule: Schedule,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        bound: Bound = "tanh",
        anchor: AnchorFactory = LastAnchor,
        feedback: Feedback = "prediction",
        detach_feedback: bool = False,
        mask_unit: MaskUnit = "step",
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor)
        size = spec.targets + self.inputs.ahead_size
        stack = Stack(cell=cell, input_size=size, layers=layers, dropout=dropout, given_start=True)
        self.encoder = VectorEncoder(
            cells=list(stack.cells), input_size=spec.context * self.inputs.context_size, bound=bound
        )
        self.unroll_with(
            stack,
            NoAttention(query_size=stack.hidden_size, memory_size=self.inputs.context_size),
            schedule=schedule,
            feedback=feedback,
            detach_feedback=detach_feedback,
            mask_unit=mask_unit,
        )

    def start(self, batch: Batch) -> tuple[list[Any], Memory]:
        """The states that the context is mapped to; there is no memory to attend to."""
        inputs = self.inputs.context(batch)
        return self.encoder(inputs.flatten(1)), self.decoder.attention.memorise(inputs)
