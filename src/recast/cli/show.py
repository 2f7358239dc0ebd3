"""Results as tables in the terminal."""

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recast.runs.run_results import ResultTable, RunResults


def show_results(results: RunResults) -> None:
    """Prints the tables and remarks of results; the model's row stands out."""
    console = Console()
    for shown in results.tables():
        console.print(shown.title, style="italic", markup=False, highlight=False)
        table = _table(shown)
        # A table that the terminal breaks can be read; one squeezed into its width lacks digits.
        Console(width=max(console.width, Console(width=1000).measure(table).maximum)).print(table)
    for remark in results.remarks():
        console.print(remark, highlight=False)


def _table(shown: ResultTable) -> Table:
    table = Table()
    table.add_column(shown.first)
    for name in shown.frame.columns:
        table.add_column(str(name), justify="right")
    for name, *row in shown.frame.itertuples():
        style = "bold" if name == shown.highlighted else None
        table.add_row(escape(str(name)), *map(_text, row), style=style)
    return table


def _text(value: float) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)
