"""Predicted-against-true pictures: what they are drawn from, and where they go."""

from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import SplitGrid
from recast.data.prepare.split import ItemsSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.sources.sines import TwoSines
from recast.errors import ConfigurationError
from recast.figures.agreement import TargetPairs
from recast.nn.cells.rnn import RNN
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.training.callbacks import agreement_figures
from recast.training.callbacks.agreement_figures import AgreementFigures
from recast.training.task import ForecastTask


def scored(
    tmp_path: Any, callback: AgreementFigures, *, panel: bool = False, **options: Any
) -> tuple[ForecastTask, Any]:
    torch.manual_seed(0)
    several = {"source": TwoSines(series=20, length=13), "split": ItemsSplit()}
    given = {**(several if panel else {"source": AR2(rows=200)}), **options}
    data = ForecastDataModule(windows=Windows(context=10, horizon=3), evaluation_batch_size=7, **given)
    task = ForecastTask(
        model=EncoderDecoder(spec=data.spec, cell=partial(RNN, hidden_size=3), head=Point(), schedule=Never())
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        callbacks=[callback],
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.test(task, data, verbose=False)
    return task, data


def test_forecast_and_truth_of_every_window_meet(tmp_path, monkeypatch):
    drawn = []
    original = agreement_figures.targets_against_true

    def watched(targets: list[TargetPairs], *, title: str) -> Any:
        drawn.append((targets[0].truth, targets[0].forecast, title))
        return original(targets, title=title)

    monkeypatch.setattr(agreement_figures, "targets_against_true", watched)
    task, data = scored(tmp_path, AgreementFigures(lead=2))
    assert [title for _, _, title in drawn] == ["train, 2 steps ahead", "test, 2 steps ahead"]
    for (truth, forecast, _), part in zip(drawn, ("train", "test"), strict=True):
        loader = data.loader(part)
        batch = loader.storage.windows(loader.order.items, loader.context, loader.horizon)
        np.testing.assert_allclose(truth, task.in_unit(batch.target, batch)[:, 1, 0].numpy(), rtol=1e-5)
        np.testing.assert_allclose(forecast, task.forecast(batch).mean[:, 1, 0].numpy(), rtol=1e-5)
    assert len(list((tmp_path / "figures").glob("*.png"))) == 4


def test_a_panel_has_no_picture_over_time(tmp_path):
    scored(tmp_path, AgreementFigures(parts=["test"]), panel=True)
    assert [path.name for path in (tmp_path / "figures").glob("*.png")] == ["test_predicted_against_true.png"]


class Gappy(AR2):
    """Without rows 60 to 69 and 120; from there to 133 there is one window."""

    def read(self):
        panel = super().read()
        kept = ~np.isin(np.arange(len(panel)), [*range(60, 70), 120, 134])
        return panel.without(~kept)


def test_no_line_is_drawn_across_a_gap(tmp_path, monkeypatch):
    drawn = []
    original = agreement_figures.targets_over_time

    def watched(times: np.ndarray, *given: Any, **options: Any) -> Any:
        drawn.append((times, original(times, *given, **options)))
        return drawn[-1][1]

    monkeypatch.setattr(agreement_figures, "targets_over_time", watched)
    _, data = scored(tmp_path, AgreementFigures(parts=["train"]), source=Gappy(rows=300), grid=SplitGrid())
    ((times, figure),) = drawn
    hour = np.timedelta64(1, "h")
    gaps = np.flatnonzero(np.diff(times) > hour)
    assert len(gaps) == 3
    for line in figure.axes[0].lines:
        x, y = line.get_xdata(orig=True), line.get_ydata()
        broken = np.isnan(y)
        assert (np.diff(x)[~broken[1:] & ~broken[:-1]] == hour).all()
        assert broken.sum() == 3
        np.testing.assert_array_equal(x[~broken], times)
        # The only window between two gaps is a dot.
        assert x[line.get_markevery()].tolist() == times[gaps[1] + 1 : gaps[2] + 1].tolist()
        assert line.get_marker() == "o"
    assert data.prepared.panel.is_single


def test_a_lead_beyond_the_horizon_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="lead=4 lies beyond the horizon of 3 steps"):
        scored(tmp_path, AgreementFigures(lead=4))
