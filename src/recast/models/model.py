"""What every forecasting model offers: a free-running forecast, and what training optimises."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.heads.head import Head
from recast.types import Batch, Forecast, Progress, SeriesSpec


class ForecastModel(nn.Module, ABC):
    """A map from batches of scaled windows to the head's parameters for each lead and target. It knows no Lightning.

    Args:
        spec: Names and sizes of the data.
        head: What is forecast (a point, a distribution) and how it is scored in training.
    """

    def __init__(self, *, spec: SeriesSpec, head: Head) -> None:
        super().__init__()
        self.spec = spec
        self.head = head

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the free-running forecast: no true future value is seen."""

    def fit_parameters(self, batch: Batch, progress: Progress) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters under the model's training regime; the same as `forward` unless it has one."""
        return self(batch)

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"] | None:
        """Head parameters when each step is fed the truth; None for a model that feeds nothing back."""
        return None

    def diagnostics(self, progress: Progress) -> dict[str, float]:
        """Numbers worth a curve at this point of training."""
        return {}

    @torch.no_grad()
    def forecast(self, batch: Batch, *, samples: int, seed: int = 0) -> Forecast:
        """Free-running forecast in scaled values.

        Args:
            batch: Windows; their targets are not looked at.
            samples: Trajectories drawn where the head is stochastic; their mean is the forecast.
            seed: Seed of those draws.
        """
        if not self.head.stochastic:
            return Forecast(self.head.mean(self(batch)))
        drawn = self.trajectories(batch, samples, torch.Generator().manual_seed(seed))
        return Forecast(drawn.mean(dim=0), drawn)

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws from the forecast distribution; leads are drawn independently unless the model feeds them back."""
        parameters = self(batch).expand(samples, *(-1,) * 4)
        return self.head.feedback(parameters, generator)
