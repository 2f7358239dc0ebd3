"""Loggers: each gets the options, the curves, the figures and the final metrics of a run."""

import importlib.util
import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import yaml
from commands import QUICK, metrics_of, run, scratch, start
from lightning.pytorch.loggers import CometLogger, CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recast.errors import ConfigurationError
from recast.runs import trainer
from recast.runs.configure.compose import compose
from recast.training.loggers.adapter import LoggedRun, LoggerAdapter
from recast.training.loggers.find import adapter_of

CURVES = [option for option in QUICK if option not in ("logger=none", "callbacks.figures=null")]
CURVES += ["callbacks.figures.every_n_epochs=2", "seed=7"]
FIGURES = {"test_forecasts", "test_error_per_lead", "validation_forecasts", "validation_error_per_lead"}
mlflow_missing = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="needs the extra mlflow (pip install 'recast-rnn[mlflow]')"
)
wandb_missing = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="needs the extra wandb (pip install 'recast-rnn[wandb]')"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Path, str]:
    """A run with two loggers, and what it printed."""
    cwd = tmp_path_factory.mktemp("both")
    done = run("recast-train", *CURVES, "logger=[tensorboard,csv]", "hydra.run.dir=run", cwd=cwd)
    assert done.code == 0, done
    return cwd / "run", done.out


def test_a_table_has_curves_final_metrics_and_options(both):
    folder, printed = both
    table = pd.read_csv(folder / "csv" / "metrics.csv")
    assert {"loss/train", "mse/validation", "mse/teacher_forced", "gradient_norm"} <= set(table.columns)
    assert table["mse/test"].dropna().tolist() == pytest.approx([metrics_of(folder)["test"]["mse"]])
    options = yaml.safe_load((folder / "csv" / "hparams.yaml").read_text())
    assert options["cell.hidden_size"] == 8
    assert options["seed"] == 7
    assert f"curves:      {folder / 'csv'}" in printed


def test_event_files_lie_in_the_run_folder_with_one_name_for_the_final_metrics(both):
    folder, printed = both
    log = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    log.Reload()
    tags = log.Tags()
    assert set(tags["images"]) == FIGURES
    assert "mse/test" in tags["scalars"]
    assert not [name for name in tags["scalars"] if name.startswith("test/")]
    for event in log.Scalars("mse/test"):
        assert event.value == pytest.approx(metrics_of(folder)["test"]["mse"])
    assert f"tensorboard --logdir {folder}" in printed


def test_a_missing_package_is_told_before_anything_is_read(monkeypatch):
    for name in ("mlflow", "wandb"):
        config = compose("train", ["data=csv", f"logger={name}"])
        monkeypatch.setattr(trainer, "find_spec", lambda _: None)
        with pytest.raises(ConfigurationError) as told:
            trainer.check_loggers(config)
        (line,) = str(told.value).splitlines()
        assert line.startswith(f"logger.{name}: needs the package {name}, which is not installed: pip install")
        assert f"[{name}]'" in line


def resumed(folder: Path, step: int | None = 40) -> LoggedRun:
    return LoggedRun(folder, folder.name, step)


def test_a_resumed_table_does_not_replace_the_one_before(tmp_path):
    node = {"version": "csv"}
    assert adapter_of(CSVLogger).arguments(node, CSVLogger, resumed(tmp_path, None)) == {"save_dir": str(tmp_path)}
    found = adapter_of(CSVLogger).arguments(node, CSVLogger, resumed(tmp_path))
    assert found == {"save_dir": str(tmp_path), "version": "csv_from_40"}


def test_a_run_of_an_earlier_version_goes_on_in_its_event_folder(tmp_path):
    def arguments(version):
        return adapter_of(TensorBoardLogger).arguments({"version": version}, TensorBoardLogger, resumed(tmp_path))

    new = {"save_dir": str(tmp_path), "purge_step": 40}
    assert arguments("") == new
    (tmp_path / "tensorboard").mkdir()
    assert arguments("") == {**new, "version": "tensorboard"}
    assert arguments("mine") == new


def test_a_resumed_run_is_sent_as_the_one_before(tmp_path):
    adapter = adapter_of(WandbLogger)
    for name in ("offline-run-20260102_000000-second", "run-20260101_000000-first", "latest-run"):
        (tmp_path / "wandb" / name).mkdir(parents=True)
    assert adapter.arguments({}, WandbLogger, resumed(tmp_path))["id"] == "second"
    assert "id" not in adapter.arguments({}, WandbLogger, resumed(tmp_path, None))
    assert "id" not in adapter.arguments({"id": "mine"}, WandbLogger, resumed(tmp_path))


def test_any_other_logger_gets_what_its_constructor_takes(tmp_path):
    adapter = adapter_of(CometLogger)
    assert type(adapter) is LoggerAdapter
    assert adapter.arguments({}, CometLogger, resumed(tmp_path)) == {}


@mlflow_missing
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mlflow_has_one_run_of_a_run_that_was_stopped_and_resumed():
    from mlflow.tracking import MlflowClient

    cwd = scratch() / "mlflow"
    options = [*CURVES, "logger=mlflow", "hydra.run.dir=cell-gru", "trainer.max_epochs=30"]
    running = start("recast-train", *options, cwd=cwd)
    running.wait_for(lambda: list(cwd.glob("cell-gru/checkpoints/last.ckpt")), seconds=200)
    running.signal(signal.SIGTERM)
    stopped = running.wait()
    assert stopped.code == 143, stopped
    done = run("recast-train", *options, "resume=true", cwd=cwd)
    assert done.code == 0, done
    store = f"file:{cwd / 'mlruns'}"
    assert f"--backend-store-uri {store}" in done.out
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("recast")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "cell-gru"
    assert found.info.status == "FINISHED"
    assert found.data.params["cell.hidden_size"] == "8"
    assert found.data.params["seed"] == "7"
    assert found.data.metrics["mse/test"] == pytest.approx(metrics_of(cwd / "cell-gru")["test"]["mse"])
    steps = [point.step for point in client.get_metric_history(found.info.run_id, "mse/validation")]
    assert len(set(steps)) == 30
    images = {
        file.path.partition("/")[2].partition("+")[0] for file in client.list_artifacts(found.info.run_id, "images")
    }
    assert images >= FIGURES
    assert list((cwd / "cell-gru" / "figures").glob("*.png"))


@mlflow_missing
@pytest.mark.slow
def test_a_store_that_cannot_be_used_is_told():
    done = run("recast-train", *QUICK, "logger=mlflow", "logger.mlflow.tracking_uri=/proc/none", cwd=scratch() / "none")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert "the store /proc/none cannot be used" in line


@wandb_missing
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_weights_and_biases_keeps_a_run_offline():
    cwd = scratch() / "wandb"
    done = run("recast-train", *CURVES, "logger=wandb", "hydra.run.dir=cell-gru", cwd=cwd)
    assert done.code == 0, done
    (folder,) = (cwd / "cell-gru" / "wandb").glob("offline-run-*")
    written = b"".join(path.read_bytes() for path in folder.glob("*.wandb"))
    for word in (b"mse/validation", b"mse/test", b"cell.hidden_size", b"cell-gru"):
        assert word in written
    pictures = {path.name.rpartition("_")[0].rpartition("_")[0] for path in folder.rglob("*.png")}
    assert pictures >= FIGURES
