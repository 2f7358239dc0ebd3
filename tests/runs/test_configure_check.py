"""The configuration check, the classes it may name, and what is built from it."""

import builtins
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import pytest
import torch
from annotated_types import Ge, Le, Len
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger, Logger
from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

from recast.data.panel import columns_of
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.schedules import Linear, Schedule
from recast.options import (
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    checked,
)
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.signature import REQUIRED, Option, options_of
from recast.runs.configure.targets import ALLOWED, resolve
from recast.runs.configure.wording import suggestion, type_text, value_text

HERE = __name__
FirstWord = Literal["a"]
SecondWord = Literal["b"]
EVERYTHING = (*ALLOWED, f"{HERE}.")


class Cell(ABC):
    @abstractmethod
    def step(self) -> None: ...


class SmallCell(Cell):
    @checked
    def __init__(self, *, input_size: PositiveInt, hidden_size: PositiveInt = 32, bias: bool = True) -> None:
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def step(self) -> None: ...


class Head:
    @checked
    def __init__(self, *, quantiles: list[Probability] | None = None) -> None:
        self.quantiles = quantiles


class Model:
    @checked
    def __init__(
        self,
        *,
        cell: Callable[..., Cell],
        head: Head,
        heads: list[Head] | None = None,
        named: dict[str, Head | None] | None = None,
        layers: PositiveInt = 1,
        mask_unit: Literal["step", "sequence"] = "step",
        extra: Any = None,
    ) -> None:
        self.cell, self.head, self.heads, self.named = cell, head, heads, named
        self.layers, self.mask_unit, self.extra = layers, mask_unit, extra


class Loose:
    """Like a class of another library: positional, partly annotated, with annotations that do not resolve."""

    def __init__(self, first, second: "NoSuchName" = 3, *args, **kwargs) -> None:  # noqa: F821
        self.first, self.second = first, second


@dataclass(kw_only=True)
class Options:
    model: Model
    optimizer: Callable[..., Optimizer] | None = None
    seed: NonNegativeInt = 0
    resume: str | None = None
    callbacks: dict[str, Callback | None] = field(default_factory=dict)
    loose: Loose | None = None


def cell(**options):
    return {"_target_": f"{HERE}.SmallCell", "_partial_": True, **options}


def head(**options):
    return {"_target_": f"{HERE}.Head", **options}


def model(**options):
    return {"_target_": f"{HERE}.Model", "cell": cell(), "head": head(), **options}


def problems(config, owner=Options):
    """The lines of the error; none where the configuration is accepted."""
    try:
        check(config, owner, allowed=EVERYTHING)
    except ConfigurationError as error:
        return str(error).splitlines()
    return []


# --- what is accepted


def test_full_configuration_is_accepted():
    config = {
        "model": model(
            cell=cell(hidden_size=64),
            head=head(quantiles=[0, 0.5]),
            heads=[head(), head(quantiles=None)],
            named={"a": head(), "b": None},
            layers=2,
            mask_unit="sequence",
            extra={"anything": [1, head()]},
            _convert_="all",
        ),
        "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3, "betas": [0.9, 0.99]},
        "seed": 0,
        "resume": None,
        "callbacks": {"stop": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "mse"}, "x": None},
    }
    assert problems(config) == []


def test_defaults_need_not_be_given():
    assert problems({"model": model()}) == []


class Fuse(Head):
    """Goes off when built."""

    def __init__(self, *, quantiles: list[Probability] | None = None) -> None:
        raise AssertionError("built")


def test_nothing_is_called():
    config = {"model": model(head={"_target_": f"{HERE}.Fuse", "quantiles": [0.5]})}
    assert problems(config) == []
    with pytest.raises(AssertionError, match="built"):
        build(config["model"], EVERYTHING)


# --- what is refused


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"model": model(), "sed": 1},
            "sed: no such option; did you mean seed? It has: model, optimizer, seed, resume, callbacks, loose",
        ),
        (
            {"model": model(cell=cell(hiden_size=3))},
            (
                f"model.cell.hiden_size: no such option of {HERE}.SmallCell; did you mean hidden_size? "
                "It has: input_size, hidden_size, bias"
            ),
        ),
        (
            {"model": model(zzz=3)},
            f"model.zzz: no such option of {HERE}.Model; it has: cell, head, heads, named, layers, mask_unit, extra",
        ),
        ({"model": model(layers=0)}, "model.layers=0: input should be greater than or equal to 1"),
        ({"model": model(layers="3")}, "model.layers='3': input should be a valid integer"),
        ({"model": model(layers=True)}, "model.layers=true: input should be a valid integer"),
        ({"model": model(layers=None)}, "model.layers=null: input should be a valid integer"),
        ({"model": model(mask_unit="batch")}, "model.mask_unit=batch: input should be 'step' or 'sequence'"),
        (
            {"model": model(head=head(quantiles=[0.5, 2]))},
            "model.head.quantiles=[0.5, 2]: input should be less than or equal to 1",
        ),
        ({"model": model(), "seed": -1}, "seed=-1: input should be greater than or equal to 0"),
        ({"model": model(layers="???")}, "model.layers: must be given: add model.layers=..."),
        ({"model": "???"}, "model: must be given: add model=..."),
        ({"model": {"_target_": "???"}}, "model._target_: must be given: add model._target_=..."),
        ({}, "model: must be given: add +model=..."),
        ({"model": {"_target_": f"{HERE}.Model", "cell": cell()}}, "model.head: must be given: add +model.head=..."),
        ({"model": model(heads=["???"])}, "model.heads[0]: must be given: add model.heads[0]=..."),
        ({"model": model(head=3)}, "model.head=3: expected a Head, named by _target_"),
        ({"model": model(head=None)}, "model.head=null: expected a Head, named by _target_"),
        ({"model": model(cell={"size": 3})}, "model.cell={size: 3}: expected a Cell, named by _target_"),
        ({"model": model(head=model())}, f"model.head._target_={HERE}.Model: expected a Head"),
        ({"model": model(layers=head())}, f"model.layers._target_={HERE}.Head: expected integer >= 1"),
        (
            {"model": model(heads=[head(), cell()])},
            f"model.heads[1]._target_={HERE}.SmallCell: expected a Head",
        ),
        ({"model": model(named={"a": cell()})}, f"model.named.a._target_={HERE}.SmallCell: expected a Head or none"),
        (
            {"model": model(named=[head()])},
            f"model.named=[{HERE}.Head]: expected mapping of name to a Head or none or none, found a list",
        ),
        (
            {"model": model(heads={"a": head()})},
            "model.heads={a: " + HERE + ".Head}: expected list of a Head or none, found a mapping",
        ),
        (
            {"model": model(cell={"_target_": f"{HERE}.Cell", "_partial_": True})},
            f"model.cell._target_={HERE}.Cell: is abstract; name a class that inherits from it",
        ),
        (
            {"model": model(cell={"_target_": f"{HERE}.SmallCell", "input_size": 3})},
            "model.cell._partial_: must be true; the program completes this part",
        ),
        (
            {"model": model(head=head(_partial_=True))},
            "model.head._partial_: must not be set; nothing completes this part",
        ),
        ({"model": model(head=head(_partial_="yes"))}, "model.head._partial_='yes': expected true or false"),
        ({"model": model(_args_=[1])}, "model._args_: cannot be used; options are given by name"),
        ({"model": model(_recursive_=False)}, "model._recursive_: cannot be used; nested parts are always built"),
        (
            {"model": model(_convert_="none")},
            "model._convert_='none': can only be all; parts get plain containers",
        ),
        (
            {"model": model(extra={"deep": [head(quantles=None)]})},
            f"model.extra.deep[0].quantles: no such option of {HERE}.Head; did you mean quantiles? It has: quantiles",
        ),
        (
            {"model": model(), "_target_": "recast.errors.RecastError"},
            "_target_: no such option; it has: model, optimizer, seed, resume, callbacks, loose",
        ),
        (
            {"model": model(), "loose": {"_target_": f"{HERE}.Loose", "first": 1, "args": [2], "third": 3}},
            f"loose.args: no such option of {HERE}.Loose; it has: first, second",
        ),
    ],
)
def test_problem_is_named(config, line):
    assert line in problems(config)


def test_all_problems_are_listed_and_nothing_else():
    config = {"model": model(layers=0, cell=cell(hidden_size=0, hiden=1)), "seed": "a", "sead": 1}
    assert [line.split(":")[0] for line in problems(config)] == [
        "model.cell.hidden_size=0",
        "model.cell.hiden",
        "model.layers=0",
        "seed=a",
        "sead",
    ]


def test_part_of_the_wrong_kind_is_one_problem():
    assert len(problems({"model": model(head=cell(nonsense=1))})) == 1


def test_partial_part_may_be_incomplete():
    assert problems({"model": model(cell=cell())}) == []


def test_positional_option_of_another_library_is_required():
    assert problems({"model": model(), "loose": {"_target_": f"{HERE}.Loose"}}) == [
        "loose.first: must be given: add +loose.first=..."
    ]


def test_annotations_that_do_not_resolve_are_skipped():
    assert problems({"model": model(), "loose": {"_target_": f"{HERE}.Loose", "first": {}, "second": "x"}}) == []


def test_configuration_that_contains_itself():
    config = {"model": model()}
    config["model"]["extra"] = config["model"]
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        check(config, Options, allowed=EVERYTHING)


def test_configuration_from_a_strange_checkpoint():
    tensor = torch.arange(2)
    config = {
        "model": model(layers=tensor, mask_unit=[tensor], _partial_=tensor, extra=(1, tensor)),
        "\x1b[2J\n": 1,
        3: 4,
    }
    lines = problems(config)
    assert [line.split(":")[0] for line in lines] == [
        "model._partial_=tensor([0, 1])",
        "model.layers=tensor([0, 1])",
        "model.mask_unit=[tensor([0, 1])]",
        "'\\x1b[2J\\n'",
        "3",
    ]


def test_checked_class_agrees_with_the_check():
    """What the check refuses, the constructor refuses, and the other way round."""
    for layers in (0, 1, 2, -1, 1.0, "1", None, True):
        try:
            Model(cell=SmallCell, head=Head(), layers=layers)
        except ConfigurationError:
            refused = True
        else:
            refused = False
        assert bool(problems({"model": model(layers=layers)})) is refused, layers


@dataclass(kw_only=True)
class ModelOnly:
    model: Callable[..., nn.Module] | None = None
    schedule: Schedule | None = None


def encoder_decoder(**options):
    return {
        "_target_": "recast.nn.models.encoder_decoder.EncoderDecoder",
        "_partial_": True,
        "cell": {"_target_": "recast.nn.cells.gru.GRU", "_partial_": True, "hidden_size": 4},
        "head": {"_target_": "recast.nn.heads.point.Point"},
        "schedule": {"_target_": "recast.nn.schedules.Linear", "start": 1.0, "end": 0.0},
        **options,
    }


def test_encoder_decoder_is_checked_and_built():
    check({"model": encoder_decoder(layers=2)}, ModelOnly, allowed=("recast.",))
    spec = SeriesSpec(
        columns=columns_of(targets=["level"], units={"level": "m"}),
        step="h",
        context=6,
        horizon=3,
        offset=(0.0,),
        scale=(1.0,),
        naive_error=(1.0,),
    )
    built = build(encoder_decoder(layers=2), ("recast.",))(spec=spec)
    assert isinstance(built.schedule, Linear)
    assert built.encoder.hidden_size == 4


def test_problems_of_an_encoder_decoder():
    swapped = {"_target_": "recast.nn.heads.point.Point"}
    node = encoder_decoder(schedule=swapped, dropout=1.0, mask_unit="toss", laers=1)
    assert problems({"model": node}, ModelOnly) == [
        "model.schedule._target_=recast.nn.heads.point.Point: expected a Schedule",
        "model.dropout=1.0: input should be less than 1",
        "model.mask_unit=toss: input should be 'step', 'sequence' or 'batch'",
        (
            "model.laers: no such option of recast.nn.models.encoder_decoder.EncoderDecoder; did you mean layers? "
            "It has: spec, cell, head, schedule, layers, dropout, anchor, attention, bidirectional, tied, feedback, "
            "detach_feedback, mask_unit"
        ),
    ]


def test_real_parts():
    good = {"schedule": {"_target_": "recast.nn.schedules.Linear", "start": 1.0, "end": 0.0}}
    check(good, ModelOnly)
    bad = {"schedule": {"_target_": "recast.nn.schedules.Linear", "start": 1.5, "strat": 0.0}}
    with pytest.raises(ConfigurationError) as caught:
        check(bad, ModelOnly)
    assert str(caught.value).splitlines() == [
        "schedule.start=1.5: input should be less than or equal to 1",
        (
            "schedule.strat: no such option of recast.nn.schedules.Linear; did you mean start? "
            "It has: by, over, start, end"
        ),
    ]
    with pytest.raises(
        ConfigurationError, match=r"^schedule\._target_=recast\.nn\.heads\.point\.Point: expected a Sched"
    ):
        check({"schedule": {"_target_": "recast.nn.heads.point.Point"}}, ModelOnly)
    with pytest.raises(ConfigurationError, match="is abstract"):
        check({"schedule": {"_target_": "recast.nn.schedules.Schedule"}}, ModelOnly)


@dataclass(kw_only=True)
class Libraries:
    optimizer: Callable[..., Optimizer] | None = None
    rate: Callable[..., LRScheduler] | None = None
    trainer: Callable[..., Trainer] | None = None
    logger: Logger | bool | None = None
    callback: Callback | None = None


LIBRARY_PROBLEMS = [
    ("optimizer", {"_target_": "torch.optim.Adam", "_partial_": True, "lr": "fast"}, "optimizer.lr=fast: input should"),
    (
        "optimizer",
        {"_target_": "torch.optim.Adam", "_partial_": True, "rl": 1.0},
        "optimizer.rl: no such option of tor",
    ),
    ("optimizer", {"_target_": "torch.optim.Adam", "_partial_": True, "betas": [0.9]}, "optimizer.betas=[0.9]: field"),
    (
        "optimizer",
        {"_target_": "torch.optim.Adm", "_partial_": True},
        "optimizer._target_: torch.optim has no class Adm",
    ),
    (
        "rate",
        {"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True, "step_size": 1.5},
        "rate.step_size=1.5:",
    ),
    ("trainer", {"_target_": "lightning.pytorch.Trainer", "_partial_": True, "max_epoch": 1}, "trainer.max_epoch: no "),
    (
        "trainer",
        {"_target_": "lightning.pytorch.Trainer", "_partial_": True, "max_epochs": "1"},
        "trainer.max_epochs='1'",
    ),
    ("logger", 3, "logger=3: expected a Logger or true or false or none, named by _target_"),
    ("logger", {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dirr": "x"}, "logger.save_dirr: no such opt"),
    ("callback", {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}, "callback.monitor: must be given: add +ca"),
    (
        "callback",
        {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "a", "patience": 0.5},
        "callback.patience=0.5: input should be a valid integer",
    ),
]


@pytest.mark.parametrize(("key", "node", "line"), LIBRARY_PROBLEMS)
def test_problems_of_other_libraries(key, node, line):
    lines = problems({key: node}, Libraries)
    assert lines
    assert lines[0].startswith(line)


def test_parts_of_other_libraries_are_accepted():
    trainer = {
        "_target_": "lightning.pytorch.Trainer",
        "_partial_": True,
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 3,
        "limit_val_batches": 1.0,
        "gradient_clip_val": 1,
        "precision": "32-true",
        "logger": [{"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "x"}],
        "callbacks": [{"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "save_last": True}],
        "default_root_dir": "somewhere",
    }
    config = {
        "trainer": trainer,
        "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1, "betas": [0.9, 0.999]},
        "rate": {"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True, "step_size": 2},
        "logger": False,
        "callback": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor", "logging_interval": "step"},
    }
    assert problems(config, Libraries) == []


def test_option_of_a_nested_library_part_is_checked():
    trainer = {
        "_target_": "lightning.pytorch.Trainer",
        "_partial_": True,
        "callbacks": [{"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": 3}],
    }
    assert problems({"trainer": trainer}, Libraries) == [
        "trainer.callbacks[0].monitor=3: input should be a valid string"
    ]


# --- what may be named


HOSTILE = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "torch.load",
    "torch.nn.Linear",
    "torch.optimize.Adam",
    "torch.optim",
    "lightning.pytorch.Trainer.fit",
    "lightning.pytorch.Trainers",
    "lightning.pytorch.LightningModule",
    "lightning.Trainer",
    "recastx.cells.Cell",
    "recast",
    "recast.",
    ".recast.errors.RecastError",
    "recast..errors",
    "recast..errors.RecastError",
    "recast.cli",
    "recast.cli.train.main",
    "recast.cli.train.Anything",
    "recast.types.np",
    "recast.types.np.load",
    "recast.types.np.ndarray",
    "recast.types.Tensor",
    "recast.types.NamedTuple",
    "recast.options.functools.partial",
    "recast.options.Callable",
    "recast.options.checked",
    "recast.options.PositiveInt",
    "recast.errors.__builtins__.eval",
    "recast.errors.RecastError.__class__",
    "recast.errors.RecastError.mro",
    "recast.errors.__doc__",
    "recast.__main__.Main",
    "recast/errors.RecastError",
    "recast.errors.RecastError ",
    "recast.errors:RecastError",
    "recast.training.task.torch.load",
    "torch.optim.adam.torch.load",
    "torch.optim.Tensor",
    "torch.optim.optimizer.Tensor",
    "torch.optim.lr_scheduler.os.system",
    "lightning.pytorch.callbacks.timer.timedelta",
    "",
    ".",
    "eval",
    None,
    3,
    b"recast.errors.RecastError",
    ["recast.errors.RecastError"],
    {"_target_": "recast.errors.RecastError"},
]


@pytest.mark.parametrize("path", HOSTILE, ids=str)
def test_hostile_path_is_refused(path, monkeypatch):
    def explode(*args, **kwargs):
        raise AssertionError("called")

    monkeypatch.setattr("os.system", explode)
    monkeypatch.setattr(builtins, "eval", explode)
    with pytest.raises(ConfigurationError):
        resolve(path)
    node = {"_target_": path}
    with pytest.raises(ConfigurationError, match=r"^model\._target_: "):
        check({"model": node}, Options)
    with pytest.raises(ConfigurationError):
        build(node)
    with pytest.raises(ConfigurationError):
        build({"_target_": "recast.nn.schedules.Linear", "start": {"a": [node]}})


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module beside the project that notes that it was imported."""
    (tmp_path / "recast_trap").mkdir()
    for name in ("trap_module.py", "recast_trap/__init__.py", "recastx.py"):
        (tmp_path / name).write_text("import sys\nsys.trap_was_sprung = True\nclass Part: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sprung = hasattr(sys, "trap_was_sprung")
    if sprung:
        del sys.trap_was_sprung
    for name in ("trap_module", "recast_trap", "recastx"):
        sys.modules.pop(name, None)
    assert not sprung


@pytest.mark.usefixtures("trap")
@pytest.mark.parametrize("path", ["trap_module.Part", "recast_trap.Part", "recastx.Part", "recast.cli.trap.Part"])
def test_nothing_outside_is_imported(path):
    with pytest.raises(ConfigurationError, match="may not be named in a configuration"):
        resolve(path)


def test_the_trap_works(tmp_path, monkeypatch):
    """The fixture above would notice an import."""
    (tmp_path / "recast_bait.py").write_text("import sys\nsys.bait_was_taken = True\nclass Part: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("recast_bait.Part", ("recast_bait.",)).__name__ == "Part"
    assert sys.__dict__.pop("bait_was_taken")
    del sys.modules["recast_bait"]


@given(st.text(max_size=30) | st.from_regex(r"[a-z_.]{0,12}\.[A-Za-z_.]{0,12}", fullmatch=True))
def test_any_text_gives_a_class_or_the_error(path):
    with pytest.raises(ConfigurationError):
        resolve(path, ("recast.errors.",))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("recast.nn.schedules.Linear", "recast.nn.schedules.Linear"),
        ("torch.optim.Adam", "torch.optim.adam.Adam"),
        ("torch.optim.lr_scheduler.StepLR", "torch.optim.lr_scheduler.StepLR"),
        ("lightning.pytorch.Trainer", "lightning.pytorch.trainer.trainer.Trainer"),
        ("lightning.pytorch.callbacks.EarlyStopping", "lightning.pytorch.callbacks.early_stopping.EarlyStopping"),
        ("lightning.pytorch.loggers.CSVLogger", "lightning.pytorch.loggers.csv_logs.CSVLogger"),
    ],
)
def test_allowed_class_is_found(path, name):
    found = resolve(path)
    assert f"{found.__module__}.{found.__qualname__}" == name


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "recast.nn.schedules.Liner",
            "recast.nn.schedules has no class Liner; did you mean Linear? It has: Schedule",
        ),
        ("recast.nn.cells.grru.GRU", "recast.nn.cells has no module grru; did you mean gru? It has: "),
        ("recast.schedules.linear.Linear", "recast has no module schedules; it has: "),
        ("recast.nn.cells.Gru", "recast.nn.cells has no class Gru; did you mean gru? It has: "),
        ("torch.optim.adam", "torch.optim has no class adam; did you mean Adam? It has: "),
        ("recast.errors.deep.Error", "recast.errors has no module deep; it has none"),
        ("os.system", "os.system may not be named in a configuration; allowed: recast.*, torch.optim.*, "),
        ("recast.errors._Hidden", "recast.errors._Hidden is private; a configuration names public classes"),
        ("nonsense", "'nonsense' is not the dotted path of a class"),
    ],
)
def test_error_of_resolve(path, message):
    with pytest.raises(ConfigurationError) as caught:
        resolve(path)
    assert str(caught.value).startswith(message)


def test_suggestions_do_not_lead_to_the_command_line():
    with pytest.raises(ConfigurationError) as caught:
        resolve("recast.clo.Main")
    names = str(caught.value).replace("?", ",").split()
    assert "errors," in names
    assert "cli," not in names


def test_missing_dependency_is_named(tmp_path, monkeypatch):
    (tmp_path / "recast_needy.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="needs the package no_such_package_at_all, which is not installed"):
        resolve("recast_needy.Part", ("recast_needy.",))


# --- what is built


def test_build_makes_nested_parts():
    config = model(
        cell=cell(hidden_size=5), head=head(quantiles=[0.5]), heads=[head()], named={"a": None}, _convert_="all"
    )
    built = build(config, EVERYTHING)
    assert isinstance(built, Model)
    assert isinstance(built.cell, partial)
    assert built.cell(input_size=2).hidden_size == 5
    assert built.head.quantiles == [0.5]
    assert [type(part) for part in built.heads] == [Head]
    assert built.named == {"a": None}
    assert built.layers == 1


def test_given_options_win_and_stay_at_the_top():
    built = build(model(layers=1), EVERYTHING, layers=3)
    assert built.layers == 3
    completed = build(cell(), EVERYTHING, input_size=7)
    assert completed().input_size == 7


def test_given_option_may_have_any_name():
    class Named:
        def __init__(self, *, node: int, allowed: int) -> None:
            self.found = node, allowed

    sys.modules[HERE].Named = Named
    try:
        assert build({"_target_": f"{HERE}.Named"}, EVERYTHING, node=1, allowed=2).found == (1, 2)
    finally:
        del sys.modules[HERE].Named


def test_build_does_not_change_the_configuration():
    config = model(named={"a": head()})
    before = repr(config)
    build(config, EVERYTHING)
    assert repr(config) == before


def test_build_reports_a_wrong_value_by_class():
    with pytest.raises(ConfigurationError, match=r"^Model: layers=0"):
        build(model(layers=0), EVERYTHING)


def test_build_of_other_libraries():
    parameter = nn.Parameter(nn.Linear(1, 1).weight.data)
    optimizer = build({"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.5, "betas": [0.8, 0.9]})([parameter])
    assert isinstance(optimizer, Adam)
    assert optimizer.defaults["lr"] == 0.5
    rate = build({"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True, "step_size": 2})(optimizer)
    assert isinstance(rate, StepLR)
    stop = build({"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "x"})
    assert isinstance(stop, EarlyStopping)
    assert isinstance(build({"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "x"}), CSVLogger)
    assert isinstance(build({"_target_": "recast.nn.schedules.Linear"}), Linear)


# --- words


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "integer"),
        (PositiveInt, "integer >= 1"),
        (PositiveFloat, "number > 0"),
        (Probability, "number in [0, 1]"),
        (Fraction, "number in [0, 1)"),
        (Annotated[float, Le(3)], "number <= 3"),
        (bool, "true or false"),
        (str | None, "text or none"),
        (Literal["step", "sequence", "batch"], "one of: step, sequence, batch"),
        (Literal[16, "16"], "one of: 16, '16'"),
        (list[str], "list of text"),
        (list, "list"),
        (Annotated[list[PositiveInt], Len(1, 3)], "list of integer >= 1, at least 1, at most 3"),
        (tuple[float, float], "list of number"),
        (dict[str, Head], "mapping of name to a Head"),
        (dict, "mapping"),
        (Cell, "a Cell"),
        (Optimizer, "an Optimizer"),
        (Callable[..., Cell], "a Cell"),
        (Callable[..., Optimizer] | None, "an Optimizer or none"),
        (Callable, "a class"),
        (Any, "anything"),
        (Annotated[int, Ge(0)] | float, "integer >= 0 or number"),
        (FirstWord | bool | SecondWord | None, "one of: a, b or true or false or none"),
    ],
)
def test_type_in_words(hint, text):
    assert type_text(hint) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.001, "0.001"),
        ("adam", "adam"),
        ("3", "'3'"),
        ("null", "'null'"),
        ("True", "'True'"),
        ("1e3", "'1e3'"),
        ("", "''"),
        ("two words", "'two words'"),
        ("mse/validation", "mse/validation"),
        ("???", "???"),
        ([1, "a"], "[1, a]"),
        ({"a": None}, "{a: null}"),
        ({"_target_": "recast.x.Y", "z": 1}, "recast.x.Y"),
    ],
)
def test_value_as_typed(value, text):
    assert value_text(value) == text


def test_suggestion_ignores_case():
    assert suggestion("gru", ["GRU", "LSTM"]) == "; did you mean GRU? It has: GRU, LSTM"


def test_signature_of_a_dataclass_knows_its_factories():
    assert options_of(Options)["callbacks"].default == {}
    assert options_of(Options)["model"] == Option(Model, REQUIRED)


def test_signature_leaves_out_stars():
    assert list(options_of(Loose)) == ["first", "second"]
    assert options_of(Loose)["second"] == Option(Any, 3)


def test_class_without_a_signature_has_no_options():
    assert options_of(type) == {}
    assert problems({"model": model(extra={"_target_": "recast.errors.DataError", "message": 1})}) != []
