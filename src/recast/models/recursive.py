"""One step ahead, fed back."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from recast.anchors.last import LastAnchor
from recast.errors import ConfigurationError
from recast.heads.head import Head
from recast.models.continued import continued
from recast.models.encoder import Encoder
from recast.models.horizon_readout import HorizonReadout
from recast.models.model import AnchorFactory, ForecastModel, TrainingForecast
from recast.models.rolling import rolling
from recast.models.stack import CellFactory
from recast.options import Fraction, PositiveInt, checked
from recast.recurrence.request import Readout, Rollout
from recast.types import Batch, Progress, SeriesSpec


class Recursive(ForecastModel):
    """A recurrent network that forecasts one step ahead; further leads come from feeding its forecasts back as inputs.

    It is trained one step ahead on true values only, and never on its own forecasts: this is teacher forcing, and
    what it costs further ahead is the exposure bias (iterated or recursive multi-step forecasting; Ben Taieb et al.
    2012, arXiv 1108.3259, section 2). One stack of cells reads context and horizon alike. With a stochastic head it is
    the autoregression of DeepAR (Salinas et al. 2020, arXiv 1704.04110, section 3).

    Args:
        spec: Names and sizes of the data; given by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        layers: Layers of cells. [layers]
        dropout: Probability of dropping an output between layers in training.
        origins: What training scores: the one-step forecasts from "all" steps of context and horizon but the last, or
            from the "last" step of the context alone.
        anchor: The base forecast that the network's output is added to, one step ahead of each step. It reads the
            values up to that step, fed back or true; before the context lies its first value.

    Raises:
        ConfigurationError: if an option is out of range, or the series has past inputs.
    """

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        origins: Literal["all", "last"] = "all",
        anchor: AnchorFactory = LastAnchor,
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor, leads=1)
        if spec.inputs != spec.targets + spec.known:
            past = ", ".join(spec.names[spec.targets :])
            raise ConfigurationError(
                f"Recursive: it feeds its forecasts back as inputs, but also reads past inputs ({past}) that it does "
                "not forecast; make them targets, use a source without past inputs, or another model"
            )
        self.origins = origins
        self.encoder = Encoder(cell=cell, input_size=spec.inputs, layers=layers, dropout=dropout)
        self.readout = HorizonReadout(
            hidden_size=self.encoder.hidden_size,
            known=spec.known,
            leads=1,
            targets=spec.targets,
            parameters=head.parameters_per_target,
        )

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of each lead, given the values fed back before it."""
        outputs, states = self.encoder(batch, last=1)
        recent = batch.context[:, -self.anchor.reach :, : self.spec.targets]
        return self._closed_loop(outputs[:, -1], states, recent, batch.known).parameters

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """One-step forecasts given the truth, window by window, beside the value that followed."""
        if self.origins == "last":
            outputs, _ = self.encoder(batch, last=1)
            raw = self.readout(outputs[:, -1], batch.known[:, :1])
            return TrainingForecast(self.head.shift(raw, self.base(batch)), batch.target[:, :1])
        parameters = self._open_loop(batch)
        truth = torch.cat([batch.context[:, 1:, : self.spec.targets], batch.target], dim=1)
        return TrainingForecast(parameters.flatten(0, 1), truth.flatten(0, 1).unsqueeze(1))

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the one-step forecasts through the horizon, given the truth before each."""
        return self._open_loop(batch)[:, -self.spec.horizon :, 0]

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws in closed loop: each lead is drawn given the lead drawn before it."""
        outputs, states = self.encoder(batch, last=1)
        states = [type(state)(*(part.repeat(samples, 1) for part in state)) for state in states]
        recent = batch.context[:, -self.anchor.reach :, : self.spec.targets]
        output, recent, known = (
            part.repeat(samples, *(1,) * (part.dim() - 1)) for part in (outputs[:, -1], recent, batch.known)
        )
        values = self._closed_loop(output, states, recent, known, generator).values
        return values.unflatten(0, (samples, -1))

    def _open_loop(self, batch: Batch) -> Float[Tensor, "batch steps 1 targets parameters"]:
        """One-step forecasts from every step of context and horizon but the last, in one pass."""
        outputs, states = self.encoder(batch)
        values = torch.cat([batch.context[..., : self.spec.targets], batch.target[:, :-1]], dim=1)
        known = torch.cat([batch.context[:, 1:, len(self.spec.names) :], batch.known], dim=1)
        if self.spec.horizon > 1:
            inputs = torch.cat([batch.target[:, :-1], batch.known[:, :-1]], dim=-1)
            further, _ = self.encoder.stack(inputs, states)
            outputs = torch.cat([outputs, further], dim=1)
        raw = self.readout(outputs, known.unsqueeze(2))
        return self.head.shift(raw, self.anchor(rolling(values, self.anchor.reach)))

    def _closed_loop(
        self,
        output: Float[Tensor, "batch hidden"],
        states: list[Any],
        recent: Float[Tensor, "batch reach targets"],
        known: Float[Tensor, "batch horizon known"],
        generator: torch.Generator | None = None,
    ) -> Rollout:
        """The forecast when each lead is fed the one before.

        Args:
            output: The top layer's output at the end of the context.
            states: State of each layer there.
            recent: The last values up to there, as many as the anchor reads.
            known: Inputs known ahead, at each lead.
            generator: Source of random numbers of a stochastic head.
        """
        return continued(
            self.encoder.stack,
            output,
            states,
            readout=self._step_readout(generator),
            recent=recent.unbind(1),
            known=known[:, :-1],
            base=self.readout.direct(known.unsqueeze(2)).flatten(2),
        )

    def _step_readout(self, generator: torch.Generator | None) -> Readout:
        """Reads one step ahead. Its base is what known inputs add; the anchor reads the values fed."""
        linear = self.readout.output

        def parameters(output: Tensor, base: Tensor, fed: Sequence[Tensor]) -> Tensor:
            raw = (linear(output) + base).unflatten(-1, (self.spec.targets, -1))
            return self.head.shift(raw, self.anchor(torch.stack(list(fed), dim=1))[:, 0])

        return Readout(
            parameters=parameters,
            value=partial(self.head.feedback, generator=generator),
            weight=linear.weight,
            bias=linear.bias,
            linear=self.head.is_value and (self.anchor.is_last or self.anchor.is_zero),
            residual=self.anchor.is_last,
        )
