"""Lightning without what it says of itself."""

import logging
import warnings

# Its loggers get their handlers when it is imported, so that has to come first.
import lightning.pytorch  # noqa: F401 # pyright: ignore[reportUnusedImport]

from recast.system.processes import rank


def quiet_lightning() -> None:
    """Leaves Lightning's warnings, not its remarks on accelerators and products; and each line once."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
    if rank() > 0:
        # One of several processes says what they all do.
        logging.getLogger().setLevel(logging.WARNING)
    # Lightning 2.6 on torch 2.13; nothing that a user of recast could change.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    # Said wherever SLURM is installed; recast's jobs are started without srun.
    warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used")
