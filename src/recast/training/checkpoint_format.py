"""Where the states of a run lie, and under which key a checkpoint describes itself."""

from pathlib import Path

KEY = "recast"
FORMAT = 3
REASON = "not_restorable"


def best_checkpoint_path(root: str | Path) -> Path:
    """Where the best state of the run in the folder `root` lies."""
    return Path(root) / "checkpoints" / "best.ckpt"


def last_checkpoint_path(root: str | Path) -> Path:
    """Where the last state of the run in the folder `root` lies."""
    return Path(root) / "checkpoints" / "last.ckpt"


def chosen_checkpoint_path(root: str | Path) -> Path:
    """The state of a run that is put to use: the best one, the last where there was no validation."""
    best = best_checkpoint_path(root)
    return best if best.exists() else last_checkpoint_path(root)
