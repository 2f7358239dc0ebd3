"""Writes figures to files."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from recast.errors import ConfigurationError
from recast.figures.style import DPI
from recast.system.files import write_whole

# What software would name itself, or the time: different bytes for the same figure.
NAMELESS = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}
"""The formats that figures are written in, by the ending of the file, and the metadata they are written without."""


def format_of(path: Path, option: str = "figure") -> str:
    """The format of a figure, by the ending of its file; PNG without one.

    Args:
        path: The file.
        option: What names it, for the message.

    Raises:
        ConfigurationError: if figures are not written in that format.
    """
    ending = path.suffix.removeprefix(".").lower() or "png"
    if ending not in NAMELESS:
        raise ConfigurationError(f"{option}={path}: figures are written as .{', .'.join(NAMELESS)}; give one of these")
    return ending


def save(figure: Figure, path: Path) -> None:
    """Writes `figure` in the format of the file's ending (PNG, PDF, SVG), atomically.

    The same figure gives the same bytes. Missing folders are created.

    Args:
        figure: What to write.
        path: Destination; an existing file is replaced.

    Raises:
        ConfigurationError: if the ending is that of another format.
        OSError: if the file cannot be written; an old one is then still there.
    """
    kind = format_of(path)
    with mpl.rc_context({"svg.hashsalt": "recast"}):
        write_whole(path, lambda aside: figure.savefig(aside, format=kind, dpi=DPI, metadata=NAMELESS[kind]))
