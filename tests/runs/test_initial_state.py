"""Training that starts from the weights of another run: what is kept, what is fitted anew, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from commands import scratch

import recast
from recast.errors import CheckpointError, ConfigurationError
from recast.runs.checkpoints.restore import restore

ANCHORED = ("model=direct", "model/anchor=ridge", "model.anchor.penalty=[1.0]")
QUICK = (
    *("data.windows.context=24", "data.windows.horizon=6", "data.split.validation=0.3", "model.cell.hidden_size=4"),
    *("trainer.max_epochs=1", "callbacks.progress_bar=null", "callbacks.figures=null", "logger=none"),
    "baselines=none",
)
# No step of training changes a weight.
STILL = ("optimizer.lr=0.0", "learning_rate=constant")


def loads(rows: int = 300, level: float = 10.0) -> pd.DataFrame:
    """A daily wave and noise, hourly, about a level."""
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    noise = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"when": times, "load": level + np.sin(np.arange(rows) * 2 * np.pi / 24) + 0.3 * noise})


def fit(name: str, frame: pd.DataFrame, *words: str) -> recast.Run:
    return recast.fit(
        frame, time="when", targets=["load"], overrides=[*QUICK, *ANCHORED, *words], folder=scratch() / name
    )


@pytest.fixture(scope="module")
def first() -> recast.Run:
    return fit("first", loads())


def weights_of(run: recast.Run) -> tuple[dict[str, torch.Tensor], object]:
    restored = restore(run.folder / "checkpoints" / "best.ckpt")
    return restored.task.model.state_dict(), restored.spec


def test_everything_is_kept_by_default(first):
    second = fit("kept", loads(level=20.0), *STILL, f"init_from={first.folder}")
    (before, spec), (after, found) = weights_of(first), weights_of(second)
    assert found == spec
    for name, values in before.items():
        if name != "anchor.share":
            torch.testing.assert_close(after[name], values, rtol=0, atol=0)
    assert second.metrics["init"]["keeps"] == ["anchor", "scaling"]
    assert second.metrics["init"]["checkpoint"] == str(first.folder.resolve() / "checkpoints" / "best.ckpt")


def test_scaling_and_anchor_are_fitted_anew_where_they_are_not_kept(first):
    frame = loads(level=20.0)
    frame["load"] *= 3
    second = fit("anew", frame, *STILL, f"init_from={first.folder}", "init_keeps=[]")
    plain = fit("plain", frame, *STILL)
    (before, _), (after, spec), (expected, of_plain) = map(weights_of, (first, second, plain))
    assert spec == of_plain
    for name, values in after.items():
        if name.startswith("anchor.") and name != "anchor.share":
            torch.testing.assert_close(values, expected[name], rtol=0, atol=0)
        elif not name.startswith("anchor."):
            torch.testing.assert_close(values, before[name], rtol=0, atol=0)
    assert second.metrics["init"]["keeps"] == []


def test_the_scaling_alone_may_be_kept_and_a_log_line_says_so(first, caplog):
    with caplog.at_level("INFO"):
        second = fit("scaling", loads(level=20.0), *STILL, f"init_from={first.folder}", "init_keeps=[scaling]")
    assert "scaling kept, anchor fitted to the training part" in caplog.text
    (before, spec), (after, found) = weights_of(first), weights_of(second)
    assert found == spec
    assert any((after[name] != before[name]).any() for name in before if name.startswith("anchor."))


def test_training_goes_on_from_there(first):
    anew, further = (
        fit(name, loads(), *words)
        for name, words in [("again", ()), ("further", (f"init_from={first.folder / 'checkpoints' / 'best.ckpt'}",))]
    )
    losses = [json.loads((run.folder / "metrics.json").read_text())["selection"]["value"] for run in (anew, further)]
    assert losses[1] != losses[0]
    (before, _), (after, _) = weights_of(first), weights_of(further)
    distance, size = (
        sum(float((one[name] - other).square().sum()) for name, other in before.items() if "encoder" in name)
        for one in (after, {name: torch.zeros_like(values) for name, values in before.items()})
    )
    assert 0 < distance < 0.5 * size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model.cell.hidden_size=5",), r"init_from=.*best\.ckpt: its model is another one: .* is \S+ there, \S+ here"),
        (("data.windows.horizon=5",), r"its model is another one: .* give data and model the options of that run, see"),
    ],
)
def test_another_model_is_refused(first, words, message):
    with pytest.raises(ConfigurationError, match=message):
        fit("other", loads(), *words, f"init_from={first.folder}")


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        fit("nothing", loads(), f"init_from={tmp_path / 'none.ckpt'}")
    (tmp_path / "text.ckpt").write_text("weights")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        fit("text", loads(), f"init_from={tmp_path / 'text.ckpt'}")
