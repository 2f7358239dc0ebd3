"""Processes that train one model together: the rank of this one, and which one reports errors."""

import os
import sys

from recast.errors import NonFiniteLossError, RecastError, StoppedBySignalError


def rank() -> int:
    """The rank of this process in its job, as set by torchrun, Lightning and SLURM."""
    found = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return next((int(number) for number in found if number), 0)


def is_told_by_the_first(error: RecastError) -> bool:
    """Whether the first process ends with the same error, and this one may end silently and with exit code 0.

    They agree on when to stop, and on whether the loss is finite. Lightning kills the first process when it sees that
    another has failed: here that could interrupt its error report.
    """
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    together = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return rank() > 0 and together and isinstance(error, (StoppedBySignalError, NonFiniteLossError))
