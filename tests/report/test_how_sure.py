"""The report's part on bands: coverage with its sampling error, width, the best baseline's band, pictures."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_runs import data_facts, write_bands, write_run

from recast.errors import DataError
from recast.report import how_sure, svg
from recast.report.band_hits import coverage, read
from recast.report.build import build
from recast.report.document import Items, Picture, Section, Table
from recast.report.interval_scores import LEVELS, Bands
from recast.report.reliability import reliability
from recast.report.statistics.block_bootstrap import Share, shares
from recast.report.study import Study, study
from recast.report.write import report

NOMINAL = (0.5, 0.8, 0.9, 0.95)
WINDOWS, HORIZON = 600, 4


def hits(seed: int = 0, off: float = 0.0, windows: int = WINDOWS) -> np.ndarray:
    """How many of four truths bands of each level hold."""
    probability = np.clip(np.array(NOMINAL) + off, 0, 1)
    return np.random.default_rng(seed).binomial(HORIZON, probability, size=(windows, len(NOMINAL)))


def runs(tmp_path: Path, seeds: int = 2, windows: int = WINDOWS, **off: float) -> Study:
    """Two seeds of a model whose own bands are off, and calibrated ones; ridge has the better baseline's bands."""
    for seed in range(seeds):
        folder = write_run(tmp_path / f"run{seed}", [f"seed={seed}"], 0.4, data=data_facts(windows=windows))
        inside = {
            "model": hits(seed, off.get("model", -0.1), windows),
            "calibrated": hits(seed + 10, off.get("calibrated", 0.0), windows),
            "ridge": hits(20, 0.0, windows),
            "last_value": hits(21, 0.0, windows),
        }
        write_bands(folder, inside)
    return read_study(tmp_path)


def read_study(folder: Path) -> Study:
    return study([folder], alpha=0.05, metric=None)


def part_of(found: Study) -> Section:
    part = how_sure.section(found)
    assert part is not None
    return part


def tables(part: Section) -> tuple[Table, Table]:
    first, second = (block for block in part.blocks if isinstance(block, Table))
    return first, second


def lines(part: Section) -> list[str]:
    return [line for block in part.blocks if isinstance(block, Items) for line in block.lines]


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "drawn" not in request.node.name:
        monkeypatch.setattr(svg.Figure, "savefig", lambda *_, **__: None)


# What each row says


def test_coverage_is_the_mean_over_seeds_with_the_error_of_both_together(tmp_path):
    table = tables(part_of(runs(tmp_path)))[0]
    assert table.head == ("model", "band", "50 %", "80 %", "90 %", "95 %", "verdict")
    assert [row.cells[:2] for row in table.rows] == [
        ("model", "own"),
        ("model", "calibrated"),
        ("baseline: ridge", "calibrated"),
    ]
    both = hits(10) + hits(11)
    for cell, share in zip(
        table.rows[1].cells[2:], shares(both, np.full_like(both, 2 * HORIZON), 3 * HORIZON), strict=False
    ):
        assert cell == f"{100 * share.value:.1f} ± {100 * share.standard_error:.1f}"
    assert "Resampled: 50 blocks of 12 origins." in table.note


def test_what_is_off_by_more_than_its_sampling_error_is_said(tmp_path):
    part = part_of(runs(tmp_path))
    own, calibrated, baseline = tables(part)[0].rows
    assert own.cells[-1] == "off: too narrow at 50, 80, 90, 95 %"
    assert calibrated.cells[-1] == baseline.cells[-1] == "off by no more than sampling error"
    assert (own.mark, calibrated.mark, baseline.mark) == ("worse", "", "baseline")
    (line,) = lines(part)
    assert ": off by no more than sampling error. " in line
    assert "1 of 2 bands of models are off." in line
    assert line.startswith("tide.csv: of 50, 80, 90, 95 % the bands of model, calibrated (2 runs) hold ")


def test_bands_that_hold_too_much_are_too_wide(tmp_path):
    part = part_of(runs(tmp_path, calibrated=0.04))
    assert tables(part)[0].rows[1].cells[-1].startswith("off: too wide at ")


def test_few_origins_give_no_verdict(tmp_path):
    part = part_of(runs(tmp_path, windows=40))
    row = tables(part)[0].rows[0]
    assert row.cells[-1] == "too few origins to say: 3.33 blocks of 12 origins, 5 are needed"
    assert "±" not in " ".join(row.cells)
    assert not row.mark


def test_width_and_crps_stand_beside_those_of_the_best_baselines_bands(tmp_path):
    table = tables(part_of(runs(tmp_path)))[1]
    assert table.title == "tide.csv: width of bands and CRPS [m]"
    own, calibrated, baseline = (row.cells[2:] for row in table.rows)
    assert own == ("1.000", "2.000", "3.000", "4.000", "0.1000", "+0.667", "0.010")
    assert calibrated[4:6] == ("0.2000", "+0.333")
    assert baseline[4:6] == ("0.3000", "-")


def test_a_level_that_no_window_knows_has_no_number(tmp_path):
    runs(tmp_path, seeds=1)
    folder = tmp_path / "run0"
    table = pd.read_csv(folder / "per_origin_bands.csv").drop(columns="model:95")
    table.to_csv(folder / "per_origin_bands.csv", index=False)
    results = json.loads((folder / "metrics.json").read_text())
    results["test_bands"]["model"]["coverage"]["95"] = None
    (folder / "metrics.json").write_text(json.dumps(results))
    row = tables(part_of(read_study(tmp_path)))[0].rows[0]
    assert row.cells[-2:] == ("-", "off: too narrow at 50, 80, 90 %")


# What is resampled


def test_series_that_are_forecast_once_are_resampled_as_series(tmp_path):
    folder = write_run(tmp_path / "run", [], 0.4, data=data_facts(windows=300))
    write_bands(folder, {"calibrated": hits(windows=300)}, items=[f"series {n}" for n in range(300)])
    table = tables(part_of(read_study(tmp_path)))[0]
    assert "Resampled: 300 items." in table.note
    (found,) = shares(hits(windows=300)[:, [1]], np.full((300, 1), HORIZON), 1)
    assert table.rows[0].cells[3] == f"{100 * found.value:.1f} ± {100 * found.standard_error:.1f}"


def test_items_at_the_same_time_stand_in_one_block():
    """Two items of the same hits are no more than one of them."""
    stamps = [str(np.datetime64("2024-01-01", "h") + hour) for hour in range(WINDOWS)]
    counts = {
        f"{kind}:{level}": values
        for kind, all_ in (("in", hits()), ("of", np.full((WINDOWS, 4), 4)))
        for level, values in zip(LEVELS, all_.T, strict=True)
    }
    one = pd.DataFrame({"row": range(WINDOWS), "origin": stamps, "item": "a", **counts})
    two = pd.concat([one, one.assign(item="b", row=one["row"] + 10_000)])
    alone, said = coverage([one], LEVELS, HORIZON, 0.05)
    together, same = coverage([two], LEVELS, HORIZON, 0.05)
    assert said == same == "50 blocks of 12 origins"
    assert [share.standard_error for share in together] == pytest.approx([share.standard_error for share in alone])


@pytest.mark.parametrize(("stride", "blocks"), [(1, "50 blocks of 12 origins"), (2, "100 blocks of 6 origins")])
def test_the_block_follows_the_distance_of_origins(stride, blocks):
    stamps = [str(np.datetime64("2024-01-01", "h") + stride * number) for number in range(WINDOWS)]
    table = pd.DataFrame({"row": stride * np.arange(WINDOWS), "origin": stamps, "item": "", "in:80": 3, "of:80": 4})
    assert coverage([table], ["80"], HORIZON, 0.05)[1] == blocks


# What is missing


def test_runs_without_bands_have_no_such_part(tmp_path):
    write_run(tmp_path / "run", [], 0.4)
    found = read_study(tmp_path)
    assert how_sure.section(found) is None
    assert "How sure" not in [part.title for part in build(found).sections]


def test_bands_of_older_runs_have_coverage_without_error_and_a_line(tmp_path):
    runs(tmp_path)
    for run in tmp_path.iterdir():
        (run / "per_origin_bands.csv").unlink()
    part = part_of(read_study(tmp_path))
    _, missing = lines(part)
    assert missing == (
        "tide.csv: no sampling error for model, own; model, calibrated; ridge: per_origin_bands.csv is missing, as an "
        "older version wrote its results"
    )
    row = tables(part)[0].rows[0]
    assert row.cells[-1] == "-"
    assert "±" not in " ".join(row.cells)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("origin,row\n2020-01-01T00:00,3\n", "no columns origin, row and truths"),
        ("origin,row,truths,ridge:80\n2020-01-01T00:00,3,4,3\n", "no bands of model"),
        ("origin,row,truths,model:80\n" + 2 * "2020-01-01T00:00,3,4,3\n", "more than once"),
        ("origin,row,truths,model:80\n2020-01-01T00:00,3,4,2.5\n", "no whole numbers"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, content, said):
    (tmp_path / "per_origin_bands.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / "per_origin_bands.csv", "model", LEVELS)


@pytest.mark.parametrize("content", [[], {"model": 3}, {"model": {"coverage": [1], "pit": [1], "crps": "no"}}])
def test_scores_of_other_types_do_no_harm(tmp_path, content):
    write_run(tmp_path / "run", [], 0.4, test_bands=content)
    build(read_study(tmp_path))


# Pictures and files


def test_pictures_say_in_words_what_they_show(tmp_path):
    reliable, pit = (block for block in part_of(runs(tmp_path, seeds=1)).blocks if isinstance(block, Picture))
    assert reliable.title == "tide.csv: reliability"
    share = 100 * hits(0, -0.1)[:, 1].mean() / HORIZON
    assert (
        f"model, own (1 run): {100 * hits(0, -0.1)[:, 0].mean() / HORIZON:.1f} at 50, {share:.1f} at 80" in reliable.alt
    )
    assert "ridge (baseline): 10.0, 10.0" in pit.alt


def test_points_of_the_picture_are_coverages_with_their_intervals_drawn():
    share = Share(0.75, 0.02, (0.7, 0.79), 20)
    scores = {name: [0.4, 0.75, math.nan, 0.9] for name in ("coverage", "width")} | {"pit": []}
    band = Bands(("model",), "model, own", "model, own (1 run)", "own", (scores,), (share,) * 4)
    (axes,) = reliability([band]).axes
    (bars,) = axes.containers
    np.testing.assert_allclose(bars.lines[0].get_xydata()[1], [80, 75])
    np.testing.assert_allclose(bars.lines[2][0].get_segments()[1], [[80, 70], [80, 79]])


def test_every_digit_is_in_the_table_of_runs(tmp_path):
    runs(tmp_path, seeds=1)
    report([tmp_path], tmp_path / "report")
    row = pd.read_csv(tmp_path / "report" / "results.csv", dtype=str).iloc[0]
    assert float(row["coverage:model:80"]) == hits(0, -0.1)[:, 1].mean() / HORIZON
    assert (row["width:calibrated:95"], row["crps:ridge"]) == ("4.0", "0.30000000000000004")
    assert "How sure" in (tmp_path / "report" / "report.md").read_text()
