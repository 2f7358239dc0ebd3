"""One-step-ahead forecasts, fed back."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.cells.cell import each_field
from recast.nn.heads.head import Head
from recast.nn.models.continuation import continue_from_context
from recast.nn.models.encoder import Encoder
from recast.nn.models.history import held_history, held_truth, observed_truth
from recast.nn.models.horizon_readout import HorizonReadout
from recast.nn.models.inputs import side_by_side
from recast.nn.models.model import AnchorFactory, ForecastModel, TrainingForecast
from recast.nn.models.origins import rolling, seen_from_every_step, seen_from_origins
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory
from recast.nn.recurrence.request import Readout, Rollout
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch, Progress

Lag = Annotated[int, Ge(2)]
FED_BACK = (
    "it feeds its forecasts back as inputs and does not forecast others",
    "make them targets, use a source without past inputs, or another model",
)


class Recursive(ForecastModel):
    """A recurrent network that forecasts one step ahead; further leads come from feeding its forecasts back as inputs.

    It is trained one step ahead on true values only, and never on its own forecasts: this is teacher forcing, and its
    cost at later leads is the exposure bias (iterated or recursive multi-step forecasting; Ben Taieb et al. 2012, arXiv
    1108.3259, section 2). One stack of cells reads both context and horizon. `DeepAR` is this form with a stochastic
    head and lags.

    The step that forecasts y[t + 1] reads y[t] and the inputs known of t; with `lags`, also y[t + 1 - lag] of each, or
    the last one observed before it. In a forecast, values after the origin are those fed back, so that a lag shorter
    than the horizon reads the model's own. The recurrence begins at the first step that has all of its lags in the
    context: of the steps before it, one less than the longest lag, the targets are read as lags alone.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        layers: Layers of cells. [layers]
        dropout: Probability of dropping an output between layers in training.
        origins: What training scores: the one-step forecasts from "all" steps that the recurrence runs over in context
            and horizon, or from the "last" step of the context alone.
        anchor: The base forecast that the network's output is added to, one step ahead of each step. It reads the
            values up to that step, fed back or true; before the context, its first value is repeated.
        lags: Steps before the value that is forecast at which each step reads the targets, at least 2, as the last
            value is read anyway, and at most the context; none: none. [steps]

    Raises:
        ConfigurationError: if an option is out of range, or the series has past inputs; if a lag is longer than the
            context; if the anchor reads inputs, and the data have times since the origin, which the steps that it is
            read at do not share.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING - {"past"}

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
        lags: list[Lag] | None = None,
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor, leads=1, exceptions={"past": FED_BACK})
        self.require_one_origin()
        if origins == "all":
            self.require_filled_once("model.origins=all", "use model.origins=last")
        if self.anchor.reads_inputs:
            self.refuse_times_since_origin(
                f"{type(self.anchor).__name__} reads inputs at every step", "use an anchor without (model/anchor=last)"
            )
        self.origins = origins
        self.lags = tuple(lags or ())
        longest = max(self.lags, default=1)
        if longest > spec.context:
            raise ConfigurationError(
                f"{type(self).__name__}: lags: {longest} steps before a forecast lie before a context of "
                f"{spec.context}; give shorter lags, or a longer context (data.windows.context={longest} or more)"
            )
        self.first = longest - 1
        self.reach = max(self.anchor.reach, longest)
        size = self.inputs.context_size + spec.targets * len(self.lags)
        self.encoder = Encoder(cell=cell, input_size=size, layers=layers, dropout=dropout)
        self.readout = HorizonReadout(
            hidden_size=self.encoder.hidden_size,
            known=self.inputs.ahead_size,
            leads=1,
            targets=spec.targets,
            parameters=head.size,
        )

    @property
    def carries_states(self) -> bool:
        """Not with lags: the values that they read before a window are those of another batch."""
        return not self.lags

    @property
    def steps_read(self) -> int:
        """Those that have all of their lags."""
        return self.spec.context - self.first

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of each lead, given the values fed back before it."""
        outputs, states = self.encoder(batch, self._context(batch), last=1)
        recent = held_history(batch)[:, -self.reach :]
        ahead = self.inputs.ahead(batch)
        return self._closed_loop(outputs[:, -1], states, recent, ahead, beside=self._beside(batch)).parameters

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """One-step forecasts given the truth, window by window, along with the value that followed."""
        if self.origins == "last":
            outputs, _ = self.encoder(batch, self._context(batch), last=1)
            raw = self.readout(outputs[:, -1], self.inputs.ahead(batch)[:, :1])
            observed = batch.target_observed
            seen = None if observed is None else observed[:, :1]
            return TrainingForecast(self.head.shift(raw, self.base(batch)), batch.target[:, :1], seen)
        parameters = self._open_loop(batch)
        truth = torch.cat([batch.history[:, self.first + 1 :], batch.target], dim=1)
        observed = observed_truth(batch)
        seen = None if observed is None else observed[:, self.first + 1 :].flatten(0, 1).unsqueeze(1)
        return TrainingForecast(parameters.flatten(0, 1), truth.flatten(0, 1).unsqueeze(1), seen)

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the one-step forecasts through the horizon, given the truth before each."""
        return self._open_loop(batch)[:, -self.spec.horizon :, 0]

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws in closed loop: each lead is drawn given the leads drawn before it."""
        outputs, states = self.encoder(batch, self._context(batch), last=1)
        states = [each_field(lambda part: part.repeat(samples, 1), state) for state in states]
        recent = held_history(batch)[:, -self.reach :]
        parts = (outputs[:, -1], recent, self.inputs.ahead(batch))
        output, recent, ahead = (part.repeat(samples, *(1,) * (part.dim() - 1)) for part in parts)
        beside = self._beside(batch)
        if beside is not None:
            beside = beside.repeat(samples, 1, 1, 1)
        values = self._closed_loop(output, states, recent, ahead, beside=beside, generator=generator).values
        return values.unflatten(0, (samples, -1))

    def _open_loop(self, batch: Batch) -> Float[Tensor, "batch steps 1 targets parameters"]:
        """One-step forecasts from every step that is read in context and horizon, in one pass."""
        outputs, states = self.encoder(batch, self._context(batch))
        known = self.inputs.known(batch, slice(self.first + 1, None))
        if self.spec.horizon > 1:
            further, _ = self.encoder.stack(self._true_inputs(batch), states)
            outputs = torch.cat([outputs, further], dim=1)
        raw = self.readout(outputs, known.unsqueeze(2))
        base = self.anchor(rolling(held_truth(batch)[:, :-1], self.anchor.reach))
        if self.anchor.reads_inputs:
            seen = seen_from_every_step(_to_the_last_step(batch), self.anchor.reach)
            base = base + self.anchor.beside(seen).unflatten(0, (batch.start.shape[0], -1))
        return self.head.shift(raw, base[:, self.first :])

    def _context(self, batch: Batch) -> Float[Tensor, "batch steps inputs"]:
        """What is read at the steps of the context that have all of their lags."""
        return self._with_lags(self.inputs.context(batch)[:, self.first :], held_history(batch))

    def _with_lags(
        self, inputs: Float[Tensor, "batch steps inputs"], values: Float[Tensor, "batch time targets"]
    ) -> Float[Tensor, "batch steps wider"]:
        """Inputs of the last steps of `values`, beside the values at the lags of each."""
        steps, end = inputs.shape[1], values.shape[1] + 1
        return side_by_side([inputs, *(values[:, end - lag - steps : end - lag] for lag in self.lags)])

    def _beside(self, batch: Batch) -> Float[Tensor, "batch horizon 1 targets"] | None:
        """What the anchor makes of other inputs one step before each lead; None: nothing."""
        if not self.anchor.reads_inputs:
            return None
        whole = _to_the_last_step(batch)
        origins = tuple(range(batch.context, whole.context + 1))
        seen = seen_from_origins(whole._replace(origins=origins), self.anchor.reach)
        return self.anchor.beside(seen).unflatten(0, (batch.start.shape[0], -1))

    def _true_inputs(self, batch: Batch) -> Float[Tensor, "batch steps inputs"]:
        """What is read at the steps of the horizon but the last, given the truth; as in the context."""
        truth, ahead, observed = batch.target[:, :-1], self.inputs.ahead(batch)[:, :-1], batch.target_observed
        parts = [truth, ahead]
        if observed is not None:
            seen = observed[:, :-1]
            parts = [truth.where(seen, 0.0), seen.to(truth.dtype), ahead]
        return self._with_lags(torch.cat(parts, dim=-1), held_truth(batch)[:, :-1])

    def _closed_loop(
        self,
        output: Float[Tensor, "batch hidden"],
        states: list[Any],
        recent: Float[Tensor, "batch reach targets"],
        ahead: Float[Tensor, "batch horizon ahead"],
        *,
        beside: Float[Tensor, "batch horizon 1 targets"] | None,
        generator: torch.Generator | None = None,
    ) -> Rollout:
        """The forecast when each lead is fed the previous one.

        Args:
            output: The top layer's output at the end of the context.
            states: State of each layer there.
            recent: The last values of the context, as many as the anchor and the lags read.
            ahead: What is known ahead, at each lead.
            beside: What the anchor makes of other inputs, at each lead; None: nothing.
            generator: Source of random numbers of a stochastic head.
        """
        base = self.readout.direct(ahead.unsqueeze(2))
        if beside is not None:
            base = self.head.shift(base, beside)
        return continue_from_context(
            self.encoder.stack,
            output,
            states,
            readout=self._step_readout(generator),
            recent=recent.unbind(1),
            known=self._beside_fed(ahead[:, :-1]),
            base=base.flatten(2),
            embed=self._embed if self.lags else None,
        )

    def _embed(self, fed: Sequence[Tensor], known: Tensor) -> Tensor:
        """What a step reads of the last values, fed back or of the context, as in `_with_lags`."""
        return torch.cat([fed[-1], known, *(fed[-lag] for lag in self.lags)], dim=-1)

    def _beside_fed(self, ahead: Float[Tensor, "batch steps ahead"]) -> Float[Tensor, "batch steps inputs"]:
        """What is read along with a value fed back: where there are masks, one that marks it as observed."""
        if not self.spec.masked:
            return ahead
        return torch.cat([ahead.new_ones(*ahead.shape[:2], self.spec.targets), ahead], dim=-1)

    def _step_readout(self, generator: torch.Generator | None) -> Readout:
        """The one-step-ahead readout. Its base is the contribution of known inputs; the anchor reads the values fed."""
        linear, reach = self.readout.output, self.anchor.reach

        def parameters(output: Tensor, base: Tensor, fed: Sequence[Tensor]) -> Tensor:
            raw = (linear(output) + base).unflatten(-1, (self.spec.targets, -1))
            return self.head.shift(raw, self.anchor(torch.stack(list(fed[-reach:]), dim=1))[:, 0])

        return Readout(
            parameters=parameters,
            value=partial(self.head.feedback, generator=generator),
            weight=linear.weight,
            bias=linear.bias,
            linear=self.head.is_value and (self.anchor.is_last or self.anchor.is_zero),
            residual=self.anchor.is_last,
        )


def _to_the_last_step(batch: Batch) -> Batch:
    """The windows with their origin one step before their end. Data with past inputs are not for this model."""
    further = batch.target.shape[1] - 1
    categories, observed = batch.categories, batch.observed
    return batch._replace(
        history=torch.cat([batch.history, batch.target[:, :-1]], dim=1),
        target=batch.target[:, -1:],
        past=functional.pad(batch.past, (0, 0, 0, further)),
        categories=categories and categories._replace(past=functional.pad(categories.past, (0, 0, 0, further))),
        observed=observed
        and observed._replace(
            history=torch.cat([observed.history, observed.target[:, :-1]], dim=1),
            target=observed.target[:, -1:],
            past=functional.pad(observed.past, (0, 0, 0, further)),
        ),
    )
