"""The base of the baselines of all kinds of task."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

TrainingPart_contra = TypeVar("TrainingPart_contra", contravariant=True)


class AnyBaseline(ABC, Generic[TrainingPart_contra]):
    """What a model is compared with: a method without a network, fitted on the training part alone."""

    @abstractmethod
    def fit(self, training: TrainingPart_contra, /) -> None:
        """Learns from the training part. A second call starts afresh."""
