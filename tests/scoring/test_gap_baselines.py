"""Baselines of imputation against pandas, closed forms, and the conditional mean of a Gaussian."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.arima_process import ArmaProcess

from recast.data.panel import Panel, columns_of
from recast.errors import ConfigurationError, DataError, MisfitError, RecastError
from recast.scoring.baselines.gap_baselines import FillLast, FillLinear, FillMean, GapBaseline, GapWindows
from recast.scoring.baselines.gap_courses import FillHarmonic, FillSeasonal
from recast.scoring.baselines.gap_kalman import ORDERS, FillKalman

WINDOWS, STEPS, TARGETS, ROWS = 20, 15, 3, 600
CLOCK = np.datetime64("2020-03-01T00:00", "ms") + np.arange(ROWS + 200) * np.timedelta64(1, "h")
DAY, M2 = 24.0, 12.4206012


@pytest.fixture
def training() -> Panel:
    values = np.random.default_rng(0).normal(5, 2, (ROWS, TARGETS)).cumsum(axis=0)
    values[::7, 1] = np.nan
    return panel_of(values)


def panel_of(values: np.ndarray) -> Panel:
    names = ["a", "b", "c"][: values.shape[1]]
    return Panel(columns_of(targets=names), values, np.zeros(1, dtype=np.int64), "made", times=CLOCK[: len(values)])


@pytest.fixture
def windows() -> GapWindows:
    random = np.random.default_rng(1)
    values = random.normal(size=(WINDOWS, STEPS, TARGETS))
    values[random.random(values.shape) < 0.6] = np.nan
    values[3, :, 1] = np.nan
    values[4] = np.nan
    return windows_of(values)


def windows_of(values: np.ndarray) -> GapWindows:
    first = ROWS + np.arange(len(values))
    return GapWindows.of(values, CLOCK[first[:, None] + np.arange(values.shape[1])])


def with_pandas(name: str, window: pd.DataFrame, means: pd.Series) -> pd.DataFrame:
    filled = {
        "mean": lambda: window,
        "last": lambda: window.ffill().bfill(),
        "linear": lambda: window.interpolate(limit_direction="both"),
    }[name]()
    return filled.fillna(means)


@pytest.mark.parametrize(("baseline", "name"), [(FillMean(), "mean"), (FillLast(), "last"), (FillLinear(), "linear")])
def test_it_fills_as_pandas_does(baseline: GapBaseline, name, training, windows):
    means = pd.DataFrame(training.values).mean()
    baseline.fit(training)
    for window, filled in zip(windows.values, baseline.fill(windows), strict=True):
        assert filled == pytest.approx(with_pandas(name, pd.DataFrame(window), means).to_numpy(), abs=1e-9)


ALL = [
    FillMean(),
    FillLast(),
    FillLinear(),
    FillSeasonal(hours=DAY),
    FillHarmonic(constituents=["M2"]),
    FillKalman(rows=60),
]


@pytest.mark.parametrize("baseline", ALL, ids=lambda baseline: type(baseline).__name__)
def test_what_was_observed_stays_and_every_place_has_a_number(baseline: GapBaseline, training, windows):
    with pytest.raises(RecastError, match="not fitted"):
        type(baseline)(**({"hours": DAY} if isinstance(baseline, FillSeasonal) else {})).fill(windows)
    before = windows.values.copy()
    baseline.fit(training)
    found = baseline.fill(windows)
    assert np.array_equal(windows.values, before, equal_nan=True)
    assert np.isfinite(found).all()
    assert np.array_equal(found[~np.isnan(before)], before[~np.isnan(before)])


def test_a_column_that_was_never_observed_is_named(training):
    training.values[:, 2] = np.nan
    with pytest.raises(DataError, match="'c' was never observed"):
        FillMean().fit(training)


def hours_of(clock: np.ndarray) -> np.ndarray:
    return (clock - np.datetime64("1970-01-01")) / np.timedelta64(1, "h")


def course(clock: np.ndarray, season: float) -> np.ndarray:
    phase = hours_of(clock) / season * 2 * np.pi
    return np.stack([np.sin(phase), 2 * np.cos(phase) + 1], axis=-1)


@pytest.mark.parametrize(
    ("baseline", "season"), [(FillSeasonal(hours=DAY), DAY), (FillHarmonic(constituents=["M2"]), M2)]
)
def test_a_course_with_a_line_on_top_of_it_is_filled_exactly(baseline: GapBaseline, season):
    values = course(CLOCK, season)
    values[::5] = np.nan
    baseline.fit(panel_of(values[:ROWS]))
    # A whole number of days and of semi-days is not asked for: the constant is fitted beside the oscillations.
    whole = course(CLOCK[ROWS : ROWS + 40], season) + np.linspace(0, 3, 40)[:, None] + 7
    left = whole.copy()
    left[3:37, 0] = np.nan
    left[10:30, 1] = np.nan
    tolerance = 1e-9 if season == DAY else 1e-3  # UTide's M2 has its own third harmonics of the astronomy
    assert baseline.fill(GapWindows.of(left[None], CLOCK[None, ROWS : ROWS + 40]))[0] == pytest.approx(
        whole, abs=tolerance
    )


def test_the_phases_of_a_season_need_not_divide_into_steps():
    # 24 h 50 min of lunar day: the phase of a stamp is counted in time.
    season = 24.8412
    baseline = FillSeasonal(hours=season)
    baseline.fit(panel_of(course(CLOCK, season)[:ROWS]))
    whole = course(CLOCK[ROWS : ROWS + 60], season)
    left = whole.copy()
    left[5:55] = np.nan
    found = baseline.fill(GapWindows.of(left[None], CLOCK[None, ROWS : ROWS + 60]))[0]
    assert np.abs(found - whole).max() < 0.4  # of amplitudes 1 and 2, half a step away
    by_rows = FillSeasonal(hours=25)
    by_rows.fit(panel_of(course(CLOCK, season)[:ROWS]))
    other = by_rows.fill(GapWindows.of(left[None], CLOCK[None, ROWS : ROWS + 60]))[0]
    assert np.abs(found - whole).mean() < np.abs(other - whole).mean()


def test_a_season_shorter_than_two_steps_is_refused(training):
    with pytest.raises(ConfigurationError, match="hours=1 is less than two steps of 1 hours"):
        FillSeasonal(hours=1.0).fit(training)


@pytest.mark.parametrize("course", [FillSeasonal, partial(FillHarmonic, constituents=["M2"])])
def test_a_course_tells_what_was_chosen_for_its_residual_and_costs_what_that_costs(course, training):
    options = {"hours": DAY} if course is FillSeasonal else {}
    baseline = course(**options, residual=FillKalman(rows=60, most_windows=10))
    with pytest.raises(MisfitError, match="4 windows of 3 targets"):
        baseline.require_affordable(4, 3)
    baseline.fit(training)
    assert len(baseline.facts["models"]) == TARGETS


def test_the_residual_of_a_course_is_filled_by_any_baseline(training, windows):
    seasonal, held = (FillSeasonal(hours=DAY, residual=residual) for residual in (None, FillLast()))
    for baseline in (seasonal, held):
        baseline.fit(training)
    assert not np.array_equal(seasonal.fill(windows), held.fill(windows))


def covariance_of(order: int | None, parameters: np.ndarray) -> np.ndarray:
    """That of the observations of a window; a random walk begins with a variance of a million."""
    *coefficients, irregular, variance = parameters[1:] if order else parameters
    steps = np.arange(STEPS)
    if order is None:
        states = 1e6 + variance * np.minimum(steps[:, None], steps)
    else:
        process = ArmaProcess(np.concatenate([[1.0], -np.array(coefficients)]))
        lags = variance * process.acovf(STEPS)
        states = lags[np.abs(steps[:, None] - steps)]
    return states + irregular * np.eye(STEPS)


@pytest.mark.parametrize("order", ORDERS)
def test_a_smoother_gives_the_conditional_mean(order, monkeypatch):
    monkeypatch.setattr("recast.scoring.baselines.gap_kalman.ORDERS", (order,))
    random = np.random.default_rng(3)
    values = ArmaProcess([1.0, -0.9, 0.3]).generate_sample(ROWS, distrvs=random.standard_normal) + 5
    baseline = FillKalman(rows=150)
    baseline.fit(panel_of(values[:, None] + 0.3 * random.normal(size=(ROWS, 1))))
    assert baseline.facts == {"models": ["local level" if order is None else f"AR({order})"]}
    parameters, scale, mean = baseline._parameters[0], baseline._scales[0], baseline._means[0]
    values = random.normal(size=STEPS) + 5
    missing = random.random(STEPS) < 0.5
    found = baseline.fill(windows_of(np.where(missing, np.nan, values)[None, :, None]))[0, :, 0]
    covariance = covariance_of(order, parameters)
    between, own = covariance[np.ix_(missing, ~missing)], covariance[np.ix_(~missing, ~missing)]
    centre = 0.0 if order is None else parameters[0] / (1 - parameters[1 : 1 + order].sum())
    expected = centre + between @ np.linalg.solve(own, (values[~missing] - mean) / scale - centre)
    assert found[missing] == pytest.approx(expected * scale + mean, abs=1e-3)


def test_an_autoregression_is_chosen_for_one_and_returns_to_its_mean():
    random = np.random.default_rng(0)
    values = ArmaProcess([1.0, -1.6, 0.8]).generate_sample(ROWS, distrvs=random.standard_normal) + 50
    baseline = FillKalman(rows=300)
    baseline.fit(panel_of(values[:, None]))
    assert baseline.facts["models"][0] in {"AR(2)", "AR(3)"}
    whole = np.concatenate([values[:10], np.full(190, np.nan)])
    clock = CLOCK[None, :200]
    found = baseline.fill(GapWindows.of(whole[None, :, None], clock))[0, :, 0]
    assert found[-1] == pytest.approx(values.mean(), abs=1.5)
    # A gap of one step is better than the line.
    errors = {}
    for name, filling in (("line", FillLinear()), ("smoother", baseline)):
        filling.fit(panel_of(values[:, None]))
        left = values[:200].copy()
        left[1::3] = np.nan
        errors[name] = np.abs(filling.fill(GapWindows.of(left[None, :, None], clock))[0, :, 0] - values[:200]).mean()
    assert errors["smoother"] < 0.8 * errors["line"]


@pytest.mark.parametrize("values", [np.nan, 3.0])
def test_a_smoother_that_cannot_be_fitted_is_refused_or_holds(values):
    training = panel_of(np.full((ROWS, 1), values))
    training.values[0] = training.values[5] = 3.0
    if np.isnan(values):
        with pytest.raises(
            DataError, match="'a' was observed 2 times in the last 50 training rows of the piece with the most, fewer"
        ):
            FillKalman(rows=50).fit(training)
        return
    # A sensor that is stuck.
    baseline = FillKalman(rows=50)
    baseline.fit(training)
    left = np.full((1, 30, 1), 3.0)
    left[0, 5:25] = np.nan
    assert baseline.fill(windows_of(left)) == pytest.approx(3.0, abs=1e-3)


def test_a_smoother_of_many_windows_or_targets_is_left_out():
    baseline = FillKalman(most_fits=12, most_windows=100)
    baseline.require_affordable(33, 3)
    with pytest.raises(MisfitError, match="4 targets would need 4 fits each, more than most_fits=12"):
        baseline.require_affordable(1, 4)
    with pytest.raises(MisfitError, match=r"34 windows of 3 targets .* more than most_windows=100"):
        baseline.require_affordable(34, 3)


def test_a_smoother_is_fitted_within_a_piece():
    random = np.random.default_rng(0)
    process = ArmaProcess([1.0, -0.9]).generate_sample(300, distrvs=random.standard_normal)
    one = panel_of(np.concatenate([process, process[:40] + 1000])[:, None])
    two = replace(one, starts=np.array([0, 300]), items=np.array([0, 0]))
    fits = []
    for training in (two, panel_of(process[:, None])):
        baseline = FillKalman(rows=200)
        baseline.fit(training)
        fits.append((baseline.facts["models"], baseline._parameters[0][-1] * baseline._scales[0] ** 2))
    assert fits[0][0] == fits[1][0]
    # The noise of a step is that of the process, not of the jump.
    assert fits[0][1] == pytest.approx(fits[1][1], rel=0.05)


def test_a_smoother_is_the_same_in_every_unit(windows):
    metres, kilometres = FillKalman(rows=100), FillKalman(rows=100)
    values = ArmaProcess([1.0, -0.9]).generate_sample((ROWS, TARGETS), distrvs=np.random.default_rng(0).standard_normal)
    training = panel_of(values)
    metres.fit(training)
    kilometres.fit(replace(training, values=training.values / 1000))
    other = kilometres.fill(replace(windows, values=windows.values / 1000)) * 1000
    assert other == pytest.approx(metres.fill(windows), abs=0.01)
