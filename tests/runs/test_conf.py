"""The configuration folder: every yaml composes, passes the check, shows every option, and can be built."""

import functools
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import yaml
from finding import concrete_classes

import recast.data.features
import recast.data.joins
import recast.data.prepare
import recast.data.sources
import recast.nn
import recast.nn.attention
import recast.nn.cells
import recast.nn.heads
import recast.nn.models
import recast.nn.schedules
import recast.scoring.baselines
import recast.scoring.calibration
import recast.scoring.metrics
import recast.training.learning_rates
from hydra_plugins import recast_plugins
from recast.data.features.computed_feature import ComputedFeature
from recast.data.joins.join import Join
from recast.data.prepare.gap_removal import Removal
from recast.data.prepare.grid import Grid
from recast.data.prepare.regime import Regime
from recast.data.prepare.scale import Scaler
from recast.data.prepare.split import Split
from recast.nn.anchors import Anchor
from recast.nn.attention import Attention
from recast.nn.cells.cell import Cell
from recast.nn.cells.gate_init import GateInit
from recast.nn.heads.head import Head
from recast.nn.schedules import Schedule
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.options import ExportOptions, ForecastOptions, GenerateOptions, ImputeOptions, Paths
from recast.runs.configure.signature import REQUIRED, options_of
from recast.runs.configure.targets import resolve
from recast.runs.configure.training_options import EvaluateOptions, GradientOptions, ImportanceOptions, TrainOptions
from recast.runs.fit import run
from recast.runs.tasks.find import plugs
from recast.scoring.calibration.calibration import Calibration
from recast.training.learning_rates import LearningRate
from recast.training.training_task import TrainingTask

CONF = conf_folder()
COMMANDS = {
    "train": TrainOptions,
    "evaluate": EvaluateOptions,
    "export": ExportOptions,
    "forecast": ForecastOptions,
    "generate": GenerateOptions,
    "gradients": GradientOptions,
    "importance": ImportanceOptions,
    "impute": ImputeOptions,
}
NEEDED = {
    "chrono": ["model.cell.gate_init.longest=100"],
    "csv_gaps": ["data.source.path=file.csv", "data.source.time=t", "data.source.targets=[v]"],
    "csv": ["data.source.path=file.csv", "data.source.time=t", "data.source.targets=[v]"],
    "frame": ["data.source.time=t", "data.source.targets=[v]"],
    "series_rows": ["data.source.path=file.csv", "data.source.id=V1"],
    "uhslc": ["data.source.path=h057a.dat"],
    "time": ["data.split.test=2020-06-01"],
    "impute": ["data.grid.checkpoint=imputer.ckpt"],
    "holidays": ["data.features.holidays.country=NO"],
    "table": [
        *("data.joins.table.source.path=file.csv", "data.joins.table.source.time=t"),
        "data.joins.table.source.targets=[v]",
    ],
    "text": ["data.source.path=a.txt"],
    "ts": ["data.source.path=train.ts", "data.source.test_path=test.ts"],
}
"""What the user must give, by the name of the file of data, a model's part or a task that leaves it open."""
WITHOUT_FILE = ("adding", "appliances", "ar2", "digits", "sines", "tide", "tide_gaps", "tide_weather")
GROUPS = sorted(
    str(folder.relative_to(CONF))
    for folder in CONF.rglob("*")
    if folder.is_dir() and any(folder.glob("*.yaml")) and folder.relative_to(CONF).parts[0] != "hydra"
)
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]

PARTS = {
    "calibration": (recast.scoring.calibration, Calibration),
    "baselines": (recast.scoring.baselines, tuple(plug.baseline for plug in plugs())),
    "data": (recast.data.sources, tuple(options_of(plug.data)["source"].hint for plug in plugs())),
    "data/features": (recast.data.features, ComputedFeature),
    "data/grid": (recast.data.prepare, Grid),
    "data/joins": (recast.data.joins, Join),
    "data/removal": (recast.data.prepare, Removal),
    "data/regime": (recast.data.prepare, Regime),
    "data/scaler": (recast.data.prepare, Scaler),
    "data/split": (recast.data.prepare, Split),
    "learning_rate": (recast.training.learning_rates, LearningRate),
    "metrics": (recast.scoring.metrics, tuple(plug.metric for plug in plugs())),
    "model": (recast.nn.models, tuple(plug.model for plug in plugs())),
    "model/anchor": (recast.nn, Anchor),
    "model/attention": (recast.nn.attention, Attention),
    "model/cell": (recast.nn.cells, Cell),
    "model/cell/gate_init": (recast.nn.cells, GateInit),
    "model/head": (recast.nn.heads, Head),
    "model/schedule": (recast.nn.schedules, Schedule),
}
"""The classes that each group chooses from."""


def given_by_the_program(target: type) -> set[str]:
    """Options that stand in no yaml."""
    for base, names in (
        (Anchor, {"spec", "leads"}),
        (Attention, {"query_size", "memory_size"}),
        (Cell, {"input_size"}),
        *((part, {"spec"}) for plug in plugs() for part in (plug.model, plug.metric)),
        (TrainingTask, {"model", "optimizer", "learning_rate", "metrics"}),
    ):
        if issubclass(target, base):
            return names
    return set()


@functools.cache
def composed(*overrides: str) -> dict[str, Any]:
    folders.register()
    return compose("train", overrides)


def overrides_for(group: str, choice: str) -> list[str]:
    if group == "experiment":
        return [f"experiment={choice}"]
    if group == "data/removal":
        return ["task=imputation", f"{group}={choice}"]
    needed = [] if group in ("logger", "metrics", "baselines", "callbacks") else NEEDED.get(choice, [])
    return [f"{group}={choice}", *needed]


def nodes(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All nodes with `_target_`, by their key."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node
        for name, value in node.items():
            yield from nodes(value, f"{key}.{name}" if key else name)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, f"{key}[{index}]")


WHOLE = ("data", "data/removal", "experiment", "model", "model/cell/gate_init", "task")
"""Groups whose choices bring, or ask for, choices of other groups: each of them is composed alone."""


def together() -> Iterator[list[str]]:
    """Overrides that choose every choice of every group once; the n-th ones of small parts in one composition."""
    for group, choice in CHOICES:
        if group in WHOLE:
            yield overrides_for(group, choice)
    parts = [[choice for group, choice in CHOICES if group == part] for part in GROUPS if part not in WHOLE]
    groups = [group for group in GROUPS if group not in WHOLE]
    for row in zip_longest(*parts):
        pairs = [(group, choice) for group, choice in zip(groups, row, strict=True) if choice is not None]
        yield [override for pair in pairs for override in overrides_for(*pair)]


def test_the_groups_are_found():
    assert set(PARTS) <= set(GROUPS)
    assert ("model/cell", "gru") in CHOICES


@pytest.mark.parametrize("overrides", list(together()), ids=" ".join)
def test_a_choice_passes_the_check_shows_every_option_and_can_be_built(overrides):
    """In one test: composing is what takes time."""
    config = composed(*overrides)
    check(config, TrainOptions)
    found = list(nodes(config))
    assert found
    for key, node in found:
        target = resolve(node["_target_"])
        if target.__module__.startswith("recast."):
            shown = set(node) - {"_target_", "_partial_", "_convert_"}
            assert shown == set(options_of(target)) - given_by_the_program(target), key
        # A file that is named where it is used.
        if not (key == "data.source" and "data=csv" in overrides):
            built = build(node)
            assert node.get("_partial_") or isinstance(built, target), key


@pytest.mark.parametrize("command", ["evaluate", "forecast", "generate", "gradients", "importance", "impute"])
def test_the_other_commands_pass_too(command):
    folders.register()
    required = ["checkpoint=a.ckpt"] + (["input=a.csv", "output=b.csv"] if command in ("forecast", "impute") else [])
    config = compose(command, required)
    check(config, COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_all_of_its_options(command):
    folders.register()
    assert set(compose(command, [])) == set(options_of(COMMANDS[command]))


CHOSEN = ("data", "experiment", "trainer", "optimizer")
"""Groups whose files are recipes: their values are choices, not defaults."""


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_a_default_is_the_same_in_yaml_and_signature(path):
    group = str(path.parent.relative_to(CONF))
    if group in CHOSEN or path.relative_to(CONF).parts[0] == "hydra":
        return
    for key, node in nodes(yaml.safe_load(path.read_text()) or {}):
        options = options_of(resolve(node["_target_"])) if node["_target_"].startswith("recast.") else {}
        for name, (_, default) in options.items():
            shown = node.get(name, default)
            is_open = isinstance(shown, dict) or (isinstance(shown, str) and "${" in shown)
            if default is not REQUIRED and not is_open:
                assert shown == default, f"{key}.{name}"


@pytest.mark.parametrize("group", PARTS)
def test_every_class_of_a_group_stands_in_a_yaml(group):
    package, base = PARTS[group]
    wanted = {f"{found.__module__}.{found.__qualname__}" for found in concrete_classes(package, base)}
    files = [yaml.safe_load(path.read_text()) for path in (CONF / group).glob("*.yaml")]
    shown = {node["_target_"] for file in files for _, node in nodes(file)}
    assert wanted <= shown


OF_ONE_CLASS = [
    pytest.param(path, id=f"{group}/{choice}")
    for group, choice in CHOICES
    if group not in ("data", "optimizer", "trainer", "paths")
    for path in [CONF / group / f"{choice}.yaml"]
    if "_target_" in (yaml.safe_load(path.read_text()) or {})
]


@pytest.mark.parametrize("path", OF_ONE_CLASS)
def test_values_in_yaml_are_the_defaults_of_the_class(path):
    node = yaml.safe_load(path.read_text())
    defaults = {name: option.default for name, option in options_of(resolve(node["_target_"])).items()}
    # What is interpolated is a value of the composed configuration, not one of its own; so is a mapping of parts.
    differing = {
        name
        for name, value in node.items()
        if "${" not in str(value) and not isinstance(value, dict)
        if defaults.get(name, REQUIRED) not in (REQUIRED, value)
    }
    assert not differing


PLUGINS = [path for kind in ("launcher", "sweeper") for path in sorted((CONF / "hydra" / kind).glob("*.yaml"))]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_yaml_of_a_launcher_or_sweeper_shows_every_option_and_its_default(path):
    node = yaml.safe_load(path.read_text())
    shown = {name: value for name, value in node.items() if name not in ("_target_", "_convert_", "_recursive_")}
    module, _, name = node["_target_"].rpartition(".")
    assert module == recast_plugins.__name__
    built = getattr(recast_plugins, name)(**shown)
    assert shown == {name: option.default for name, option in options_of(type(built)).items()}


def test_sections_of_the_defaults_list_are_folders():
    text = yaml.safe_load((CONF / "train.yaml").read_text())
    for entry in text["defaults"]:
        if isinstance(entry, dict):
            ((group, _),) = entry.items()
            assert group.startswith("override ") or (CONF / group).is_dir(), group


def test_units_are_not_copied_into_models():
    """Sizes flow from data to model; a model's yaml holds none of them."""
    for path in (CONF / "model").rglob("*.yaml"):
        assert not {"input_size", "horizon", "context", "targets", "spec"} & set(yaml.safe_load(path.read_text()))


def test_the_data_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("RECAST_DATA_DIR", "/elsewhere")
    folders.register()
    config = compose("train", ["data=ssh"])
    assert config["paths"]["data_dir"] == "/elsewhere"
    assert config["data"]["source"]["path"].startswith("/elsewhere/")
    assert isinstance(build(config["paths"]), Paths)


SHORT = {
    "adding": ["data.source.series=60", "data.source.length=10"],
    "digits": ["task=classification", "data.source.test=1700", "data.batch_size=8"],
    "appliances": ["task=classification", "data.source.train=40", "data.source.test=10", "data.batch_size=8"],
    "sines": ["data.source.series=60"],
    "tide": ["data.source.days=15.0", "data.windows.context=50", "data.windows.horizon=10"],
    "tide_gaps": ["task=imputation", "data.source.days=40.0"],
    "tide_weather": ["data.source.days=40.0"],
    "ar2": ["data.source.rows=300"],
}


def smoke(overrides: list[str], folder: Path) -> None:
    folders.register()
    config = compose(
        "train",
        [
            *(
                "trainer=smoke",
                "trainer.max_epochs=1",
                "callbacks.progress_bar=null",
                "model.cell.hidden_size=4",
                "baselines=none",
            ),
            *("callbacks.figures=null", "logger=none", "data.evaluation_batch_size=8", *overrides),
        ],
    )
    check(config, TrainOptions)
    results = run(config, folder)
    assert results.facts["steps"] == 2
    assert (folder / "checkpoints" / "last.ckpt").exists()


@pytest.mark.filterwarnings("ignore")  # what Lightning remarks at two batches is not what is tested
@pytest.mark.parametrize("data", WITHOUT_FILE)
def test_data_that_need_no_file_train(data, tmp_path):
    smoke([f"data={data}", *SHORT[data]], tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("experiment", sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
def test_every_experiment_trains_two_batches(experiment, tmp_path):
    config = composed(f"experiment={experiment}")
    path = config["data"]["source"].get("path")
    if path and not Path(path).exists():
        pytest.skip(f"{Path(path).name} is absent")
    # Where the whole training part is one batch there would be no second one.
    size = min(config["data"]["batch_size"], 32)
    smoke([f"experiment={experiment}", f"data.batch_size={size}"], tmp_path)
