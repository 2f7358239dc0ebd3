"""Results as tables in the terminal."""

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recast.runs.gradients import Gradients
from recast.runs.importance import Importance
from recast.runs.results import ResultTable, RunResults
from recast.training.memory.memory import LayerMemory
from recast.training.memory.picture import layer_name

WHOLE = 1000
"""Columns in which any table fits; a file or a pipe gets it in one piece."""


def show_results(results: RunResults) -> None:
    """Prints the tables and remarks of results; the model's row is highlighted."""
    console = Console()
    for shown in results.tables():
        console.print(shown.title, style="italic", markup=False, highlight=False)
        for table in _folded(shown, console.width if console.is_terminal else WHOLE):
            # A table that the terminal breaks can be read; one squeezed into its width lacks digits.
            Console(width=max(console.width, _width(table))).print(table)
    for remark in results.remarks():
        # A remark may hold what a model wrote, brackets and all.
        console.print(remark, markup=False, highlight=False)


def _width(table: Table) -> int:
    return Console(width=WHOLE).measure(table).maximum


def _folded(shown: ResultTable, width: int) -> list[Table]:
    """The table in as few pieces as fit into `width` columns, each with the names of its rows."""
    pieces: list[list[str]] = [[]]
    for name in shown.frame.columns:
        if pieces[-1] and _width(_table(shown, [*pieces[-1], name])) > width:
            pieces.append([])
        pieces[-1].append(name)
    return [_table(shown, columns) for columns in pieces]


def _table(shown: ResultTable, columns: list[str]) -> Table:
    table = Table()
    table.add_column(shown.first)
    for name in columns:
        table.add_column(str(name), justify="right")
    for name, *row in shown.frame[columns].itertuples():
        style = "bold" if name == shown.highlighted else None
        table.add_row(escape(str(name)), *map(_text, row), style=style)
    return table


def _text(value: float) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def show_gradients(gradients: Gradients) -> None:
    """Prints decay, size of the Jacobian and saturation for each layer."""
    console = Console()
    for layer in gradients.layers:
        for table in (_decay(layer, gradients), _gates(layer)):
            if table.rows:
                # A table that the terminal breaks can be read; one squeezed into its width lacks digits.
                Console(width=max(console.width, Console(width=1000).measure(table).maximum)).print(table)
        console.print(
            f"Jacobian of a step, median: largest singular value {layer.singular_median:.4g}, "
            f"spectral radius {layer.radius_median:.4g}\n",
            highlight=False,
            soft_wrap=True,
        )


def _decay(layer: LayerMemory, gradients: Gradients) -> Table:
    """The gradient norm at the last step, its ratios halfway through the context and at its start, time constant."""
    half = len(layer.before) // 2
    table = Table(
        title=f"{layer_name(layer)} ({layer.cell}): {gradients.part}, {gradients.windows} windows", title_justify="left"
    )
    table.add_column("loss")
    table.add_column("gradient norm", justify="right")
    for place in (half, 0):
        table.add_column(f"{layer.before[place]:g} steps back", justify="right")
    table.add_column(escape("1/e in [steps]"), justify="right")
    for loss, fields in layer.norms.items():
        relative = layer.relative(loss)
        values = [f"{value:.2e}" if math.isfinite(value) else "-" for value in (relative[half], relative[0])]
        steps = layer.time_constant(loss)
        constant = f"{steps:.4g}" if math.isfinite(steps) else "no decay" if steps > 0 else "-"
        table.add_row(loss, f"{fields['state'][-1]:.2e}", *values, constant)
    return table


def _gates(layer: LayerMemory) -> Table:
    table = Table()
    for name in ("gate", "below 0.1", "above 0.9", "mean"):
        table.add_column(name, justify="left" if name == "gate" else "right")
    for name, gate in layer.gates.items():
        table.add_row(name, f"{gate.low:.1%}", f"{gate.high:.1%}", f"{gate.mean:.3f}")
    return table


def show_importance(importance: Importance) -> None:
    """Prints how the error grows with each input permuted."""
    console = Console()
    console.print(importance.title, style="italic", markup=False, highlight=False, soft_wrap=True)
    frame = importance.table()
    table = Table()
    for name in ("input", "role", "increase", "spread", "share"):
        table.add_column(name, justify="left" if name in {"input", "role"} else "right")
    for name, role, _, increase, spread, share in frame.itertuples():
        told = "-" if math.isnan(spread) else f"{spread:.2g}"
        table.add_row(escape(str(name)), role, f"{increase:+.4g}", told, f"{share:+.1%}")
    # A table that the terminal breaks can be read; one squeezed into its width lacks digits.
    Console(width=max(console.width, Console(width=1000).measure(table).maximum)).print(table)
