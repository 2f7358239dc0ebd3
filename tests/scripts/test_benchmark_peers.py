"""scripts/benchmark_peers.py: what it counts, and what it says of libraries that are absent or fail."""

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from commands import strict_json
from torch import nn

SCRIPTS = Path(__file__).parents[2] / "scripts"
SCRIPT = SCRIPTS / "benchmark_peers.py"
TINY = ("--rows", "600", "--context", "20", "--horizon", "5", "--hidden", "4", "--batch", "8", "--every", "4")
SHORT = ("--rounds", "1", "--seconds", "0.05", "--budget", "0.1")


def run(*options: object, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=250, check=False)


@pytest.fixture
def peers(monkeypatch):
    """The script's modules by name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: importlib.import_module(f"peers.{name}")


@pytest.fixture
def work(peers, tmp_path):
    series = peers("series")
    values = series.tide(600)
    series.write(values, tmp_path / "series.csv")
    return peers("work").Work(
        series=str(tmp_path / "series.csv"), context=20, horizon=5, hidden=4, batch=8, every=7, seed=0
    )


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("benchmark_peers")


def started(script, monkeypatch, tmp_path, results, *options):
    """The script with measurements that are given: for each row the results of one call after the other."""
    waiting = {row: list(found) for row, found in results.items()}

    def run_child(job: Path, output: Path, limit: float) -> str | None:
        found = waiting[json.loads(job.read_text())["row"]].pop(0)
        if isinstance(found, str):
            return found
        output.write_text(json.dumps(found))
        return None

    monkeypatch.setattr(script, "run_child", run_child)
    output = tmp_path / "out.json"
    words = ["benchmark_peers.py", "--only", *results, "--output", str(output), *TINY, *map(str, options)]
    monkeypatch.setattr(sys, "argv", words)
    script.main()
    return output


def numbers(training: float, inference: float = 1.0) -> dict[str, object]:
    fixed = {"version": "1.2", "start_up": 3.0, "batches": 9, "parameters": 7, "memory_training": 400, "memory": 500}
    return fixed | {"training": training, "inference": inference}


def test_help_needs_no_library(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
    assert "neuralforecast" in done.stdout


@pytest.mark.slow
def test_the_naive_loop_is_measured(tmp_path):
    done = run("--quick", "--only", "naive", *TINY, *SHORT, "--output", "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "training" in done.stdout
    assert torch.__version__ in done.stdout
    report = strict_json(tmp_path / "out.json")
    assert report.keys() == {"machine", "options", "rows"}
    assert report["options"]["context"] == 20
    naive = report["rows"]["naive"]
    assert report["rows"].keys() == {"naive"}
    assert naive["training_ratio"] == naive["inference_ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    for key in ("training", "inference", "start_up", "memory", "memory_training"):
        assert naive[key]["median"] > 0
    # Two GRUs of 4 units on one input, and a linear readout.
    assert naive["parameters"] == 2 * 3 * (4 + 16 + 4 + 4) + 5
    quality = naive["quality"]
    assert quality["reached"] is None
    assert quality["best"] == min(error for _, error in quality["curve"]) > report["options"]["quality"]
    assert quality["trained"] == quality["curve"][-1][0] >= 0.1
    assert list(tmp_path.iterdir()) == [tmp_path / "out.json"]


@pytest.mark.slow
def test_recast_is_measured(tmp_path):
    done = run("--only", "recast", *TINY, *SHORT, "--output", "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = strict_json(tmp_path / "out.json")["rows"]
    assert rows.keys() == {"naive", "recast"}
    assert rows["recast"]["parameters"] == rows["naive"]["parameters"]
    assert rows["recast"]["training_ratio"]["median"] > 0


def test_ratios_are_those_of_the_same_round(script, monkeypatch, tmp_path):
    results = {"naive": [numbers(100), numbers(200)], "recast": [numbers(300, 5.0), numbers(300, 7.0)]}
    output = started(script, monkeypatch, tmp_path, results, "--rounds", 2, "--budget", 0)
    recast = strict_json(output)["rows"]["recast"]
    assert recast["training_ratio"] == {"median": 2.25, "low": 1.5, "high": 3.0}
    assert recast["inference_ratio"] == {"median": 6.0, "low": 5.0, "high": 7.0}
    assert "quality" not in recast


def test_a_library_that_is_absent_is_left_out(script, monkeypatch, tmp_path, capsys):
    results = {"naive": [numbers(100), numbers(100)], "darts": [{"absent": "darts"}]}
    output = started(script, monkeypatch, tmp_path, results, "--rounds", 2, "--budget", 0)
    said = capsys.readouterr().out
    assert "darts: left out, darts is not installed\n" in said
    assert "not installed" in said.splitlines()[-1]
    assert strict_json(output)["rows"]["darts"] == {"rounds": [], "absent": "darts"}


@pytest.mark.parametrize("failure", [{"error": "ValueError: no [good]"}, "ended with -9: no [good]"])
def test_a_library_that_fails_is_shown_and_ends_with_1(script, monkeypatch, tmp_path, capsys, failure):
    # In the second round: what the first one gave stays in the file.
    results = {"naive": [numbers(100), numbers(100)], "gluonts-deepar": [numbers(50), failure]}
    with pytest.raises(SystemExit) as stopped:
        started(script, monkeypatch, tmp_path, results, "--rounds", 2, "--budget", 0)
    assert stopped.value.code == 1
    said = capsys.readouterr().out
    reason = failure["error"] if isinstance(failure, dict) else failure
    assert f"gluonts-deepar: failed: {reason}\n" in said
    row = strict_json(tmp_path / "out.json")["rows"]["gluonts-deepar"]
    assert row["error"] == reason
    assert row["training_ratio"]["median"] == 0.5


def test_without_the_naive_loop_there_are_no_ratios(script, monkeypatch, tmp_path, capsys):
    results = {"naive": ["took more than 9 s"], "recast": [numbers(300)]}
    with pytest.raises(SystemExit):
        started(script, monkeypatch, tmp_path, results, "--rounds", 1, "--budget", 0)
    assert "300" in capsys.readouterr().out
    assert "training_ratio" not in strict_json(tmp_path / "out.json")["rows"]["recast"]


def test_rows_name_what_there_is(peers):
    project = tomllib.loads((SCRIPTS.parent / "pyproject.toml").read_text())["project"]
    pinned = {re.split(r"[\[=]", line)[0] for line in project["optional-dependencies"]["peers"]}
    assert {row.distribution for row in peers("rows").ROWS.values()} == pinned | {"torch", project["name"]}
    for row in peers("rows").ROWS.values():
        assert issubclass(getattr(peers(row.module), row.peer), peers("peer").Peer)


def test_time_to_quality_in_words(script):
    found = {"reached": 12.34, "best": 0.0049, "trained": 90.0}
    assert script.reached(found, 90.0) == "12.3\n0.0049 m2"
    assert script.reached(found | {"reached": None, "best": 0.02}, 90.0) == "not in 90 s\nbest 0.0200 m2"
    # A recipe that ends before the budget.
    assert script.reached(found | {"reached": None, "trained": 31.0}, 90.0) == "not in 31 s\nbest 0.0049 m2"


@pytest.mark.slow
def test_a_child_says_what_went_wrong(script, peers, tmp_path, monkeypatch):
    job = {"row": "naive", "work": {}, "seconds": 1, "instants": [], "bar": 0, "started": 0}
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert script.run_child(tmp_path / "job.json", tmp_path / "result.json", 100) is None
    assert strict_json(tmp_path / "result.json")["error"].startswith("TypeError: Work.__init__() missing")
    assert script.run_child(tmp_path / "job.json", tmp_path / "result.json", 0.01) == "took more than 0 s"
    assert script.run_child(tmp_path / "nowhere.json", tmp_path / "result.json", 100).startswith("ended with 1: File")
    monkeypatch.setitem(peers("rows").ROWS, "naive", peers("rows").Row("naive", "Naive", "no_such_library", "torch"))
    monkeypatch.setattr(sys, "argv", ["child", str(tmp_path / "job.json"), str(tmp_path / "result.json")])
    peers("child").main()
    assert strict_json(tmp_path / "result.json") == {"absent": "no_such_library"}


def test_the_series_is_a_tide_with_surge_and_noise(peers, tmp_path):
    series = peers("series")
    level = series.tide(100_000, seed=3)
    tide = sum(amplitude**2 / 2 for _, amplitude in series.CONSTITUENTS)
    assert level.var() == pytest.approx(tide + 0.15**2 + 0.01**2, rel=0.1)
    spectrum = np.abs(np.fft.rfft(level)) ** 2
    hours = 1 / np.fft.rfftfreq(len(level), series.STEP / 60)[np.argmax(spectrum)]
    assert hours == pytest.approx(12.4206, rel=1e-3)
    assert not np.array_equal(level[:9], series.tide(9, seed=4))
    series.write(level[:500], tmp_path / "series.csv")
    np.testing.assert_array_equal(series.read(str(tmp_path / "series.csv")), level[:500])


def test_windows_and_error(work):
    values = work.values
    assert work.train_rows == 498
    np.testing.assert_array_equal(work.starts, range(498, 576, 7))
    assert work.train.mean() == pytest.approx(0, abs=1e-6)
    assert work.train.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(work.metres(work.scaled), values, atol=1e-6)
    np.testing.assert_allclose(work.metres(work.contexts[2]), values[512:532], atol=1e-6)
    truth = np.stack([values[start + 20 : start + 25] for start in work.starts])
    assert work.mse(truth) == 0
    assert work.mse(truth + 0.5) == pytest.approx(0.25)
    with pytest.raises(ValueError, match=r"\(12, 4\); expected \(12, 5\)"):
        work.mse(truth[:, 1:])


def test_the_clock_leaves_out_the_warm_up_and_copies_weights(peers, monkeypatch):
    clock_module = peers("clock")
    now = [0.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: now[0])
    clock = clock_module.Clock(seconds=10.0, instants=[2.0, 2.5, 12.0])
    network = nn.Linear(1, 1)
    over = []
    for seconds in (50, 1, 1, 1, 1, 1, 1, 1):
        clock.begin(network)
        now[0] += seconds if over else 5.0
        with torch.no_grad():
            network.weight.fill_(now[0])
        over.append(clock.end_batch(32 if len(over) < 7 else 16))
    clock.end()
    # The batches end at 5, 6, ... 12 s: over from 10 s on, but not before seven batches.
    assert over == [False] * 6 + [True, True]
    assert clock.rate() == pytest.approx((4 * 32 + 16) / 5)
    # Two instants have passed when the first batch ends; the last one falls on the end.
    assert [elapsed for elapsed, _ in clock.snapshots] == [5.0, 12.0]
    assert [weights["weight"].item() for _, weights in clock.snapshots] == [5.0, 12.0]


def test_the_clock_needs_batches(peers):
    clock = peers("clock").Clock(seconds=1.0)
    with pytest.raises(RuntimeError, match="never began"):
        clock.end_batch(1)
    clock.begin(nn.Linear(1, 1))
    clock.end_batch(1)
    with pytest.raises(RuntimeError, match="after 1 batches; 7 are needed"):
        clock.rate()


def test_the_callback_stops_the_trainer(peers):
    clock = peers("clock").Clock(seconds=0.0)
    watch = clock.callback(object, len)
    trainer, network = SimpleNamespace(should_stop=False), nn.Linear(1, 1)
    for step in range(7):
        assert not trainer.should_stop
        watch.on_train_batch_start(trainer, network, [1, 2], step)
        watch.on_train_batch_end(trainer, network, None, [1, 2], step)
    assert trainer.should_stop
    watch.on_train_end(trainer, network)
    assert clock.batches == 7
    assert clock.network is network
    assert len(clock.snapshots) == 1


def test_naive_forecasts_are_its_own_recursion(peers, work):
    naive = peers("naive")
    torch.manual_seed(0)
    network = naive.Network(hidden=4, horizon=3).double()
    context = torch.randn(2, 6, dtype=torch.float64)
    cells = {}
    for name in ("encoder", "decoder"):
        cells[name] = nn.GRUCell(1, 4).double()
        states = {key.removesuffix("_l0"): value for key, value in getattr(network, name).state_dict().items()}
        cells[name].load_state_dict(states)
    state = torch.zeros(2, 4, dtype=torch.float64)
    for step in range(6):
        state = cells["encoder"](context[:, step, None], state)
    value, expected = context[:, -1:], []
    for _ in range(3):
        state = cells["decoder"](value, state)
        value = network.readout(state)
        expected.append(value)
    torch.testing.assert_close(network(context), torch.cat(expected, dim=1))


def test_quality_stops_at_the_bar(peers, work):
    """Forecasts that are the truth plus the network's weight: its square is the error."""
    truth = np.stack([work.values[start + 20 : start + 25] for start in work.starts])
    network = nn.Linear(1, 1, bias=False)
    snapshots = [
        (float(second), {"weight": torch.tensor([[error]])}) for second, error in ((1, 0.5), (2, 0.1), (3, 0.0))
    ]
    peer = SimpleNamespace(
        work=work,
        clock=SimpleNamespace(network=network, snapshots=snapshots),
        forecast=lambda: truth + network.weight.item(),
    )
    found = peers("child").quality(peer, bar=0.02)
    assert found["curve"] == [(1.0, pytest.approx(0.25)), (2.0, pytest.approx(0.01))]
    assert (found["reached"], found["trained"]) == (2.0, 3.0)
    unreached = peers("child").quality(peer, bar=-1.0)
    assert unreached["reached"] is None
    assert unreached["best"] == pytest.approx(0.0)
