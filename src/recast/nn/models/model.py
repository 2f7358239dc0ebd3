"""The interface of forecasting models: a free-running forecast, and the forecasts that training scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import Anchor, LastAnchor
from recast.nn.fixed_anchors.filling import interpolated
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.heads.head import Head
from recast.nn.models.carried_states import CarriedStates
from recast.nn.models.history import held_history
from recast.nn.models.inputs import Inputs
from recast.nn.models.origins import seen_from_origins
from recast.nn.models.reads import reject_unread
from recast.types import Batch, Forecast, Progress

AnchorFactory = Callable[..., Anchor]
NEAR_ZERO = 0.1  # what the last layer's weights are multiplied by


class TrainingForecast(NamedTuple):
    """Forecasts that the loss compares with the truth, from one or several origins of each window.

    observed: where the truth was observed; None: everywhere.
    """

    parameters: Float[Tensor, "origins horizon targets parameters"]
    target: Float[Tensor, "origins horizon targets"]
    observed: Bool[Tensor, "origins horizon targets"] | None = None


class ForecastModel(nn.Module, ABC):
    """A map from batches of scaled windows to the head's parameters for each lead and target; independent of Lightning.

    Args:
        spec: Names and sizes of the data.
        head: What is forecast (a point, a distribution) and how it is scored in training.
        anchor: Builds the base forecast that the network's output is added to.
        leads: Leads of that base forecast; none: the horizon. [steps]
        exceptions: What it does not read with its current options: why, and the remedy.

    Attributes:
        reads: What it can read of the data in addition to real-valued targets without gaps.

    Raises:
        ConfigurationError: if the anchor reads more than the context, or the data have features that the model does not
            read.
    """

    reads: ClassVar[frozenset[Feature]]

    def __init__(
        self,
        *,
        spec: SeriesSpec,
        head: Head,
        anchor: AnchorFactory = LastAnchor,
        leads: int | None = None,
        exceptions: Mapping[Feature, tuple[str, str]] | None = None,
    ) -> None:
        super().__init__()
        reject_unread(type(self).__name__, spec, self.reads, exceptions)
        self.spec = spec
        self.inputs = Inputs(spec)
        self.head = head
        head.adapt(spec)
        self.anchor = anchor(spec=spec, leads=leads or spec.horizon)
        if self.anchor.reach > spec.context:
            raise ConfigurationError(
                f"{type(self.anchor).__name__} reads the last {self.anchor.reach} steps, but the context has "
                f"{spec.context}; give it fewer, or a longer context (data.windows.context)"
            )

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the free-running forecast: no true future value is seen."""

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """What the loss is computed on, under the model's training regime; by default the result of `forward`."""
        return TrainingForecast(self(batch), batch.target, batch.target_observed)

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"] | None:
        """Head parameters when each step is fed the truth; None for a model without feedback."""
        return None

    @property
    def precision(self) -> torch.dtype:
        """The dtype of its weights, in which it computes."""
        return next((weight.dtype for weight in self.parameters()), torch.get_default_dtype())

    @property
    def steps_read(self) -> int:
        """Steps of the context, up to the origin, that its recurrent layers run over; all unless overridden."""
        return self.spec.context

    @property
    def carries_states(self) -> bool:
        """Whether it can continue from the states of the previous batch."""
        return any(isinstance(part, CarriedStates) for part in self.modules())

    @property
    def feeds_back(self) -> bool:
        """Whether a lead is drawn given the leads drawn before it, so that its parameters are not those of its own.

        Unless overridden, where `trajectories` is.
        """
        return type(self).trajectories is not ForecastModel.trajectories

    @property
    def forecasts_from_origins(self) -> bool:
        """Whether it can be trained on several forecast origins in each window (`Batch.origins`)."""
        return False

    @property
    def has_line(self) -> bool:
        """Whether `base` is a forecast of its own: that of an anchor fixed before training, of each lead."""
        return isinstance(self.anchor, FixedAnchor) and self.anchor.leads == self.spec.horizon

    def diagnostics(self, progress: Progress) -> dict[str, float]:
        """Quantities to log at this point of training."""
        return {}

    @torch.no_grad()
    def forecast(self, batch: Batch, *, samples: int, seed: int = 0) -> Forecast:
        """Free-running forecast in scaled values.

        Args:
            batch: Windows; their targets are not read.
            samples: Trajectories drawn if the head is stochastic; their mean is the forecast. Where nothing is fed
                back, quantiles are those of the head, not of the samples.
            seed: Seed of the draws.
        """
        found = self._whole_forecast(batch, samples, torch.Generator().manual_seed(seed))
        less = self._held_back(found.mean, batch)
        # Not at the level of parameters: what is fed back is the whole correction, as in training.
        return found if less is None else found.values(lambda values: values + less)

    def point_forecast(self, batch: Batch) -> Float[Tensor, "batch horizon targets"]:
        """The mean of the free-running forecast, in scaled values, with gradients.

        Where draws are fed back, it is that given the draws, of which each lead has one.
        """
        mean = self.head.mean(self(batch))
        less = self._held_back(mean, batch)
        return mean if less is None else mean + less

    def _held_back(
        self, mean: Float[Tensor, "batch horizon targets"], batch: Batch
    ) -> Float[Tensor, "batch horizon targets"] | None:
        """What is added to a forecast with the whole correction of the anchor; None where the share is 1."""
        if not isinstance(self.anchor, FixedAnchor) or bool((self.anchor.share == 1).all()):
            return None
        return (self.anchor.share - 1).unsqueeze(-1) * (mean - self.base(batch))

    def _whole_forecast(self, batch: Batch, samples: int, generator: torch.Generator) -> Forecast:
        """The forecast with the whole correction of the anchor."""
        if not self.head.stochastic:
            return self.head.forecast(self(batch))
        if self.feeds_back:
            drawn = self.trajectories(batch, samples, generator)
            return Forecast(drawn.mean(dim=0), drawn)
        parameters = self(batch)
        drawn = self.head.feedback(parameters.expand(samples, *(-1,) * 4), generator)
        return Forecast(drawn.mean(dim=0), drawn, inverse=self.head.inverse_at(parameters))

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws from the forecast distribution; leads are drawn independently unless the model feeds them back."""
        parameters = self(batch).expand(samples, *(-1,) * 4)
        return self.head.feedback(parameters, generator)

    def base(self, batch: Batch) -> Float[Tensor, "batch leads targets"]:
        """The anchor's forecast from the end of the context.

        Raises:
            ConfigurationError: if the anchor reads more than the context of this batch.
        """
        if self.anchor.reach > batch.context:
            raise ConfigurationError(
                f"{type(self.anchor).__name__} reads the last {self.anchor.reach} steps, but a training window has "
                f"{batch.context}; give it fewer, or a longer data.regime.chunk"
            )
        base = self.anchor(self.filled(batch)[:, -self.anchor.reach :])
        return base + self.anchor.beside(batch) if self.anchor.reads_inputs else base

    def seen_from_origins(self, batch: Batch) -> Batch:
        """A window for each origin of each window of a training batch, with what the anchor reads.

        Raises:
            ConfigurationError: if the anchor reads more than there is before an origin, or interpolates gaps; if the
                data have times since the origin, or gaps are filled by an imputation model.
        """
        if batch.origins is not None:
            self.require_one_origin()
            self.require_filled_once("data/regime=multi_origin", "use data/regime=shuffled")
            if len(batch.origins) > 1:
                self.refuse_times_since_origin("data.regime.origins", "use one origin (data/regime=shuffled)")
        return seen_from_origins(batch, self.anchor.reach)

    def require_one_origin(self) -> None:
        """Refuses an anchor that interpolates gaps, which would look beyond all origins of a window but the last.

        Raises:
            ConfigurationError: then.
        """
        if self.spec.masked and self.anchor.interpolates:
            raise ConfigurationError(
                f"{type(self.anchor).__name__} interpolates what was not observed up to the origin, but forecasts are "
                f"made from several steps of each window ({type(self).__name__}, or data.regime.origins); use data "
                "without gaps, another anchor, or a model and regime with one origin (data/regime=shuffled)"
            )

    def refuse_times_since_origin(self, option: str, remedy: str) -> None:
        """Refuses inputs whose values hold for one origin of a window.

        Args:
            option: Why there are several.
            remedy: What to do.

        Raises:
            ConfigurationError: if the data have some.
        """
        names = ", ".join(self.spec.since_origin)
        if names:
            raise ConfigurationError(
                f"{type(self).__name__}: {names} counts from the last step of a window, but forecasts are made from "
                f"several steps of each ({option}); {remedy}, or leave the feature out"
            )

    def require_filled_once(self, option: str, remedy: str) -> None:
        """Refuses an imputation model, which reads the whole context, where forecasts are made within it, too.

        Args:
            option: Why they are.
            remedy: What to do.

        Raises:
            ConfigurationError: if the data's description names one.
        """
        if self.spec.imputer is not None:
            raise ConfigurationError(
                f"{type(self).__name__}: missing values are filled from the whole context (data/grid=impute), so that "
                f"at an earlier step of it they would know what follows, but forecasts are made from such steps "
                f"({option}); {remedy}, or data/grid=mask data.grid.hold=true"
            )

    def filled(self, batch: Batch) -> Float[Tensor, "batch context targets"]:
        """The targets up to the origin as the anchor reads them where some were not observed."""
        if batch.observed is None or not self.anchor.interpolates:
            return held_history(batch)
        return interpolated(batch.history, batch.observed.history)

    @property
    def last_layer(self) -> nn.Module | None:
        """The layer whose output is added to the anchor; None where it is a recurrent one."""
        return getattr(self, "readout", None)

    @torch.no_grad()
    def start_at_anchor(self) -> None:
        """Makes the last layer begin near zero, and so the whole model near its anchor."""
        layer = self.last_layer
        for weight in () if layer is None else layer.parameters():
            weight.mul_(NEAR_ZERO)

    def last(self, batch: Batch) -> Float[Tensor, "batch targets"]:
        """The last observation of the targets."""
        return held_history(batch)[:, -1]
