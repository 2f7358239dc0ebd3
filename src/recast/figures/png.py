"""Writing a picture to a file."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from recast.figures.paint import DPI


def save(figure: Figure, path: Path) -> None:
    """Writes `figure` as PNG. The file appears whole or not at all: it is written aside and renamed.

    The same figure gives the same bytes. Missing folders are made.

    Args:
        figure: What to write.
        path: Where; an existing file is replaced.

    Raises:
        OSError: if the file cannot be written; an old one is then still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Software would name the version of matplotlib: other bytes for the same picture.
        figure.savefig(aside, format="png", dpi=DPI, metadata={"Software": None})
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
