"""scripts/benchmark.py: what it compares agrees, what it counts is right, and its numbers arrive in the file."""

import importlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from commands import strict_json
from rich.console import Console
from torch import nn

SCRIPTS = Path(__file__).parents[2] / "scripts"
SCRIPT = SCRIPTS / "benchmark.py"
SECTIONS = ["training", "inference", "cells", "memory", "peak", "data", "overhead", "start-up", "long", "quality"]
SMOKE = ["training", "quality"]


def run(*options: object, cwd: Path, limit: float = 200) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=limit, check=False)


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's modules by name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: importlib.import_module(f"bench.{name}")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("benchmark")


@pytest.fixture
def one_thread():
    yield
    assert torch.get_num_threads() == 1


def words(sheet) -> str:
    said = io.StringIO()
    Console(file=said, width=160).print(sheet)
    return said.getvalue()


def ratios(found) -> list[float]:
    """All medians and ends of ranges, wherever they are."""
    if isinstance(found, dict):
        if found.keys() == {"median", "low", "high"}:
            return list(found.values())
        return [value for item in found.values() for value in ratios(item)]
    return [value for item in found for value in ratios(item)] if isinstance(found, list) else []


def check_report(report: dict, sections: list[str], mode: str) -> None:
    assert report.keys() == {"time", "mode", "machine", "versions", "seconds", "sections", "failed"}
    assert report["mode"] == mode
    assert report["machine"].keys() >= {"processor", "cores", "load"}
    assert report["versions"]["torch"] == torch.__version__
    assert report["failed"] == {}
    assert list(report["sections"]) == list(report["seconds"]) == sections
    found = report["sections"]
    for name in sections:
        values = ratios({key: value for key, value in found[name].items() if name != "overhead"})
        assert all(value > 0 for value in values), name
        assert values or name in ("long", "overhead"), name
    if "training" in sections:
        for row in found["training"]["rows"]:
            assert row["routes"].keys() >= {"naive", "plain", "autograd", "numba"}
            assert row["routes"]["naive"]["ratio"] == {"median": 1, "low": 1, "high": 1}
            assert ("numba_to_fused" in row) == (row["case"]["forcing"] == 1)
        assert found["training"]["difference"] < 1e-9
    if "overhead" in sections:
        assert found["overhead"]["threads"].keys() == {"1", "2"}
    if "long" in sections:
        assert all(run["seconds"] > 0 for run in found["long"]["runs"].values())
    if "quality" in sections:
        quality = found["quality"]
        assert quality.keys() >= {"bar", "naive_step", "naive_steps", "recast", "factor"}
        for reached in quality["recast"]:
            assert reached["curve"][-1][2] == reached["mse"]
            assert (reached["seconds"] is not None) == (reached["mse"] <= quality["bar"])


def test_help_says_what_is_measured(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(f"- {name}:" in done.stdout for name in SECTIONS)
    assert "--tiny" not in done.stdout


@pytest.mark.slow
def test_numbers_arrive_in_the_file(tmp_path):
    done = run("--tiny", "--only", *SMOKE, "--output", "new/out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    check_report(strict_json(tmp_path / "new" / "out.json"), SMOKE, "tiny")
    assert "Time to quality" in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_other_sections_work(tmp_path):
    others = [name for name in SECTIONS if name not in SMOKE]
    done = run("--tiny", "--only", *others, "--output", "out.json", cwd=tmp_path, limit=850)
    assert done.returncode == 0, done.stderr + done.stdout
    check_report(strict_json(tmp_path / "out.json"), others, "tiny")
    assert list(tmp_path.iterdir()) == [tmp_path / "out.json"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quick_benchmark(tmp_path):
    """One section at its own sizes; the others, which would take minutes, run at the smallest, above."""
    sections = ["peak"]
    done = run("--quick", "--only", *sections, cwd=tmp_path, limit=850)
    assert done.returncode == 0, done.stderr + done.stdout
    check_report(strict_json(tmp_path / "outputs" / "benchmark.json"), sections, "quick")


def test_a_section_that_fails_is_told_and_ends_with_1(script, monkeypatch, tmp_path, capsys):
    def call(function: str, *, module: str, mode: str) -> dict:
        assert (function, mode) == ("bench.section:run", "full")
        if module == "memory":
            raise RuntimeError("it ended [with] -9")
        return {"module": module}

    monkeypatch.setattr(script, "call", call)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--output", str(tmp_path / "out.json")])
    with pytest.raises(SystemExit) as stopped:
        script.main()
    assert stopped.value.code == 1
    assert "memory: failed: it ended [with] -9\n" in capsys.readouterr().out
    report = strict_json(tmp_path / "out.json")
    assert report["failed"] == {"memory": "it ended [with] -9"}
    assert list(report["sections"]) == [name for name in SECTIONS if name != "memory"]
    assert report["sections"]["long"] == {"module": "long_series"}


@pytest.mark.parametrize(("load", "busy"), [(0.4, False), (0.6, True)])
def test_a_busy_machine_is_told(script, monkeypatch, tmp_path, capsys, load, busy):
    place = script.machine() | {"load": load}
    monkeypatch.setattr(script, "machine", lambda: place)
    monkeypatch.setattr(script, "call", lambda *_, **__: {})
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--only", "peak", "--output", str(tmp_path / "out.json")])
    script.main()
    assert ("The machine is busy" in capsys.readouterr().out) == busy


# What is compared.


@pytest.mark.parametrize(("cell", "forcing"), list(product(("gru", "lstm", "rnn"), (0.0, 0.5, 1.0))))
def test_routes_agree(bench, cell, forcing):
    routes = bench("routes")
    case = routes.Case(context=9, horizon=9, hidden=9, batch=9, cell=cell, forcing=forcing)
    assert routes.difference(case) < 1e-12
    assert (routes.FUSED in routes.routes_of(case)) == (forcing == 1)


def test_routes_agree_with_layers_and_inputs(bench):
    routes = bench("routes")
    assert routes.difference(routes.Case(context=9, horizon=9, hidden=9, batch=9, layers=2, inputs=3)) < 1e-12


def test_routes_that_do_not_agree_are_not_timed(bench, monkeypatch):
    routes = bench("routes")
    equal = routes.routes_of

    def unequal(case):
        found = equal(case)
        found["plain"].weights[0].data[0] += 1e-4
        return found

    monkeypatch.setattr(routes, "routes_of", unequal)
    with pytest.raises(RuntimeError, match="the routes differ by"):
        routes.difference(routes.Case(context=9, horizon=9, hidden=9, batch=9))


def test_naive_forecasts_are_its_own_recursion(bench):
    torch.manual_seed(0)
    network = bench("naive").Naive(kind="gru", inputs=2, hidden=4, layers=1, horizon=3).double()
    context, truth = torch.randn(2, 6, 2, dtype=torch.float64), torch.randn(2, 3, 1, dtype=torch.float64)
    fed = torch.tensor([[True, False], [False, True]])
    cells = {}
    for name, inputs in (("encoder", 2), ("decoder", 1)):
        cells[name] = nn.GRUCell(inputs, 4).double()
        states = {key.removesuffix("_l0"): value for key, value in getattr(network, name).state_dict().items()}
        cells[name].load_state_dict(states)
    state = torch.zeros(2, 4, dtype=torch.float64)
    for step in range(6):
        state = cells["encoder"](context[:, step], state)
    value, expected = context[:, -1, :1], []
    for lead in range(3):
        state = cells["decoder"](value, state)
        value = network.readout(state)
        expected.append(value)
        if lead < 2:
            value = torch.where(fed[:, lead, None], truth[:, lead], value)
    torch.testing.assert_close(network(context, truth, fed), torch.stack(expected, dim=1))
    always = network(context, truth, torch.ones_like(fed))
    torch.testing.assert_close(network.teacher_forced(context, truth), always)


def test_it_is_known_what_ran(bench):
    routes = bench("routes")
    case = routes.Case(context=9, horizon=9, hidden=9, batch=3, cell="lstm")
    for name, chosen in {
        "plain": {"open": "plain", "closed": "plain"},
        "autograd": {"open": "plain", "closed": "autograd"},
        "numba": {"open": "numba", "closed": "numba"},
    }.items():
        assert routes.ran(routes.Recast(case, name).training(case.data())(1)) == chosen


# What is counted.


def test_everything_has_its_turn_in_each_round(bench, monkeypatch, one_thread):
    rounds = bench("rounds")
    now, log = [0.0], []
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: now[0])

    def work(name, seconds):
        def once():
            log.append((name, torch.get_num_threads()))
            now[0] += seconds

        return once

    works = {"slow": work("slow", 2.0), "fast": work("fast", 0.25)}
    found = rounds.rates(
        {name: rounds.on_torch_threads(work) for name, work in works.items()}, threads=(1, 2), rounds=2, seconds=1.0
    )
    assert found == {threads: {"slow": [0.5, 0.5], "fast": [4.0, 4.0]} for threads in (1, 2)}
    # One call of each to warm up; then the order turns round.
    assert log[:4] == [("fast", 1), ("slow", 1), ("fast", 2), ("slow", 2)]
    assert log[4:9] == [("slow", 1), *[("fast", 1)] * 4]
    assert log[14:19] == [*[("fast", 1)] * 4, ("slow", 1)]


def test_ratios_are_those_of_the_same_round(bench):
    found = bench("rounds").compared({"naive": [1.0, 2.0], "other": [3.0, 3.0]}, "naive", factor=10)
    assert found["naive"]["value"] == {"median": 15, "low": 10, "high": 20}
    assert found["other"]["ratio"] == {"median": 2.25, "low": 1.5, "high": 3}


def test_operations_by_hand(bench):
    peak, case = bench("peak"), bench("routes").Case(context=1, horizon=0, hidden=2, batch=1)
    # Three gates of two units: 3 * 2 * (2 + 1) multiply-adds forward, again, and for the weights; 3 * 2 * 2 back.
    assert peak.operations(case) == 2 * (3 * 18 + 12)
    # A decoder's step: 12 more, of which a half is the gradient of what was fed back, and a half the readout.
    assert peak.operations(replace(case, context=0, horizon=1)) == 2 * (3 * 18 + 12 + 12)


def test_chains_and_products_do_what_is_counted(bench):
    fma = bench("fma")
    expected = np.arange(fma.CHAINS, dtype=np.float64)
    for _ in range(5):
        expected = expected * 0.75 + 0.75
    assert fma.chains(5, np.float32(0.75)) == pytest.approx(expected.sum(), rel=1e-6)
    random = np.random.default_rng(0)
    left, right = (random.standard_normal(size).astype(np.float32) for size in ((16, 64), (64, 64)))
    out = np.zeros(16 * 64, np.float32)
    fma.products(3, out, left.ravel(), right.ravel())
    np.testing.assert_allclose(out.reshape(16, 64), 3 * left @ right, rtol=1e-4, atol=1e-4)


def test_the_peak_is_that_since_the_beginning(bench):
    resident = bench("resident")
    np.ones(25_000_000).sum()
    before = resident.begin()
    assert resident.peak() - before < 50
    np.ones(12_500_000).sum()
    assert 90 < resident.peak() - before < 130


@pytest.mark.slow
def test_growth_in_a_training_step(bench):
    size = {"context": 200, "horizon": 20, "hidden": 64, "batch": 64}
    # As in the benchmark each in a process of its own: this one may have memory left of other tests.
    plain, numba = (bench("process").call("bench.memory:growth", route=route, **size) for route in ("plain", "numba"))
    # The states of 220 steps alone: 220 * 64 * 64 numbers of 4 bytes, 3.4 MiB.
    assert plain > numba > 3.4


def test_copies_of_the_weights_do_not_count(bench, monkeypatch):
    quality = bench("quality")
    now = [100.0]

    def copying(value):
        now[0] += 50
        return value.copy()

    monkeypatch.setattr(quality.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(quality.torch, "is_tensor", lambda value: isinstance(value, Weight))

    class Weight(list):
        def clone(self):
            return copying(self)

    snapshots, weight = quality.Snapshots(looks=2), Weight([0])
    network = SimpleNamespace(state_dict=lambda: {"weight": weight, "other": b""})
    for step in range(1, 8):
        snapshots.on_train_batch_start(None, network, None, step)
        now[0] += 1
        weight[0] = step
        trainer = SimpleNamespace(estimated_stepping_batches=7, global_step=step)
        snapshots.on_train_batch_end(trainer, network, None, None, step)
    assert snapshots.taken == [(float(step), step, {"weight": [step]}) for step in (3, 6, 7)]


def test_a_seed_that_misses_the_bar_leaves_no_factor(bench):
    reached = {"threads": 1, "seed": 0, "seconds": 2.0, "steps": 9, "mse": 0.005, "mse_at_the_end": 0.004}
    step = {"median": 0.1, "low": 0.1, "high": 0.2}
    result = {"bar": 0.0056, "epochs": 10, "notebook": None, "naive_step": {"1": step}, "naive_steps": 100}
    good = result | {"recast": [reached], "factor": {"1": {"median": 5.0, "low": 5.0, "high": 5.0}}}
    assert re.search(r"recast's engine and recipe +1 +2\.0 +0\.0050 +5\n", words(bench("quality").sheet(good)))
    missed = result | {"recast": [reached, reached | {"seconds": None, "mse": 0.006}], "factor": {"1": None}}
    assert "reached by 1 of 2 seeds" in words(bench("quality").sheet(missed))


# How it runs.


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("inference", "cells")), "peak", "data"]
)
def test_sections_in_small(bench, name, one_thread):
    section = bench(name)
    result = json.loads(json.dumps(section.measure(bench("sizes").TINY)))
    assert all(value > 0 for value in ratios(result))
    assert len(words(section.sheet(result)).splitlines()) > 4


def test_a_process_of_its_own(bench, capfd):
    call = bench("process").call
    assert call("json:loads", s="[1, 2]") == [1, 2]
    with pytest.raises(RuntimeError, match="json:loads ended with 1"):
        call("json:loads", s="[1")
    assert "JSONDecodeError" in capfd.readouterr().err


def test_a_start_without_a_step_is_told(bench):
    with pytest.raises(RuntimeError, match=r"no training step was taken by data=nothing(.|\n)*recast: "):
        bench("start_up").to_the_first_step("data=nothing")
