"""A run over a text that is killed goes on bit for bit, carried states included."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from texts import RHYME

from recast.runs.configure import folders
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions
from recast.runs.fit import run
from recast.training.text_task import TextTask


@pytest.fixture(autouse=True)
def as_before():
    """A run makes torch deterministic for the whole process, where it fills even what is never read."""
    yield
    torch.use_deterministic_algorithms(False)


def options_of(folder: Path, *more: str) -> dict[str, Any]:
    (folder / "text.txt").write_text(RHYME * 12)
    folders.register()
    words = [
        *("task=text", "data=text", f"data.source.path={folder / 'text.txt'}", "data.chunk=8", "data.batch_size=4"),
        *("data.warmup=8", "data.passage=16", "model.cell.hidden_size=6", "callbacks.progress_bar=null", "logger=none"),
    ]
    config = compose("train", [*words, *more])
    check(config, TrainOptions)
    return config


@pytest.mark.filterwarnings("ignore")  # what Lightning remarks at a few batches is not what is tested
def test_a_limit_of_the_trainer_holds_for_the_baselines_too(tmp_path):
    limits = ("trainer=smoke", "data.evaluation_batch_size=2", "baselines.kneser_ney.order=2")
    results = run(options_of(tmp_path, *limits), tmp_path / "run")
    assert (results.scored, results.symbols["test"]) == (32, 58)
    assert results.tables()[0].title == "test: 32 of 58 characters, a vocabulary of 13"
    codes = [RHYME[place % len(RHYME)] for place in range(518, 518 + 32)]
    training = [RHYME[place % len(RHYME)] for place in range(461)]
    counts = {symbol: training.count(symbol) + 1 for symbol in (*set(RHYME), "<unknown>")}
    expected = -sum(math.log(counts[symbol] / sum(counts.values())) for symbol in codes) / 32
    assert results.baselines["unigram"]["nats"] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lines", ["true", "false"])
def test_a_killed_run_goes_on_bit_for_bit(lines, tmp_path, monkeypatch):
    more = ("model.dropout=0.2", "trainer.max_epochs=3", "callbacks.last_checkpoint.every_n_steps=1", "baselines=none")
    more = (*more, f"data.lines={lines}")
    config = options_of(tmp_path, *more)
    whole = run(config, tmp_path / "whole")
    training_step = TextTask.training_step
    at: int = whole.facts["steps"] // 2
    assert at % (whole.facts["steps"] // 3)  # in the middle of an epoch

    def dying(self: TextTask, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step == at:
            raise RuntimeError("killed")
        return training_step(self, batch, batch_idx)

    with monkeypatch.context() as killing:
        killing.setattr(TextTask, "training_step", dying)
        with pytest.raises(RuntimeError, match="killed"):
            run(config, tmp_path / "run")
    resumed = run(config | {"resume": True}, tmp_path / "run")
    assert resumed.overall == whole.overall
    one, other = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "run")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(weight, other[name]) for name, weight in one.items())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lines_of_several_batches_weigh_as_in_one(tmp_path):
    """Each step takes the mean over all symbols, though some batches have longer lines than others."""

    def weights(name: str, *more: str) -> dict[str, torch.Tensor]:
        fixed = ("data.lines=true", "trainer.max_epochs=3", "baselines=none")
        config = options_of(tmp_path, *fixed, "trainer.precision=64-true", "callbacks.samples=null", *more)
        config["data"]["source"]["path"] = str(tmp_path / "names.txt")
        run(config, tmp_path / name)
        return torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]

    (tmp_path / "names.txt").write_text("a\nbanana bandana\nno\nan\n" * 6)
    whole = weights("whole", "data.batch_size=8")
    parts = weights("parts", "data.batch_size=2", "trainer.accumulate_grad_batches=4")
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight)
