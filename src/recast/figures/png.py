"""Writes figures to files."""

from pathlib import Path

from matplotlib.figure import Figure

from recast.figures.style import DPI
from recast.system.files import write_whole


def save(figure: Figure, path: Path) -> None:
    """Writes `figure` as PNG, atomically.

    The same figure gives the same bytes. Missing folders are created.

    Args:
        figure: What to write.
        path: Destination; an existing file is replaced.

    Raises:
        OSError: if the file cannot be written; an old one is then still there.
    """
    # Software would name the matplotlib version: different bytes for the same figure.
    write_whole(path, lambda aside: figure.savefig(aside, format="png", dpi=DPI, metadata={"Software": None}))
