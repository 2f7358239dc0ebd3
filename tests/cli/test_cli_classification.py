"""Classification as a user runs it: a complete run, resumed bit for bit; a checkpoint put to use on new sequences."""

import math
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from commands import Done, assert_same_weights, load, metrics_of, run, scratch, start, strict_json, trained
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, log_loss
from ts_files import CLASSES, ts_text, turning, write_turning

from recast.errors import CheckpointError
from recast.runs.checkpoints.restore import restore
from recast.runs.restored_forecast import restore_forecaster

VOWELS = Path(os.environ.get("RECAST_DATA_DIR", "data")) / "JapaneseVowels_TRAIN.ts"


@pytest.fixture(scope="session")
def files() -> tuple[Path, Path]:
    return write_turning(scratch() / "turning")


@pytest.fixture(scope="session")
def options(files) -> tuple[str, ...]:
    return (
        *("task=classification", "data=ts", f"data.source.path={files[0]}", f"data.source.test_path={files[1]}"),
        *("data.validation=0.25", "data.batch_size=8", "model.cell.hidden_size=16", "trainer.max_epochs=20"),
        "callbacks.progress_bar=null",
    )


@pytest.fixture(scope="session")
def done(options) -> Done:
    return run("recast-train", *options, "hydra.run.dir=run", cwd=scratch() / "classified")


@pytest.fixture(scope="session")
def folder(done) -> Path:
    assert done.code == 0, done
    return scratch() / "classified" / done.last_line


@pytest.fixture(scope="session")
def metrics(folder):
    return strict_json(folder / "metrics.json")


@pytest.fixture(scope="session")
def moved(folder) -> Path:
    """The checkpoint alone, elsewhere."""
    (scratch() / "moved_classifier").mkdir(exist_ok=True)
    return Path(shutil.copy(folder / "checkpoints" / "best.ckpt", scratch() / "moved_classifier" / "model.ckpt"))


def assert_refused(done: Done, *says: str) -> None:
    assert done.code == 2, done
    assert done.err.startswith("recast: ")
    assert "Traceback" not in done.err
    for words in says:
        assert words in done.err


# A run


def test_the_run_folder_is_complete(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files >= {
        *("config.yaml", "provenance.json", "metrics.json", "metrics.csv", "per_class.csv", "predictions.csv"),
        *("recast-train.log", "figures/confusion.png", "checkpoints/best.ckpt", "checkpoints/last.ckpt"),
    }
    events = b"".join(path.read_bytes() for path in folder.glob("events.out.tfevents.*"))
    for curve in (b"loss/train", b"accuracy/validation", b"macro_f1/test", b"confusion", b"_hparams_", b"pooling"):
        assert curve in events


def test_the_picture_shows_something(folder):
    pixels = np.asarray(Image.open(folder / "figures" / "confusion.png").convert("L"))
    assert min(pixels.shape) > 200
    assert pixels.std() > 5


def test_metrics_json_holds_what_was_found(metrics):
    assert metrics["sequences"] == {"train": 45, "validation": 15, "test": 30}
    assert metrics["classes"] == list(CLASSES)
    assert set(metrics["test"]) == {"accuracy", "macro_f1", "loss"}
    assert metrics["test"]["accuracy"] > 0.8
    assert set(metrics["test_per_class"]) == set(CLASSES)
    assert metrics["baselines"]["majority"]["accuracy"] == pytest.approx(1 / 3)
    assert metrics["baselines"]["majority"]["loss"] == pytest.approx(math.log(3))
    assert np.trace(metrics["confusion"]) / np.sum(metrics["confusion"]) == pytest.approx(metrics["test"]["accuracy"])
    assert metrics["seconds"]["fit"] > 0
    assert metrics["seed"] == 0


def test_scores_are_those_of_the_predictions(folder, metrics, files):
    table = pd.read_csv(folder / "predictions.csv")
    assert table["sequence"].tolist() == list(range(1, 31))
    assert table["label"].tolist() == turning(30, 1, longest=17)[1]
    probabilities = table[[f"probability_{name}" for name in CLASSES]].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert table["predicted"].tolist() == [CLASSES[index] for index in probabilities.argmax(axis=1)]
    found = metrics["test"]
    assert found["accuracy"] == pytest.approx(accuracy_score(table["label"], table["predicted"]))
    assert found["macro_f1"] == pytest.approx(f1_score(table["label"], table["predicted"], average="macro"))
    assert found["loss"] == pytest.approx(log_loss(table["label"], probabilities, labels=CLASSES))
    classes = pd.read_csv(folder / "per_class.csv", index_col="class")
    for name in CLASSES:
        assert classes.loc[name].to_dict() == pytest.approx(metrics["test_per_class"][name])
    rows = pd.read_csv(folder / "metrics.csv", index_col="classifier")
    for name, scores in {"model": found, **metrics["baselines"]}.items():
        assert rows.loc[name].to_dict() == pytest.approx(scores)


def test_the_table_is_printed(done, metrics):
    assert "test: 30 sequences of 3 classes" in done.out
    assert f"{metrics['test']['accuracy']:.4g}" in done.out
    for word in ("majority", "summary_ridge", "macro_f1", "recall", "precision", *CLASSES):
        assert word in done.out


def test_the_log_and_provenance_say_what_was_read(folder):
    assert "3 classes, 2 channels, lengths 4 to 17" in (folder / "recast-train.log").read_text()
    facts = strict_json(folder / "provenance.json")["data"]
    assert facts["sequences"] == {"train": 45, "validation": 15, "test": 30}
    assert facts["spec"]["static"][0]["levels"] == list(CLASSES)
    assert yaml.safe_load((folder / "config.yaml").read_text())["model"]["pooling"] is None
    assert "stride=1, pooling=last for sequences of up to 12 steps" in (folder / "recast-train.log").read_text()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(options, metrics):
    again = trained(*options, cwd=scratch() / "classified_again")
    ours, theirs = metrics_of(again), {name: value for name, value in metrics.items() if name != "seconds"}
    assert ours == theirs


@pytest.mark.slow
def test_all_sequences_train_and_the_last_state_is_kept_without_validation(options):
    folder = trained(*options, "data.validation=0", "trainer.max_epochs=2", cwd=scratch() / "classified_all")
    found = strict_json(folder / "metrics.json")
    assert found["sequences"] == {"train": 60, "validation": 0, "test": 30}
    assert found["checkpoint"] == "checkpoints/last.ckpt"
    assert found["steps"] == 2 * 8


@pytest.mark.slow
def test_double_precision_scores_nearly_as_single(options, metrics):
    folder = trained(*options, "trainer.precision=64-true", cwd=scratch() / "classified_double")
    assert metrics_of(folder)["test"]["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-3)


@pytest.mark.slow
def test_multirun_with_other_cells_and_poolings(options, tmp_path):
    words = ("model/cell=lstm,rnn", "model.pooling=mean", "model.layers=2", "model.route=packed")
    done = run("recast-train", "-m", *options, *words, "trainer.max_epochs=1", "logger=none", cwd=tmp_path)
    assert done.code == 0, done
    found = sorted(tmp_path.glob("multirun/*/*/*/metrics.json"))
    assert len(found) == 2
    assert all(strict_json(path)["test"]["loss"] > 0 for path in found)


@pytest.mark.slow
def test_accuracy_may_choose_the_best_state(options, tmp_path):
    words = ("callbacks.best_checkpoint.monitor=accuracy/validation", "callbacks.best_checkpoint.mode=max")
    assert (trained(*options, *words, "trainer.max_epochs=1", cwd=tmp_path) / "checkpoints" / "best.ckpt").exists()
    done = run("recast-train", *options, "callbacks.best_checkpoint.monitor=mse/validation", cwd=tmp_path)
    assert_refused(done, "monitor=mse/validation: no such curve", "loss/validation, accuracy/validation")


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(options, tmp_path, dropout):
    words = (*options, f"model.dropout={dropout}", "model.noise=0.1", "logger=none", "trainer.max_epochs=30")
    words += ("callbacks.last_checkpoint.every_n_steps=5",)
    whole = trained(*words, "hydra.run.dir=whole", cwd=tmp_path)
    running = start("recast-train", *words, "hydra.run.dir=stopped", cwd=tmp_path)
    stopped = tmp_path / "stopped"
    running.wait_for((stopped / "checkpoints" / "last.ckpt").exists)
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    steps = load(stopped / "checkpoints" / "last.ckpt")["global_step"]
    assert steps < 30 * 6
    done = run("recast-train", *words, "hydra.run.dir=stopped", "resume=true", cwd=tmp_path)
    assert done.code == 0, done
    assert f"at step {steps}" in done.out
    assert metrics_of(stopped) == metrics_of(whole)
    for name in ("best", "last"):
        assert_same_weights(*(path / "checkpoints" / f"{name}.ckpt" for path in (stopped, whole)))


@pytest.mark.slow
def test_the_default_is_vowels(tmp_path):
    if not VOWELS.exists():
        pytest.skip(f"{VOWELS.name} is absent")
    words = ("task=classification", "trainer=smoke", "callbacks.progress_bar=null", "logger=none")
    folder = trained(*words, cwd=tmp_path)
    assert strict_json(folder / "metrics.json")["sequences"] == {"train": 216, "validation": 54, "test": 370}


# What does not fit


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data=vowels"], ["data=SequenceDataModule: task=forecast needs ForecastDataModule", "task=classification"]),
        (["model=classifier"], ["model=Classifier: task=forecast needs ForecastModel"]),
        (["metrics=classification"], ["metrics.accuracy=Accuracy: task=forecast needs LeadMetric"]),
        (["task=classification", "data=tide"], ["data=ForecastDataModule: task=classification needs Sequence"]),
        (["task=classification", "model=encoder_decoder"], ["model=EncoderDecoder: task=classification needs Class"]),
        (["task=classification", "baselines=series"], ["baselines.mean=Mean: task=classification needs ClassBaseline"]),
        (["task=classification", "data=ts"], ["data.source.path: must be given", "data.source.test_path: must be"]),
        (["task=classification", "data.validation=1.5"], ["data.validation=1.5"]),
    ],
)
def test_parts_of_another_task_are_refused_before_data_are_read(words, says, tmp_path):
    done = run("recast-train", *words, f"paths.data_dir={tmp_path / 'nowhere'}", cwd=tmp_path)
    assert_refused(done, *says)


def test_a_missing_file_is_refused(tmp_path):
    done = run("recast-train", "task=classification", "paths.data_dir=nowhere", cwd=tmp_path)
    assert_refused(done, "nowhere/JapaneseVowels_TRAIN.ts: no such file")


# A checkpoint


def evaluate(*options: object, cwd: Path) -> Done:
    return run("recast-evaluate", *options, cwd=cwd)


def test_evaluating_the_test_part_gives_the_scores_of_the_run(folder, moved, metrics, tmp_path):
    done = evaluate(f"checkpoint={moved}", "output=results", cwd=tmp_path)
    assert done.code == 0, done
    ours = strict_json(tmp_path / "results" / "metrics.json")
    for part in ("sequences", "classes", "test", "test_per_class", "confusion", "baselines"):
        assert ours[part] == metrics[part], part
    ours, theirs = (pd.read_csv(path / "predictions.csv") for path in (tmp_path / "results", folder))
    pd.testing.assert_frame_equal(ours, theirs)


def test_evaluating_another_part(moved, tmp_path):
    done = evaluate(f"checkpoint={moved}", "split=validation", "output=results", "batch_size=4", cwd=tmp_path)
    assert done.code == 0, done
    assert len(pd.read_csv(tmp_path / "results" / "predictions.csv")) == 15
    assert "validation: 15 sequences" in done.out


@pytest.mark.slow
def test_new_sequences_need_no_files_of_the_training(options, tmp_path, metrics, files):
    train, test = write_turning(tmp_path / "data")
    words = [word for word in options if "path=" not in word]
    sources = (f"data.source.path={train}", f"data.source.test_path={test}")
    folder = trained(*words, *sources, cwd=tmp_path)
    shutil.rmtree(tmp_path / "data")
    checkpoint = folder / metrics["checkpoint"]
    done = evaluate(f"checkpoint={checkpoint}", f"path={files[1]}", "output=results", cwd=tmp_path)
    assert done.code == 0, done
    found = strict_json(tmp_path / "results" / "metrics.json")
    assert found["test"] == metrics["test"]
    assert found["baselines"] == {}
    assert_refused(evaluate(f"checkpoint={checkpoint}", cwd=tmp_path), "turning_TRAIN.ts: no such file")
    done = evaluate(f"checkpoint={checkpoint}", f"path={files[1]}", "split=train", cwd=tmp_path)
    assert_refused(done, "split=train: all sequences of path=")


def test_sequences_without_labels_are_classified(moved, folder, tmp_path):
    sequences, _ = turning(30, 1, longest=17)
    (tmp_path / "new.ts").write_text(ts_text(sequences, None, CLASSES))
    done = evaluate(f"checkpoint={moved}", "path=new.ts", "output=results", cwd=tmp_path)
    assert done.code == 0, done
    assert "30 sequences without label" in done.out
    ours, theirs = (pd.read_csv(path / "predictions.csv") for path in (tmp_path / "results", folder))
    assert ours["label"].isna().all()
    pd.testing.assert_frame_equal(ours.drop(columns="label"), theirs.drop(columns="label"))
    found = strict_json(tmp_path / "results" / "metrics.json")
    assert sum(found["predicted"].values()) == 30
    assert "test" not in found


def test_sequences_that_do_not_fit_are_refused(moved, tmp_path):
    sequences, labels = turning(6, 2)
    (tmp_path / "narrow.ts").write_text(ts_text([sequence[:, :1] for sequence in sequences], labels, CLASSES))
    (tmp_path / "others.ts").write_text(ts_text(sequences, ["up"] * 6, ("up", "down")))
    done = evaluate(f"checkpoint={moved}", "path=narrow.ts", cwd=tmp_path)
    assert_refused(done, "narrow.ts: sequences of 1 dimension(s), but the model was trained on 2")
    done = evaluate(f"checkpoint={moved}", "path=others.ts", cwd=tmp_path)
    assert_refused(done, "others.ts: @classLabel names down, up", "left, right, still")


@pytest.mark.slow
def test_changed_files_are_refused(options, tmp_path):
    train, test = write_turning(tmp_path / "data")
    words = [word for word in options if "path=" not in word]
    sources = (f"data.source.path={train}", f"data.source.test_path={test}")
    folder = trained(*words, *sources, "trainer.max_epochs=1", cwd=tmp_path)
    write_turning(tmp_path / "data", train=63)
    done = evaluate(f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", cwd=tmp_path)
    assert_refused(done, "they have changed since the training")


@pytest.mark.parametrize("command", ["recast-forecast", "recast-gradients"])
def test_a_classifier_does_not_forecast(command, moved, tmp_path):
    words = ["input=a.csv", "output=b.csv"] if command == "recast-forecast" else ["output=b"]
    (tmp_path / "a.csv").write_text("datetime,x\n")
    done = run(command, f"checkpoint={moved}", *words, cwd=tmp_path)
    held = "a Classifier" if command == "recast-forecast" else "a model for classification"
    assert_refused(done, f"it holds {held}, which does not forecast")
    assert done.err.count("\n") == 1


def damaged(path: Path, folder: Path, change) -> Path:
    content = load(path)
    change(content)
    torch.save(content, folder / "damaged.ckpt")
    return folder / "damaged.ckpt"


def set_spec(name, value):
    def change(content):
        content["recast"]["spec"][name] = value

    return change


def set_classes(names):
    def change(content):
        content["recast"]["spec"]["static"][0]["levels"] = names

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_classes(["left", "right", "left"]), "expected different names, found left, right, left"),
        (set_classes(["left"]), "two classes or more"),
        (set_classes(["left", "right", 3]), "levels="),
        (set_classes(["left", "right", "still", "up"]), "size mismatch"),
        (set_spec("static", []), "static_columns do not fit"),
        (set_spec("columns", []), "columns="),
        (set_spec("columns", [{"name": "x", "unit": "", "role": "past", "levels": None}]), "1 columns do not fit"),
        (set_spec("offset", [0.0, float("nan")]), "offset="),
        (set_spec("scale", [1.0, 0.0]), "scale="),
        (set_spec("scale", [1.0, "1"]), "scale="),
        (set_spec("targets", 1), "expected the fields columns, offset, scale"),
        (lambda content: content["recast"]["spec"].pop("masked"), "expected the fields"),
        (lambda content: content["recast"].update(spec=None), "expected the fields"),
        (
            lambda content: content["recast"]["config"]["task"].update(_target_="recast.training.task.ForecastTask"),
            "no such option",
        ),
        (
            lambda content: content["recast"]["config"].update(metrics={"a": {"_target_": "os.system"}}),
            "os.system may not be named",
        ),
        (lambda content: content["recast"]["config"]["model"]["cell"].update(hidden_size=3000), "more than"),
        (lambda content: content["recast"]["config"]["model"].update(layers=10**9), "more than"),
    ],
)
def test_a_checkpoint_from_a_stranger_is_checked(change, says, moved, tmp_path):
    path = damaged(moved, tmp_path, change)
    with pytest.raises(CheckpointError) as refused:
        restore(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert says in str(refused.value)


def test_a_forecast_is_not_restored_from_a_classifier(moved):
    assert restore(moved).plug.name == "classification"
    with pytest.raises(CheckpointError, match="recast-evaluate scores it"):
        restore_forecaster(moved)
