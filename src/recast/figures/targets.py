"""Pictures of several targets: how many of them are shown, and what the heading says of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from recast.figures.plot import Plot

MOST_TARGETS = 8  # rows of panels; more would be too small to read, or the picture too high

ShownT = TypeVar("ShownT")


@dataclass(frozen=True, eq=False)
class TargetPanels:
    """The forecasts of one target.

    Args:
        name: Its name.
        unit: Its unit; "" where it has none.
        panels: A panel for each window.
    """

    name: str
    unit: str
    panels: tuple[Plot, ...]


def shown_targets(targets: Sequence[ShownT]) -> Sequence[ShownT]:
    """Those that a picture shows: the first ones."""
    return targets[:MOST_TARGETS]


def heading(title: str, names: Sequence[str]) -> str:
    """The title, with the name of a single target before it, or a count of those that are left out behind it.

    Args:
        title: What the picture shows; "" for nothing.
        names: The names of all targets.
    """
    if len(names) == 1:
        return f"{names[0]}: {title}" if title else names[0]
    if len(names) > MOST_TARGETS:
        return f"{title} (the first {MOST_TARGETS} of {len(names)} targets)".strip()
    return title
