"""Progress counted in optimiser steps or in epochs, as an option says."""

from typing import Literal

from recast.errors import ConfigurationError
from recast.types import Progress

Unit = Literal["step", "epoch"]


def elapsed(progress: Progress, by: Unit) -> int:
    """Units that lie behind."""
    return progress.step if by == "step" else progress.epoch


def planned(progress: Progress, by: Unit) -> int:
    """Units in the whole run.

    Raises:
        ConfigurationError: if the run has no planned end.
    """
    total = progress.total_steps if by == "step" else progress.total_epochs
    if total < 1:
        raise ConfigurationError(
            f"schedule: it is spread over the whole run, but the run has no planned number of {by}s (found {total}); "
            "limit the run, or give the schedule its length"
        )
    return total
