"""Scores of bands against closed forms and the metrics of the same names."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from synthetic import spec_of

from recast.scoring.metrics.band_scores import BandScores
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
    scores.update(forecast, truth, mask)
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
    parts = BandScores(horizon=3, targets=2)
    cuts = forecast.inverse((0.025, 0.5, 0.975))
    for part in (slice(100), slice(100, None)):
        piece = Forecast(forecast.mean[part], inverse=lambda levels, part=part: forecast.inverse(levels)[:, part])
        parts.update(piece, truth[part], mask[part])
    assert parts.compute()["crps"] == pytest.approx(whole["crps"], rel=1e-12)
    inside = (cuts[0] <= truth) & (truth <= cuts[2])
    assert whole["coverage"]["95"] == pytest.approx(inside[mask].double().mean().item(), rel=1e-12)


def test_a_point_has_no_band():
    forecast, truth, _ = normal()
    with pytest.raises(ValueError, match="a point"):
        scored(Forecast(forecast.mean), truth)
