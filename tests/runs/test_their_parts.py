"""Parts in a package of somebody else: trusted by option, variable or in Python, they work wherever recast's own do."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import QUICK, metrics_of, run, scratch, shell, trained
from their_parts.baseline import Median
from their_parts.cell import MGU
from their_parts.head import Huber
from their_parts.metric import RootMeanQuartic
from their_parts.schedule import Turns
from their_parts.source import Pendulum

import recast
from recast.errors import CheckpointError, ConfigurationError
from recast.runs.configure.targets import trusting
from recast.testing import check_baseline, check_cell, check_head, check_metric, check_schedule, check_source

PACKAGE = Path(__file__).parents[1] / "their_package"
TRUST = "trust=[their_parts]"
FOLDER = ("--config-dir", str(PACKAGE / "conf"))
CHOICES = (
    "data=pendulum",
    "model/cell=mgu",
    "model/head=huber",
    "model/schedule=turns",
    "baselines=[series,median]",
    "metrics=[default,rmq]",
)
SMALL = tuple(option for option in QUICK if not option.startswith("data"))


def test_their_parts_keep_the_contracts():
    check_cell(MGU, hidden_size=5)
    check_head(Huber(delta=0.5))
    check_schedule(Turns())
    check_source(Pendulum())
    check_baseline(Median())
    check_metric(RootMeanQuartic)


@pytest.fixture(scope="module")
def theirs() -> Path:
    """A run of their parts."""
    return trained(*FOLDER, *CHOICES, *SMALL, TRUST, cwd=scratch() / "theirs")


def test_a_run_of_their_parts(theirs):
    metrics = metrics_of(theirs)
    assert {"mse", "rmq"} <= set(metrics["test"])
    assert set(metrics["baselines"]) == {"last_value", "drift", "mean", "ridge", "median"}
    assert metrics["unit"] == "rad"


def test_their_checkpoint_needs_the_trust_anew(theirs, tmp_path):
    checkpoint = f"checkpoint={theirs / 'checkpoints' / 'best.ckpt'}"
    for command, options in (("recast-evaluate", ()), ("recast-forecast", ("input=a.csv", "output=b.csv"))):
        done = run(command, checkpoint, *options, cwd=tmp_path)
        assert done.code == 2, done
        assert "their_parts" in done.err
        assert "If you trust its package: trust=[their_parts] or RECAST_TRUST=their_parts" in done.err
        assert "Traceback" not in done.err
    done = run("recast-evaluate", checkpoint, TRUST, "output=.", cwd=tmp_path)
    assert done.code == 0, done
    assert metrics_of(tmp_path)["test"] == metrics_of(theirs)["test"]


def test_forecasts_with_the_variable_and_in_python(theirs, tmp_path):
    table = pd.DataFrame({"datetime": pd.date_range("2024-03-01", periods=60, freq="h"), "angle": 0.5})
    table.to_csv(tmp_path / "new.csv", index=False)
    options = (f"checkpoint={theirs / 'checkpoints' / 'best.ckpt'}", "input=new.csv", "output=out.csv", "horizon=15")
    done = run("recast-forecast", *options, cwd=tmp_path, RECAST_TRUST="their_parts")
    assert done.code == 0, done
    assert "its errors beyond them were never measured" in done.err
    found = pd.read_csv(tmp_path / "out.csv", parse_dates=["datetime"])
    with pytest.raises(CheckpointError, match="trust="):
        recast.load(theirs)
    ours = recast.load(theirs, trust=["their_parts"]).forecast(table, horizon=15)
    pd.testing.assert_frame_equal(ours, found.astype(ours.dtypes.to_dict()), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((*CHOICES, TRUST, "model.cell.hidden_siz=3"), "hidden_siz: no such option"),
        ((*CHOICES, TRUST, "model.head.delta=-1"), "model.head.delta=-1: input should be greater than 0"),
        (CHOICES, "their_parts.cell.MGU may not be named in a configuration"),
        ((*CHOICES, "trust=[their_part]"), "trust: there is no package their_part; install it"),
        ((*CHOICES, "trust=their_parts"), "trust=their_parts: input should be a valid list"),
    ],
)
def test_their_options_are_checked_like_ours(options, says, tmp_path):
    done = run("recast-train", *FOLDER, *SMALL, *options, cwd=tmp_path)
    assert done.code == 2, done
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_a_sweep_of_their_parts(tmp_path):
    words = (*FOLDER, *CHOICES, *SMALL, TRUST, "hydra.sweep.dir=sweep")
    done = run("recast-train", "-m", *words, "model.cell.hidden_size=4,5", cwd=tmp_path)
    assert done.code == 0, done
    assert len(list((tmp_path / "sweep").glob("*/metrics.json"))) == 2


def test_their_options_are_explained():
    folder = f"hydra.searchpath=[file://{PACKAGE / 'conf'}]"
    done = run("recast-options", folder, "model/head=huber", TRUST, cwd=scratch())
    assert done.code == 0, done
    assert "from which on the loss is linear" in " ".join(done.out.split())


def test_fit_with_their_parts_in_python(tmp_path):
    folder = f"hydra.searchpath=[file://{PACKAGE / 'conf'}]"
    words = [folder, *CHOICES, *SMALL, TRUST, "trainer.max_epochs=1"]
    done = recast.fit(overrides=words, folder=tmp_path / "run")
    assert "rmq" in done.metrics["test"]
    assert done.forecaster.spec.target_names == ("angle",)
    with pytest.raises(ConfigurationError, match="may not be named"):
        recast.fit(overrides=words[:-2], folder=tmp_path / "other")
    assert recast.compose(words)["model"]["cell"]["_target_"] == "their_parts.cell.MGU"


@pytest.mark.slow
def test_a_package_on_the_path_in_a_shell(tmp_path):
    words = (*FOLDER, *CHOICES, *SMALL, TRUST)
    done = shell("recast-train", *words, cwd=tmp_path, PYTHONPATH=str(PACKAGE))
    assert done.code == 0, done


@pytest.mark.parametrize("package", ["", "a b", "their_parts/cell"])
def test_what_is_no_package(package):
    with pytest.raises(ConfigurationError, match="is no package"), trusting(package):
        pass


@pytest.mark.slow
def test_an_installed_package_may_announce_its_parts(tmp_path):
    installed = tmp_path / "their_parts-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: their-parts\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[recast.parts]\nparts = their_parts\n")
    program = "from recast.runs.configure.targets import resolve, trusted; "
    program += "print(trusted(), resolve('their_parts.cell.MGU'))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PACKAGE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "('their_parts.',) <class 'their_parts.cell.MGU'>\n", done.stderr
