"""What a checkpoint says of itself: as much from a program in Python as from a command."""

import logging
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from commands import QUICK, load, run, shared_run
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.split import FractionSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.csv_file import CsvSource
from recast.errors import CheckpointError, ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import InverseSigmoid
from recast.options import checked, options_given
from recast.runs.checkpoints.restore import restore
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose
from recast.runs.configure.folders import conf_folder
from recast.scoring.metrics.coverage import Coverage
from recast.scoring.metrics.mse import MSE
from recast.training.checkpoint_format import FORMAT
from recast.training.nodes import node_of
from recast.training.provenance import OF_THE_PROGRAM
from recast.training.task import ForecastTask


@pytest.fixture
def csv(tmp_path) -> Path:
    times = pd.date_range("2024-01-01", periods=160, freq="h")
    values = np.sin(np.arange(160) / 4) + 0.1 * np.cos(np.arange(160))
    path = tmp_path / "gauge.csv"
    pd.DataFrame({"t": times, "level": values}).to_csv(path, index=False)
    return path


def data_from(csv: Path) -> ForecastDataModule:
    source = CsvSource(path=str(csv), time="t", targets=["level"], units={"level": "m"})
    return ForecastDataModule(source=source, windows=Windows(context=12, horizon=3), split=FractionSplit(), season=2)


def model_for(data: ForecastDataModule, **changed: Any) -> EncoderDecoder:
    options = {"cell": partial(GRU, hidden_size=5), "head": Gaussian(), "schedule": InverseSigmoid(), "layers": 2}
    return EncoderDecoder(spec=data.spec, **(options | changed))


def trainer_in(folder: Path, *callbacks: pl.Callback, epochs: int = 1) -> pl.Trainer:
    """Lightning's own, with nothing of recast in it."""
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=list(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.mark.filterwarnings("ignore")
def test_what_a_plain_trainer_saves_is_restored_and_forecasts(csv, tmp_path):
    data = data_from(csv)
    metrics = {"mse": MSE, "band": partial(Coverage, level=0.8)}
    task = ForecastTask(model=model_for(data), metrics=metrics, samples=7)
    trainer = trainer_in(tmp_path, ModelCheckpoint(tmp_path / "kept", monitor="mse/validation"))
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    kept = Path(trainer.checkpoint_callback.best_model_path)

    for path in (tmp_path / "model.ckpt", kept):
        restored = restore(path)
        assert restored.spec == data.spec
        assert restored.fingerprint == data.fingerprint == restored.data.fingerprint
        assert (restored.data.season, restored.data.windows.context) == (2, 12)
        assert restored.task.samples == task.samples
        assert restored.task.metrics_of("test")["band"].level == 0.8
        assert {name: type(layer) for name, layer in restored.task.model.named_modules()} == {
            name: type(layer) for name, layer in task.model.named_modules()
        }
    ours, theirs = task.state_dict(), restore(tmp_path / "model.ckpt").task.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    batch = data.windows_at(data.prepared.starts.test[:4])
    expected = task.eval().forecast(batch, samples=5, seed=3).samples
    assert torch.equal(restore(tmp_path / "model.ckpt").task.forecast(batch, samples=5, seed=3).samples, expected)

    done = run("recast-forecast", "checkpoint=model.ckpt", f"input={csv}", "output=next.csv", cwd=tmp_path)
    assert done.code == 0, done
    table = pd.read_csv(tmp_path / "next.csv")
    assert len(table) == 3
    assert (table["level_lower_80"] <= table["level_upper_80"]).all()
    done = run("recast-evaluate", "checkpoint=model.ckpt", "output=scores", cwd=tmp_path)
    assert done.code == 0, done


def trained(model: nn.Module, data: Any, folder: Path, **options: Any) -> Path:
    trainer = trainer_in(folder)
    task = ForecastTask(model=model, **options)
    if isinstance(data, pl.LightningDataModule):
        trainer.fit(task, data)
    else:
        trainer.fit(task, train_dataloaders=data)
    trainer.save_checkpoint(folder / "model.ckpt")
    return folder / "model.ckpt"


def build_gru(**sizes: int) -> GRU:
    return GRU(**sizes)


class Stranger(Point):
    """A head that does not say what it was given."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor


class Undefined(Point):
    """A head outside of recast, which says what it was given."""

    @checked
    def __init__(self, *, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"cell": lambda **sizes: build_gru(hidden_size=5, **sizes)},
            "model.cell: .*<lambda> is a function",
        ),
        ({"cell": partial(build_gru, hidden_size=5)}, "model.cell: .* does not build a class"),
        ({"head": Stranger()}, "model.head: Stranger does not remember its options"),
    ],
    ids=["lambda", "partial of a lambda", "unchecked"],
)
def test_what_cannot_be_described_is_trained_and_then_refused(changed, says, csv, tmp_path, caplog):
    data = data_from(csv)
    with caplog.at_level(logging.WARNING):
        path = trained(model_for(data, **changed), data, tmp_path)
    assert "cannot be restored by a command: model." in caplog.text
    with pytest.raises(CheckpointError, match=f"it cannot be restored: {says}") as refused:
        restore(path)
    assert str(refused.value).startswith(f"{path}: ")
    done = run("recast-forecast", f"checkpoint={path}", f"input={csv}", "output=next.csv", cwd=tmp_path)
    assert done.code == 2
    assert "it cannot be restored: model." in done.err
    assert done.err.count("\n") == 1


@pytest.mark.filterwarnings("ignore")
def test_a_class_outside_of_recast_is_refused_when_it_is_read(csv, tmp_path):
    data = data_from(csv)
    path = trained(model_for(data, head=Undefined(factor=2.0)), data, tmp_path)
    assert load(path)["recast"]["config"]["model"]["head"] == {
        "_target_": f"{__name__}.Undefined",
        "factor": 2.0,
    }
    with pytest.raises(CheckpointError, match="Undefined may not be named in a configuration"):
        restore(path)


@pytest.mark.filterwarnings("ignore")
def test_loaders_without_a_data_module_train(csv, tmp_path):
    data = data_from(csv)
    path = trained(model_for(data), data.train_dataloader(), tmp_path)
    with pytest.raises(CheckpointError, match="cannot be restored: trained on loaders without a data module"):
        restore(path)
    weights = load(path)["state_dict"]
    ForecastTask(model=model_for(data)).load_state_dict(weights)


def test_the_older_format_names_the_version_that_reads_it(tmp_path):
    content = load(shared_run(*QUICK) / "checkpoints" / "best.ckpt")
    content["recast"] |= {"format": 2, "version": "0.4.0"}
    torch.save(content, tmp_path / "old.ckpt")
    assert FORMAT == 3
    with pytest.raises(
        CheckpointError, match=r"reads format 3; it was written by recast 0\.4\.0: recast 0\.4\.x reads"
    ):
        restore(tmp_path / "old.ckpt")


@pytest.mark.parametrize("reason", [3, "x" * 10**6, ["os.system"]], ids=["number", "long", "list"])
def test_a_reason_from_a_stranger_is_cut_short(reason, tmp_path):
    content = load(shared_run(*QUICK) / "checkpoints" / "best.ckpt")
    content["recast"]["not_restorable"] = reason
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(CheckpointError, match="it cannot be restored") as refused:
        restore(tmp_path / "odd.ckpt")
    assert len(str(refused.value)) < 1000


EXPERIMENTS = sorted(path.stem for path in (conf_folder() / "experiment").glob("*.yaml"))


def without_program(node: Any) -> Any:
    """A node without what says how Hydra would convert it, tuples as lists."""
    if isinstance(node, Mapping):
        return {name: without_program(value) for name, value in node.items() if name != "_convert_"}
    return [without_program(value) for value in node] if isinstance(node, list | tuple) else node


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_parts_built_from_a_configuration_are_described_by_it(experiment):
    folders.register()
    config = compose("train", [f"experiment={experiment}"])
    for part, given in {"data": (), "model": ("spec",), "task": OF_THE_PROGRAM}.items():
        assert node_of(build(config[part]), key=part, without=given) == without_program(config[part]), part
    for name, node in config["metrics"].items():
        assert node_of(build(node), key=name) == node


def test_a_run_of_the_command_describes_its_configuration():
    folder = shared_run(*QUICK)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    described = load(folder / "checkpoints" / "best.ckpt")["recast"]["config"]
    assert described == {part: without_program(config[part]) for part in ("data", "model", "task", "metrics")}


class Base:
    """Takes one option."""

    @checked
    def __init__(self, *, one: int = 1) -> None:
        self.one = one


class Heir(Base):
    """Takes another one."""

    @checked
    def __init__(self, *, two: tuple[float, ...] = (1.0, 2.0), part: Base | None = None) -> None:
        super().__init__(one=5)
        self.two, self.part = two, part


class Silent(Base):
    """Does not remember the option it takes."""

    def __init__(self, *, three: int = 3) -> None:
        super().__init__(one=three)


def test_an_object_remembers_its_own_options_not_those_of_its_base():
    assert options_given(Base(one=2)) == {"one": 2}
    assert options_given(Heir(two=(3.0,))) == {"two": (3.0,)}
    assert options_given(Silent()) is None
    here = __name__
    assert node_of(Heir(part=Base()), key="x") == {
        "_target_": f"{here}.Heir",
        "two": [1.0, 2.0],
        "part": {"_target_": f"{here}.Base", "one": 1},
    }
    assert node_of(Base, key="x") == {"_target_": f"{here}.Base", "_partial_": True, "one": 1}
    assert type(node_of(Heir(two=(np.float64(3),)), key="x")["two"][0]) is float


@pytest.mark.parametrize(
    "part", [Silent(), math.sqrt, lambda: None, partial(Base, 3), Heir(part=Silent()), object, {1, 2}]
)
def test_what_has_no_node_is_named(part):
    if part is object:
        part = type("Local", (), {})
        part.__qualname__ = "test.<locals>.Local"
    with pytest.raises(ConfigurationError, match=r"^place"):
        node_of(part, key="place")
