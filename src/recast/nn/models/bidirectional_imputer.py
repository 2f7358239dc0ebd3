"""Bidirectional recurrent layers that fill gaps."""

from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import Feature, SeriesSpec
from recast.nn.fixed_anchors.filling import interpolated
from recast.nn.fixed_anchors.known import KnownCourse
from recast.nn.models.bidirectional_layers import BidirectionalLayers
from recast.nn.models.imputer import Imputation, Imputer, elapsed_steps, observed_of
from recast.nn.models.inputs import Inputs, side_by_side
from recast.nn.models.model import NEAR_ZERO
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch


@final
class BidirectionalImputer(Imputer):
    """Bidirectional recurrent layers over values, masks and elapsed time, on top of the line across each gap.

    With the values l_t and the line between them where nothing was observed, the mask m_t (1 where observed), and the
    steps a_t and b_t since the observation before and to that after (`elapsed_steps` in each direction):

        h_t = layers([l_t, m_t, log(1 + a_t), log(1 + b_t)])     both directions
        x_t = l_t + W h_t + c

    where nothing was observed; elsewhere the observation itself stands, so that the loss counts what was removed alone.
    What the data have beside the targets are further inputs of the layers. W begins near zero, and with it the model as
    the line. Masks and elapsed time as inputs are those of Che et al. 2018 (arXiv 1606.01865, section 2.3), the layers
    those of Schuster & Paliwal 1997. Unlike BRITS (Cao et al. 2018), no estimate is read by the next step, so that all
    steps of a layer run as one compiled loop.

    Args:
        spec: The data's columns and scaling.
        cell: Builds one layer in one direction from `input_size`.
        layers: Number of layers, each of two directions.
        dropout: Probability of dropping an output between layers, and of those that enter the linear map W.
        line: Whether estimates are corrections of the line; if not, they begin at 0, the mean.
        course: Name of the feature whose columns `<course>.<target>` are a course of the targets: "tide" with
            data/features=fitted_tide. The line is then that between the departures from the course, on top of it.
            None: none.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or the data have no such columns.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING
    estimates_left: ClassVar[bool] = False

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        layers: PositiveInt = 2,
        dropout: Fraction = 0.0,
        line: bool = True,
        course: str | None = None,
    ) -> None:
        super().__init__(spec=spec)
        self.course = None if course is None else KnownCourse("BidirectionalImputer", spec, course)
        self.inputs = Inputs(spec)
        size = 3 * spec.targets + self.inputs.past_size + self.inputs.ahead_size
        self.layers = BidirectionalLayers(cell=cell, input_size=size, layers=layers, dropout=dropout)
        self.readout = nn.Linear(self.layers.hidden_size, spec.targets)
        self.dropout = dropout
        self.line = line
        if line:
            with torch.no_grad():
                for weight in self.readout.parameters():
                    weight.mul_(NEAR_ZERO)

    def forward(self, batch: Batch) -> Imputation:
        """See the base class."""
        observed = observed_of(batch)
        values = self._line(batch, observed)
        elapsed = elapsed_steps(observed), elapsed_steps(observed.flip(1)).flip(1)
        since, until = (steps.to(values.dtype).log1p() for steps in elapsed)
        known = self.inputs.known(batch, slice(0, batch.context))
        outputs, _ = self.layers.read(side_by_side([values, self.inputs.past(batch), since, until, known]))
        found = self.readout(functional.dropout(outputs, self.dropout, self.training))
        estimate = (values + found if self.line else found).where(~observed, values)
        return Imputation(estimate, estimate.unsqueeze(0), estimate.new_zeros(estimate.shape[0]))

    def _line(
        self, batch: Batch, observed: Bool[Tensor, "batch steps targets"]
    ) -> Float[Tensor, "batch steps targets"]:
        """The observations and the line between them."""
        if self.course is None:
            return interpolated(batch.history, observed)
        course = self.course(batch)[:, : batch.context]
        departure = interpolated(batch.history - course, observed)
        # Rounding would change an observation.
        return batch.history.where(observed, course + departure)
