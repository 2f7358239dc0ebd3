"""A forecast that reads what an imputation model makes of its context, as a user runs it."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import Done, assert_same_weights, load, metrics_of, run, scratch, start, strict_json, trained
from gap_files import MISSING_STAMPS, gap_file, gap_run, gap_table

import recast
from recast.data.prepare.storage import stored
from recast.data.sources.frame import FrameTable
from recast.runs.checkpoints.checkpoint import read
from recast.runs.impute import load as load_filler
from recast.training.checkpoint_format import KEY

CONTEXT, HORIZON = 16, 4


def options(*more: str) -> tuple[str, ...]:
    return (
        *("data=csv", f"data.source.path={gap_file()}", "data.source.time=time", "data.source.targets=[a,b]"),
        *("data.source.missing=[nan]", f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}"),
        *("data.split.validation=0.2", "data/grid=impute", "model=direct", "model.cell.hidden_size=4"),
        *("trainer.max_epochs=2", "data.batch_size=8", "baselines=none", "logger=none", "callbacks.figures=null"),
        *("callbacks.progress_bar=null", "hydra.run.dir=run", *more),
    )


@pytest.fixture(scope="module")
def imputer() -> Path:
    """The checkpoint of a network that fills gaps, which the fixture `folder` is trained with."""
    return gap_run() / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def folder() -> Path:
    """A finished forecasting run whose imputation run is gone."""
    cwd = scratch() / "filled_forecast"
    shutil.copytree(gap_run(), cwd / "imputer")
    found = trained(*options("data.grid.checkpoint=imputer"), cwd=cwd)
    shutil.rmtree(cwd / "imputer")
    return found


def whole_table() -> pd.DataFrame:
    """What the run was trained on."""
    return gap_table().drop(index=gap_table().index[MISSING_STAMPS]).rename_axis("time").reset_index()


def test_the_checkpoint_holds_the_imputer_as_it_was(folder, imputer):
    content, own = load(folder / "checkpoints" / "best.ckpt"), load(imputer)
    prefix = "model.inputs.imputer.imputer."
    kept = {name.removeprefix(prefix): value for name, value in content["state_dict"].items() if prefix in name}
    assert set(kept) == {name.removeprefix("model.") for name in own["state_dict"] if name.startswith("model.")}
    for name, value in kept.items():
        assert value.equal(own["state_dict"][f"model.{name}"]), name
    assert content[KEY]["spec"]["imputer"] == {"model": own[KEY]["config"]["model"], "spec": own[KEY]["spec"]}


def test_it_is_scored_again_as_it_was(folder, tmp_path):
    done = run("recast-evaluate", f"checkpoint={folder / 'checkpoints/best.ckpt'}", "output=scored", cwd=tmp_path)
    assert done.code == 0, done
    again = strict_json(tmp_path / "scored" / "metrics.json")
    assert again["test"] == pytest.approx(metrics_of(folder)["test"])


@pytest.mark.slow
def test_a_file_is_forecast_and_exported(folder, tmp_path):
    table = whole_table()
    table.iloc[-8:, 1] = np.nan
    table.to_csv(tmp_path / "now.csv", index=False)
    checkpoint = f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}"
    done = run("recast-forecast", checkpoint, "input=now.csv", "output=ahead.csv", cwd=tmp_path)
    assert done.code == 0, done
    found = pd.read_csv(tmp_path / "ahead.csv")
    assert len(found) == HORIZON
    assert np.isfinite(found[["a", "b"]]).all(axis=None)
    done = run("recast-export", checkpoint, "input=now.csv", "output=model.onnx", cwd=tmp_path)
    assert done.code == 0, done
    assert "on real windows" in done.out


def test_the_network_reads_what_the_imputer_makes_of_the_context_alone(folder, imputer):
    forecaster, filler = recast.load(folder), load_filler(imputer)
    spec, origin = forecaster.spec, 200 + CONTEXT

    def forecast(table: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
        panel = forecaster.windows_table(FrameTable(table, "time"), rows=len(table))
        first = np.flatnonzero(panel.clock == np.datetime64(gap_table().index[200], "ns"))
        batch = stored(panel, spec).windows(torch.from_numpy(first), CONTEXT, HORIZON)
        filled = forecaster.model.inputs.history(batch)
        offset, scale = torch.tensor(spec.target_offset), torch.tensor(spec.target_scale)
        return forecaster.model.forecast(batch, samples=1).mean, (filled * scale + offset)[0]

    table = whole_table()
    mean, values = forecast(table)
    stamps = pd.Series(pd.to_datetime(table["time"]))
    after = stamps >= gap_table().index[origin]
    later = table.copy()
    later.loc[after, ["a", "b"]] = 1 - later.loc[after, ["a", "b"]].fillna(5.0)
    other, again = forecast(later)
    assert mean.equal(other)
    assert values.equal(again)

    context = table[(stamps >= gap_table().index[200]) & ~after]
    filled = filler.fill(FrameTable(context, "time")).values
    assert np.isnan(context[["a", "b"]]).any(axis=None)
    np.testing.assert_allclose(values.numpy(), filled, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_killed_run_goes_on_without_the_run_of_the_imputer(folder):
    cwd = scratch() / "killed_filled_forecast"
    shutil.copytree(gap_run(), cwd / "imputer")
    words = options("data.grid.checkpoint=imputer", "callbacks.last_checkpoint.every_n_steps=1")
    running = start("recast-train", *words, cwd=cwd)
    last = cwd / "run" / "checkpoints" / "last.ckpt"
    running.wait_for(last.exists)
    running.signal(signal.SIGKILL)
    running.wait()
    assert read(last)["global_step"] < load(folder / "checkpoints" / "last.ckpt")["global_step"]
    shutil.rmtree(cwd / "imputer")
    resumed = trained(*words, "resume=true", cwd=cwd)
    assert_same_weights(resumed / "checkpoints" / "last.ckpt", folder / "checkpoints" / "last.ckpt")


def assert_refused(done: Done, *says: str) -> None:
    assert done.code == 2, done
    assert "Traceback" not in done.err
    for words in says:
        assert words in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["data.grid.checkpoint=absent.ckpt"], "absent.ckpt: no such checkpoint file"),
        (["data.grid.checkpoint={forecast}"], "holds a Direct, which fills no gaps"),
        (["data.source.targets=[b]"], "fills a, b, but the targets of the forecast are b"),
        (["data/regime=multi_origin", "data.regime.apart=4"], "(data/regime=multi_origin); use data/regime=shuffled"),
        (
            ["data/regime=stateful", "data.regime.chunk=16", "data.batch_size=2"],
            "(data/regime=stateful); use data/regime=shuffled",
        ),
        (["model=per_step"], "(model.origins); use model.origins=1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_filled_is_refused(more, says, folder, imputer, tmp_path):
    given = [word.format(forecast=folder) for word in more]
    done = run("recast-train", *options(f"data.grid.checkpoint={imputer}"), *given, cwd=tmp_path)
    assert_refused(done, says)


def test_an_imputer_reads_no_values_of_another(imputer, tmp_path):
    done = run(
        *("recast-train", "task=imputation", "data=csv_gaps", f"data.source.path={gap_file()}"),
        *("data.source.time=time", "data.source.targets=[a,b]", "data/grid=impute", f"data.grid.checkpoint={imputer}"),
        cwd=tmp_path,
    )
    assert_refused(done, "reads no values of another one")
