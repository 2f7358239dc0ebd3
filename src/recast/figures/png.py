"""Writing a picture to a file."""

from pathlib import Path

from matplotlib.figure import Figure

from recast.figures.paint import DPI
from recast.system.files import write_whole


def save(figure: Figure, path: Path) -> None:
    """Writes `figure` as PNG. The file appears whole or not at all: it is written aside and renamed.

    The same figure gives the same bytes. Missing folders are made.

    Args:
        figure: What to write.
        path: Where; an existing file is replaced.

    Raises:
        OSError: if the file cannot be written; an old one is then still there.
    """
    # Software would name the version of matplotlib: other bytes for the same picture.
    write_whole(path, lambda aside: figure.savefig(aside, format="png", dpi=DPI, metadata={"Software": None}))
