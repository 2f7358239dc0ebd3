"""Several processes that train one model together: which of them this one is, and who speaks for all."""

import os
import sys

from recast.errors import NonFiniteLossError, RecastError, StoppedBySignalError


def rank() -> int:
    """This process's number among those of its job, as torchrun, Lightning and SLURM give it."""
    found = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return next((int(number) for number in found if number), 0)


def is_told_by_the_first(error: RecastError) -> bool:
    """Whether the first process ends with the same error, and this one may end silently and with exit code 0.

    They agree on when to stop, and on whether the loss is finite. Lightning kills the first process where it sees that
    another one has failed: here it would be in the midst of telling why.
    """
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    together = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return rank() > 0 and together and isinstance(error, (StoppedBySignalError, NonFiniteLossError))
