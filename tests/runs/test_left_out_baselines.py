"""Baselines that the windows do not suit: left out with a line where a default chose them, refused where one asked."""

import pytest
from commands import TIDE

import recast
from recast.errors import ConfigurationError, MisfitError
from recast.runs.configure import folders
from recast.runs.configure.compose import compose
from recast.runs.evaluate import evaluate
from recast.runs.rehearsal import Rehearsal

SMALL = (*TIDE, "trainer.max_epochs=1", "callbacks.figures=null", "logger=none")
DRIFT = "+baselines.line._target_=recast.scoring.baselines.naive.Drift"


@pytest.mark.slow
def test_a_season_longer_than_the_context_is_left_out(tmp_path, caplog):
    """Ten-minute steps and a context of a day: the tidal day of the default reaches back beyond it."""
    words = [*SMALL, "data.windows.context=144"]
    run = recast.fit(overrides=words, folder=tmp_path / "run")
    assert set(run.metrics["baselines"]) == {"last_value", "drift", "mean", "ridge", "harmonic", "harmonic_last"} | {
        "harmonic_ridge"
    }
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert line.startswith("baselines.seasonal is left out: Seasonal: ")
    with pytest.raises(MisfitError, match=r"^baselines\.seasonal: Seasonal: "):
        recast.fit(overrides=[*words, "baselines.seasonal.hours=24.8412"], folder=tmp_path / "named")


@pytest.mark.slow
def test_a_line_needs_two_values(tmp_path, caplog):
    words = [*SMALL, "baselines=series", "data.windows.context=1"]
    run = recast.fit(overrides=words, folder=tmp_path / "run")
    assert set(run.metrics["baselines"]) == {"last_value", "mean", "ridge"}
    with pytest.raises(MisfitError, match=r"^baselines\.line: Drift: context=1"):
        recast.fit(overrides=[*words, DRIFT], folder=tmp_path / "named")
    folders.register()
    checkpoint = f"checkpoint={run.folder / 'checkpoints' / 'best.ckpt'}"
    caplog.clear()
    assert "drift" not in evaluate(compose("evaluate", [checkpoint])).baselines
    assert "baselines.drift is left out" in caplog.text
    with pytest.raises(ConfigurationError, match=r"^baselines\.line: Drift"):
        evaluate(compose("evaluate", [checkpoint, DRIFT]))


def test_those_that_overrides_name_are_required():
    config = recast.compose(["data=tide", DRIFT, "baselines.seasonal.hours=0.5", "baselines=tide"])
    assert config["required_baselines"] == ["line", "seasonal"]
    assert recast.compose(["data=tide", "baselines=tide"])["required_baselines"] == []
    Rehearsal().rehearse(recast.compose([*SMALL, "data.windows.context=1", "baselines=series"]))
