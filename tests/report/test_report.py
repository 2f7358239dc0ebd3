"""recast-report: what is read, ranked, tested and written, on run folders with known numbers."""

import csv
import fcntl
import io
import math
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK, shared_run, strict_json
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from report_runs import (
    CELLS,
    DESCRIPTIONS,
    SCHEDULES,
    SEEDS,
    data_facts,
    metrics,
    provenance,
    score_of,
    write_classifier,
    write_curves,
    write_failure,
    write_json,
    write_options,
    write_plan,
    write_run,
    write_study,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from recast.cli import report as command
from recast.errors import ConfigurationError, DataError
from recast.report import compared, leaderboard, markdown, over_origins, over_seeds, pivots, words
from recast.report.bands import together
from recast.report.build import build
from recast.report.document import Document, Items, Row, Section, Table, Text
from recast.report.events import read_curves
from recast.report.find import find
from recast.report.forecasts import read as read_forecasts
from recast.report.groups import canonical, differing, in_order, parse, short_names
from recast.report.html import render as render_html
from recast.report.metric import Metric
from recast.report.over_blocks import matrix
from recast.report.run import Run
from recast.report.study import Study, study
from recast.report.write import report
from recast.scoring.metrics.description import Description
from recast.sweeps.job_folder import State


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("folders") / "sweep")


@pytest.fixture(scope="module")
def found(sweep) -> Study:
    return study([sweep], alpha=0.05, metric=None)


@pytest.fixture(scope="module")
def document(found) -> Document:
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        return build(found)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"<svg/>"))


@pytest.fixture(autouse=True)
def _undrawn(request, monkeypatch):
    """Half a second is saved for each picture that no test looks at."""
    if "drawn" not in request.fixturenames:
        draw_nothing(monkeypatch)


@pytest.fixture
def drawn() -> None:
    """Pictures are drawn in this test."""


def read(*folders: Path, metric: str | None = None) -> Study:
    return study(folders, alpha=0.05, metric=metric)


def cells_of(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.head, row.cells, strict=True)) for row in table.rows]


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def texts(section: Section) -> str:
    lines = []
    for block in section.blocks:
        lines += [block.words] if isinstance(block, Text) else block.lines if isinstance(block, Items) else []
    return "\n".join(lines)


def csv_rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))


# Reading


def test_every_planned_job_is_a_run_with_its_state(found):
    states = {run.name: run.state for run in found.runs}
    assert len(states) == 30
    assert states["cell-rnn_schedule-always_seed-3"] is State.FAILED
    assert states["cell-rnn_schedule-always_seed-4"] is State.MISSING
    assert states["cell-lstm_schedule-always_seed-4"] is State.UNFINISHED
    assert sum(state is State.FINISHED for state in states.values()) == 27


def test_a_run_that_is_locked_is_running(tmp_path):
    folder = write_run(tmp_path / "a", ["seed=0"], 0.4)
    (folder / "metrics.json").unlink()
    with (folder / "running.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = read(tmp_path).runs[0]
    assert run.state is State.RUNNING
    assert "running" in run.reason


def test_runs_are_found_below_any_folder_and_each_once(tmp_path):
    write_run(tmp_path / "2026-01-01" / "10-00", ["seed=0"], 0.4)
    write_run(tmp_path / "2026-01-02" / "11-00", ["seed=1"], 0.5)
    names = [
        place.name for place in find([tmp_path, tmp_path / "2026-01-01", tmp_path / "2026-01-02" / "11-00"]).places
    ]
    assert len(names) == len(set(names)) == 2


def test_runs_of_the_same_name_in_two_sweeps_are_told_apart(tmp_path):
    for sweep in ("a", "b"):
        write_run(tmp_path / sweep / "seed-0", ["seed=0"], 0.4)
    names = {run.name for run in read(tmp_path / "a", tmp_path / "b").runs}
    assert names == {(tmp_path / sweep / "seed-0").as_posix() for sweep in ("a", "b")}


def test_a_run_in_the_sweep_folder_that_is_not_planned_is_read_too(tmp_path):
    write_run(tmp_path / "planned", ["seed=0"], 0.4)
    write_run(tmp_path / "other", ["seed=1"], 0.4)
    write_plan(tmp_path, {"planned": ["seed=0"], "absent": ["seed=2"]})
    assert {run.name: run.state.value for run in read(tmp_path).runs} == {
        "planned": "finished",
        "absent": "missing",
        "other": "finished",
    }


def test_what_a_run_holds_below_is_no_run(tmp_path):
    folder = write_run(tmp_path / "a", ["seed=0"], 0.4)
    shutil.copy(folder / "metrics.json", (folder / "figures").mkdir() or folder / "figures" / "metrics.json")
    assert len(read(tmp_path).runs) == 1


@pytest.mark.parametrize(("make", "said"), [(False, "no such folder"), (True, "no run in it")])
def test_a_folder_without_runs_is_refused(tmp_path, make, said):
    folder = tmp_path / "nothing"
    if make:
        (folder / "deeper").mkdir(parents=True)
    with pytest.raises(DataError, match=said):
        find([folder])


def test_a_damaged_plan_is_told_and_the_runs_are_read(tmp_path):
    write_run(tmp_path / "a", ["seed=0"], 0.4)
    (tmp_path / "jobs.json").write_text('[{"folder": "a"')
    found = read(tmp_path)
    assert len(found.runs) == 1
    assert "jobs.json: cannot be read" in found.problems[0]
    (tmp_path / "jobs.json").write_text('[{"folder": "a"}, {"number": 3}, 7]')
    assert "2 entries name no folder" in read(tmp_path).problems[0]


TRUNCATED = '{"test": {"mse": 0.1}, "seed"'


@pytest.mark.parametrize(
    ("name", "content", "state", "said"),
    [
        ("metrics.json", TRUNCATED, "unfinished", "metrics.json cannot be read"),
        ("metrics.json", "[1, 2]", "unfinished", "metrics.json holds a list"),
        ("metrics.json", '{"test": {}}', "unfinished", "metrics.json is not whole"),
        ("metrics.json", b"\xff\xfe\x00", "unfinished", "metrics.json cannot be read"),
        ("provenance.json", TRUNCATED, "finished", "provenance.json cannot be read"),
        ("provenance.json", None, "finished", "provenance.json is missing"),
        ("config.yaml", "a: [", "finished", "config.yaml cannot be read"),
        (".hydra/overrides.yaml", "- a: [", "finished", "overrides.yaml cannot be read"),
        ("per_origin.csv", None, "finished", "per_origin.csv is missing"),
        ("per_origin.csv", "row\n1\n", "finished", "nothing can be said"),
        ("ranked_forecasts.csv", "rank,lead\n", "finished", "no forecasts"),
        ("ranked_forecasts.csv", "", "finished", "no forecasts"),
        ("ranked_forecasts.csv", None, "finished", "ranked_forecasts.csv is missing"),
        ("tensorboard", None, "finished", "1 run without a TensorBoard log"),
    ],
)
def test_a_damaged_file_is_told_and_the_report_written(tmp_path, name, content, state, said):
    losses = {"model": np.arange(40.0), "ridge": np.ones(40)}
    for seed in (0, 1, 2):
        write_run(tmp_path / "s" / f"{seed}", [f"seed={seed}"], 0.4 + seed, losses=losses, curves=True, ranked=True)
    # The median seed, whose forecasts are shown.
    path = tmp_path / "s" / "1" / name
    if content is None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    report([tmp_path / "s"], tmp_path / "out")
    row = next(row for row in csv_rows(tmp_path / "out") if row["run"] == "1")
    assert row["state"] == state
    assert said in (tmp_path / "out" / "report.md").read_text().replace("\\", "")


@pytest.mark.parametrize(
    "content",
    [
        {"test": {"mse": "a", "rmse": None}, "windows": 3, "baselines": [1], "seconds": "x", "skill": 0},
        {"test": {"mse": 1.0}, "windows": {"test": 40}, "baselines": {"ridge": 3}, "parameters": "many"},
        {"test": {"mse": 1.0}, "test_per_horizon": {"mse": ["a", None]}, "windows": {"test": 40}, "seed": [1]},
    ],
)
def test_metrics_of_other_types_do_no_harm(tmp_path, content):
    write_run(tmp_path / "s" / "0", ["seed=0"], 0.4)
    write_run(tmp_path / "s" / "1", ["seed=1"], 0.4)
    write_json(tmp_path / "s" / "1" / "metrics.json", content)
    report([tmp_path / "s"], tmp_path / "out")
    assert len(csv_rows(tmp_path / "out")) == 2


def test_an_unread_lock_does_not_stop_the_report(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "a", ["seed=0"], 0.4)
    (folder / "running.lock").touch()

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert read(tmp_path).runs[0].finished


@pytest.mark.slow
def test_a_real_run_is_read_whole(tmp_path):
    folder = shared_run(*QUICK)
    report([folder], tmp_path)
    (row,) = csv_rows(tmp_path)
    scores = strict_json(folder / "metrics.json")
    assert float(row["test:mse"]) == scores["test"]["mse"]
    assert float(row["skill"]) == pytest.approx(scores["skill"]["best"]["overall"])
    assert row["best_baseline"] == scores["skill"]["best"]["baseline"]
    assert row["problems"] == ""
    said = (tmp_path / "report.md").read_text().replace("\\", "")
    assert re.search(r"Forecast and truth, best: from .* median: .* worst: ", said)
    assert f"| model | {row['best_baseline']} |" in said.replace("**", "")
    assert "single runs over origins (mse)" in said


# Options


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("0.1", 0.1),
        ("1e-1", 0.1),
        ("0.10", "0.1"),
        ("null", None),
        ("True", True),
        ("'gru'", "gru"),
        ("3", 3),
        ("2.0", 2),
    ],
)
def test_values_are_the_same_however_they_are_written(written, same):
    assert canonical(written) == canonical(same)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_is_itself_after_being_written(number):
    assert type(number)(canonical(number)) == number
    assert canonical(str(number)) == canonical(number)


def test_overrides_are_parsed():
    assert parse(["model/cell=gru", "+a.b=1", "++c=x=y", "~callbacks.figures"]) == {
        "model/cell": "gru",
        "a.b": "1",
        "c": "x=y",
        "callbacks.figures": "(left out)",
    }


def run_of(overrides: dict[str, str], chosen: dict[str, str] | None = None) -> Run:
    return Run("r", Path("r"), State.FINISHED, overrides=overrides, chosen=chosen or {})


def test_only_what_differs_is_an_option():
    runs = [
        run_of({"data": "ssh", "model/cell": "gru", "seed": "0", "resume": "true", "logger": "none"}),
        run_of({"data": "ssh", "model/cell": "lstm", "seed": "1"}),
    ]
    assert differing(runs) == ("model/cell",)


def test_an_option_that_one_run_was_not_started_with_has_the_value_of_its_configuration():
    default = {"model/cell": "gru", "model.hidden_size": "32"}
    same = [run_of({"model/cell": "gru"}, default), run_of({}, default), run_of({"model.hidden_size": "32"}, default)]
    assert differing(same) == ()
    assert differing([*same, run_of({"model.hidden_size": "64"}, default)]) == ("model.hidden_size",)


def test_values_are_ordered_by_size_and_then_by_name():
    assert in_order(["10", "9", "1e-3", "b", "a", "9"]) == ["1e-3", "9", "10", "a", "b"]


def test_short_names_tell_options_apart():
    assert short_names(["model/cell", "a.rows", "b.rows", "seed"]) == {
        "model/cell": "cell",
        "a.rows": "a.rows",
        "b.rows": "b.rows",
        "seed": "seed",
    }


# Ranking


def test_the_leaderboard_has_mean_and_deviation_over_seeds(found):
    rows = cells_of(leaderboard.table(found.ranked[0]))
    scores = [score_of("gru", "never", seed) for seed in SEEDS]
    assert np.std(scores, ddof=1) == pytest.approx(0.0158, abs=1e-4)
    assert rows[0] == {
        "model/cell": "gru",
        "model/schedule": "never",
        "mse [m²]": "0.420 ± 0.016",
        "seeds": "5 of 5",
        "skill": "+0.160",
        "verdict": "beats ridge (5 of 5 seeds better)",
        "parameters": "1,000",
        "time": "14.0 s",
    }


def test_the_leaderboard_is_sorted_with_the_baselines_in_it(found):
    table = leaderboard.table(found.ranked[0])
    rows = cells_of(table)
    means = [float(row["mse [m²]"].split(" ")[0]) for row in rows]
    assert means == sorted(means)
    assert [row["model/cell"] for row in rows if "baseline" in row["model/cell"]] == [
        "baseline: ridge",
        "baseline: last_value",
    ]
    assert [row.mark for row in table.rows] == ["best", "", "", "baseline", "worse", "worse", "worse", "baseline"]


def test_a_model_that_loses_to_a_baseline_is_said_so(found):
    row = next(row for row in cells_of(leaderboard.table(found.ranked[0])) if row["model/cell"] == "rnn")
    assert row["verdict"] == "loses to ridge (0 of 5 seeds better)"
    assert float(row["skill"]) == pytest.approx(1 - 0.62 / 0.5)
    assert "3 of 6 models lose to it" in leaderboard.summary(found).lines[0]


def test_failed_and_missing_seeds_are_counted(found):
    rows = cells_of(leaderboard.table(found.ranked[0]))
    seeds = {(row["model/cell"], row["model/schedule"]): row["seeds"] for row in rows}
    assert seeds["rnn", "always"] == "3 of 5"
    assert seeds["lstm", "always"] == "4 of 5"


def test_a_group_without_any_result_stands_at_the_end(tmp_path):
    write_run(tmp_path / "a", ["model/cell=gru"], 0.4)
    write_failure(tmp_path / "b", ["model/cell=lstm"], "no")
    row = leaderboard.table(read(tmp_path).ranked[0]).rows[-1]
    assert row.cells[0] == "lstm"
    assert row.mark == "absent"
    assert "0 of 1" in row.cells


def test_other_data_are_never_ranked_together(tmp_path):
    write_run(tmp_path / "a", ["seed=0"], 0.4)
    write_run(tmp_path / "b", ["seed=1"], 0.1, data=data_facts("e" * 64))
    write_run(tmp_path / "c", ["seed=2"], 0.2, data=data_facts(windows=30))
    write_run(tmp_path / "d", ["seed=3"], 0.3, data=data_facts(horizon=8))
    found = read(tmp_path)
    assert sorted(ranked.groups[0].mean for ranked in found.ranked) == [0.1, 0.2, 0.3, 0.4]
    assert len({ranked.data.name for ranked in found.ranked}) == 4
    assert "4 data sets: each has its own leaderboard" in texts(compared.section(found))


def test_runs_scored_on_a_part_of_the_windows_are_not_compared_with_others(tmp_path):
    """40 windows of the same data: two runs on all of them, one on 10 (trainer.limit_test_batches)."""
    write_run(tmp_path / "a", ["seed=0"], 0.4, scored={"test": 40})
    write_run(tmp_path / "b", ["seed=1"], 0.5)
    write_run(tmp_path / "c", ["seed=2", "trainer=smoke"], 0.1, scored={"test": 10})
    found = read(tmp_path)
    boards = {tuple(run.name for run in ranked.data.finished): ranked for ranked in found.ranked}
    assert {runs: ranked.data.counted for runs, ranked in boards.items()} == {
        ("a", "b"): "40 test windows",
        ("c",): "10 of 40 test windows",
    }
    assert leaderboard.table(boards["c",]).title.endswith("over 10 of 40 test windows")
    (said,) = [line for line in compared.warnings(found) if line.startswith("Not compared")]
    assert said == (
        "Not compared, since trainer.limit_test_batches had them scored on different windows of the same data: "
        "40 test windows (a, b); 10 of 40 test windows (c). Run those with a limit again without it."
    )
    assert not any(line.startswith("Not compared") for line in compared.warnings(read(tmp_path / "a")))


def test_a_run_whose_data_are_unknown_is_not_ranked(tmp_path):
    write_run(tmp_path / "a", ["seed=0"], 0.4)
    write_run(tmp_path / "b", ["seed=1"], 0.1)
    (tmp_path / "b" / "provenance.json").unlink()
    found = read(tmp_path)
    assert [run.name for run in found.ranked[0].data.finished] == ["a"]
    assert "does not say which data they are on: b" in texts(compared.section(found))


def test_a_missing_run_belongs_to_the_data_set_of_its_options(tmp_path):
    jobs = {}
    for name, mark in (("ssh", "a"), ("sines", "b")):
        for cell in ("gru", "lstm"):
            folder, given = f"{name}-{cell}", [f"data={name}", f"model/cell={cell}"]
            jobs[folder] = given
            if folder != "sines-lstm":
                write_run(tmp_path / folder, given, 0.4, data=data_facts(mark * 64, label=f"/x/{name}.csv"))
    found = read(write_plan(tmp_path, jobs))
    assert {ranked.data.name: [run.name for run in ranked.data.others] for ranked in found.ranked} == {
        "ssh: ssh.csv": [],
        "sines: sines.csv": ["sines-lstm"],
    }
    # The data's name is no option within a data set.
    assert all(ranked.options == ("model/cell",) for ranked in found.ranked)


def test_a_seed_that_was_run_twice_counts_once(tmp_path):
    for name, seed, mse in (("a", 0, 0.2), ("b", 0, 0.4), ("c", 1, 0.5)):
        write_run(tmp_path / name, [f"seed={seed}"], mse)
    found = read(tmp_path)
    assert found.ranked[0].groups[0].scores == {"0": pytest.approx(0.3), "1": 0.5}
    assert "seed 0 was run more than once" in texts(compared.section(found))


def test_a_default_that_has_changed_between_runs_is_found(tmp_path):
    write_run(tmp_path / "a", ["seed=0"], 0.2)
    write_run(tmp_path / "b", ["seed=1"], 0.3, config={"data": {"seed": 1, "batch_size": 64}})
    said = texts(compared.section(read(tmp_path)))
    assert "differ in data.batch_size" in said
    assert "data.seed" not in said


def test_a_score_that_is_not_finite_is_left_out_and_told(tmp_path):
    write_run(tmp_path / "a", ["seed=0"], 0.2)
    write_run(tmp_path / "b", ["seed=1"], None)
    found = read(tmp_path)
    assert found.ranked[0].groups[0].scores == {"0": 0.2}
    assert "mse is not a finite number in b" in texts(compared.section(found))


def test_other_commits_and_versions_are_told(tmp_path):
    write_run(tmp_path / "a", ["seed=0"], 0.2)
    write_run(tmp_path / "b", ["seed=1"], 0.2, made=provenance(data_facts(), "d" * 40, modified=True, torch="2.14.0"))
    said = texts(compared.section(read(tmp_path)))
    assert "cccccccccc (1 run), dddddddddd, modified (1 run)" in said
    assert "Versions of torch differ: 2.13.0, 2.14.0" in said
    assert "Files differed from the commit" in said


def test_a_baseline_that_depends_on_the_options_counts_with_its_best_score(tmp_path):
    write_run(tmp_path / "a", ["model/cell=gru"], 0.45, baselines={"ridge": 0.5})
    write_run(tmp_path / "b", ["model/cell=lstm"], 0.40, baselines={"ridge": 0.42})
    found = read(tmp_path)
    assert found.ranked[0].references[0].best == 0.42
    assert [row.mark for row in leaderboard.table(found.ranked[0]).rows] == ["best", "baseline", "worse"]
    assert "ridge is not the same in all runs" in texts(compared.section(found))


def test_another_metric_ranks_on_request(tmp_path):
    write_run(tmp_path / "a", ["model/cell=gru"], 0.4, test={"mse": 0.4, "mae": 0.9})
    write_run(tmp_path / "b", ["model/cell=lstm"], 0.5, test={"mse": 0.5, "mae": 0.3})
    table = leaderboard.table(read(tmp_path, metric="mae").ranked[0])
    assert table.head[1] == "mae [m]"
    models = [row.cells[0] for row in table.rows if row.mark != "baseline"]
    assert models == ["lstm", "gru"]


@pytest.mark.parametrize(("metric", "said"), [("msee", "they have mae, mse, rmse"), ("coverage", "ranks nothing")])
def test_a_metric_that_does_not_rank_is_refused(tmp_path, metric, said):
    write_run(tmp_path / "a", ["seed=0"], 0.4)
    with pytest.raises(ConfigurationError, match=said):
        read(tmp_path, metric=metric)


def test_the_order_of_the_configuration_decides_what_ranks(tmp_path):
    turned = {name: DESCRIPTIONS[name] for name in ("coverage", "mae", "mse")}
    write_run(tmp_path / "a", ["model/cell=gru"], 0.4, test={"mse": 0.4, "mae": 0.9}, metrics=turned)
    write_run(tmp_path / "b", ["model/cell=lstm"], 0.5, test={"mse": 0.5, "mae": 0.3}, metrics=turned)
    ranked = read(tmp_path).ranked[0]
    assert (ranked.metric.name, ranked.metric.title) == ("mae", "mae [m]")
    assert ranked.groups[0].values == ("lstm",)


def test_a_metric_of_any_name_and_direction_ranks(tmp_path):
    described = {"hits": {"unit": "%", "higher_is_better": True, "perfect": 100.0}}
    for name, hits in (("gru", 60.0), ("lstm", 80.0)):
        folder = write_run(tmp_path / name, [f"model/cell={name}"], 0.4, test={"hits": hits}, metrics=described)
        content = strict_json(folder / "metrics.json")
        write_json(folder / "metrics.json", content | {"baselines": {"ridge": {"hits": 50.0}}})
    ranked = read(tmp_path).ranked[0]
    assert [group.values for group in ranked.groups] == [("lstm",), ("gru",)]
    assert ranked.metric.skill(80.0, ranked.reference.best) == pytest.approx(0.6)


def test_results_without_descriptions_are_not_ranked(tmp_path):
    write_run(tmp_path / "a", ["model/cell=gru"], 0.4, metrics={})
    found = read(tmp_path)
    assert not found.ranked
    assert "metrics.json does not describe its metrics" in texts(compared.section(found))


def test_a_search_is_told_by_what_it_chose(tmp_path):
    """It judges by validation; the first of the ranking by the test is another trial."""
    for trial, (size, test, validation) in enumerate(((8, 0.30, 0.50), (16, 0.20, 0.40), (32, 0.25, 0.10))):
        pruning = f"++callbacks.pruning={{_target_:x.Pruning,trial:{trial}}}"
        chosen = {"monitor": "mse/validation", "mode": "min", "value": validation}
        given = [f"model.cell.hidden_size={size}", pruning]
        config = {"callbacks": {"pruning": {"trial": trial}}}
        write_run(tmp_path / f"size-{size}", given, test, selection=chosen, config=config)
    study = read(tmp_path)
    assert study.options == ("model.cell.hidden_size",)
    first, search = leaderboard.summary(study).lines
    assert "first is hidden_size=16 with mse 0.2" in first
    assert "3 runs are trials of a search, which judges by mse/validation" in search
    assert "It chose hidden_size=32 (mse/validation 0.1000), whose mse of the test is 0.2500" in search
    assert "pruning" not in str(build(study).summary)


def test_a_sweep_is_no_search(found):
    assert not any("trials of a search" in line for line in leaderboard.summary(found).lines)


def test_classifiers_are_ranked_by_accuracy_the_largest_first(tmp_path):
    for cell, accuracy in (("gru", 0.97), ("lstm", 0.85)):
        for seed in range(6):
            write_classifier(
                tmp_path / f"{cell}{seed}", [f"model/cell={cell}", f"seed={seed}"], accuracy - 0.001 * seed
            )
    found = read(tmp_path)
    rows = cells_of(leaderboard.table(found.ranked[0]))
    assert [row["model/cell"] for row in rows] == ["gru", "baseline: summary_ridge", "lstm", "baseline: majority"]
    # Skill of a share: (0.9675 - 0.9) / (1 - 0.9).
    assert float(rows[0]["skill"]) == pytest.approx(0.675)
    assert rows[2]["verdict"] == "loses to summary_ridge (0 of 6 seeds better)"
    level = cells_of(over_seeds.levels_table(found.ranked[0], 0.05))[0]
    assert level["verdict"] == "gru is better"
    scores, names, _ = matrix(found)
    assert dict(zip(names, scores[0], strict=True)) == {"gru": -0.97, "lstm": -0.85}


def test_forecasts_and_classifiers_in_one_report(tmp_path):
    write_run(tmp_path / "s" / "a", ["data=ssh", "seed=0"], 0.4)
    write_classifier(tmp_path / "s" / "b", ["data=vowels", "seed=0"], 0.9)
    report([tmp_path / "s"], tmp_path / "out")
    said = (tmp_path / "out" / "report.md").read_text()
    assert "vowels: vowels.ts: accuracy over 370 test sequences" in said
    assert "ssh: tide.csv: mse" in said


def test_skill():
    error = Metric("mse", Description("m²", higher_is_better=False, perfect=0.0))
    share = Metric("accuracy", Description("", higher_is_better=True, perfect=1.0))
    assert error.skill(0.25, 0.5) == 0.5
    assert share.skill(0.95, 0.9) == pytest.approx(0.5)
    assert math.isnan(error.skill(0.25, 0.0))


# Tables over two options


def test_a_pivot_averages_over_everything_else(tmp_path):
    for cell, size, seed, mse in (
        ("gru", 8, 0, 0.1),
        ("gru", 8, 1, 0.3),
        ("gru", 16, 0, 0.4),
        ("lstm", 8, 0, 0.5),
    ):
        name = f"{cell}{size}{seed}"
        write_run(tmp_path / name, [f"model/cell={cell}", f"model.size={size}", f"seed={seed}"], mse)
    (table,) = tables(pivots.section(read(tmp_path)))
    assert table.head == ("model/cell \\ model.size", "8", "16")
    assert [row.cells for row in table.rows] == [
        ("gru", "0.20 ± 0.14 (2) ★", "0.4000 (1)"),
        ("lstm", "0.5000 (1)", "-"),
    ]


def test_a_pivot_says_where_all_runs_failed(tmp_path):
    write_run(tmp_path / "a", ["a=1", "b=1"], 0.1)
    write_run(tmp_path / "b", ["a=2", "b=2"], 0.1)
    write_failure(tmp_path / "c", ["a=1", "b=2"], "no")
    (table,) = tables(pivots.section(read(tmp_path)))
    assert table.rows[0].cells == ("1", "0.1000 (1) ★", "no result")


def test_every_pair_of_options_has_a_table_and_later_ones_are_folded(tmp_path):
    for number in range(8):
        options = [f"{name}={number >> place & 1}" for place, name in enumerate("abc")]
        write_run(tmp_path / str(number), options, 0.1 + number)
    assert [(table.head[0], table.folded) for table in tables(pivots.section(read(tmp_path)))] == [
        ("a \\ b", False),
        ("a \\ c", False),
        ("b \\ c", True),
    ]


def test_an_option_of_very_many_values_makes_no_tables(tmp_path):
    for number in range(20):
        write_run(tmp_path / str(number), [f"rate={0.001 * (number + 1)}", f"cell={number % 2}"], 0.1 + number)
    found = read(tmp_path)
    assert "too many values for a table: rate" in texts(pivots.section(found))
    assert {pair.about for pair in over_seeds.level_pairs(found.ranked[0])} == {"cell"}
    assert build(found).sections


# Comparisons


def test_levels_are_paired_over_all_other_cells_and_seeds(found):
    pairs = {pair.names: pair for pair in over_seeds.level_pairs(found.ranked[0])}
    schedules = pairs["always", "never"]
    # 15 cells and seeds, less the three without a result.
    assert len(schedules.shared) == 12
    gaps = {schedules.first[cell] - schedules.second[cell] for cell in schedules.shared}
    assert all(gap == pytest.approx(0.05) for gap in gaps)


def test_differences_are_shown_where_there_are_enough_pairs(found):
    rows = cells_of(over_seeds.levels_table(found.ranked[0], 0.05))
    row = next(row for row in rows if row["option"] == "model/schedule")
    assert row["verdict"] == "never is better"
    assert row["pairs"] == "12"
    assert row["first - second"] == "+0.0500"
    # 12 pairs of one sign: 2 / 2^12, and four comparisons by Holm.
    assert 2 ** (1 - 12) < 0.001
    assert (row["p"], row["Holm p"]) == ("< 0.001", "0.002")


def test_five_seeds_are_too_few_and_the_report_says_how_many_it_takes(found):
    for row in cells_of(over_seeds.groups_table(found.ranked[0], 0.05)):
        # 2 / 2^n <= 0.05 / 5 first holds for n = 8.
        assert "nothing can be said at level 0.05 among 5 comparisons" in row["verdict"]
        assert "8 are needed" in row["verdict"]


def test_groups_are_compared_over_common_seeds(tmp_path):
    for seed in range(8):
        write_run(tmp_path / f"a{seed}", ["model/cell=gru", f"seed={seed}"], 0.4 + 0.01 * seed)
        write_run(tmp_path / f"b{seed}", ["model/cell=lstm", f"seed={seed}"], 0.5 + 0.01 * seed)
    (row,) = cells_of(over_seeds.groups_table(read(tmp_path).ranked[0], 0.05))
    assert (row["first"], row["second"], row["verdict"]) == ("gru", "lstm", "gru is better")
    assert row["p"] == row["Holm p"] == words.probability(2 ** (1 - 8))


def test_groups_without_common_seeds_are_compared_unpaired(tmp_path):
    for seed in range(5):
        write_run(tmp_path / f"a{seed}", ["model/cell=gru", f"seed={seed}"], 0.4 + 0.01 * seed)
        write_run(tmp_path / f"b{seed}", ["model/cell=lstm", f"seed={seed + 10}"], 0.5 + 0.01 * seed)
    (row,) = cells_of(over_seeds.groups_table(read(tmp_path).ranked[0], 0.05))
    assert row["pairs"] == "unpaired"
    # 2 / C(10, 5).
    assert row["p"] == words.probability(2 / math.comb(10, 5))
    assert row["verdict"] == "gru is better"


def test_noise_shows_no_difference(tmp_path):
    rng = np.random.default_rng(3)
    for seed in range(12):
        for cell in ("gru", "lstm"):
            write_run(tmp_path / f"{cell}{seed}", [f"model/cell={cell}", f"seed={seed}"], 0.4 + 0.1 * rng.random())
    (row,) = cells_of(over_seeds.levels_table(read(tmp_path).ranked[0], 0.05))
    assert row["verdict"] == "no difference is shown"


def origins(tmp_path: Path, **shift: float) -> Study:
    rng = np.random.default_rng(0)
    common = rng.chisquare(1, 200)
    for cell, extra in shift.items():
        losses = {"model": common + extra + 0.1 * rng.random(200), "ridge": common + 0.5}
        write_run(
            tmp_path / cell,
            [f"model/cell={cell}"],
            float(losses["model"].mean()),
            losses=losses,
            baselines={"ridge": float(losses["ridge"].mean())},
            data=data_facts(windows=200),
        )
    return read(tmp_path)


def test_single_runs_are_compared_over_origins(tmp_path):
    found = origins(tmp_path, gru=0.0, lstm=0.2)
    table, *_ = over_origins.blocks(found.ranked[0], 0.05)
    assert isinstance(table, Table)
    against_baseline, against_other = cells_of(table)
    assert (against_baseline["first"], against_baseline["second"]) == ("gru", "ridge")
    assert (against_other["first"], against_other["second"]) == ("gru", "lstm")
    # Forecasts of 4 steps from every step share steps with the three that follow.
    assert against_other["lags"] == "3"
    assert against_other["origins"] == "200"
    assert "gru is better than lstm" in against_other["verdict"]
    assert float(against_other["first - second"]) == pytest.approx(-0.2, abs=0.02)


def test_the_lags_follow_the_distance_of_origins(tmp_path):
    found = origins(tmp_path, gru=0.0, lstm=0.2)
    for cell in ("gru", "lstm"):
        path = tmp_path / cell / "per_origin.csv"
        head, *lines = path.read_text().splitlines()
        path.write_text("\n".join([head, *lines[::2]]) + "\n")
    table, *_ = over_origins.blocks(found.ranked[0], 0.05)
    assert isinstance(table, Table)
    assert {row["lags"] for row in cells_of(table)} == {"1"}


def test_other_origins_are_not_compared(tmp_path):
    found = origins(tmp_path, gru=0.0, lstm=0.2)
    path = tmp_path / "lstm" / "per_origin.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-5]) + "\n")
    _, items = over_origins.blocks(found.ranked[0], 0.05)
    assert isinstance(items, Items)
    assert "they have 200 and 195 origins, 195 of them the same" in items.lines[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [("2020-01-01,320,nan,1", "no finite numbers"), ("2020-01-01,320,1,1\n2020-01-01,320,1,1", "more than once")],
)
def test_losses_that_cannot_be_compared_are_refused(tmp_path, line, said):
    (tmp_path / "per_origin.csv").write_text(f"origin,row,model:mse,model:mae\n{line}\n")
    with pytest.raises(DataError, match=said):
        over_origins.read_losses(tmp_path / "per_origin.csv", "model:mse")


def test_one_seed_says_nothing_about_options(tmp_path):
    found = origins(tmp_path, gru=0.0, lstm=0.2)
    said = markdown.render(build(found))
    assert "one seed for each group" in said


def test_all_groups_are_ranked_over_seeds_of_all_data_sets(tmp_path):
    for mark, name in (("a", "ssh"), ("b", "sines")):
        for place, cell in enumerate(CELLS):
            for seed in range(4):
                given = [f"data={name}", f"model/cell={cell}", f"seed={seed}"]
                write_run(tmp_path / "_".join(given).replace("/", "."), given, 0.1 + place, data=data_facts(mark * 64))
    found = read(tmp_path)
    scores, names, left_out = matrix(found)
    assert scores.shape == (8, 3)
    assert set(names) == set(CELLS)
    assert left_out == []
    said = markdown.render(build(found))
    assert "Average ranks: gru 1.00, lstm 2.00, rnn 3.00" in said
    assert "3 models over 8 blocks" in said


def test_a_group_that_lacks_a_data_set_is_named(tmp_path):
    for mark, name, cells in (("a", "ssh", CELLS), ("b", "sines", ("gru", "lstm"))):
        for cell in cells:
            given = [f"data={name}", f"model/cell={cell}"]
            write_run(tmp_path / f"{name}-{cell}", given, 0.1, data=data_facts(mark * 64))
    _, names, left_out = matrix(read(tmp_path))
    assert (sorted(names), left_out) == (["gru", "lstm"], ["rnn"])


# Curves


def test_curves_are_those_that_tensorboard_reads(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_image("picture", np.zeros((3, 200, 200), dtype=np.uint8), 0)
        for step in range(50):
            writer.add_scalar("loss/train", math.sin(step), step)
        writer.add_text("words", "text", 3)
        writer.add_scalar("new", 1.5, 7, new_style=True)
    # A restart at step 30, as a resumed run writes it.
    with SummaryWriter(str(tmp_path), purge_step=30, filename_suffix=".2") as writer:
        writer.add_scalar("loss/train", 9.0, 35)
    theirs = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    theirs.Reload()
    ours = read_curves(tmp_path)
    steps, values = ours["loss/train"]
    assert [(event.step, event.value) for event in theirs.Scalars("loss/train")] == list(
        zip(steps, values, strict=True)
    )
    assert steps[-1] == 35
    assert len(steps) == 31
    assert ours.keys() == {"loss/train", "new"}


def test_curves_of_a_run_that_an_earlier_version_began_are_whole(tmp_path):
    for folder, steps in ((tmp_path / "tensorboard", (0, 10, 20)), (tmp_path, (20, 30))):
        with SummaryWriter(str(folder), purge_step=20 if folder == tmp_path else None) as writer:
            for step in steps:
                writer.add_scalar("loss/train", len(folder.parts) * 100.0 + step, step)
        # Names of event files begin with the time in seconds.
        for path in folder.glob("*tfevents*"):
            path.rename(path.with_name(path.name.replace("tfevents.", f"tfevents.{folder == tmp_path:d}")))
    steps, values = read_curves(tmp_path)["loss/train"]
    assert list(steps) == [0, 10, 20, 30]
    assert list(np.diff(values)) == [10.0, -90.0, 10.0]


def test_a_cut_off_event_file_gives_what_is_whole(tmp_path):
    write_curves(tmp_path, 0.4)
    (path,) = (tmp_path / "tensorboard").iterdir()
    whole = read_curves(path.parent)
    content = path.read_bytes()
    for length in range(len(content) - 60, len(content)):
        path.write_bytes(content[:length])
        cut = read_curves(path.parent)
        assert len(cut["exposure_bias"][0]) < len(whole["exposure_bias"][0])
    path.write_bytes(content[:40] + os.urandom(500))
    read_curves(path.parent)


def test_bands_hold_the_mean_and_the_ends_of_the_seeds_that_are_there():
    band = together(
        "a", [(np.array([0, 10]), np.array([1.0, 2.0])), (np.array([0, 10, 20]), np.array([3.0, 4.0, 5.0]))]
    )
    np.testing.assert_array_equal(band.x, [0, 10, 20])
    np.testing.assert_array_equal(band.mean, [2, 3, 5])
    low, high = band.ends
    np.testing.assert_array_equal(low, [1, 2, 5])
    np.testing.assert_array_equal(high, [3, 4, 5])


def test_forecasts_of_each_rank(found, sweep):
    middle = found.ranked[0].scored[0].middle
    assert middle is not None
    # Scores rise with the seed.
    assert middle.seed == "2"
    (target,) = read_forecasts(middle.folder / "ranked_forecasts.csv", {"level": "m"})
    assert (target.name, target.unit) == ("level", "m")
    panels = target.panels
    assert [panel.title.split(":")[0] for panel in panels] == ["best", "median", "worst"]
    assert [len(panel.mean) for panel in panels] == [4, 4, 4]
    assert panels[1].title == "median: from 2020-01-01 08:20, mse 0.0750"
    assert panels[0].context_times[-1] == np.datetime64("2020-01-01T00:00")


# Writing


def test_results_hold_every_run_and_every_digit(tmp_path):
    value = 0.1 + 0.2
    write_run(tmp_path / "s" / "a", ["seed=0", "model/cell=gru"], value)
    write_failure(tmp_path / "s" / "b", ["seed=1", "model/cell=lstm"], 'bad, "worse"')
    report([tmp_path / "s"], tmp_path / "out")
    first, second = csv_rows(tmp_path / "out")
    assert first["test:mse"] == "0.30000000000000004"
    assert first["option:model/cell"] == "gru"
    assert first["baseline:ridge:mse"] == "0.5"
    assert float(first["skill"]) == pytest.approx(0.4)
    assert first["commit"] == "c" * 40
    assert (second["state"], second["reason"], second["test:mse"]) == ("failed", 'bad, "worse"', "")


def test_failures_and_missing_cells_are_shown(document):
    said = markdown.render(document).replace("\\", "")
    assert "| cell-rnn_schedule-always_seed-3 | failed | training loss became NaN" in said
    assert "| cell-rnn_schedule-always_seed-4 | missing | never started |" in said
    assert "27 finished, 1 failed, 1 unfinished, 1 missing" in said


HOSTILE = '<img src="http://evil.example/x" onerror="alert(1)">|`*_[x](http://evil.example)'


def test_what_users_wrote_is_no_markup(tmp_path):
    for cell in (HOSTILE, "gru"):
        for seed in (0, 1):
            write_run(tmp_path / "s" / f"{len(cell)}-{seed}", [f"model/cell={cell}", f"seed={seed}"], 0.4, ranked=True)
    write_failure(tmp_path / "s" / "f", ["model/cell=gru", "seed=3"], HOSTILE)
    report([tmp_path / "s"], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;img" in page
    assert not re.search(r"<img(?! src=\"data:image/svg)", page)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "<img" not in text.replace("\\<", "")
    assert "](http" not in text.replace("\\]", "")
    # A bar in a value does not make a column.
    rows = [line for line in text.splitlines() if line.startswith("|") and "evil" in line]
    assert rows
    table = next(line for line in text.splitlines() if line.startswith("| model/cell | mse"))
    bars = re.compile(r"(?<!\\)\|")
    leader = next(line for line in rows if " of 2 " in line)
    assert len(bars.findall(leader)) == len(bars.findall(table))


def test_the_page_needs_nothing_else(document):
    page = render_html(document)
    assert "<script" not in page
    addresses = re.findall(r"(?:src|href)=\"([^\"]{0,20})", page)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "url(" not in page


@pytest.mark.parametrize("text", ["a|b", "*a*", "<b>", "a\nb", "`x`", "[a](b)", "# a", "a_b_c", "$x$"])
def test_markdown_is_escaped(text):
    page = markdown.render(Document("t", [], [Section("s", [Table("t", ("h",), [Row((text,))])], "s")]))
    row = page.splitlines()[-3]
    assert row.count("|") - row.count("\\|") == 2
    assert not re.search(r"(?<!\\)[*<`\[#_$]", row)


@pytest.mark.slow
def test_the_same_runs_give_the_same_report(tmp_path, drawn):
    folder = write_run(tmp_path / "run", ["seed=0"], 0.4, curves=True, ranked=True)
    for name in ("a", "b"):
        report([folder], tmp_path / name)
    first, second = ((tmp_path / name / "report.html").read_text() for name in ("a", "b"))
    assert first.count("data:image/svg+xml;base64,") == 5
    footer = re.compile(r"<footer>.*</footer>")
    assert footer.sub("", first) == footer.sub("", second)


def test_runs_without_any_result_give_a_report(tmp_path):
    write_failure(tmp_path / "s" / "a", ["seed=0"], "out of memory")
    write_options(tmp_path / "s" / "b", ["seed=1"])
    report([tmp_path / "s"], tmp_path / "out")
    said = (tmp_path / "out" / "report.md").read_text()
    assert "nothing to rank" in said
    assert "out of memory" in said


def test_one_run_gives_a_report(tmp_path):
    report([write_run(tmp_path / "a", [], 0.4, curves=True, ranked=True)], tmp_path / "out")
    assert "Nothing differs between the runs" in (tmp_path / "out" / "report.md").read_text()


# Numbers in words


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.01234, 0.00056, "0.01234 ± 0.00056"),
        (12.34, 5.6, "12.3 ± 5.6"),
        (1234.5, 56.7, "1234 ± 57"),
        (0.5, math.nan, "0.5000"),
        (math.nan, math.nan, "-"),
        (0.5, 0.0, "0.5000 ± 0"),
        (1.234e-6, 5.6e-8, "(1.234 ± 0.056)e-06"),
        (0.0, 0.0, "0 ± 0"),
    ],
)
def test_mean_and_deviation(mean, deviation, text):
    assert words.spread(mean, deviation) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.241, "0.24 s"), (12.345, "12.3 s"), (204, "3.4 min"), (4320, "1.2 h"), (math.nan, "-")]
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_number_keeps_four_digits(value):
    assert float(words.number(value)) == pytest.approx(value, rel=1e-3)


# The command


def run_command(*words: object) -> None:
    command.main([str(word) for word in words])


def test_the_command_writes_three_files(sweep, tmp_path, capsys):
    run_command(sweep, "--output", tmp_path / "out", "--alpha", "0.1", "--metric", "mae")
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "out" / name) for name in ("report.html", "results.csv", "report.md")
    ]
    said = (tmp_path / "out" / "report.md").read_text()
    assert "Level of the tests: 0.1" in said
    assert "mae" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [([], "no run in it"), (["--alpha", "5"], "a level lies between 0 and 1"), (["--metric"], "expected one argument")],
)
def test_wrong_input_ends_with_two_and_one_message(tmp_path, capsys, more, said):
    with pytest.raises(SystemExit) as stop:
        run_command(tmp_path, *more)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_help_and_import_need_nothing_heavy():
    import subprocess

    program = (
        "import sys; from recast.cli.report import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'lightning', 'pandas', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "results.csv" in done.stdout


@pytest.mark.slow
def test_two_hundred_runs_in_half_a_minute(tmp_path, drawn):
    import time

    for cell in CELLS:
        for schedule in (*SCHEDULES, "linear", "cosine"):
            for seed in range(17):
                given = [f"model/cell={cell}", f"model/schedule={schedule}", f"seed={seed}"]
                folder = tmp_path / "s" / f"{cell}-{schedule}-{seed}"
                mse = 0.4 + 0.01 * ((7 * seed + len(cell) * len(schedule)) % 11)
                write_run(folder, given, mse, curves=True, ranked=True, losses={"model": np.ones(40)})
    started = time.perf_counter()
    report([tmp_path / "s"], tmp_path / "out")
    assert len(csv_rows(tmp_path / "out")) == 204
    assert time.perf_counter() - started < 30


def test_metrics_of_a_run_are_what_the_helper_says():
    assert np.mean(metrics(0.4, 0, {})["test_per_horizon"]["mse"]) == pytest.approx(0.4)
