"""recast-report on runs over many series: the spread of their scores and the worst of them, against pandas."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from report_runs import write_json, write_per_item, write_run

from recast.report import items, markdown
from recast.report.build import build
from recast.report.document import Picture, Table, Text
from recast.report.study import Ranked, study
from recast.report.write import report
from recast.scoring.metrics.item_errors import spread

NAMES = ("NA", "<b>|x", *(f"s{n}" for n in range(38)))


def drawn(seed: int) -> dict[str, float]:
    return dict(zip(NAMES, np.random.default_rng(seed).lognormal(size=len(NAMES)).tolist(), strict=True))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two cells, the first with two seeds; in the second run ridge does better than in the others."""
    for place, (cell, seed, mse) in enumerate((("gru", 0, 0.3), ("gru", 1, 0.4), ("rnn", 0, 0.6))):
        ridge = 0.5 - 0.1 * (place == 1)
        run = write_run(
            *(tmp_path / "s" / f"{cell}{seed}", [f"model/cell={cell}", f"seed={seed}"], mse),
            baselines={"last_value": 0.9, "ridge": ridge},
        )
        write_per_item(run, {"model": drawn(place), "ridge": drawn(10 + place), "last_value": drawn(20)})
    return tmp_path / "s"


def ranked(folder: Path, metric: str | None = None) -> Ranked:
    return study([folder], alpha=0.05, metric=metric).ranked[0]


def rows(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.head, row.cells, strict=True)) for row in table.rows]


def test_each_run_has_its_quartiles_and_its_worst_item(folder):
    data = ranked(folder)
    table = items.table(data, items.scores(data))
    assert [row.mark for row in table.rows] == ["", "", "", "baseline", "baseline"]
    first, *_, ridge, last = rows(table)
    own, other = pd.Series(drawn(0)), pd.Series(drawn(11))
    expected = spread(own.to_numpy(), NAMES, data.metric.description)
    assert (first["model/cell"], first["seed"], first["items"]) == ("gru", "0", "40")
    for column, name in (("mean", "mean"), ("median", "median"), ("lower quartile", "lower_quartile")):
        assert float(first[column]) == pytest.approx(expected[name], rel=1e-3)
    assert first["worst item"] == f"{expected['worst']:.3f} ({expected['worst_item']})"
    assert first["ahead of ridge"] == f"{(own < other).sum()} of 40"
    # A baseline stands there once, from the run in which it is best.
    assert float(ridge["mean"]) == pytest.approx(other.mean(), rel=1e-3)
    assert (last["model/cell"], last["ahead of ridge"]) == ("baseline: last_value", "")


def test_the_worst_items_are_named_with_the_baselines_beside(folder):
    data = ranked(folder)
    table = items.worst(data, items.scores(data))
    mean = (pd.Series(drawn(0)) + pd.Series(drawn(1))) / 2
    assert [row["item"] for row in rows(table)] == list(mean.nlargest(items.WORST).index)
    assert table.head == ("item", "gru", "ridge", "last_value")
    name = rows(table)[0]["item"]
    assert [float(cell) for cell in table.rows[0].cells[1:]] == pytest.approx(
        [mean[name], drawn(11)[name], drawn(20)[name]], rel=1e-3
    )


def test_a_curve_is_the_quantiles_of_the_items(folder):
    data = ranked(folder)
    gru, rnn, ridge, last = items.curves(data, items.scores(data))
    assert (gru.name, rnn.name, ridge.name, last.reference) == ("gru (2 runs)", "rnn (1 run)", "ridge (baseline)", True)
    # No more items than points: they are the items themselves.
    assert_allclose(gru.curves, [sorted(drawn(seed).values()) for seed in (0, 1)])
    assert (gru.x[0], gru.x[-1]) == (0, 100)


def test_in_a_metric_in_which_more_is_better_the_smallest_is_worst(tmp_path):
    described = {"r2": {"unit": "", "higher_is_better": True, "perfect": 1.0}}
    run = write_run(tmp_path / "a", [], 0.4, metrics=described, test={"r2": 0.9}, baselines={})
    results = json.loads((run / "metrics.json").read_text())
    write_json(run / "metrics.json", results | {"baselines": {"mean": {"r2": 0.1}}})
    write_per_item(run, {"model": {"a": 0.9, "b": -3.0, "c": 0.95}, "mean": {"a": 0.1, "b": 0.0, "c": 0.96}}, "r2")
    data = ranked(tmp_path)
    (row, _) = rows(items.table(data, items.scores(data)))
    assert (row["worst item"], row["ahead of mean"]) == ("-3.000 (b)", "1 of 3")


def test_items_that_were_not_scored_do_not_count(tmp_path):
    run = write_run(tmp_path / "a", [], 0.4)
    write_per_item(run, {"model": {"a": 1.0, "b": np.nan, "c": 3.0}, "ridge": {"a": 2.0, "b": 1.0, "c": np.nan}})
    data = ranked(tmp_path)
    row = rows(items.table(data, items.scores(data)))[0]
    assert (row["items"], row["median"], row["ahead of ridge"]) == ("2", "2.000", "1 of 1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "No columns to parse"),
        ("name,model:mse\na,1\n", "item"),
        ("item,model:mae\na,1\n", "no mse of the model"),
        ("item,model:mse\na,many\n", "could not convert string to float: 'many'"),
    ],
)
def test_a_damaged_file_is_told_and_the_others_are_shown(folder, content, said):
    file = folder / "rnn0" / "per_item.csv"
    file.unlink()
    if content is not None:
        file.write_text(content)
    section = items.section(study([folder], alpha=0.05, metric=None))
    warning, table, *_ = section.blocks
    assert isinstance(warning, Text)
    assert "rnn0" in warning.words
    assert said in warning.words
    assert isinstance(table, Table)
    assert [row.cells[0] for row in table.rows][:3] == ["gru", "gru", "baseline: ridge"]


def test_page_and_text_have_the_table_and_names_are_no_markup(folder, tmp_path):
    report([folder], tmp_path / "out")
    page, text = ((tmp_path / "out" / f"report.{ending}").read_text() for ending in ("html", "md"))
    assert "Scores of the items" in page
    assert "Scores of the items" in text
    assert "<b>" not in page
    section = items.section(study([folder], alpha=0.05, metric=None))
    assert [type(block) for block in section.blocks] == [Table, Picture, Table]
    for title in (block.title for block in section.blocks if not isinstance(block, Text)):
        assert title in page
        assert markdown.escape(title) in text


def test_a_single_series_has_no_items(tmp_path):
    write_run(tmp_path / "a", [], 0.4)
    document = build(study([tmp_path], alpha=0.05, metric=None))
    (section,) = (section for section in document.sections if section.anchor == "items")
    assert section.blocks == [Text("No data set has several items.")]
