"""What the tests compose quickly is what Hydra composes by itself."""

from pathlib import Path

import pytest
import quick_composition

from recast.errors import ConfigurationError
from recast.runs.configure.compose import compose

EXAMPLES = (
    ("train", ()),
    ("train", ("experiment=ssh_hybrid", "model/head=quantile", "seed=3")),
    ("train", ("task=imputation", "model=brits", "data/removal=blocks")),
    ("train", ("model=direct", "model/cell=slstm", "~calibration", "baselines.drift=null")),
    ("evaluate", ("checkpoint=some.ckpt",)),
    ("gradients", ("checkpoint=some.ckpt", "data=tide")),
)


@pytest.mark.parametrize(("name", "overrides"), EXAMPLES)
def test_as_by_hydra_itself(name: str, overrides: tuple[str, ...]) -> None:
    with quick_composition.plain():
        expected = outcome(name, overrides)
    # Twice: from the file, and from what was kept of it.
    assert [outcome(name, overrides), outcome(name, overrides)] == [expected, expected]


def test_defaults_that_name_other_choices(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "sgd.yaml").write_text("defaults: [{/optimizer@box: '${experiment}'}]\n")
    overrides = (f"hydra.searchpath=[file://{tmp_path}]", "experiment=sgd")
    with quick_composition.plain():
        expected = compose("train", overrides)
    assert compose("train", overrides) == expected
    assert "SGD" in str(expected["experiment"]["box"])


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "mine.yaml"
    overrides = (f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine")
    for size in (11, 222):
        file.write_text(f"# @package _global_\ndata:\n  batch_size: {size}\n")
        assert compose("train", overrides)["data"]["batch_size"] == size


def outcome(name: str, overrides: tuple[str, ...]) -> object:
    """The configuration, or the message of what refused it."""
    try:
        return compose(name, overrides)
    except ConfigurationError as error:
        return str(error)
