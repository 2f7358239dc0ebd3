"""What the measurement asks of a library."""

from abc import ABC, abstractmethod

import numpy as np

from .clock import Clock
from .work import Work

FOR_EVER = 10**7
"""Epochs or steps, where a library asks for their number but the clock ends the training."""


class Peer(ABC):
    """A library at the common work, by its own public ways of training and predicting.

    Args:
        work: The series and its windows.
        clock: Watches the training, and ends it.
    """

    def __init__(self, work: Work, clock: Clock) -> None:
        self.work = work
        self.clock = clock

    @abstractmethod
    def train(self) -> None:
        """Trains until the clock says that it is over, or the recipe ends."""

    @abstractmethod
    def forecast(self) -> np.ndarray:
        """Free-running forecasts of the test windows in metres, with the present weights, shape (windows, horizon).

        The largest sensible batch is used; what can be prepared once is.
        """
