"""Scores of each item of a panel, against pandas; items of different size."""

from functools import partial

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel, columns_of
from recast.data.prepare.scale import Standard, WindowScaler
from recast.data.prepare.split import ItemsSplit, LastSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.frame import FrameSource
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.report.items import read as read_items
from recast.runs.scores import fit_baselines, score_baselines
from recast.runs.tasks.forecast import ForecastPlug
from recast.scoring.baselines.naive import LastValue, Mean
from recast.scoring.metrics.description import Description, ranking
from recast.scoring.metrics.item_errors import ItemErrors, spread
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.mase import MASE
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.rmse import RMSE
from recast.scoring.metrics.scaled_mse import ScaledMSE
from recast.scoring.metrics.smape import SMAPE
from recast.training.task import ForecastTask

METRICS = {"mse": MSE, "scaled_mse": ScaledMSE, "rmse": RMSE, "mae": MAE, "mase": MASE, "smape": SMAPE}
SEASON, HORIZON, CONTEXT = 4, 3, 8


class Walks(FrameSource):
    """Positive random walks, one for each size; a size of 0 is constant."""

    def __init__(self, sizes: tuple[float, ...]) -> None:
        super().__init__(time="time", targets=["y"])
        self.sizes = sizes

    def read(self) -> Panel:
        random = np.random.default_rng(0)
        lengths = 60 + 5 * np.arange(len(self.sizes))
        walks = [
            9 + size * (20 + random.normal(size=length).cumsum())
            for size, length in zip(self.sizes, lengths, strict=True)
        ]
        hours = np.concatenate([np.arange(length) for length in lengths])
        return Panel(
            columns=columns_of(targets=["y"], units={"y": "m"}),
            values=np.concatenate(walks)[:, None],
            starts=np.cumsum(lengths) - lengths,
            label="walks",
            times=np.datetime64("2020-01-01", "ns") + hours * np.timedelta64(3_600_000_000_000, "ns"),
            step="h",
            items=np.arange(len(lengths)),
            ids=tuple(f"walk {n}" for n in range(len(lengths))),
        )


def data_of(sizes: tuple[float, ...], **options: object) -> ForecastDataModule:
    given = {"split": LastSplit(validation=HORIZON, test=HORIZON + 2), "scaler": WindowScaler(), **options}
    windows = Windows(context=CONTEXT, horizon=HORIZON)
    return ForecastDataModule(source=Walks(sizes), windows=windows, season=SEASON, evaluation_batch_size=4, **given)


def task_of(data: ForecastDataModule) -> ForecastTask:
    torch.manual_seed(0)
    model = Direct(spec=data.spec, cell=partial(GRU, hidden_size=4), head=Point())
    return ForecastTask(model=model, metrics=METRICS)


def results_of(data: ForecastDataModule):
    task = task_of(data)
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
    plug = ForecastPlug()
    plug.test(trainer, task, data, "test")
    baselines = {"last_value": LastValue()}
    fit_baselines(baselines, data.prepared)
    found = plug.score_baselines(baselines, task, data, "test")
    return plug.results(task, data, "test", baselines=found, seconds={}, facts={})


def by_hand(data: ForecastDataModule) -> pd.DataFrame:
    """The errors of the last value, a row for each window and lead."""
    prepared, rows = data.prepared, []
    for start in prepared.starts.test.tolist():
        item = int(prepared.panel.items_at(np.array([start]))[0])
        first, stop = prepared.parts.train[item]
        train, values = prepared.panel.targets[first:stop, 0], prepared.panel.targets[start : start + 11, 0]
        naive = np.abs(train[SEASON:] - train[:-SEASON]).mean() if len(train) else np.nan
        for truth in values[CONTEXT:]:
            error = values[CONTEXT - 1] - truth
            rows.append(
                {
                    "item": prepared.panel.ids[item],
                    "mse": error**2,
                    "scaled_mse": (error / train.std()) ** 2 if len(train) and train.std() > 0 else np.nan,
                    "rmse": error**2,
                    "mae": abs(error),
                    "mase": abs(error) / naive if naive > 0 else np.nan,
                    "smape": 200 * abs(error) / (abs(truth) + abs(values[CONTEXT - 1])),
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("sizes", [(1.0, 1e3, 1e5), (1.0, 0.0, 1e4)], ids=["all vary", "one is constant"])
def test_scores_of_items_are_means_over_their_windows(sizes: tuple[float, ...], tmp_path):
    data = data_of(sizes)
    results, rows = results_of(data), by_hand(data)
    expected = rows.groupby("item").mean()
    expected["rmse"] **= 0.5
    found = results.per_item()
    for name in METRICS:
        assert_allclose(found[f"last_value:{name}"], expected[name], rtol=1e-9, err_msg=name)
        over_all = rows[name].mean() ** (0.5 if name == "rmse" else 1.0)
        assert_allclose(results.baselines["last_value"].overall[name], over_all, rtol=1e-9)
        mean = results.to_dict()["baselines_per_item"]["last_value"][name]["mean"]
        assert_allclose(mean, expected[name].mean(), rtol=1e-9)
    assert_allclose(results.model.overall["mase"], found["model:mase"].mean(), rtol=1e-9)
    results.write(tmp_path)
    again = pd.read_csv(tmp_path / "per_item.csv", index_col="item")
    pd.testing.assert_frame_equal(again, found)
    in_report = read_items(tmp_path / "per_item.csv", "mase")
    pd.testing.assert_series_equal(in_report["last_value"], found["last_value:mase"].dropna(), check_names=False)
    overall, over_items = results.tables()
    assert over_items.title == "test: scaled_mse over the items"
    assert list(over_items.frame.index) == list(overall.frame.index)


def test_items_of_different_size_are_not_ranked_by_the_largest():
    together = results_of(data_of((1.0, 1e3), scaler=Standard()))
    assert (together.model.ranking, together.model.metrics["scaled_mse"].mixes) == ("mase", True)
    one_by_one = results_of(data_of((1.0, 1e3)))
    assert (one_by_one.model.ranking, one_by_one.model.metrics["scaled_mse"].mixes) == ("scaled_mse", False)
    assert "targets or items differ in unit or size" in one_by_one.remarks()[0]
    alike = results_of(data_of((1.0, 1.1), scaler=Standard()))
    assert alike.model.ranking == "mse"


def test_held_out_items_are_divided_by_their_own_size_where_sizes_differ():
    data = data_of((1.0, 1e3, 1e6, 1e3), split=ItemsSplit(validation=0.25, test=0.25))
    sizes, values = data.prepared.storage.truths.sizes, data.prepared.panel.targets[-75:, 0]
    assert sizes.naive_error[3].item() == pytest.approx(np.abs(values[SEASON:] - values[:-SEASON]).mean())
    alike = data_of((1.0, 1.0, 1.0, 1.0), split=ItemsSplit(validation=0.25, test=0.25))
    assert alike.prepared.storage.truths.sizes.naive_error[3].item() == alike.spec.naive_error[0]


def test_a_single_series_has_no_scores_of_items():
    results = results_of(data_of((1.0,)))
    assert results.model.per_item == {}
    assert not [name for name in results.to_dict() if "per_item" in name]
    assert len(results.tables()) == 1


def test_the_spread_of_scores():
    error, level = Description("m", False, 0.0), Description("", None, 0.8)
    values = np.array([3.0, np.nan, 1.0, 2.0, 10.0])
    assert spread(values, ("a", "b", "c", "d", "e"), error) == {
        "items": 4,
        "mean": 4.0,
        "lower_quartile": 1.75,
        "median": 2.5,
        "upper_quartile": 4.75,
        "worst": 10.0,
        "worst_item": "e",
    }
    assert spread(np.array([0.7, 0.95, 0.85]), ("a", "b", "c"), level)["worst_item"] == "b"
    assert spread(np.array([np.nan]), ("a",), error) == {}
    assert ranking({"a": error}) == "a"


def test_no_windows_no_scores():
    assert ItemErrors({"mse": MSE(spec=data_of((1.0, 2.0)).spec)}).values() == {}


def test_the_baselines_of_a_panel_see_the_training_rows_of_each_item():
    data = data_of((1.0, 50.0))
    mean = {"mean": Mean()}
    fit_baselines(mean, data.prepared)
    rows = np.concatenate([data.prepared.panel.targets[first:stop] for first, stop in data.prepared.parts.train])
    found = score_baselines(mean, data.prepared, "test", {"mae": MAE(spec=data.spec)})["mean"].overall["mae"]
    truths = np.concatenate([data.prepared.panel.targets[s + 8 : s + 11] for s in data.prepared.starts.test.tolist()])
    assert found == pytest.approx(np.abs(truths - rows.mean()).mean())
