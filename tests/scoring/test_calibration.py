"""Conformal bands: ranks against sorting, coverage against what is guaranteed, each form against a plain loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import spec_of

from recast.errors import ConfigurationError
from recast.scoring.calibration.adaptive import Adaptive
from recast.scoring.calibration.asymmetric import Asymmetric
from recast.scoring.calibration.calibration import Calibration
from recast.scoring.calibration.quantile_regression import QuantileRegression
from recast.scoring.calibration.score_table import MOST, ScoreTable
from recast.scoring.calibration.split import Split
from recast.scoring.metrics.band_scores import BandScores
from recast.types import Forecast

ONE, BOTH = (torch.ones(targets, dtype=torch.float64) for targets in (1, 2))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def points(count: int, horizon: int = 1, targets: int = 1) -> Forecast:
    return Forecast(torch.zeros(count, horizon, targets, dtype=torch.float64))


def banded(mean: torch.Tensor, width: torch.Tensor) -> Forecast:
    """Quantiles of a band whose half width is that of the level times something that differs by window."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    cuts = torch.stack([mean + (level - 0.5) * width for level in levels])
    return Forecast(mean, quantiles=cuts, levels=levels)


def fitted(calibration: Calibration, forecast: Forecast, truth: torch.Tensor, scale: torch.Tensor | None = None):
    scale = torch.ones(truth.shape[-1], dtype=torch.float64) if scale is None else scale
    return calibration.calibrated(ScoreTable.of(calibration.scores(forecast, truth, scale)))


# The finite-sample quantile


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 300), probability=st.floats(0.001, 0.999), seed=st.integers(0, 99))
def test_a_score_has_the_finite_sample_rank(count, probability, seed):
    scores = random(count, 1, 2, 1, seed=seed)
    table = ScoreTable.of(scores)
    rank = math.ceil((count + 1) * probability - 1e-9)
    if rank > count:
        assert probability > table.most - 1e-9
        return
    expected = np.sort(scores.numpy(), axis=0)[rank - 1]
    np.testing.assert_array_equal(table.at(probability).numpy(), expected)


def test_of_many_scores_those_in_between_are_rounded_up():
    scores = random(12_345, 1, 1, 1)
    table = ScoreTable.of(scores)
    assert table.values.shape == (MOST, 1, 1, 1)
    ordered = np.sort(scores.flatten().numpy())
    for probability in (0.001, 0.1, 0.5004, 0.8, 0.95, 0.999):
        place = np.searchsorted(ordered, table.at(probability).item())
        exact = math.ceil(12_346 * probability) - 1
        assert exact <= place <= exact + 13


def test_a_lead_with_fewer_truths_has_its_own_ranks():
    scores = random(50, 1, 2, 1)
    scores[20:, 0, 1] = torch.nan
    table = ScoreTable.of(scores)
    every, few = (np.sort(scores[:count, 0, lead, 0].numpy()) for lead, count in ((0, 50), (1, 20)))
    for level in (0.02, 0.5, 0.9, 0.98):
        place = math.ceil(51 * level)
        assert table.at(level)[0, 0].item() == every[place - 1]
        # Rounded up to the next of 51 parts; beyond twenty of its own 21 nothing is known of the other alone.
        rank = math.ceil(21 * place / 51)
        assert table.at(level)[0, 1].item() == (few[rank - 1] if rank <= 20 else math.inf)
    with pytest.raises(ConfigurationError, match="no truth was observed"):
        ScoreTable.of(torch.full((5, 1, 1, 1), torch.nan))


@pytest.mark.parametrize("calibration", [Split(), Asymmetric(), QuantileRegression(), Adaptive(rate=0.05)])
def test_a_target_with_few_truths_does_not_limit_the_bands_of_others(calibration):
    truth = random(200, 2, 2).abs() + 0.1
    truth[3:, :, 1] = torch.nan
    forecast = banded(torch.zeros_like(truth), torch.full_like(truth, 3.0))
    forecast = forecast._replace(levels=(0.025, 0.25, 0.5, 0.75, 0.975))
    calibrated, alone = (
        fitted(calibration, Forecast(forecast.mean[..., :n], quantiles=forecast.quantiles[..., :n],
               levels=forecast.levels), truth[..., :n]) for n in (2, 1)
    )  # fmt: skip
    later = random(30, 2, 2, seed=1)
    rows = torch.arange(30)
    own = Forecast(forecast.mean[:30], quantiles=forecast.quantiles[:, :30], levels=forecast.levels)
    first = Forecast(own.mean[..., :1], quantiles=own.quantiles[..., :1], levels=own.levels)
    arguments = {"observed": None, "origin": rows, "item": torch.zeros_like(rows)}
    found = calibrated.follow(own, BOTH, later, **arguments)
    expected = alone.follow(first, ONE, later[..., :1], **arguments)
    # Of four parts three are known, on both sides of an asymmetric band two.
    limit = 0.4 if isinstance(calibration, Asymmetric) else 0.7
    for level in (0.3, 0.5, 0.85, 0.9):
        for one, other in zip(found.interval(level), expected.interval(level), strict=True):
            assert torch.equal(one[..., :1], other)
            assert not one.isnan().any()
            assert (one[..., 1].isinf() == (level > limit)).all()
    scores = BandScores(horizon=2, targets=2)
    scores.update(torch.arange(len(later)), found, later)
    computed, reference = scores.compute(), BandScores(horizon=2, targets=1)
    reference.update(torch.arange(len(later)), expected, later[..., :1])
    for kind in ("coverage", "width"):
        for level in ("90", "95"):
            assert computed[kind][level] == pytest.approx(reference.compute()[kind][level])
            assert math.isnan(computed["per_target"][kind][level][1])
    assert math.isfinite(computed["crps"])


# Coverage


def miss_rate(calibration: Calibration, level: float, count: int, repeats: int) -> float:
    """The share of truths outside of their band, over calibrations by exchangeable skewed errors anew."""
    missed = []
    for seed in range(repeats):
        noise = random(count + 40, 1, 1, seed=seed).exp()
        size = random(count + 40, 1, 1, seed=10_000 + seed).abs() + 0.5
        forecast = banded(torch.zeros_like(noise), size)
        first, later = (
            Forecast(forecast.mean[part], quantiles=forecast.quantiles[:, part], levels=forecast.levels)
            for part in (slice(count), slice(count, None))
        )
        band = fitted(calibration, first, (noise * size)[:count]).band(later, ONE).interval(level)
        truth = (noise * size)[count:]
        missed.append(((truth < band[0]) | (truth > band[1])).double().mean().item())
    return float(np.mean(missed))


@pytest.mark.parametrize("calibration", [Split(), Asymmetric(), QuantileRegression(levels=[0.8]), Adaptive()])
def test_a_band_misses_as_often_as_it_says(calibration):
    """With 39 windows the ranks are whole numbers, so that the share is exact: 1 - level, over all calibrations."""
    assert miss_rate(calibration, 0.8, 39, 200) == pytest.approx(0.2, abs=0.015)


def test_the_ends_of_an_asymmetric_band_miss_alike():
    noise = random(999, 1, 1).exp() + 3
    band = fitted(Asymmetric(), points(999), noise).band(points(4000), ONE).interval(0.8)
    later = random(4000, 1, 1, seed=5).exp() + 3
    assert (later < band[0]).double().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (later > band[1]).double().mean().item() == pytest.approx(0.1, abs=0.02)
    lopsided = fitted(Split(), points(999), noise).band(points(4000), ONE).interval(0.8)
    assert (later < lopsided[0]).double().mean().item() < 0.01


# Forms against plain formulas


def test_a_split_band_is_the_mean_and_the_absolute_error():
    truth, later = random(19, 3, 2), random(4, 3, 2, seed=1)
    band = fitted(Split(), points(19, 3, 2), truth).band(Forecast(later), BOTH)
    expected = np.sort(truth.abs().numpy(), axis=0)
    for level in (0.5, 0.9, 0.95):
        low, high = band.interval(level)
        half = expected[math.ceil(20 * level - 1e-9) - 1]
        np.testing.assert_allclose(low.numpy(), later.numpy() - half, rtol=1e-13)
        np.testing.assert_allclose(high.numpy(), later.numpy() + half, rtol=1e-13)
    assert band.widest == pytest.approx(0.95)
    assert band.interval(0.96) is None
    assert torch.equal(band.mean, later)
    torch.testing.assert_close(band.quantiles_at([0.5])[0], later)


def test_an_asymmetric_band_is_the_mean_and_the_signed_errors():
    truth, later = random(39, 2, 1), random(4, 2, 1, seed=1)
    low, high = fitted(Asymmetric(), points(39, 2, 1), truth).band(Forecast(later), ONE).interval(0.9)
    ordered = np.sort(truth.numpy(), axis=0)
    np.testing.assert_allclose(low.numpy(), later.numpy() + ordered[1], rtol=1e-13)
    np.testing.assert_allclose(high.numpy(), later.numpy() + ordered[37], rtol=1e-13)


def test_a_corrected_band_is_that_of_the_model_and_one_number():
    truth, size = random(39, 2, 1), random(39, 2, 1, seed=3).abs() + 0.1
    calibrated = fitted(QuantileRegression(levels=[0.5, 0.9]), banded(torch.zeros_like(truth), size), truth)
    later, wide = random(4, 2, 1, seed=1), random(4, 2, 1, seed=4).abs() + 9
    own = banded(later, wide)
    found = calibrated.band(own, ONE)
    for level in (0.5, 0.9):
        scores = np.maximum(-level / 2 * size.numpy() - truth.numpy(), truth.numpy() - level / 2 * size.numpy())
        change = np.sort(scores, axis=0)[math.ceil(40 * level) - 1]
        low, high = (end.numpy() for end in own.interval(level))
        np.testing.assert_allclose(found.interval(level)[0].numpy(), low - change, rtol=1e-12)
        np.testing.assert_allclose(found.interval(level)[1].numpy(), high + change, rtol=1e-12)
    # Between levels the correction is between.
    middle = found.interval(0.7)[1] - own.interval(0.7)[1]
    ends = [found.interval(level)[1] - own.interval(level)[1] for level in (0.5, 0.9)]
    torch.testing.assert_close(middle, (ends[0] + ends[1]) / 2)
    # A band that would turn inside out is closed.
    thin = calibrated.band(banded(later, wide / 1e6), ONE).interval(0.5)
    assert (thin[0] <= thin[1]).all()
    assert found.interval(0.95) is None


def test_levels_that_the_model_does_not_know_are_left_out():
    truth = random(39, 1, 1)
    forecast = banded(torch.zeros_like(truth), torch.ones_like(truth))
    assert fitted(QuantileRegression(), forecast, truth).band(forecast, ONE).interval(0.9) is not None
    # Neither does it correct a band that the model learns to know later, nor do others become infinite.
    wider = (0.03, 0.1, 0.5, 0.9, 0.97)
    mean, own = torch.zeros_like(truth), torch.tensor([-1.9, -1.3, 0.0, 1.3, 1.9], dtype=torch.float64)
    known = Forecast(mean, quantiles=own.reshape(-1, 1, 1, 1).expand(-1, *truth.shape), levels=wider)
    calibrated = fitted(QuantileRegression(), known, truth)
    assert calibrated.table.values[:, 3].isinf().all()
    scores = BandScores(horizon=1, targets=1)
    scores.update(torch.arange(len(truth)), calibrated.band(known, ONE), truth)
    assert calibrated.band(known, ONE).interval(0.93)[1].abs().max() < 9
    assert scores.compute()["crps"] < 9
    with pytest.raises(ConfigurationError, match=r"knows none of the bands.*0\.97"):
        fitted(QuantileRegression(levels=[0.97]), forecast, truth)


def test_a_band_is_as_wide_as_the_window_is_large():
    scale = torch.tensor([1.0, 10.0], dtype=torch.float64).reshape(2, 1, 1)
    size = scale.repeat(20, 1, 1)
    calibrated = fitted(Split(), points(40, 2), random(40, 2, 1) * size, size)
    low, high = calibrated.band(points(2, 2), scale).interval(0.8)
    torch.testing.assert_close((high - low)[1], 10 * (high - low)[0])


@pytest.mark.parametrize("calibration", [Split(), Asymmetric(), QuantileRegression(), Adaptive()])
def test_bands_of_larger_levels_hold_those_of_smaller_ones(calibration):
    truth = random(200, 2, 1).exp()
    forecast = banded(torch.zeros_like(truth), torch.full_like(truth, 3.0))
    found = fitted(calibration, forecast, truth).band(forecast, ONE)
    cuts = found.quantiles_at([0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95])
    assert (cuts.diff(dim=0) >= 0).all()


# Adaptive bands


def followed(rate: float, scores: np.ndarray, truth: np.ndarray, origins: list[int], level: float) -> np.ndarray:
    """Half widths of an adaptive band, window by window: the definition, in a plain loop over one target."""
    count, horizon = truth.shape
    ordered = np.sort(scores, axis=0)
    alpha, widths = np.full(horizon, 1 - level), np.zeros((count, horizon))
    missed: dict[tuple[int, int], bool] = {}
    for window, now in enumerate(origins):
        for lead in range(horizon):
            # The truth of lead k of a forecast is known k steps later.
            for before in range(window):
                if (before, lead) in missed and origins[before] + lead + 1 <= now:
                    alpha[lead] += rate * ((1 - level) - missed.pop((before, lead)))
                    alpha[lead] = min(max(alpha[lead], 0.0), 1.0)
            rank = min(max(math.ceil((1 - alpha[lead]) * (len(scores) + 1) - 1e-9), 0), len(scores))
            widths[window, lead] = ordered[rank - 1, lead] if rank else 0.0
            missed[window, lead] = abs(truth[window, lead]) > widths[window, lead]
    return widths


@pytest.mark.parametrize("steps", [(1,), (2,), (1, 1, 5), (3, 1)])
def test_an_adaptive_band_follows_the_definition(steps):
    first, later = random(49, 3, 1), 2 * random(150, 3, 1, seed=1)
    calibrated = fitted(Adaptive(rate=0.05), points(49, 3), first)
    origin = torch.tensor([steps[number % len(steps)] for number in range(150)]).cumsum(0)
    item = torch.zeros(150, dtype=torch.int64)
    found = []
    for part in (slice(70), slice(70, 150)):
        part_of = points(len(origin[part]), 3)
        band = calibrated.follow(part_of, ONE, later[part], observed=None, origin=origin[part], item=item[part])
        found.append(band.interval(0.8)[1])
    expected = followed(0.05, first.abs().numpy()[..., 0], later.numpy()[..., 0], origin.tolist(), 0.8)
    np.testing.assert_allclose(torch.cat(found)[..., 0].numpy(), expected)
    # The forecast after them begins where they have led; another series, or the same again, at the beginning.
    after = calibrated.band(points(1, 3), ONE).interval(0.8)[1]
    assert not torch.equal(after[0], calibrated.table.at(0.8)[0])
    again = calibrated.follow(points(1, 3), ONE, later[:1], observed=None, origin=origin[:1], item=item[:1] + 1)
    torch.testing.assert_close(again.interval(0.8)[1][0], calibrated.table.at(0.8)[0])


def test_an_adaptive_band_holds_its_share_where_the_errors_grow():
    first = random(199, 1, 1)
    later = random(3000, 1, 1, seed=1) * torch.linspace(1, 2.2, 3000, dtype=torch.float64).reshape(-1, 1, 1)
    rows = torch.arange(3000)
    arguments = {"observed": None, "origin": rows, "item": torch.zeros_like(rows)}
    shares = []
    for calibration in (Split(), Adaptive(rate=0.02)):
        band = fitted(calibration, points(199), first).follow(points(3000), ONE, later, **arguments).interval(0.8)
        shares.append(((band[0] <= later) & (later <= band[1])).double().mean().item())
    assert shares[0] < 0.7
    assert shares[1] == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("size", "where"), [(1e6, 1.0), (0.0, 0.0)])
def test_a_level_stops_at_its_bounds_and_returns_at_once(size, where):
    """A thousand misses, or hits, in a row: afterwards the band is another one within a few windows."""
    calibrated = fitted(Adaptive(rate=0.1), points(49), random(49, 1, 1))
    rows = torch.arange(1000)
    arguments = {"observed": None, "item": torch.zeros_like(rows)}
    truth = torch.full((1000, 1, 1), size, dtype=torch.float64)
    calibrated.follow(points(1000), ONE, truth, origin=rows, **arguments)
    # A band of level 0 misses what lies outside of the mean alone: there hits are without end.
    assert (calibrated.reached == where).all()
    calibrated.follow(points(1000), ONE, truth * 0 + 1e6 * (1 - where), origin=1000 + rows, **arguments)
    assert (calibrated.reached == 1 - where).all()


def test_what_was_not_observed_moves_no_level():
    calibrated = fitted(Adaptive(rate=0.1), points(49), random(49, 1, 1))
    rows, nothing = torch.arange(30), torch.zeros(30, 1, 1, dtype=torch.bool)
    truth = torch.full((30, 1, 1), torch.nan, dtype=torch.float64)
    band = calibrated.follow(points(30), ONE, truth, observed=nothing, origin=rows, item=torch.zeros_like(rows))
    assert torch.equal(band.interval(0.8)[1], calibrated.table.at(0.8)[0].expand(30, 1, 1))


# In a checkpoint


def test_a_table_comes_back_and_another_is_refused():
    spec = spec_of(targets=2, context=4, horizon=3)
    calibration = QuantileRegression()
    truth = random(30, 3, 2)
    kept = fitted(calibration, banded(truth * 0, truth.abs() + 1), truth).to_dict()
    assert torch.equal(calibration.restored(kept, spec).table.values, kept["scores"])
    wrong = {
        "expected the scores": {"table": kept["scores"]},
        "no table of scores": {"scores": kept["scores"].float()},
        "do not fit 4 kinds, 3 leads and 2 targets": {"scores": kept["scores"][:, :, :2]},
        "do not fit": {"scores": torch.full_like(kept["scores"], torch.nan)},
    }
    for told, values in wrong.items():
        with pytest.raises(ConfigurationError, match=told):
            calibration.restored(values, spec)


def test_a_longer_horizon_has_no_band():
    calibrated = fitted(Split(), points(30, 3), random(30, 3, 1))
    assert calibrated.band(points(2, 2), ONE).interval(0.8)[0].shape == (2, 2, 1)
    with pytest.raises(ConfigurationError, match=r"horizon=4: bands were calibrated for 3 steps"):
        calibrated.band(points(2, 4), ONE)


@pytest.mark.parametrize("options", [{"share": 1.0}, {"share": -0.1}, {"rate": 0.0}, {"levels": []}])
def test_options_are_checked(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Adaptive(**options)
