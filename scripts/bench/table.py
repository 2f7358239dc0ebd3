"""Tables of what was measured."""

from collections.abc import Sequence

from measuring.spread import cell
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text


class Sheet:
    """A title, a table, and what must be known to read it.

    Args:
        title: What was measured.
        headings: Of the columns.
        note: What stands below the table.
        words: Columns that hold words; the others hold numbers.
    """

    def __init__(self, title: str, *headings: str, note: str = "", words: Sequence[int] = (0,)) -> None:
        self.title = title
        self.note = note
        self.table = Table(box=None, pad_edge=False)
        for number, heading in enumerate(headings):
            self.table.add_column(heading, justify="left" if number in words else "right")

    def add(self, *cells: str) -> None:
        """A row."""
        self.table.add_row(*cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts one below the other."""
        yield Text(self.title, style="bold")
        yield self.table
        yield Text(self.note)


def short(values: dict[str, float] | None, digits: int = 0, mark: str = "") -> str:
    """Median, and the range below it; a dash where there is nothing.

    Args:
        values: What `spread` gives.
        digits: Behind the decimal point.
        mark: Behind the median.
    """
    if values is None:
        return "-"
    median, *ends = cell(values, digits).split("\n")
    return "\n".join([median + mark, *ends])
