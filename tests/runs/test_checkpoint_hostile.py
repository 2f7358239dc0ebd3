"""A checkpoint from a stranger: refused with one message, and nothing in it runs."""

import contextlib
import copy
import os
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import QUICK, load, run, shared_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from recast.errors import CheckpointError
from recast.runs.checkpoints.restore import restore
from recast.runs.load import load as load_forecaster
from recast.training.checkpoint_format import FORMAT


@pytest.fixture(scope="session")
def good() -> Path:
    return shared_run(*QUICK) / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="session")
def content(good) -> dict[str, Any]:
    return load(good)


@pytest.fixture
def marker(tmp_path, monkeypatch) -> Path:
    """A file that payloads make; it must not be there in the end."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "it-ran"


class Payload:
    """Runs a function with arguments when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


COLUMN = {"name": "x", "unit": "", "role": "target", "levels": None}


def assert_refused(path: Path, *says: str) -> None:
    with pytest.raises(CheckpointError) as refused:
        restore(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert len(message) < 2000
    for part in says:
        assert part in message


def assert_opened_or_refused(path: Path) -> None:
    """Forecasting looks at fewer parts, and may find nothing wrong with those."""
    with contextlib.suppress(CheckpointError):
        load_forecaster(path)


def test_the_good_one_is_accepted(good):
    assert restore(good).spec.horizon == 10
    assert load_forecaster(good).spec.horizon == 10


@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "in a good checkpoint"])
@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
@pytest.mark.parametrize(
    "payload",
    [
        lambda marker: Payload(os.system, f"touch {marker}"),
        lambda marker: Payload(eval, f"open({str(marker)!r}, 'w')"),
        lambda marker: Payload(Path.touch, marker),
        lambda marker: Payload(torch.load, str(marker)),
        lambda marker: Payload(np.save, str(marker), 1),
    ],
    ids=["os.system", "eval", "Path.touch", "torch.load", "numpy.save"],
)
def test_pickled_code_does_not_run(payload, zipped, wrapped, tmp_path, marker, content):
    path = tmp_path / "hostile.ckpt"
    hostile = payload(marker)
    torch.save({**content, "extra": hostile} if wrapped else hostile, path, _use_new_zipfile_serialization=zipped)
    assert_refused(path)
    assert not list(tmp_path.glob("it-ran*"))


def test_the_payload_would_run_without_the_guard(tmp_path, marker):
    path = tmp_path / "hostile.ckpt"
    torch.save(Payload(os.system, f"touch {marker}"), path)
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_a_zip_with_a_foreign_pickle_in_it(good, tmp_path, marker):
    path = tmp_path / "hostile.ckpt"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            hostile = pickle.dumps(Payload(os.system, f"touch {marker}"), protocol=2)
            target.writestr(name, hostile if name.endswith("data.pkl") else source.read(name))
    assert_refused(path, "refused")
    assert not marker.exists()


def test_a_zip_whose_names_climb_out(good, tmp_path):
    path = tmp_path / "inner" / "hostile.ckpt"
    path.parent.mkdir()
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(f"../../{name}", source.read(name))
    assert_refused(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["inner"]


def changed(content: dict[str, Any], keys: str, value: Any) -> dict[str, Any]:
    """A deep copy with one thing set, or deleted if `value` is ...; keys are separated by slashes."""
    result = copy.deepcopy(content)
    *path, last = keys.split("/")
    node = result
    for key in path:
        node = node[key]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return result


TARGETS = (
    "os.system",
    "posix.system",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "torch.load",
    "torch.hub.load",
    "torch.optim.Adam",
    "lightning.pytorch.Trainer",
    "recast.cli.train.main",
    "recast.cli.application.application",
    "recast.runs.checkpoints.restore.restore",
    "recast.runs.checkpoints.checkpoint.torch.load",
    "recast.system.files.write_text",
    "recast.runs.provenance.subprocess.Popen",
    "recast..os.system",
    "recast.../../etc/passwd",
    "recast.nn.cells.gru.GRU.__init__",
    "recast.__class__",
    "",
    "recast",
    None,
    3,
    ["os.system"],
)
PLACES = (
    "model",
    "model/cell",
    "model/head",
    "model/schedule",
    "data",
    "data/source",
    "data/grid",
    "task",
    "metrics/mse",
)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_target_that_may_not_be_named(target, content, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("it ran"))
    for place in PLACES:
        path = tmp_path / "hostile.ckpt"
        torch.save(changed(content, f"recast/config/{place}/_target_", target), path)
        assert_refused(path)


def test_a_target_deep_in_a_place_that_takes_anything(content, tmp_path, marker):
    path = tmp_path / "hostile.ckpt"
    node = {"_target_": "subprocess.Popen", "args": f"touch {marker}", "shell": True}
    for place in ("data/periods", "data/source/rows", "model/layers", "metrics/extra", "extra", "data/extra"):
        for value in (node, [node], {"a": [{"b": node}]}):
            torch.save(changed(content, f"recast/config/{place}", value), path)
            assert_refused(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        ("recast", ..., "not written by a recast run"),
        ("recast", [], "not written by a recast run"),
        ("state_dict", ..., "not written by a recast run"),
        ("state_dict", None, ""),
        ("state_dict", {}, "Missing key"),
        ("state_dict", {"model.decoder.readout.weight": "text"}, ""),
        ("state_dict", {1: torch.zeros(1)}, ""),
        ("recast/format", FORMAT - 1, f"format {FORMAT - 1}, but recast"),
        ("recast/format", FORMAT + 1, f"format {FORMAT + 1}, but recast"),
        ("recast/format", ..., "format None"),
        ("recast/config", ..., "no configuration"),
        ("recast/config", [], "no configuration"),
        ("recast/config", {1: 2}, ""),
        ("recast/config/model", ..., "model: must be given"),
        ("recast/config/task/samples", 0, "samples"),
        ("recast/config/model/cell/hidden_size", 16, "size mismatch"),
        ("recast/config/model/cell/hidden_size", "8", "hidden_size"),
        ("recast/config/model/cell/hidden_size", -8, "hidden_size"),
        ("recast/config/model/layers", 2, "Missing key"),
        ("recast/spec", ..., "spec"),
        ("recast/spec", None, "spec: expected the fields columns,"),
        ("recast/spec", {}, "spec: expected the fields columns,"),
        ("recast/spec/columns", ..., "spec: expected the fields columns,"),
        ("recast/spec/columns", 3, "spec: "),
        ("recast/spec/columns", [], "spec: "),
        ("recast/spec/columns", [3], "spec: expected the fields levels, name, role, unit"),
        ("recast/spec/columns", [COLUMN, COLUMN | {"name": "b"}], "spec: 2 columns do not fit"),
        ("recast/spec/columns", [COLUMN | {"name": 3}], "spec: name=3"),
        ("recast/spec/columns", [COLUMN | {"role": "evil"}], "spec: role='evil'"),
        ("recast/spec/columns", [COLUMN | {"role": "past"}], "spec: 0 targets"),
        ("recast/spec/columns", [COLUMN | {"role": "static"}], "in the order of target, past, known"),
        ("recast/spec/columns", [COLUMN | {"levels": []}], "spec: the levels of the column 'x'"),
        ("recast/spec/columns", [COLUMN | {"levels": ["a", "a"]}], "spec: the levels of the column 'x'"),
        ("recast/spec/columns", [COLUMN | {"levels": ["a", "b"]}], "none a category"),
        ("recast/spec/static", [COLUMN], "spec: 1 static_columns do not fit"),
        ("recast/spec/masked", "yes", "spec: "),
        ("recast/spec/context", "20", "spec: "),
        ("recast/spec/context", -1, "spec: "),
        ("recast/spec/horizon", 0, "spec: "),
        ("recast/spec/horizon", 2.5, "spec: "),
        ("recast/spec/step", "never", "step"),
        ("recast/spec/step", 10, "spec: "),
        ("recast/spec/targets", 1, "spec: expected the fields"),
        ("recast/spec/naive_error", [], "spec: 1 targets do not fit 0 naive errors"),
        ("recast/spec/offset", ["zero"], "spec: "),
        ("recast/spec/offset", [], "spec: "),
        ("recast/spec/scale", [0.0], "spec: "),
        ("recast/spec/scale", [float("nan")], "spec: "),
        ("recast/spec/scale", torch.ones(1), "spec: "),
        ("recast/spec/periods", [0.0], "spec: "),
        ("recast/spec/timezone", "Mars/Olympus", "spec: "),
        ("recast/spec/evil", 1, "spec: expected the fields"),
    ],
)
def test_parts_that_do_not_fit(keys, value, says, content, tmp_path):
    path = tmp_path / "wrong.ckpt"
    torch.save(changed(content, keys, value), path)
    assert_refused(path, says)
    assert_opened_or_refused(path)


@pytest.fixture(params=[False, True], ids=["", "deterministic"])
def deterministic(request):
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(request.param)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.slow
@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("recast/config/model/cell/hidden_size", 10**9),
        ("recast/config/model/cell/hidden_size", 10**30),
        ("recast/config/model/cell/hidden_size", 20_000),
        ("recast/config/model/layers", 10**9),
        ("recast/config/model/layers", 10**30),
        ("recast/spec/columns", [COLUMN] * 10**5),
        ("recast/spec/periods", [1.0] * 10**6),
        ("recast/spec/horizon", 10**9),
        ("recast/spec/horizon", 10**12),
    ],
)
def test_huge_sizes_cost_nothing(keys, value, content, tmp_path):
    path = tmp_path / "huge.ckpt"
    torch.save(changed(content, keys, value), path)
    before, started = peak_megabytes(), time.process_time()
    assert_refused(path)
    assert peak_megabytes() - before < 300
    assert time.process_time() - started < 5
    before, started = peak_megabytes(), time.process_time()
    assert_opened_or_refused(path)
    assert peak_megabytes() - before < 300
    assert time.process_time() - started < 5


def peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_containers_that_hold_themselves(content, tmp_path):
    path = tmp_path / "loop.ckpt"
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    chain: list[Any] = []
    chain.append(chain)
    for place in ("config/data/periods", "config/metrics/mse", "config/model", "spec/names", "config"):
        for value in (loop, chain):
            torch.save(changed(content, f"recast/{place}", value), path)
            assert_refused(path)


def test_a_packed_file_is_refused_before_it_is_unpacked(good, tmp_path):
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, bytes(10**8) if name.endswith("data/0") else source.read(name))
    before = peak_megabytes()
    assert_refused(path, "would unpack to 100")
    assert peak_megabytes() - before < 50


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("text", b"these are no weights\n"),
        ("pickle", pickle.dumps({"state_dict": {}})),
        ("zip", b"PK\x05\x06" + bytes(18)),
        ("zeros", bytes(10_000)),
    ],
)
def test_other_files(name, data, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    assert_refused(path)


def test_no_file_and_a_folder(tmp_path):
    assert_refused(tmp_path / "none.ckpt", "no such checkpoint file")
    assert_refused(tmp_path, "no such checkpoint file")


def test_checkpoints_of_others(tmp_path):
    path = tmp_path / "foreign.ckpt"
    network = nn.Linear(2, 1)
    for foreign in (network.state_dict(), {"state_dict": network.state_dict()}, torch.zeros(3), [1, 2], "text"):
        torch.save(foreign, path)
        assert_refused(path, "not written by a recast run")
    torch.save(network, path)
    assert_refused(path, "refused")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 0.9999))
def test_cut_short(share, good, tmp_path):
    path = tmp_path / "cut.ckpt"
    data = good.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert_refused(path)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 0.9999), noise=st.binary(min_size=1, max_size=40))
def test_bytes_overwritten_never_end_in_another_error(place, noise, good, tmp_path):
    path = tmp_path / "noise.ckpt"
    data = bytearray(good.read_bytes())
    start = int(place * len(data))
    data[start : start + len(noise)] = noise
    path.write_bytes(data)
    for opened in (restore, load_forecaster):
        try:
            opened(path)
        except CheckpointError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 either way is right


@pytest.mark.parametrize("command", ["recast-evaluate", "recast-forecast"])
def test_the_commands_refuse_it_with_exit_code_2(command, tmp_path, marker):
    path = tmp_path / "hostile.ckpt"
    torch.save(Payload(os.system, f"touch {marker}"), path)
    more = [] if command == "recast-evaluate" else ["input=some.csv", "output=out.csv"]
    done = run(command, f"checkpoint={path}", *more, cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith(f"recast: {path}: refused: it holds more than tensors and plain containers")
    assert done.err.count("\n") == 1
    assert not marker.exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["hostile.ckpt"]


def test_a_hostile_last_checkpoint_is_not_resumed_from(tmp_path, marker):
    folder = tmp_path / "outputs" / "2026-01-01" / "00-00-00-000000"
    hostile = folder / "checkpoints" / "last.ckpt"
    hostile.parent.mkdir(parents=True)
    torch.save(Payload(os.system, f"touch {marker}"), hostile)
    done = run("recast-train", *QUICK, "resume=true", f"hydra.run.dir={folder}", cwd=tmp_path)
    assert done.code == 2, done
    assert "refused" in done.err
    assert not marker.exists()
