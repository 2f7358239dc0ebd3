"""scripts/gpu_check.py: rehearsed on the CPU, where every line of it runs but those of the device."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def gpu(scripts):
    """The checks' modules by name."""
    return lambda name: importlib.import_module(f"gpu.{name}")


@pytest.fixture
def script(scripts):
    return importlib.import_module("gpu_check")


def test_every_cell_and_form_of_the_configuration_is_checked(gpu):
    checks = gpu("checks")
    names = {check.name for check in checks.checks("cpu", checks.REHEARSAL)}
    conf = SCRIPTS.parent / "conf" / "model"
    assert {path.stem for path in (conf / "cell").glob("*.yaml")} <= names
    assert {"encoder_decoder", "segment", "recursive"} <= names


@pytest.mark.parametrize("group", ["loops", "memory", "speed"])
def test_a_check_runs_on_the_cpu(gpu, group):
    checks = gpu("checks")
    check = next(check for check in checks.checks("cpu", checks.REHEARSAL) if check.group == group)
    module, _, name = check.function.removeprefix("gpu.").partition(":")
    found = getattr(gpu(module), name)(device="cpu", **check.options)
    assert len(found) >= 3


@pytest.mark.parametrize(("module", "name"), [("cells", "lstm"), ("forms", "encoder_decoder")])
def test_what_computes_something_else_on_the_device_is_found(gpu, monkeypatch, module, name):
    checked = gpu(module)
    assert checked.agreement(device="cpu", name=name)["float64"] == 0
    # The device is a CPU on which all weights are a millionth larger.
    places = []

    def slightly_off(device, what):
        places.append(device)
        if isinstance(what, torch.nn.Module) and len(places) > 2:
            with torch.no_grad():
                for weight in what.parameters():
                    weight.mul_(1.000001)
        return what

    monkeypatch.setattr(checked, "on", slightly_off)
    with pytest.raises(AssertionError, match="float64: "):
        checked.agreement(device="cpu", name=name)


@pytest.mark.slow
def test_a_check_that_fails_or_hangs_costs_no_other(script, gpu):
    check = gpu("checks").Check
    failed = script.outcome(check("cells", "none", "gpu.cells:agreement", 60, {"name": "no_such"}), "cpu", 60)
    assert failed["outcome"] == "failed"
    # Importing torch alone takes longer.
    late = script.outcome(check("cells", "slow", "gpu.cells:agreement", 0.5, {"name": "gru"}), "cpu", 60)
    assert (late["outcome"], late["why"]) == ("failed", "gpu.cells:agreement took longer than 0.5 s")
    assert script.outcome(check("cells", "late", "gpu.cells:agreement", 60), "cpu", 0.5)["outcome"] == "no time left"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_rehearsal_says_that_the_device_is_untested(tmp_path):
    words = [
        sys.executable,
        SCRIPTS / "gpu_check.py",
        "--rehearsal",
        "--only",
        "resume",
        "ddp",
        "--output",
        "found.json",
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the device is untested" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["tested"] is False
    assert [check["outcome"] for check in found["checks"]] == ["passed"] * len(found["checks"])
