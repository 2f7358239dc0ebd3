"""The interface of implementations of open and closed loops."""

from abc import ABC, abstractmethod
from typing import ClassVar

from recast.nn.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled

NO_GPU = "the data are not on a GPU"
"""Why an implementation for GPUs refuses a request: on a CPU nobody expects it."""


class UnavailableError(Exception):
    """An implementation cannot be used on this machine; the message says why."""


class Implementation(ABC):
    """A way to compute an open and a closed loop; all give the same values and gradients as `Plain`, within rounding.

    Attributes:
        name: Its name in the option `recurrence`.
    """

    name: ClassVar[str]

    @abstractmethod
    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """Why it does not support this request, as the end of a sentence; None: it does."""

    @abstractmethod
    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""

    @abstractmethod
    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""

    def describe(self, request: OpenLoop | ClosedLoop) -> str:
        """Its name and how it runs this request, for the log."""
        return self.name
