"""Paths of a run's checkpoints, and the key under which a checkpoint describes itself."""

from pathlib import Path

KEY = "recast"
FORMAT = 3
REASON = "not_restorable"
CALIBRATION = "calibration"
"""Key in the self-description of what bands were calibrated with; absent where they were not."""
GAP_BANDS = "gap_bands"
"""Key in the self-description of the bands of filled values; absent where there were too few errors, or not yet."""


def best_checkpoint_path(root: str | Path) -> Path:
    """The best checkpoint of the run in the folder `root`."""
    return Path(root) / "checkpoints" / "best.ckpt"


def last_checkpoint_path(root: str | Path) -> Path:
    """The last checkpoint of the run in the folder `root`."""
    return Path(root) / "checkpoints" / "last.ckpt"


def chosen_checkpoint_path(root: str | Path) -> Path:
    """The checkpoint of a run to use: the best, or the last if there was no validation."""
    best = best_checkpoint_path(root)
    return best if best.exists() else last_checkpoint_path(root)
