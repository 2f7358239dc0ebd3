"""Texts as a user meets them: trained, scored again, written, and refused in one line."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from commands import Done, run, scratch, strict_json
from small_gauge import gauge_checkpoint
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from texts import RHYME

from recast.runs.checkpoints.restore import restore
from recast.runs.generate import load

OPTIONS = (
    *("task=text", "data=text", "data.chunk=16", "data.batch_size=4", "data.warmup=20", "data.passage=50"),
    *("model.cell.hidden_size=24", "model.embedding=8", "optimizer.lr=0.02", "trainer.max_epochs=12"),
    *("callbacks.progress_bar=null", "callbacks.samples.length=40", "baselines.kneser_ney.order=3"),
)


@pytest.fixture(scope="session")
def path() -> Path:
    path = scratch() / "rhyme.txt"
    path.write_text(RHYME * 40)
    return path


@pytest.fixture(scope="session")
def done(path) -> Done:
    return run("recast-train", *OPTIONS, f"data.source.path={path}", "hydra.run.dir=run", cwd=scratch() / "texts")


@pytest.fixture(scope="session")
def folder(done) -> Path:
    assert done.code == 0, done
    return scratch() / "texts" / done.last_line


@pytest.fixture(scope="session")
def checkpoint(folder) -> Path:
    """The checkpoint alone, elsewhere."""
    (scratch() / "moved_text").mkdir(exist_ok=True)
    return Path(shutil.copy(folder / "checkpoints" / "best.ckpt", scratch() / "moved_text" / "model.ckpt"))


def test_a_run_learns_a_rhyme_and_stands_beside_counts(done, folder):
    metrics = strict_json(folder / "metrics.json")
    test = metrics["test"]
    assert metrics["symbols"] == {"train": 1536, "validation": 192, "test": 192}
    assert metrics["scored"] == {"test": 192}
    assert test["nats"] < 0.3 < metrics["baselines"]["bigram"]["nats"] < metrics["baselines"]["unigram"]["nats"]
    assert test["perplexity"] == pytest.approx(math.exp(test["nats"]))
    assert test["bits_per_character"] == pytest.approx(test["nats"] / math.log(2))
    assert set(metrics["baselines"]) == {"unigram", "bigram", "kneser_ney", "gzip"}
    assert metrics["metrics"]["nats"] == {"unit": "nats", "higher_is_better": False, "perfect": 0.0, "mixes": False}
    assert metrics["selection"]["monitor"] == "nats/validation"
    assert "rhyme.txt: characters, 13 different ones; 1536 train, 192 validation, 192 test" in done.err + done.out
    # The terminal folds long lines.
    assert " ".join((folder / "sample.txt").read_text().split()) in " ".join(done.out.split())
    assert (folder / "figures" / "language_models.png").stat().st_size > 5000


def test_it_writes_after_each_epoch_in_terminal_and_tensorboard(done, folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    (tag,) = [name for name in events.Tags()["tensors"] if name.startswith("sample")]
    samples = [event.tensor_proto.string_val[0].decode() for event in events.Tensors(tag)]
    assert len(samples) == 12
    assert all(line.startswith("    ") for line in samples[-1].splitlines())
    for number, sample in enumerate(samples, start=1):
        text = "\n".join(line.removeprefix("    ") for line in sample.splitlines())
        assert f"epoch {number}:\n{text}" in done.out
    assert "the cat" in samples[-1] or "the mat" in samples[-1]


def test_a_checkpoint_scores_as_the_run_did_and_other_texts_too(folder, checkpoint, tmp_path):
    done = run("recast-evaluate", f"checkpoint={checkpoint}", "output=again", cwd=tmp_path)
    assert done.code == 0, done
    ours, again = strict_json(folder / "metrics.json"), strict_json(tmp_path / "again" / "metrics.json")
    assert again["test"] == pytest.approx(ours["test"])
    (tmp_path / "other.txt").write_text("the zebra sat on the mat.\n" * 3)
    done = run("recast-evaluate", f"checkpoint={checkpoint}", "path=other.txt", "output=other", cwd=tmp_path)
    assert done.code == 0, done
    other = strict_json(tmp_path / "other" / "metrics.json")
    assert other["symbols"]["test"] == 78 - 20
    assert other["test"]["nats"] > again["test"]["nats"]
    assert other["baselines"] == {}


def test_a_restored_task_has_the_weights_of_the_file(checkpoint):
    restored = restore(checkpoint)
    assert restored.plug.name == "text"
    weights = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert all(
        torch.equal(value, weights[name]) for name, value in restored.task.state_dict().items() if name in weights
    )
    assert torch.equal(load(checkpoint).model.readout.weight, weights["model.readout.weight"])


def test_writing_is_the_same_for_the_same_seed(checkpoint, tmp_path):
    words = (f"checkpoint={checkpoint}", "prompt=the c", "length=30")
    first, again, other, colder = (
        run("recast-generate", *words, *more, cwd=tmp_path) for more in ((), (), ("seed=1",), ("temperature=0",))
    )
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("the c")
    assert len(first.out) == 5 + 30 + 1
    assert first.out == again.out != other.out
    assert colder.out.startswith("the cat")
    assert list(tmp_path.iterdir()) == []


def test_the_likeliest_symbols_are_a_table(checkpoint, tmp_path):
    words = (f"checkpoint={checkpoint}", "prompt=the cat sat on th", "likeliest=3", "length=0")
    done = run("recast-generate", *words, cwd=tmp_path)
    lines = done.out.splitlines()
    assert lines[0] == "the likeliest next symbols"
    assert lines[1].startswith("'e'")
    assert float(lines[1].split()[1].removesuffix("%")) > 80
    assert len(lines) == 5
    assert lines[4] == ""


@pytest.mark.slow
def test_lines_are_learnt_scored_again_and_written_one_by_one(tmp_path):
    options = (*OPTIONS, "data.lines=true", "trainer.max_epochs=8", "logger=none")
    (tmp_path / "names.txt").write_text("anna\nbob\nhannah\notto\n" * 40)
    done = run("recast-train", *options, "data.source.path=names.txt", "hydra.run.dir=run", cwd=tmp_path)
    assert done.code == 0, done
    metrics = strict_json(tmp_path / "run" / "metrics.json")
    assert sum(metrics["symbols"].values()) == 40 * len("anna\nbob\nhannah\notto\n")
    assert metrics["scored"]["test"] == metrics["symbols"]["test"]
    # Which name comes is all that nobody can know: log 4 of 5.25 symbols.
    assert math.log(4) / 5.25 - 0.01 < metrics["test"]["nats"] < 0.4
    (best,) = (tmp_path / "run" / "checkpoints").glob("best.ckpt")
    again = run("recast-evaluate", f"checkpoint={best}", "output=again", cwd=tmp_path)
    assert again.code == 0, again
    assert strict_json(tmp_path / "again" / "metrics.json")["test"] == pytest.approx(metrics["test"])
    # The line before does not matter, though it is not as those of the training.
    one, other = (
        run("recast-generate", f"checkpoint={best}", f"prompt={prompt}", "temperature=0", "length=2", cwd=tmp_path)
        for prompt in ("han", "tttt\nhan")
    )
    assert (one.out, other.out) == ("hanna\n", "tttt\nhanna\n")


@pytest.mark.parametrize("prompt", ["${seed}", "12", "{a: b}", "a=b"])
def test_a_prompt_is_text_whatever_it_looks_like(checkpoint, tmp_path, prompt):
    done = run("recast-generate", f"checkpoint={checkpoint}", f"prompt={prompt}", "length=4", cwd=tmp_path)
    assert done.code == 0, done
    assert done.out.startswith(prompt)
    assert "read as <unknown>, as the model's vocabulary lacks it: " in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prompt="], "prompt: it is empty; give one symbol or more"),
        (["temperature=-1"], "temperature=-1: input should be greater than or equal to 0"),
        (["top_p=2"], "top_p=2"),
        (["lenght=3"], "lenght: no such option; did you mean length?"),
        (["checkpoint=absent.ckpt"], "absent.ckpt: no such checkpoint file"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_line(checkpoint, tmp_path, words, says):
    done = run("recast-generate", f"checkpoint={checkpoint}", *words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_a_forecaster_writes_no_text_and_a_text_is_no_forecast(checkpoint, tmp_path):
    forecaster = gauge_checkpoint()
    done = run("recast-generate", f"checkpoint={forecaster}", cwd=tmp_path)
    assert done.code == 2
    assert "which writes no text; expected a language model" in done.err
    done = run("recast-gradients", f"checkpoint={checkpoint}", cwd=tmp_path)
    assert done.code == 2
    assert "a model for text, which does not forecast" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data.source.path=absent.txt"], "absent.txt: no such file"),
        (["model.tied=true", "model.embedding=null"], "one-hot inputs (embedding=null)"),
        (["data.batch_size=400"], "expected 3 chunks of 16 for each of 400 streams"),
        (["metrics=default"], "metrics.mse=MSE: task=text needs TextMetric"),
        (["callbacks.best_checkpoint.monitor=mse/validation"], "monitor=mse/validation: no such curve"),
    ],
)
def test_a_run_that_cannot_be_is_refused(path, tmp_path, words, says):
    done = run("recast-train", *OPTIONS, f"data.source.path={path}", "hydra.run.dir=run", *words, cwd=tmp_path)
    assert done.code == 2, done
    assert says in done.err
    assert "Traceback" not in done.err


def test_words_are_learnt_tied_with_rare_ones_unknown(path, tmp_path):
    words = (
        *OPTIONS,
        *(f"data.source.path={path.parent}", "data.source.pattern=rhyme.txt", "data.source.symbols=words"),
        *("data.most=6", "data.batch_size=2", "model.tied=true", "model.dropout=0.1", "hydra.run.dir=run"),
        *("data.warmup=5", "data.split.validation=0", "logger=none", "trainer.max_epochs=2"),
    )
    done = run("recast-train", *words, cwd=tmp_path)
    assert done.code == 0, done
    metrics = strict_json(tmp_path / "run" / "metrics.json")
    assert (metrics["symbol"], metrics["vocabulary"]) == ("word", 6)
    assert metrics["symbols"]["validation"] == 0
    assert "test part: " in done.out + done.err
    assert "words are unknown" in done.out + done.err
    text = run("recast-generate", "checkpoint=run/checkpoints/last.ckpt", "prompt=the cat", "length=5", cwd=tmp_path)
    assert text.out.startswith("the cat")
