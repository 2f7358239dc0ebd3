"""A solved anchor from training to forecasts: solved before, guarded after, kept in the checkpoint."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from commands import run, scratch

import recast
from recast.errors import ConfigurationError
from recast.nn.least_squares import PENALTIES
from recast.runs.checkpoints.restore import restore

HYBRID = (
    "data/features=fitted_tide",
    "data.features.tide.constituents=[M2,K1]",
    "model=direct",
    "model/anchor=harmonic_ridge",
    "data.windows.context=48",
    "data.windows.horizon=12",
    "data.split.validation=0.2",
    "data.split.test=0.2",
    "model.cell.hidden_size=8",
    "trainer.max_epochs=1",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "logger=none",
    "baselines=none",
)


def levels(rows: int = 1200) -> pd.DataFrame:
    """A tide and an autoregressive surge, hourly."""
    random, surge = np.random.default_rng(0), np.zeros(rows)
    for step in range(1, rows):
        surge[step] = 0.9 * surge[step - 1] + 0.1 * random.normal()
    hours = np.arange(rows)
    tide = np.cos(2 * np.pi * hours / 12.4206012) + 0.4 * np.cos(2 * np.pi * hours / 23.93447213)
    times = pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC")
    return pd.DataFrame({"when": times, "level": 2 + tide + surge})


@pytest.fixture(scope="module")
def hybrid() -> recast.Run:
    return recast.fit(levels(), time="when", targets=["level"], overrides=HYBRID, folder=scratch() / "hybrid")


def test_the_anchor_is_scored_beside_the_network(hybrid):
    written = json.loads((hybrid.folder / "metrics.json").read_text())
    assert written["anchor"]["name"] == "RidgeAnchor"
    assert written["anchor"]["penalty"] in PENALTIES
    assert len(written["anchor"]["share"]) == 12
    assert all(0 <= share <= 1 for share in written["anchor"]["share"])
    # Of a line plus noise there is nothing to learn beside the line.
    assert hybrid.metrics["test"]["mse"] < 1.05 * written["baselines"]["anchor"]["mse"]


def test_the_checkpoint_keeps_the_anchor_and_the_share(hybrid):
    model = restore(hybrid.folder / "checkpoints" / "best.ckpt").task.model
    written = json.loads((hybrid.folder / "metrics.json").read_text())
    torch.testing.assert_close(model.anchor.share, torch.tensor(written["anchor"]["share"]), atol=1e-4, rtol=0)
    assert model.anchor.weight.any()
    # The file's forecast is that of the run, guard included.
    forecast = recast.load(hybrid.folder).forecast(levels())
    one = hybrid.forecaster.forecast(levels())
    pd.testing.assert_frame_equal(forecast, one)


UNGUARDED = {
    "no validation": (["data.split.validation=0"], "there is no validation window"),
    "counts": (
        ["model/head=negative_binomial", "data/scaler=rescale", "model/anchor=ridge"],
        "its head forecasts counts",
    ),
    "one step": (["model=recursive", "model/anchor=ridge", "data/features=none"], "one step ahead only"),
}


@pytest.mark.parametrize(("words", "reason"), UNGUARDED.values(), ids=UNGUARDED.keys())
def test_what_is_not_guarded_is_told(words, reason, tmp_path, caplog):
    changed = {word.partition("=")[0] for word in words}
    kept = [word for word in HYBRID if word.partition("=")[0] not in changed]
    if "model=recursive" in words:
        kept = [word for word in kept if "tide" not in word]
    table = levels().assign(level=lambda frame: (10 * frame["level"]).round().clip(lower=0))
    with caplog.at_level("INFO"):
        done = recast.fit(table, time="when", targets=["level"], overrides=[*kept, *words], folder=tmp_path)
    assert json.loads((done.folder / "metrics.json").read_text())["anchor"]["share"] is None
    assert "added whole, not guarded" in caplog.text
    assert reason in caplog.text


def test_evaluation_repeats_the_score_of_network_and_anchor(tmp_path):
    levels().to_csv(tmp_path / "levels.csv", index=False)
    words = ["data=csv", "data.source.path=levels.csv", "data.source.time=when", "data.source.targets=[level]"]
    words += [*HYBRID[:-1], "baselines=series", "hydra.run.dir=run"]
    assert run("recast-train", *words, cwd=tmp_path).code == 0
    again = run(
        "recast-evaluate", "checkpoint=run/checkpoints/best.ckpt", "output=again", "baselines=series", cwd=tmp_path
    )
    assert again.code == 0, again.err
    first, second = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("run", "again"))
    assert second["test"]["mse"] == pytest.approx(first["test"]["mse"], rel=1e-6)
    assert second["baselines"]["anchor"]["mse"] == pytest.approx(first["baselines"]["anchor"]["mse"], rel=1e-6)
    # The line that the anchor is solved for is that of the baseline, whose penalty is another.
    assert second["baselines"]["anchor"]["mse"] < 1.1 * second["baselines"]["ridge"]["mse"]


def test_the_solution_is_the_same_again(hybrid, tmp_path):
    again = recast.fit(levels(), time="when", targets=["level"], overrides=HYBRID, folder=tmp_path)
    assert again.metrics["test"] == hybrid.metrics["test"]


def test_a_tide_that_is_not_computed_is_told_before_training(tmp_path):
    words = [word for word in HYBRID if "tide" not in word]
    with pytest.raises(ConfigurationError, match=r"no column tide\.level .*data/features=fitted_tide"):
        recast.fit(levels(), time="when", targets=["level"], overrides=words, folder=tmp_path)


def test_another_horizon_continues_the_share_of_the_last_lead(tmp_path):
    words = [word for word in HYBRID if "tide" not in word and not word.startswith("model=")]
    words += ["model=encoder_decoder", "model/anchor=seasonal", "model.anchor.lags=[12]"]
    words.remove("model/anchor=harmonic_ridge")
    done = recast.fit(levels(), time="when", targets=["level"], overrides=words, folder=tmp_path)
    own, longer, shorter = (done.forecaster.forecast(levels(), horizon=horizon) for horizon in (12, 20, 5))
    assert len(longer) == 20
    np.testing.assert_allclose(longer["level"][:12], own["level"], rtol=1e-5)
    np.testing.assert_allclose(shorter["level"], own["level"][:5], rtol=1e-5)


@pytest.mark.slow
def test_of_several_lines_the_best_on_the_validation_windows_is_taken(tmp_path):
    words = ["model/anchor=auto" if word == "model/anchor=harmonic_ridge" else word for word in HYBRID]
    run = recast.fit(levels(), time="when", targets=["level"], overrides=words, folder=tmp_path / "run")
    facts = json.loads((run.folder / "metrics.json").read_text())["anchor"]
    errors = facts["validation_mse"]
    # A week of hours, which `seasonal` reads, is more than the context.
    assert set(errors) == {"none", "last", "ridge", "ridge_on_changes", "harmonic", "harmonic_ridge"}
    assert errors[facts["chosen"]] == min(errors.values())
    # Its error is that of the same anchor named.
    named = [f"model/anchor={'ridge' if 'changes' in facts['chosen'] else facts['chosen']}", *words]
    named.remove("model/anchor=auto")
    named += ["model.anchor.levels=false"] if "changes" in facts["chosen"] else []
    again = recast.fit(levels(), time="when", targets=["level"], overrides=named, folder=tmp_path / "named")
    scores = [
        json.loads((one.folder / "metrics.json").read_text())["baselines"]["anchor"]["mse"] for one in (run, again)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    own, loaded = (one.forecast(levels()) for one in (run.forecaster, recast.load(run.folder)))
    np.testing.assert_allclose(own["level"], loaded["level"], rtol=1e-6)


def test_without_validation_windows_there_is_nothing_to_choose_on(tmp_path):
    words = [word.replace("validation=0.2", "validation=0") for word in HYBRID if "anchor" not in word]
    with pytest.raises(
        ConfigurationError, match=r"model/anchor=auto chooses on validation windows.*model/anchor=ridge"
    ):
        words.append("model/anchor=auto")
        recast.fit(levels(), time="when", targets=["level"], overrides=words, folder=tmp_path)
