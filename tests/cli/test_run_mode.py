"""A configuration is composed once, and `hydra.mode` counts wherever it may be set."""

from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from recast.cli.run_mode import compose_once
from recast.runs.configure import folders


def mode_of(*overrides: str, theirs: Path | None = None) -> RunMode | None:
    """What Hydra takes for the mode of recast-train."""
    folders.register()
    path = create_config_search_path(str(folders.conf_folder()))
    if theirs is not None:
        path.prepend("command-line", f"file://{theirs}", SearchPathQuery(provider="schema"))
    try:
        return Hydra.create_main_hydra2("recast-train", path).get_mode("train", list(overrides))
    finally:
        GlobalHydra.instance().clear()


@pytest.fixture(autouse=True)
def once(monkeypatch):
    monkeypatch.setattr(Hydra, "get_mode", Hydra.get_mode)  # given back afterwards
    compose_once()
    compose_once()


def test_nothing_is_composed_where_nothing_sets_it(monkeypatch):
    def composed(*_: object, **__: object) -> None:
        raise AssertionError("composed")

    monkeypatch.setattr(Hydra, "compose_config", composed)
    assert mode_of("seed=1", "hydra.run.dir=run", "model/cell=gru") is None


@pytest.mark.parametrize("word", ["hydra.mode=MULTIRUN", "++hydra.mode=MULTIRUN"])
def test_an_override_sets_it(word):
    assert mode_of(word) is RunMode.MULTIRUN


def test_a_folder_of_others_sets_it(tmp_path):
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nhydra:\n  mode: MULTIRUN\n"
    (tmp_path / "experiment" / "many.yaml").write_text(text)
    assert mode_of("experiment=many", theirs=tmp_path) is RunMode.MULTIRUN
    assert mode_of("experiment=many", f"hydra.searchpath=[file://{tmp_path}]") is RunMode.MULTIRUN
    assert mode_of("seed=1", theirs=tmp_path) is None
