"""Tables in the terminal: whole where nobody looks, folded by columns where a terminal is too narrow."""

import re

import pandas as pd
import pytest
from rich.console import Console

from recast.cli import show
from recast.runs.results import ResultTable, RunResults

METRICS = ["mse", "scaled_mse", "scaled_mae", "rmse", "mae", "mase", "smape", "coverage", "pinball"]
FRAME = pd.DataFrame({name: [1.234567, 0.00012345] for name in METRICS}, index=["harmonic_ridge", "model"])


class Tabled(RunResults):
    """Results of one table."""

    @property
    def overall(self):
        return {}

    def tables(self):
        return [ResultTable("test", "forecaster", FRAME, "model")]

    def remarks(self):
        return []

    def write(self, folder):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("columns", "terminal", "pieces"), [(80, True, 2), (200, True, 1), (40, True, 9), (80, False, 1)]
)
def test_a_table_is_folded_by_columns_in_a_narrow_terminal(columns, terminal, pieces, monkeypatch, capsys):
    monkeypatch.setattr(
        show,
        "Console",
        lambda width=columns: Console(width=width, force_terminal=terminal, _environ={}, color_system=None),
    )
    show.show_results(Tabled())
    lines = capsys.readouterr().out.splitlines()
    heads = [re.findall(r"\w+", line) for line in lines if "forecaster" in line]
    assert len(heads) == pieces
    assert [name for head in heads for name in head[1:]] == METRICS
    assert sum("harmonic_ridge" in line for line in lines) == pieces
    if terminal:
        assert max(map(len, lines)) <= columns
