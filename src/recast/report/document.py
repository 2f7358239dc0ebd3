"""The structure of a report, before rendering to HTML or Markdown. All text is plain; renderers escape it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Args:
        words: Its text.
        kind: "warning" stands out; "note" is small.
    """

    words: str
    kind: Literal["plain", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Items:
    """A list of short lines.

    Args:
        lines: The lines.
        kind: "warning" stands out.
    """

    lines: Sequence[str]
    kind: Literal["plain", "warning"] = "plain"


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        cells: Text of each column.
        mark: "best" and "baseline" stand out; "worse" is a model that loses to a baseline; "absent" has no result.
    """

    cells: Sequence[str]
    mark: Literal["", "best", "baseline", "worse", "absent"] = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        title: What it shows.
        head: Name of each column.
        rows: The rows.
        words: Number of leading columns that hold words; the others hold numbers.
        note: How to read it, below.
        folded: Whether it is collapsed by default.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    words: int = 1
    note: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        title: What it shows.
        uri: The image as a data: URI.
        alt: The same in words, for those who cannot see it.
        note: How to read it, below.
    """

    title: str
    uri: str
    alt: str
    note: str = ""


Block = Text | Items | Table | Picture


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Args:
        title: Its heading.
        blocks: Its content.
        anchor: Its place in the address of the page.
    """

    title: str
    blocks: Sequence[Block]
    anchor: str


@dataclass(frozen=True)
class Document:
    """The whole report.

    Args:
        title: Its heading.
        summary: The main results.
        sections: Its parts.
        footer: Who wrote it, and when.
    """

    title: str
    summary: Sequence[Block]
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""
