"""Metrics: against independent implementations, whatever the batches, in each unit they come in."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error, root_mean_squared_error
from torchmetrics import MetricCollection
from torchmetrics.functional.regression import (
    continuous_ranked_probability_score,
    symmetric_mean_absolute_percentage_error,
)

from recast.data.panel import columns_of
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.options import LEVELS
from recast.scoring.metrics.coverage import Coverage
from recast.scoring.metrics.crps import CRPS
from recast.scoring.metrics.description import Description, of_pictures, ranking, ranking_remark
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.mase import MASE
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.pinball import Pinball
from recast.scoring.metrics.rmse import RMSE
from recast.scoring.metrics.scaled_mse import ScaledMSE
from recast.scoring.metrics.skill import skill
from recast.scoring.metrics.smape import SMAPE
from recast.types import Forecast

HORIZON, TARGETS = 5, 2
SPEC = SeriesSpec(
    columns=columns_of(targets=["a", "b"], units={"a": "m", "b": "m"}),
    step="h",
    context=8,
    horizon=HORIZON,
    offset=(0.0, 0.0),
    scale=(1.0, 1.0),
    naive_error=(0.5, 4.0),
)
ALL = [MSE, ScaledMSE, RMSE, MAE, MASE, SMAPE, CRPS, Pinball, Coverage]


def example(windows: int = 37, members: int = 40, seed: int = 0) -> tuple[Forecast, torch.Tensor]:
    torch.manual_seed(seed)
    truth = torch.randn(windows, HORIZON, TARGETS, dtype=torch.float64) * 3 + 1
    samples = truth + torch.randn(members, windows, HORIZON, TARGETS, dtype=torch.float64)
    return Forecast(samples.mean(0), samples), truth


def samples_of(forecast: Forecast) -> torch.Tensor:
    assert forecast.samples is not None
    return forecast.samples


def window(forecast: Forecast, first: int, stop: int) -> Forecast:
    samples = forecast.samples
    return Forecast(forecast.mean[first:stop], None if samples is None else samples[:, first:stop])


def numpy_mase(forecast: Forecast, truth: torch.Tensor) -> float:
    return float(np.mean(np.abs(forecast.mean.numpy() - truth.numpy()) / np.array(SPEC.naive_error)))


def numpy_crps(forecast: Forecast, truth: torch.Tensor) -> float:
    x, y = samples_of(forecast).numpy(), truth.numpy()
    m = len(x)
    pairs = np.abs(x[:, None] - x[None]).sum((0, 1)) / (m * (m - 1))
    return float(np.mean(np.abs(x - y).mean(0) - pairs / 2))


def numpy_coverage(forecast: Forecast, truth: torch.Tensor) -> float:
    low, high = np.quantile(samples_of(forecast).numpy(), [0.05, 0.95], axis=0, method="weibull")
    return float(np.mean((low <= truth.numpy()) & (truth.numpy() <= high)))


def sklearn_pinball(forecast: Forecast, truth: torch.Tensor) -> float:
    quantiles = np.quantile(samples_of(forecast).numpy(), LEVELS, axis=0, method="weibull")
    losses = [
        mean_pinball_loss(truth.numpy().ravel(), found.ravel(), alpha=level)
        for level, found in zip(LEVELS, quantiles, strict=True)
    ]
    return float(np.mean(losses))


def of_mean(function: Callable[..., float]) -> Callable[[Forecast, torch.Tensor], float]:
    return lambda forecast, truth: float(function(truth.numpy().ravel(), forecast.mean.numpy().ravel()))


REFERENCES = {
    MSE: of_mean(mean_squared_error),
    ScaledMSE: of_mean(mean_squared_error),
    RMSE: of_mean(root_mean_squared_error),
    MAE: of_mean(mean_absolute_error),
    MASE: numpy_mase,
    SMAPE: lambda forecast, truth: 100 * float(symmetric_mean_absolute_percentage_error(forecast.mean, truth)),
    CRPS: numpy_crps,
    Pinball: sklearn_pinball,
    Coverage: numpy_coverage,
}


@pytest.mark.parametrize("kind", ALL)
def test_overall_and_by_lead_and_target_agree_with_a_reference(kind: type[LeadMetric]) -> None:
    forecast, truth = example()
    metric = kind(spec=SPEC)
    metric.update(forecast, truth)
    reference = REFERENCES[kind]
    assert metric.compute().shape == ()
    assert metric.compute().dtype == torch.float64
    assert metric.compute().item() == pytest.approx(reference(forecast, truth), rel=1e-12)

    def part(leads: slice) -> float:
        return reference(Forecast(forecast.mean[:, leads], samples_of(forecast)[:, :, leads]), truth[:, leads])

    by_lead = [part(slice(lead, lead + 1)) for lead in range(HORIZON)]
    assert metric.per_lead().tolist() == pytest.approx(by_lead, rel=1e-12)
    if kind is not MASE:  # its reference is for both targets at once; see the next test
        by_target = [
            reference(Forecast(forecast.mean[..., [d]], samples_of(forecast)[..., [d]]), truth[..., [d]])
            for d in range(TARGETS)
        ]
        assert metric.per_target().tolist() == pytest.approx(by_target, rel=1e-12)


def test_mase_divides_each_target_by_its_own_naive_error() -> None:
    truth = torch.zeros(3, HORIZON, TARGETS)
    metric = MASE(spec=SPEC)
    metric.update(Forecast(torch.ones_like(truth)), truth)
    assert metric.per_target().tolist() == [2.0, 0.25]
    assert metric.compute().item() == 1.125


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 36), max_size=6, unique=True), seed=st.integers(0, 1000))
def test_any_split_into_batches_gives_the_same_value(kind: type[LeadMetric], cuts: list[int], seed: int) -> None:
    forecast, truth = example(seed=seed)
    whole, parts = kind(spec=SPEC), kind(spec=SPEC)
    whole.update(forecast, truth)
    bounds = [0, *sorted(cuts), len(truth)]
    for first, stop in pairwise(bounds):
        parts.update(window(forecast, first, stop), truth[first:stop])
    torch.testing.assert_close(parts.compute(), whole.compute(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(parts.per_lead(), whole.per_lead(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(parts.per_target(), whole.per_target(), rtol=1e-12, atol=1e-14)


def test_float32_input_is_accumulated_in_float64() -> None:
    truth = torch.zeros(1000, HORIZON, TARGETS)
    forecast = Forecast(torch.full_like(truth, 0.1))
    metric = MSE(spec=SPEC)
    for _ in range(20):
        metric.update(forecast, truth)
    assert metric.compute().item() == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-13)


def test_a_change_of_the_modules_precision_leaves_the_sums_in_float64() -> None:
    forecast, truth = example()
    metric = MASE(spec=SPEC)
    torch.nn.ModuleList([metric]).to(torch.bfloat16)
    metric.update(forecast, truth)
    assert metric.compute().item() == pytest.approx(numpy_mase(forecast, truth), rel=1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_everything_moves_to_the_device(kind: type[LeadMetric]) -> None:
    forecast, truth = example()
    metric = kind(spec=SPEC).to("meta")  # refuses, as a GPU would, to be mixed with the CPU
    metric.update(Forecast(forecast.mean.to("meta"), samples_of(forecast).to("meta")), truth.to("meta"))
    assert metric.compute().device.type == metric.per_lead().device.type == "meta"


def test_nan_is_not_hidden() -> None:
    forecast, truth = example()
    forecast.mean[3, 2, 1] = math.nan
    for kind in (MSE, RMSE, MAE, MASE, SMAPE):
        metric = kind(spec=SPEC)
        metric.update(forecast, truth)
        assert metric.per_lead().isnan().tolist() == [False, False, True, False, False]


def test_smape_of_zero_by_zero_is_zero_and_its_most_is_200() -> None:
    truth = torch.zeros(1, HORIZON, TARGETS)
    mean = torch.zeros_like(truth)
    mean[0, 1] = 1e-9
    metric = SMAPE(spec=SPEC)
    metric.update(Forecast(mean), truth)
    assert metric.per_lead().tolist() == [0.0, 200.0, 0.0, 0.0, 0.0]


def test_crps_of_a_point_forecast_is_its_absolute_error() -> None:
    forecast, truth = example()
    crps, mae = CRPS(spec=SPEC), MAE(spec=SPEC)
    crps.update(Forecast(forecast.mean), truth)
    mae.update(forecast, truth)
    assert crps.compute() == mae.compute()


def test_crps_differs_from_torchmetrics_by_the_fair_spread_alone() -> None:
    forecast, truth = example(members=7)
    metric = CRPS(spec=SPEC)
    metric.update(forecast, truth)
    samples = samples_of(forecast).reshape(7, -1).T
    plain = continuous_ranked_probability_score(samples, truth.ravel())
    half_spread = (samples[:, :, None] - samples[:, None]).abs().mean(dim=(1, 2)).mean() / 2
    torch.testing.assert_close(metric.compute(), plain + half_spread - half_spread * 7 / 6, rtol=1e-12, atol=0)


def test_crps_expects_the_same_whatever_the_number_of_samples() -> None:
    # CRPS of N(0, 1) for a truth drawn from it: 1/sqrt(pi) on average.
    torch.manual_seed(1)
    truth = torch.randn(20_000, HORIZON, TARGETS, dtype=torch.float64)
    for members in (2, 5):
        samples = torch.randn(members, *truth.shape, dtype=torch.float64)
        metric = CRPS(spec=SPEC)
        metric.update(Forecast(samples.mean(0), samples), truth)
        assert metric.compute().item() == pytest.approx(1 / math.sqrt(math.pi), abs=0.006)


def test_crps_needs_two_samples() -> None:
    forecast, truth = example(members=1)
    with pytest.raises(ConfigurationError, match="CRPS: found 1 sample trajectories, expected at least 2"):
        CRPS(spec=SPEC).update(forecast, truth)


@pytest.mark.parametrize(("level", "members"), [(0.9, 19), (0.9, 40), (0.5, 3), (0.8, 100), (0.0, 5), (0.0, 4)])
def test_coverage_is_the_share_inside_numpys_quantiles(level: float, members: int) -> None:
    forecast, truth = example(members=members)
    metric = Coverage(spec=SPEC, level=level)
    metric.update(forecast, truth)
    ends = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(samples_of(forecast).numpy(), ends, axis=0, method="weibull")
    inside = (low <= truth.numpy()) & (truth.numpy() <= high)
    assert metric.compute().item() == pytest.approx(inside.mean(), abs=1e-12)


def test_coverage_of_a_perfect_forecast_is_the_level() -> None:
    torch.manual_seed(2)
    draws = torch.randn(20, 20_000, HORIZON, TARGETS, dtype=torch.float64)
    metric = Coverage(spec=SPEC, level=0.9)
    metric.update(Forecast(draws[1:].mean(0), draws[1:]), draws[0])
    assert metric.compute().item() == pytest.approx(0.9, abs=0.004)


def test_coverage_includes_the_ends() -> None:
    samples = torch.arange(1.0, 20.0).reshape(19, 1, 1, 1).expand(19, 1, HORIZON, TARGETS)
    truth = torch.tensor([0.99, 1.0, 10.0, 19.0, 19.01]).reshape(1, HORIZON, 1).expand(1, HORIZON, TARGETS)
    metric = Coverage(spec=SPEC, level=0.9)
    metric.update(Forecast(samples.mean(0), samples), truth)
    assert metric.per_lead().tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_coverage_says_what_it_lacks() -> None:
    forecast, truth = example(members=18)
    with pytest.raises(ConfigurationError, match="has no interval"):
        Coverage(spec=SPEC).update(Forecast(forecast.mean), truth)
    with pytest.raises(ConfigurationError, match=r"level=0\.9 needs at least 19 sample trajectories, found 18"):
        Coverage(spec=SPEC).update(forecast, truth)
    with pytest.raises(ConfigurationError, match=r"Coverage: level=1\.0: input should be less than 1"):
        Coverage(spec=SPEC, level=1.0)


@pytest.mark.parametrize(
    ("parts", "levels", "left_out"),
    [
        ({"mean"}, (), {CRPS, Pinball, Coverage}),
        ({"mean", "samples"}, (), set()),
        ({"mean", "quantiles"}, (0.05, 0.5, 0.95), {CRPS}),
        ({"mean", "quantiles"}, (0.1, 0.5, 0.95), {CRPS, Pinball, Coverage}),
    ],
)
def test_a_metric_says_which_forecasts_it_suits(parts, levels, left_out) -> None:
    assert {kind for kind in ALL if not kind(spec=SPEC).computable_from(parts, levels)} == left_out


def test_all_but_coverage_have_a_value_for_a_point() -> None:
    forecast, truth = example()
    for kind in ALL:
        metric = kind(spec=SPEC)
        assert metric.defined_for({"mean"}) is (kind is not Coverage)
        if metric.defined_for({"mean"}):
            metric.update(Forecast(forecast.mean), truth)
            assert metric.compute().isfinite()


@pytest.mark.parametrize(
    ("kind", "unit", "compound", "perfect"),
    [
        (MSE, "m²", "(m/s)²", 0.0),
        (ScaledMSE, "m²", "(m/s)²", 0.0),
        (RMSE, "m", "m/s", 0.0),
        (MAE, "m", "m/s", 0.0),
        (MASE, "", "", 0.0),
        (SMAPE, "%", "%", 0.0),
        (CRPS, "m", "m/s", 0.0),
        (Pinball, "m", "m/s", 0.0),
        (Coverage, "", "", 0.9),
    ],
)
def test_a_metric_describes_its_values(kind, unit, compound, perfect) -> None:
    metric = kind(spec=SPEC)
    mixes = kind not in (MASE, SMAPE, Coverage)
    assert metric.description == Description(unit, None if kind is Coverage else False, perfect, mixes)
    assert Description.from_dict(metric.description.to_dict()) == metric.description
    assert metric.unit("m/s") == compound
    assert metric.unit("") == ("%" if kind is SMAPE else "")


def test_the_first_metric_that_ranks_ranks_and_pictures_have_the_datas_unit() -> None:
    metrics = {"cover": Coverage(spec=SPEC), "squared": MSE(spec=SPEC), "root": RMSE(spec=SPEC)}
    assert ranking({name: metric.description for name, metric in metrics.items()}) == "squared"
    assert of_pictures(metrics) == "root"
    assert ranking({"cover": Coverage(spec=SPEC).description}) is None
    assert of_pictures({"cover": Coverage(spec=SPEC), "squared": MSE(spec=SPEC)}) is None


@pytest.mark.parametrize(
    ("units", "scale", "naive_error", "differ"),
    [
        (("m", "m"), (0.3, 0.3), (0.1, 0.1), False),
        (("m", "m"), (0.3, 0.6), (0.1, 9.0), False),  # scales are fitted: they count
        (("m", "m"), (0.3, 0.7), (0.1, 0.1), True),
        (("m", "K"), (0.3, 0.3), (0.1, 0.1), True),
        (("m", "m"), (1.0, 1.0), (0.1, 0.2), False),  # not scaled
        (("m", "m"), (1.0, 1.0), (0.1, 0.3), True),
        (("m", "m"), (1.0, 1.0), (0.1, 0.0), False),  # a constant target has no size
    ],
)
def test_where_targets_differ_a_scaled_error_ranks(units, scale, naive_error, differ) -> None:
    columns = columns_of(targets=["a", "b"], units=dict(zip("ab", units, strict=True)))
    spec = replace(SPEC, columns=columns, scale=scale, naive_error=naive_error)
    assert spec.targets_differ is differ
    scaled = scale != (1.0, 1.0)
    kinds = {"mse": MSE, "scaled_mse": ScaledMSE, "rmse": RMSE, "smape": SMAPE}
    metrics = {name: kind(spec=spec) for name, kind in kinds.items()}
    descriptions = {name: metric.description for name, metric in metrics.items()}
    chosen = "scaled_mse" if scaled else "smape"
    assert ranking(descriptions) == (chosen if differ else "mse")
    assert of_pictures(metrics) == (chosen if differ else "rmse")
    remark = f"ranked by {chosen}: targets or items differ in unit or size, and the largest decides mse"
    assert ranking_remark(descriptions) == (remark if differ else None)
    assert {name: Description.from_dict(found.to_dict()) for name, found in descriptions.items()} == descriptions


def test_a_single_target_never_differs() -> None:
    spec = replace(SPEC, columns=columns_of(targets=["a"]), scale=(3.0,), offset=(0.0,), naive_error=(0.5,))
    assert not MSE(spec=spec).description.mixes


def test_without_a_scaled_metric_the_remark_asks_for_one() -> None:
    found = {"mse": MSE(spec=SPEC).description, "rmse": RMSE(spec=SPEC).description}
    assert ranking(found) == "mse"
    assert ranking_remark(found).startswith("ranked by mse for want of a scaled metric, such as scaled_mse or mase: ")


@pytest.mark.parametrize("values", [{}, {"unit": 1}, {"unit": "", "higher_is_better": "yes", "perfect": 0.0}])
def test_what_is_no_description_is_none(values) -> None:
    assert Description.from_dict(values) is None


@pytest.mark.parametrize("kind", ALL)
def test_a_mask_of_everything_changes_no_bit(kind: type[LeadMetric]) -> None:
    forecast, truth = example()
    plain, masked = kind(spec=SPEC), kind(spec=SPEC)
    plain.update(forecast, truth)
    masked.update(forecast, truth, torch.ones_like(truth, dtype=torch.bool))
    assert masked.compute() == plain.compute()
    assert torch.equal(masked.per_lead(), plain.per_lead())
    assert torch.equal(masked.per_target(), plain.per_target())
    # The mean over windows first, as before there were masks.
    assert plain.compute() == plain.finish((plain.total / len(truth)).mean())


@pytest.mark.parametrize("kind", ALL)
def test_observed_truths_count_alone_and_alike(kind: type[LeadMetric]) -> None:
    forecast, truth = example()
    metric = kind(spec=SPEC)
    mask = torch.rand(truth.shape, generator=torch.Generator().manual_seed(3)) < 0.4
    mask[:, 1] = False
    known = truth.where(mask, math.nan)
    for first in range(0, len(truth), 10):
        metric.update(window(forecast, first, first + 10), known[first : first + 10], mask[first : first + 10])
    values = metric.pointwise(forecast, truth)
    assert metric.compute().item() == pytest.approx(metric.finish(values[mask].mean()).item(), rel=1e-12)
    by_lead = metric.per_lead()
    assert by_lead.isnan().tolist() == [False, True, False, False, False]
    for lead in (0, 2, 3, 4):
        expected = metric.finish(values[:, lead][mask[:, lead]].mean()).item()
        assert by_lead[lead].item() == pytest.approx(expected, rel=1e-12)
    for target in range(TARGETS):
        expected = metric.finish(values[..., target][mask[..., target]].mean()).item()
        assert metric.per_target()[target].item() == pytest.approx(expected, rel=1e-12)


def test_pinball_from_quantiles_equals_sklearns() -> None:
    forecast, truth = example()
    levels = (0.1, 0.5, 0.6)
    quantiles = torch.stack([forecast.mean - 1, forecast.mean, forecast.mean + 0.2])
    metric = Pinball(spec=SPEC, levels=list(levels))
    metric.update(Forecast(forecast.mean, quantiles=quantiles, levels=levels), truth)
    losses = [
        mean_pinball_loss(truth.numpy().ravel(), found.numpy().ravel(), alpha=level)
        for level, found in zip(levels, quantiles, strict=True)
    ]
    assert metric.compute().item() == pytest.approx(np.mean(losses), rel=1e-12)


def test_pinball_over_many_levels_is_half_of_crps() -> None:
    forecast, truth = example(members=999)
    levels = [(i + 0.5) / 100 for i in range(100)]
    pinball, crps = Pinball(spec=SPEC, levels=levels), CRPS(spec=SPEC)
    for metric in (pinball, crps):
        metric.update(forecast, truth)
    assert 2 * pinball.compute().item() == pytest.approx(crps.compute().item(), rel=5e-3)


def test_pinball_of_a_point_is_half_of_its_absolute_error() -> None:
    forecast, truth = example()
    pinball, mae = Pinball(spec=SPEC), MAE(spec=SPEC)
    for metric in (pinball, mae):
        metric.update(Forecast(forecast.mean), truth)
    assert pinball.compute().item() == pytest.approx(mae.compute().item() / 2, rel=1e-12)


def test_pinball_says_what_it_lacks() -> None:
    forecast, truth = example(members=18)
    with pytest.raises(ConfigurationError, match=r"Pinball: the forecast does not know its quantiles from 0\.05"):
        Pinball(spec=SPEC).update(forecast, truth)
    with pytest.raises(ConfigurationError, match=r"Pinball: levels=\[0\.5, 0\.1\]: value error, they do not ascend"):
        Pinball(spec=SPEC, levels=[0.5, 0.1])


def test_quantiles_alone_have_coverage_but_no_crps() -> None:
    forecast, truth = example()
    ends = torch.stack([truth - 1, truth + 1])
    ends[:, 0] += 5
    known = Forecast(forecast.mean, quantiles=ends, levels=(0.05, 0.95))
    metric = Coverage(spec=SPEC, level=0.9)
    metric.update(known, truth)
    assert metric.compute().item() == pytest.approx(36 / 37, rel=1e-12)
    with pytest.raises(ConfigurationError, match=r"level=0\.95 needs quantiles at 0\.025 and 0\.975"):
        Coverage(spec=SPEC, level=0.95).update(known, truth)
    with pytest.raises(ConfigurationError, match="CRPS: the forecast has quantiles but no sample trajectories"):
        CRPS(spec=SPEC).update(known, truth)


@pytest.mark.parametrize(
    ("naive_error", "message"),
    [
        ((0.5, 0.0), r"MASE: the naive error of target 'b' on the training rows is 0\.0; expected a positive"),
        ((math.nan, 1.0), "MASE: the naive error of target 'a' on the training rows is nan"),
        ((0.5,), "MASE: the series has 2 targets, but 1 naive errors"),
    ],
)
def test_mase_refuses_what_it_cannot_divide_by(naive_error: tuple[float, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MASE(spec=replace(SPEC, naive_error=naive_error))


@pytest.mark.parametrize(
    ("forecast", "name"),
    [
        (Forecast(torch.zeros(4, HORIZON, 1)), "forecast mean"),
        (Forecast(torch.zeros(1, HORIZON, TARGETS)), "forecast mean"),
        (Forecast(torch.zeros(4, HORIZON, TARGETS), torch.zeros(9, 4, 1, TARGETS)), "each forecast sample"),
        (
            Forecast(torch.zeros(4, HORIZON, TARGETS), None, torch.zeros(2, 4, 1, TARGETS), (0.1, 0.9)),
            "each forecast quantile",
        ),
    ],
)
def test_shapes_that_would_broadcast_are_refused(forecast: Forecast, name: str) -> None:
    with pytest.raises(ValueError, match=rf"MSE: the {name} has shape .*expected .* = \(4, 5, 2\)"):
        MSE(spec=SPEC).update(forecast, torch.zeros(4, HORIZON, TARGETS))


def test_a_mask_of_another_shape_is_refused() -> None:
    truth = torch.zeros(4, HORIZON, TARGETS)
    # In tests the array shapes are checked before.
    with pytest.raises((ValueError, TypeCheckError), match="mask"):
        MSE(spec=SPEC).update(Forecast(truth), truth, torch.ones(4, HORIZON, 1, dtype=torch.bool))


def test_wrong_spec_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="spec=3"):
        MSE(spec=3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", ALL)
def test_reset_copy_and_pickle(kind: type[LeadMetric]) -> None:
    forecast, truth = example()
    metric = kind(spec=SPEC)
    metric.update(forecast, truth)
    expected = metric.compute()
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.compute() == expected
        assert other.per_lead().tolist() == metric.per_lead().tolist()
    metric.reset()
    assert metric.per_lead().isnan().all()
    assert metric(forecast, truth) == expected  # forward, as Lightning calls it
    assert metric.compute() == expected
    assert metric.state_dict() == {}


def test_a_collection_gives_what_its_metrics_give() -> None:
    factories = {"mse": MSE, "rmse": RMSE, "crps": CRPS, "narrow": partial(Coverage, level=0.5), "wide": Coverage}
    collection = MetricCollection({name: make(spec=SPEC) for name, make in factories.items()}, compute_groups=False)
    forecast, truth = example()
    for first in range(0, len(truth), 10):
        collection.update(window(forecast, first, first + 10), truth[first : first + 10])
    for name, make in factories.items():
        single = make(spec=SPEC)
        single.update(forecast, truth)
        torch.testing.assert_close(collection.compute()[name], single.compute(), rtol=1e-12, atol=0)


def test_several_processes_are_summed_and_each_keeps_its_own() -> None:
    forecast, truth = example()
    here, there, whole = RMSE(spec=SPEC), RMSE(spec=SPEC), RMSE(spec=SPEC)
    here.update(window(forecast, 0, 5), truth[:5])
    there.update(window(forecast, 5, 37), truth[5:])
    whole.update(forecast, truth)
    alone = here.per_lead()
    # Stands for torch.distributed: hands each state with its counterpart of the other process.
    others = {id(here.total): there.total, id(here.count): there.count}
    here.dist_sync_fn = lambda state, group: [state, others[id(state)]]
    here.distributed_available_fn = lambda: True
    torch.testing.assert_close(here.per_lead(), whole.per_lead(), rtol=1e-12, atol=0)
    others = {id(here.total): there.total, id(here.count): there.count}
    torch.testing.assert_close(here.per_target(), whole.per_target(), rtol=1e-12, atol=0)
    others = {id(here.total): there.total, id(here.count): there.count}
    here.sync(dist_sync_fn=here.dist_sync_fn)
    torch.testing.assert_close(here.per_lead(), whole.per_lead(), rtol=1e-12, atol=0)
    here.unsync()
    here.distributed_available_fn = lambda: False
    assert here.per_lead().tolist() == alone.tolist()


def test_skill() -> None:
    assert skill(0.5, 2.0) == 0.75
    assert skill(2.0, 2.0) == 0.0
    assert skill(3.0, 2.0) == -0.5
    assert math.isnan(skill(1.0, 0.0))
    error, reference = torch.tensor([0.0, 1.0, 3.0, 0.0]), torch.tensor([2.0, 4.0, 2.0, 0.0])
    torch.testing.assert_close(skill(error, reference), torch.tensor([1.0, 0.75, -0.5, math.nan]), equal_nan=True)
    torch.testing.assert_close(skill(error, 2.0), torch.tensor([1.0, 0.5, -0.5, 1.0]))
    torch.testing.assert_close(skill(2.0, reference), torch.tensor([0.0, 0.5, 0.0, math.nan]), equal_nan=True)
    assert skill(error, 0.0).isnan().all()
    assert skill(0.95, 0.9, perfect=1.0) == pytest.approx(0.5)
    assert math.isnan(skill(0.9, 1.0, perfect=1.0))
