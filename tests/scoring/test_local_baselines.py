"""Models of one series, fitted at each origin, against statsmodels on each context and closed forms."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel

from recast.errors import MisfitError
from recast.scoring.baselines.baseline import History
from recast.scoring.baselines.local import ExponentialSmoothing, Theta

CONTEXT, HORIZON, PERIOD = 24, 6, 6


def history(level: float = 10.0, seed: int = 0, targets: int = 2) -> History:
    random = np.random.default_rng(seed)
    steps = np.arange(60)
    waves = np.sin(2 * np.pi * steps / PERIOD)[:, np.newaxis] * np.arange(1, targets + 1)
    values = level + waves + 0.1 * random.normal(size=(60, targets)) + 0.05 * steps[:, np.newaxis]
    return History(values, steps * 0.5, np.array([0, 7, 30]), CONTEXT, HORIZON)


def forecast(baseline, part: History) -> np.ndarray:
    baseline.fit(part)
    ((origins, _),) = part.windows()
    return baseline.forecast(origins)


def by_statsmodels(part: History, one) -> np.ndarray:
    """Each context of each target for itself."""
    ((origins, _),) = part.windows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [[one(context[:, target]) for target in range(context.shape[1])] for context in origins.context]
    return np.asarray(found).transpose(0, 2, 1)


@pytest.mark.parametrize(("level", "method"), [(10.0, "multiplicative"), (-10.0, "additive")])
def test_theta_is_that_of_statsmodels(level, method):
    part = history(level)
    expected = by_statsmodels(
        part,
        lambda values: (
            ThetaModel(values, period=PERIOD, deseasonalize=True, use_test=False, method=method)
            .fit(use_mle=False)
            .forecast(HORIZON)
        ),
    )
    np.testing.assert_allclose(forecast(Theta(season_hours=3), part), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("trend", "damped", "word"), [("add", True, "damped"), ("add", False, "additive"), (None, False, "none")]
)
def test_exponential_smoothing_is_that_of_statsmodels(trend, damped, word):
    part = history()
    options = {"trend": trend, "damped_trend": damped, "seasonal": "add", "seasonal_periods": PERIOD}
    expected = by_statsmodels(
        part,
        lambda values: (
            ETSModel(values, error="add", initialization_method="heuristic", **options)
            .fit(disp=False, maxiter=200)
            .forecast(HORIZON)
        ),
    )
    np.testing.assert_allclose(forecast(ExponentialSmoothing(season_hours=3, trend=word), part), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", [Theta, ExponentialSmoothing])
def test_a_season_helps_where_there_is_one(kind):
    part = history()
    ((_, truth),) = part.windows()
    with_season, without = (np.abs(forecast(kind(season_hours=hours), part) - truth).mean() for hours in (3, None))
    assert with_season < 0.3 < without


@pytest.mark.parametrize("kind", [Theta, ExponentialSmoothing])
def test_without_a_season_of_its_own_it_has_that_of_the_data(kind):
    part = history()
    own = forecast(kind(), replace(part, season=PERIOD))
    np.testing.assert_array_equal(own, forecast(kind(season_hours=PERIOD * part.step_hours), part))


@pytest.mark.parametrize("kind", [Theta, ExponentialSmoothing])
def test_a_constant_context_is_held(kind):
    part = history()
    part.values[:, 1] = 0.1
    assert (forecast(kind(), part)[..., 1] == 0.1).all()


@pytest.mark.parametrize("period", [None, 2, 3, 4, 7, 8, 12])
@pytest.mark.parametrize("kind", [Theta, ExponentialSmoothing])
def test_the_shortest_context_is_one_that_statsmodels_fits(kind, period):
    random = np.random.default_rng(0)
    for context in range(4, 40):
        part = History(random.normal(size=(60, 1)) + 10, np.arange(60.0), np.array([0]), context, 3)
        try:
            found = forecast(kind(season_hours=period), part)
        except MisfitError:
            continue
        assert np.isfinite(found).all()
        return
    raise AssertionError("no context was accepted")


@pytest.mark.parametrize("kind", [Theta, ExponentialSmoothing])
def test_what_does_not_fit_is_refused(kind):
    part = history()
    with pytest.raises(MisfitError, match=r"context of 24 steps is shorter than the 26 .*\(a season has 13\)"):
        kind(season_hours=6.5).fit(part)
    with pytest.raises(MisfitError, match=r"season_hours=0\.6 is less than two steps of 0\.5 hours"):
        kind(season_hours=0.6).fit(part)
    kind(most_fits=10).require_affordable(10)
    with pytest.raises(MisfitError, match="11 forecasts would each need a fit, more than most_fits=10"):
        kind(most_fits=10).require_affordable(11)
