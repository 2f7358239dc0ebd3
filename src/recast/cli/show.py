"""Results as a table in the terminal."""

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recast.runs.results import Results


def show_results(results: Results) -> None:
    """Prints model and baselines, best first, with the metrics as columns; the model's row stands out."""
    frame = results.table()
    unit = escape(f" [{results.unit}]") if results.unit else ""
    windows = results.windows[results.part]
    table = Table(title=f"{results.part}: {windows} windows, all leads{unit}", title_justify="left")
    table.add_column("forecaster")
    for name in frame.columns:
        table.add_column(str(name), justify="right")
    for name, row in frame.iterrows():
        values = ["-" if math.isnan(value) else f"{value:.4g}" for value in row]
        table.add_row(str(name), *values, style="bold" if name == "model" else None)
    console = Console()
    # A table that the terminal breaks can be read; one squeezed into its width lacks digits.
    Console(width=max(console.width, Console(width=1000).measure(table).maximum)).print(table)
    skills = {reference["baseline"]: reference["overall"] for reference in results.skills().values()}
    for baseline, value in skills.items():
        console.print(f"skill in MSE against {baseline}: {value:+.3f}", highlight=False)
