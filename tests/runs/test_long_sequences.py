"""Long sequences as a run classifies them: what it chooses by length, and what it is compared with."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import strict_json

from recast.errors import MisfitError
from recast.runs.checkpoints.restore import restore
from recast.runs.configure import folders
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions
from recast.runs.fit import run

SMALL = (
    *("task=classification", "data=appliances", "data.source.train=60", "data.source.test=20", "data.validation=0.25"),
    *("data.source.longest=450", "model.cell.hidden_size=8", "model.filters=8", "trainer.max_epochs=2"),
    *("callbacks.progress_bar=null", "callbacks.last_checkpoint.every_n_steps=1", "logger=none"),
)


def config_of(*overrides: str) -> dict[str, Any]:
    folders.register()
    config = compose("train", [*SMALL, *overrides])
    check(config, TrainOptions)
    return config


@pytest.mark.slow
def test_a_run_says_what_it_chose_and_scores_dtw(tmp_path, caplog):
    caplog.set_level(logging.INFO, "recast")
    results = run(config_of(), tmp_path)
    assert "stride=4, pooling=mean+max for sequences of up to" in caplog.text
    assert "DynamicTimeWarping: of 45 training sequences" in caplog.text
    assert set(results.table().index) == {"model", "majority", "summary_ridge", "dtw"}
    spec = strict_json(tmp_path / "provenance.json")["data"]["spec"]
    assert spec["own_scale"] is True
    assert [column["name"] for column in spec["static"]] == ["class", "level of current", "spread of current"]
    restored = restore(str(tmp_path / "checkpoints" / "best.ckpt"))
    assert restored.task.model.stride == 4
    (batch,) = list(restored_data(restored).loader("test"))
    with torch.no_grad():
        found = restored.task.probabilities(batch).numpy()
    assert found == pytest.approx(results.predictions.probabilities, rel=1e-4, abs=1e-6)


def restored_data(restored: Any) -> Any:
    restored.data.adopt(restored.spec)
    return restored.data


@pytest.mark.slow
def test_what_would_take_minutes_is_left_out_unless_asked_for(tmp_path: Path, caplog):
    costly = "baselines.dtw.most_cells=1000"
    with pytest.raises(MisfitError, match=r"baselines\.dtw: .* more than most_cells=1\.0e\+03"):
        run(config_of(costly), tmp_path / "asked")
    config = config_of(costly) | {"required_baselines": []}
    results = run(config, tmp_path / "not")
    assert "baselines.dtw is left out: 20 sequences to compare with 45" in caplog.text
    assert set(results.table().index) == {"model", "majority", "summary_ridge"}
