"""Sequence to sequence: at every step of the context, a forecast of what follows."""

from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.heads.head import Head
from recast.nn.models.encoder import Encoder
from recast.nn.models.history import observed_truth
from recast.nn.models.horizon_readout import HorizonReadout
from recast.nn.models.model import AnchorFactory, ForecastModel, TrainingForecast
from recast.nn.models.origins import rolling, seen_from_every_step
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch, Progress


class PerStep(ForecastModel):
    """A recurrent network forecasts all leads at every step of the context; training scores all of these forecasts.

    Each window thus gives as many errors as it has context steps, each with a short gradient path to the weights, where
    `Direct` has one (Géron 2019, "Hands-on machine learning", chapter 15, sequence to sequence; the "forking sequences"
    of Wen et al. 2017, arXiv 1711.11053, section 3.3). Forecasts are those of the last step, after the whole context.
    Early steps have read little, so that the training error exceeds that of the forecasts.

    In training `batch * origins * horizon * targets` forecasts are in memory at once, and as many numbers each for the
    truth, the anchor and the gradient: limit `origins` or the batch size.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        layers: Layers of cells. [layers]
        dropout: Probability of dropping an output between layers in training.
        origins: Last steps of the context whose forecasts enter the loss; none: all. [steps]
        anchor: The base forecast that the network's output is added to, at every step. It reads the values up to that
            step; before the context, its first value is repeated.

    Raises:
        ConfigurationError: if an option is out of range, or `origins` exceeds the context; if the data have times since
            the origin, which several origins do not share.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        origins: PositiveInt | None = None,
        anchor: AnchorFactory = LastAnchor,
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor)
        self.require_one_origin()
        if origins is not None and origins > spec.context:
            raise ConfigurationError(
                f"PerStep: origins={origins}, but the context has {spec.context} steps; use fewer, or null for all"
            )
        if origins != 1:
            self.refuse_times_since_origin("model.origins", "use model.origins=1")
            self.require_filled_once("model.origins", "use model.origins=1")
        self.origins = origins
        self.encoder = Encoder(cell=cell, input_size=self.inputs.context_size, layers=layers, dropout=dropout)
        self.readout = HorizonReadout(
            hidden_size=self.encoder.hidden_size,
            known=self.inputs.ahead_size,
            leads=spec.horizon,
            targets=spec.targets,
            parameters=head.size,
        )

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the forecast from the last step."""
        outputs, _ = self.encoder(batch, self.inputs.context(batch), last=1)
        return self.head.shift(self.readout(outputs[:, -1], self.inputs.ahead(batch)), self.base(batch))

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """The forecasts from the last `origins` steps, window by window, along with what followed each."""
        outputs, _ = self.encoder(batch, self.inputs.context(batch), last=self.origins)
        # The context of a training window may be shorter than that of the data's description.
        first = batch.context - outputs.shape[1]
        known = self.inputs.known(batch, slice(first + 1, None))
        raw = self.readout(outputs, self._windows(known))
        base = self.anchor(rolling(self.filled(batch), self.anchor.reach)[:, first:])
        if self.anchor.reads_inputs:
            beside = self.anchor.beside(seen_from_every_step(batch, self.anchor.reach))
            base = base + beside.unflatten(0, (-1, batch.context))[:, first:]
        truth = self._windows(torch.cat([batch.history[:, first + 1 :], batch.target], dim=1))
        observed = observed_truth(batch)
        if observed is not None:
            observed = self._windows(observed[:, first + 1 :]).flatten(0, 1)
        return TrainingForecast(self.head.shift(raw, base).flatten(0, 1), truth.flatten(0, 1), observed)

    def _windows(self, values: Shaped[Tensor, "batch time channels"]) -> Shaped[Tensor, "batch steps horizon channels"]:
        """Every run of `horizon` consecutive values, as a view."""
        return values.unfold(1, self.spec.horizon, 1).transpose(-1, -2)
