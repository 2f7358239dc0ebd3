"""Kinds of task are found; another one trains, scores and makes checkpoints without a change in recast."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import yaml
from commands import strict_json
from third_task import VectorTask

from recast.errors import CheckpointError, ConfigurationError
from recast.runs.checkpoints.restore import restore
from recast.runs.configure import folders
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.targets import resolve, trusting
from recast.runs.configure.training_options import EvaluateOptions, TrainOptions
from recast.runs.evaluate import evaluate
from recast.runs.fit import run
from recast.runs.rehearsal import Rehearsal
from recast.runs.restored_forecast import restore_forecaster
from recast.runs.tasks.find import plug_of, plugs

TRUST = f"{VectorTask.__module__}."


@pytest.fixture(autouse=True)
def as_before():
    """A run makes torch deterministic for the whole process, where it fills even what is never read."""
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def trust():
    with trusting(TRUST):
        yield


def part(name: str, **options: Any) -> dict[str, Any]:
    return {"_target_": f"{TRUST}{name}", **options}


def train_config(**changed: Any) -> dict[str, Any]:
    folders.register()
    composed = compose(
        "train",
        [
            *("callbacks.progress_bar=null", "callbacks.figures=null", "logger=none", "trainer.max_epochs=30"),
            *("callbacks.best_checkpoint.monitor=loss/validation", "optimizer.lr=0.03"),
        ],
    )
    return (
        composed
        | {
            "data": part("VectorData", size=3),
            "model": part("VectorModel", _partial_=True, hidden=6),
            "task": part("VectorTask", _partial_=True, weight=2.0),
            "metrics": {
                "error": part("VectorMetric", _partial_=True),
                "twice": part("VectorMetric", _partial_=True, factor=2),
            },
            "baselines": {"mean": part("MeanOfTraining"), "none": None},
        }
        | changed
    )


def test_every_choice_of_task_has_its_plug():
    choices = {path.stem for path in (conf_folder() / "task").glob("*.yaml")}
    assert {plug.name for plug in plugs()} == choices
    for plug in plugs():
        node = yaml.safe_load((conf_folder() / "task" / f"{plug.name}.yaml").read_text())
        assert resolve(node["_target_"]) is plug.task


@pytest.mark.filterwarnings("ignore")
def test_a_third_task_trains_evaluates_and_is_restored(trust, tmp_path):
    config = train_config()
    check(config, TrainOptions)
    Rehearsal().rehearse(config)
    folder = tmp_path / "run"
    results = run(config, folder)
    assert results.overall["error"] < 0.5 * results.baselines["mean"]
    assert results.overall["twice"] == pytest.approx(2 * results.overall["error"])
    assert (folder / "drawn.npy").exists()
    assert strict_json(folder / "metrics.json")["test"] == results.overall

    path = folder / results.facts["checkpoint"]
    restored = restore(path)
    assert restored.plug.name == "vectors"
    assert restored.task.weight == 2.0
    assert restored.spec == restored.data.spec
    assert restored.fingerprint == restored.data.fingerprint
    trained = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(weight, trained[name]) for name, weight in restored.task.state_dict().items())

    scoring = compose("evaluate", [f"checkpoint={path}"])
    scoring["baselines"] = scoring["baselines"] | {"ours": part("MeanOfTraining")}
    check(scoring, EvaluateOptions)
    scored = evaluate(scoring)
    assert scored.overall["error"] == pytest.approx(results.overall["error"])
    assert scored.baselines == {"ours": results.baselines["mean"]}

    with pytest.raises(CheckpointError, match="a model for vectors, which does not forecast"):
        restore_forecaster(path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_third_task_goes_on_where_it_was(trust, tmp_path, monkeypatch):
    config = train_config()
    config["callbacks"]["last_checkpoint"]["every_n_steps"] = 1
    whole = run(config, tmp_path / "whole")
    with monkeypatch.context() as killing:
        killing.setattr(VectorTask, "training_step", dies_at(15))
        with pytest.raises(RuntimeError, match="killed"):
            run(config, tmp_path / "run")
    resumed = run(config | {"resume": True}, tmp_path / "run")
    assert resumed.overall == whole.overall
    one, other = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "run")
    )
    assert all(torch.equal(weight, other[name]) for name, weight in one.items())


def dies_at(step: int) -> Callable[..., Any]:
    training_step = VectorTask.training_step

    def dying(self: VectorTask, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step == step:
            raise RuntimeError("killed")
        return training_step(self, batch, batch_idx)

    return dying


@pytest.mark.filterwarnings("ignore")
def test_nothing_of_it_is_known_without_trust(tmp_path):
    with trusting(TRUST):
        config = train_config()
        results = run(config | {"trainer": config["trainer"] | {"max_epochs": 1}}, tmp_path)
    assert "vectors" not in [plug.name for plug in plugs()]
    with pytest.raises(CheckpointError, match=r"third_task\.VectorData may not be named"):
        restore(tmp_path / results.facts["checkpoint"])
    with pytest.raises(ConfigurationError, match=r"third_task\.VectorTask may not be named"):
        check(config, TrainOptions)


def test_its_parts_are_not_mixed_with_those_of_others(trust):
    data = compose("train", [])["data"]
    with pytest.raises(ConfigurationError) as refused:
        plug_of(train_config(data=data))
    others = " or ".join(f"task={plug.name}" for plug in plugs() if plug.name != "vectors")
    assert others.startswith("task=classification or task=forecast")
    assert str(refused.value) == (
        "data=ForecastDataModule: task=vectors needs VectorData\nThese are parts of different tasks: choose others, or "
        f"give {others}, which brings its own"
    )


def test_a_task_without_plug_is_refused():
    config = train_config(task={"_target_": "recast.training.training_task.TrainingTask"})
    with pytest.raises(ConfigurationError, match="task=TrainingTask: it belongs to no kind of task; there are class"):
        plug_of(config)


@pytest.mark.parametrize("package", ["", ".", "a..b.", "os;system."])
def test_trust_names_packages(package):
    with pytest.raises(ConfigurationError, match="is no package"), trusting(package):
        pass


def test_trust_ends(trust):
    with pytest.raises(RuntimeError, match="any"), trusting("xml"):
        raise RuntimeError("any")
    with pytest.raises(ConfigurationError, match=r"xml\.Anything may not be named"):
        resolve("xml.Anything")
