"""Baselines are scored with metrics of their own, after training as well as before."""

import numpy as np
import pytest
import torch

from recast.data.panel import columns_of
from recast.data.spec import SeriesSpec
from recast.runs.scores import local_metrics
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.rmse import RMSE
from recast.types import Forecast

SPEC = SeriesSpec(
    columns=columns_of(targets=["a"], units={"a": "m"}),
    step="h",
    context=3,
    horizon=2,
    offset=(0.0,),
    scale=(1.0,),
    naive_error=(1.0,),
)


def seen(metrics, error):
    truth = torch.zeros(4, 2, 1, dtype=torch.float64)
    for metric in metrics.values():
        metric.update(Forecast(truth + error), truth)


def test_the_scores_of_the_model_are_left_alone():
    models = {"mse": MSE(spec=SPEC), "rmse": RMSE(spec=SPEC)}
    seen(models, 3.0)
    own = local_metrics(models)
    assert all(not metric.count.any() for metric in own.values())
    seen(own, 2.0)
    assert {name: metric.compute().item() for name, metric in own.items()} == {"mse": 4.0, "rmse": 2.0}
    assert {name: metric.compute().item() for name, metric in models.items()} == {"mse": 9.0, "rmse": 3.0}


def test_no_other_process_is_asked():
    models = {"mse": MSE(spec=SPEC)}
    for metric in models.values():
        metric.distributed_available_fn = lambda: True
        metric.dist_sync_fn = lambda *_, **__: pytest.fail("asked")
    (own,) = local_metrics(models).values()
    seen({"mse": own}, 2.0)
    assert own.compute() == 4.0
    np.testing.assert_array_equal(own.per_lead(), [4.0, 4.0])
