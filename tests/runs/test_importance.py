"""What a model gains by each of its inputs: a table that tells the useful one from noise, and reads nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import run, scratch, strict_json
from PIL import Image

import recast
from recast.errors import ConfigurationError
from recast.runs.configure.compose import compose
from recast.runs.importance import Importance, measure_importance
from recast.runs.restored_forecast import restore_forecaster
from recast.training.permutation import inputs_of

WORDS = (
    "data.windows.context=8",
    "data.windows.horizon=4",
    "data.source.known=[plan,day]",
    "data.source.past=[noise]",
    "data.source.categories=[day]",
    "data.source.missing=[nan]",
    "data/grid=mask",
    "data.periods=[24]",
    "model.cell.hidden_size=16",
    "trainer.max_epochs=6",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "baselines=none",
    "logger=none",
)


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    """Of a model whose target follows a plan, and nothing else; some of it was not observed."""
    path = scratch() / "planned.csv"
    numbers = np.random.default_rng(0)
    plan, noise = numbers.normal(size=(2, 900))
    times = pd.date_range("2024-01-01", periods=900, freq="h")
    load = plan + 0.05 * numbers.normal(size=900)
    load[numbers.random(900) < 0.05] = np.nan
    frame = pd.DataFrame({"when": times, "load": load, "plan": plan, "noise": noise, "day": times.day_name()})
    frame.to_csv(path, index=False, na_rep="nan")
    words = ["data=csv", f"data.source.path={path}", "data.source.time=when", "data.source.targets=[load]", *WORDS]
    return recast.fit(overrides=words, folder=scratch() / "planned").folder / "checkpoints" / "best.ckpt"


def importance_of(checkpoint: Path, *words: str) -> Importance:
    return measure_importance(compose("importance", [f"checkpoint='{checkpoint}'", *words]))


@pytest.mark.slow
def test_the_plan_is_found_and_noise_is_not(checkpoint):
    found = importance_of(checkpoint, "split=test", "repeats=2")
    table = found.table()
    assert table.index[0] == "plan"
    assert set(table.index) == {"load", "plan", "noise", "day", "period of 24 h"}
    assert table.loc["plan", "role"] == "known"
    # A plan from another window is as good as none: the variance of the difference of two.
    assert table.loc["plan", "error"] == pytest.approx(2, rel=0.25)
    assert (table["share"].drop("plan").abs() < 0.05 * table.loc["plan", "share"]).all()
    assert found.error == pytest.approx(recast_test_error(checkpoint))


def recast_test_error(checkpoint: Path) -> float:
    return strict_json(checkpoint.parents[1] / "metrics.json")["test"]["mse"]


def test_an_input_is_taken_from_the_other_windows_and_nothing_else(checkpoint):
    restored = restore_forecaster(checkpoint)
    data = restored.data
    data.adopt(restored.spec)
    starts = data.loader("test").order.items
    one, other = data.windows_at(starts[:20]), data.windows_at(starts[20:40])
    assert one.observed is not None
    everything = one
    for name, swapped in ((input_.name, input_.swapped) for input_ in inputs_of(restored.spec)):
        changed = swapped(one, other)
        parts = [
            *((changed.history, one.history), (changed.past, one.past), (changed.known, one.known)),
            *zip(changed.observed, one.observed, strict=True),
            *zip(changed.categories[:3], one.categories[:3], strict=True),
        ]
        columns = sum((new != old).flatten(0, 1).any(0).sum().item() for new, old in parts if new.shape[-1])
        # A column and, where values are missing, its mask; a period is a sine and a cosine.
        assert 1 <= columns <= 2, name
        everything = swapped(everything, other)
    for part in ("history", "past", "known"):
        assert torch.equal(getattr(everything, part), getattr(other, part))
    assert all(torch.equal(*pair) for pair in zip(everything.observed[:3], other.observed[:3], strict=True))
    assert all(torch.equal(*pair) for pair in zip(everything.categories[:3], other.categories[:3], strict=True))
    assert torch.equal(everything.target, one.target)
    assert torch.equal(everything.start, one.start)


def test_one_window_cannot_be_permuted(checkpoint):
    with pytest.raises(ConfigurationError, match="a permutation takes two windows"):
        importance_of(checkpoint, "windows=1")


def test_the_command_prints_a_table_and_writes_it(checkpoint, tmp_path):
    done = run("recast-importance", f"checkpoint='{checkpoint}'", "output=found", "repeats=1", cwd=tmp_path)
    assert done.code == 0, done
    assert done.out.splitlines()[-2:] == ["found/importance.png", "found"]
    table = pd.read_csv(tmp_path / "found" / "importance.csv", index_col="input")
    assert "plan" in done.out
    assert table["spread"].isna().all()
    facts = strict_json(tmp_path / "found" / "importance.json")
    assert facts["part"] == "validation"
    assert facts["inputs"]["plan"]["errors"] == pytest.approx([table.loc["plan", "error"]])
    with Image.open(tmp_path / "found" / "importance.png") as image:
        assert image.width > 500
