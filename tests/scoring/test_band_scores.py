"""Scores of bands against closed forms and the metrics of the same names."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from synthetic import spec_of

from recast.scoring.metrics.band_scores import BANDS, BandScores
from recast.scoring.metrics.coverage import Coverage
from recast.scoring.metrics.pinball import Pinball
from recast.types import Forecast

SHAPE = (400, 3, 2)


def normal(spread: float = 1.0) -> tuple[Forecast, torch.Tensor, torch.Tensor]:
    """Normal distributions by their inverse distribution function, and truths of standard deviation 1."""
    mean = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    error = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def inverse(levels):
        return torch.stack([mean + spread * scipy.stats.norm.ppf(level) for level in levels])

    return Forecast(mean, inverse=inverse), mean + error, error


def scored(forecast: Forecast, truth: torch.Tensor, mask: torch.Tensor | None = None) -> dict:
    scores = BandScores(horizon=3, targets=2)
    scores.update(torch.arange(len(truth)), forecast, truth, mask)
    return scores.compute()


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_crps_coverage_and_width_of_a_normal_distribution(spread):
    forecast, truth, error = normal(spread)
    found = scored(forecast, truth)
    z = error.numpy() / spread
    crps = spread * (z * (2 * scipy.stats.norm.cdf(z) - 1) + 2 * scipy.stats.norm.pdf(z) - 1 / math.sqrt(math.pi))
    assert found["crps"] == pytest.approx(crps.mean(), rel=0.01)
    np.testing.assert_allclose(found["per_horizon"]["crps"], crps.mean(axis=(0, 2)), rtol=0.01)
    np.testing.assert_allclose(found["per_target"]["crps"], crps.mean(axis=(0, 1)), rtol=0.01)
    for level in (0.5, 0.8, 0.9, 0.95):
        half = spread * scipy.stats.norm.ppf((1 + level) / 2)
        assert found["width"][f"{100 * level:g}"] == pytest.approx(2 * half, rel=1e-12)
        inside = np.abs(error.numpy()) <= half
        assert found["coverage"][f"{100 * level:g}"] == pytest.approx(inside.mean(), rel=1e-12)
        np.testing.assert_allclose(found["per_horizon"]["coverage"][f"{100 * level:g}"], inside.mean(axis=(0, 2)))
    transform = scipy.stats.norm.cdf(z)
    np.testing.assert_allclose(found["pit"], np.histogram(transform, np.linspace(0, 1, 11))[0] / transform.size)
    assert (found["pit_deviation"] < 0.03) == (spread == 1.0)


@pytest.mark.parametrize("kind", ["samples", "quantiles", "inverse"])
def test_coverage_and_pinball_equal_the_metrics(kind):
    exact, truth, _ = normal()
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    noise = torch.randn(60, *SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    forecast = {
        "samples": Forecast(exact.mean, exact.mean + noise),
        "quantiles": Forecast(exact.mean, quantiles=exact.inverse(levels), levels=levels),
        "inverse": exact,
    }[kind]
    found = scored(forecast, truth)
    spec = spec_of(targets=2, context=4, horizon=3)
    for metric, value in ((Coverage(spec=spec), found["coverage"]["90"]), (Pinball(spec=spec), found["pinball"])):
        metric.update(forecast, truth)
        assert value == pytest.approx(metric.compute().item(), rel=1e-12)
    assert math.isnan(found["coverage"]["95"]) == (kind == "quantiles")


def test_windows_may_come_in_any_batches_and_what_was_not_observed_counts_nowhere():
    forecast, truth, _ = normal()
    mask = torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) < 0.7
    whole = scored(forecast, truth.where(mask, torch.nan), mask)
    parts = in_parts(forecast, truth, mask)
    assert parts.compute()["crps"] == pytest.approx(whole["crps"], rel=1e-12)
    low, high = forecast.interval(0.95)
    inside = (low <= truth) & (truth <= high)
    assert whole["coverage"]["95"] == pytest.approx(inside[mask].double().mean().item(), rel=1e-12)


def in_parts(forecast: Forecast, truth: torch.Tensor, mask: torch.Tensor | None = None) -> BandScores:
    """The scores of windows that come in three batches, the last ones first."""
    parts = BandScores(horizon=3, targets=2)
    for part in (slice(250, None), slice(100), slice(100, 250)):
        piece = Forecast(forecast.mean[part], inverse=lambda levels, part=part: forecast.inverse(levels)[:, part])
        rows = torch.arange(len(truth))[part] + 7
        parts.update(rows, piece, truth[part], None if mask is None else mask[part])
    return parts


def test_hits_of_windows_are_in_order_and_their_sums_are_the_coverage():
    forecast, truth, _ = normal()
    mask = torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) < 0.7
    parts = in_parts(forecast, truth, mask)
    found, coverage = parts.hits(np.arange(7, 407)), parts.compute()["coverage"]
    np.testing.assert_array_equal(found.truths, mask.sum(dim=(1, 2)))
    for place, level in enumerate(BANDS):
        low, high = forecast.interval(level)
        inside = (low <= truth) & (truth <= high) & mask
        np.testing.assert_array_equal(found.inside[:, place], inside.sum(dim=(1, 2)))
        np.testing.assert_array_equal(found.known[:, place], found.truths)
        share = found.inside[:, place].sum() / found.known[:, place].sum()
        assert share == pytest.approx(coverage[f"{100 * level:g}"], rel=1e-12)
    more = parts.hits(np.arange(0, 500))
    assert more.truths[:7].sum() == more.truths[407:].sum() == 0
    np.testing.assert_array_equal(more.inside[7:407], found.inside)
    parts.reset()
    assert parts.hits(np.arange(9)).truths.tolist() == [0] * 9


def test_scores_of_two_tests_merge_into_those_of_both():
    forecast, truth, _ = normal()
    whole, halves = in_parts(forecast, truth), [BandScores(horizon=3, targets=2) for _ in range(2)]
    for half, part in zip(halves, (slice(200), slice(200, None)), strict=True):
        piece = Forecast(forecast.mean[part], inverse=lambda levels, part=part: forecast.inverse(levels)[:, part])
        half.update(torch.arange(7, 407)[part], piece, truth[part])
    halves[0].merge_state(halves[1])
    np.testing.assert_array_equal(halves[0].hits(np.arange(7, 407)).inside, whole.hits(np.arange(7, 407)).inside)
    assert halves[0].compute()["crps"] == pytest.approx(whole.compute()["crps"], rel=1e-12)


def test_an_unknown_end_counts_nowhere_in_all_scores_of_coverage():
    """Of lead 2 the band of the first 100 windows has no upper end; of lead 3 none has one."""
    exact, truth, _ = normal()

    def inverse(levels):
        ends = exact.inverse(levels)
        outer = torch.tensor([level > 0.92 for level in levels])
        ends[outer, :100, 1] = ends[outer, :, 2] = torch.inf
        return ends

    forecast = Forecast(exact.mean, inverse=inverse)
    scores, metric = BandScores(horizon=3, targets=2), Coverage(spec=spec_of(targets=2, context=4, horizon=3))
    scores.update(torch.arange(400), forecast, truth)
    metric.update(forecast, truth)
    low, high = exact.interval(0.9)
    inside, known = (low <= truth) & (truth <= high), torch.ones(SHAPE, dtype=torch.bool)
    known[:100, 1] = known[:, 2] = False
    share = inside[known].double().mean().item()
    found, hits = scores.compute(), scores.hits(np.arange(400))
    assert found["coverage"]["90"] == pytest.approx(share, rel=1e-12)
    assert metric.compute().item() == pytest.approx(share, rel=1e-12)
    assert hits.inside[:, 2].sum() / hits.known[:, 2].sum() == pytest.approx(share, rel=1e-12)
    assert hits.known[:, 0].tolist() == hits.truths.tolist()
    assert [math.isnan(value) for value in found["per_horizon"]["coverage"]["90"]] == [False, False, True]
    assert metric.per_lead().isnan().tolist() == [False, False, True]
    width = (high - low)[known].mean().item()
    assert found["width"]["90"] == pytest.approx(width, rel=1e-12)


def test_a_point_has_no_band():
    forecast, truth, _ = normal()
    with pytest.raises(ValueError, match="a point"):
        scored(Forecast(forecast.mean), truth)
