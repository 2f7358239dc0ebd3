"""Words of the command line: what Hydra reads of them, and what was meant where it cannot."""

import pytest
from commands import run, scratch
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from recast.errors import ConfigurationError
from recast.runs.configure import folders
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.flat import compose_flat
from recast.runs.configure.training_options import TrainOptions
from recast.runs.configure.words import arranged, readable, with_folder

CSV = ("data=csv", "data.source.path=a.csv", "data.source.time=t", "data.source.targets=[v]")


def refused(*words: str) -> str:
    folders.register()
    with pytest.raises(ConfigurationError) as caught:
        check(compose("train", words), TrainOptions)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.cell=lstm"], "type model/cell=lstm"),
        (["model.cell=lsm"], "did you mean lstm"),
        (["data.grid=rows"], "type data/grid=rows"),
        (["cell=lstm"], "did you mean model/cell=lstm?"),
        (["hidden_size=3"], "did you mean model.cell.hidden_size=3?"),
        ([*CSV, "targets=level"], "did you mean data.source.targets=level?"),
        ([*CSV, "data.source.targets=level"], "type data.source.targets=[level]"),
        ([*CSV, "data.source.targets=[0,1]"], "type \"data.source.targets=['0', '1']\""),
        (["model=direct", "model/schedule=linear"], "model=direct has no schedule; leave model/schedule out"),
        (["model=direct", "model/schedule=linear"], "model=encoder_decoder"),
        (["trainer.max_epochs", "3"], "expected option=value, as in trainer.max_epochs=3"),
        (["seed=[1"], "seed='[1': input should be a valid integer"),
    ],
)
def test_the_answer_names_what_to_type(words, says):
    assert says in refused(*words)


def test_a_group_that_a_checkpoint_decides():
    with pytest.raises(ConfigurationError, match="model/cell: recast-evaluate takes it from the checkpoint"):
        compose("evaluate", ["model/cell=gru"])


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1))
def test_any_path_is_read_as_it_is_or_by_hydras_grammar(path):
    (word,) = readable([f"data.source.path={path}"])
    value = OverridesParser.create().parse_override(word).value()
    if word != f"data.source.path={path}":
        assert value == path


@pytest.mark.parametrize(
    "path",
    ["a b.csv", "a [1].csv", "[a].csv", "a=b.csv", "~/a.csv", "é.csv", "(a).csv", "it's.csv", "a: b.csv", "{a}.csv"],
)
def test_paths_with_odd_characters(path):
    folders.register()
    assert compose("train", [*CSV, f"data.source.path={path}"])["data"]["source"]["path"] == path
    assert compose_flat("forecast", [f"input={path}"])["input"] == path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a=1", "-m", "b=2"], ["-m", "a=1", "b=2"]),
        (["a=1", "--config-dir", "x", "b=2", "-m"], ["--config-dir", "x", "-m", "a=1", "b=2"]),
        (["-cd", "a=1", "a=1", "c=[1"], ["-cd", "a=1", "a=1", "c='[1'"]),
        (["~model.cell", "+b=2"], ["~model.cell", "+b=2"]),
        (["--multirun", "seed=1,2"], ["--multirun", "seed=1,2"]),
    ],
)
def test_flags_come_first(words, expected):
    assert arranged(words, get_args_parser()) == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--experiment", "x"], "^--experiment: no such flag; options are given without dashes, as in experiment="),
        (["--seed=3"], "^--seed: no such flag"),
        (["trainer.max_epochs", "3"], "^trainer.max_epochs: expected option=value, as in trainer.max_epochs=3$"),
        (["seed", "a=3"], "^seed: expected option=value, as in seed=...$"),
    ],
)
def test_words_that_are_neither_flag_nor_override(words, says):
    with pytest.raises(ConfigurationError, match=says):
        arranged(words, get_args_parser())


def test_a_configuration_folder_of_others(tmp_path):
    folder = tmp_path / "conf [1]"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "ours.yaml").write_text("defaults: [ar2]\n")
    folders.register()
    words = with_folder(["--config-dir", str(folder), "data=ours"])
    assert compose("train", words)["data"]["source"]["_target_"].endswith("AR2")
    with pytest.raises(ConfigurationError, match="no such folder"):
        with_folder(["--config-dir", str(tmp_path / "none")])
    with pytest.raises(ConfigurationError, match="expected a folder"):
        with_folder(["--config-dir"])


def test_at_the_keyboard():
    folder = scratch() / "slips"
    folder.mkdir()
    for words, says in (
        (["--experiment", "x"], "--experiment: no such flag"),
        (["model.cell=lstm"], "type model/cell=lstm"),
        (["seed=x", "-m", "data.batch_size=1,2"], "2 of 2 jobs cannot run"),
    ):
        done = run("recast-train", *words, cwd=folder)
        assert done.code == 2, done
        assert says in done.err
        assert "Traceback" not in done.err
    assert not [path for path in folder.rglob("*") if path.is_file() and path.name not in ("out", "err")]
