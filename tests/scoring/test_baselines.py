"""Baselines against closed forms and scikit-learn."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as SklearnRidge

from recast.errors import ConfigurationError, DataError, RecastError
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.baselines.naive import Drift, LastValue, Mean, Seasonal
from recast.scoring.baselines.ridge import Ridge
from recast.scoring.baselines.window_products import window_products
from recast.types import Origins

CONTEXT, HORIZON = 6, 4
SIMPLE = [LastValue(), Drift(), Mean(), Seasonal(hours=0.5), Ridge(), Ridge(shared=False, levels=False)]


def history(rows: int = 80, targets: int = 2, level: float = 0.0, seed: int = 0) -> History:
    values = level + np.random.default_rng(seed).normal(size=(rows, targets)).cumsum(axis=0)
    starts = np.arange(rows - CONTEXT - HORIZON + 1)
    return History(values, 420_000 + np.arange(rows) / 6, starts, CONTEXT, HORIZON)


def all_windows(part: History) -> tuple[Origins, np.ndarray]:
    return next(part.windows(batch=10**6))


def fitted(baseline: Baseline, part: History) -> np.ndarray:
    baseline.fit(part)
    return baseline.forecast(all_windows(part)[0])


def test_windows_are_the_rows_they_start_at() -> None:
    part = history()
    batches = list(part.windows(batch=32))
    assert [len(truth) for _, truth in batches] == [32, 32, 7]
    origins, truth = all_windows(part)
    for name in ("context", "context_hours", "future_hours"):
        joined = np.concatenate([getattr(batch, name) for batch, _ in batches])
        np.testing.assert_array_equal(joined, getattr(origins, name))
    for start in part.starts:
        np.testing.assert_array_equal(origins.context[start], part.values[start : start + 6])
        np.testing.assert_array_equal(origins.context_hours[start], part.hours[start : start + 6])
        np.testing.assert_array_equal(origins.future_hours[start], part.hours[start + 6 : start + 10])
        np.testing.assert_array_equal(truth[start], part.values[start + 6 : start + 10])


def test_windows_start_only_where_permitted() -> None:
    part = history()
    few = History(part.values, part.hours, np.array([70, 3]), CONTEXT, HORIZON)
    _, truth = all_windows(few)
    np.testing.assert_array_equal(truth, np.stack([part.values[76:80], part.values[9:13]]))


def test_minus_subtracts_from_all_windows_and_keeps_the_rest() -> None:
    part = history()
    less = part.minus(part.values - 1)
    np.testing.assert_allclose(less.values, 1, rtol=1e-12)
    assert (less.hours is part.hours, less.context, less.horizon) == (True, CONTEXT, HORIZON)


@pytest.mark.parametrize("baseline", SIMPLE, ids=lambda baseline: type(baseline).__name__)
def test_forecasts_are_float64_of_the_shape_of_the_truth(baseline: Baseline) -> None:
    part = history()
    forecast = fitted(baseline, part)
    assert forecast.shape == all_windows(part)[1].shape
    assert forecast.dtype == np.float64
    assert forecast.flags.writeable


@pytest.mark.parametrize("baseline", SIMPLE, ids=lambda baseline: type(baseline).__name__)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-100, 100))
def test_a_shifted_series_has_a_shifted_forecast(baseline: Baseline, seed: int, shift: float) -> None:
    part = history(seed=seed)
    shifted = part.minus(np.full_like(part.values, -shift))
    np.testing.assert_allclose(fitted(baseline, shifted), fitted(baseline, part) + shift, atol=1e-9)


def test_last_value() -> None:
    part = history()
    forecast = fitted(LastValue(), part)
    for lead in range(HORIZON):
        np.testing.assert_array_equal(forecast[:, lead], part.values[part.starts + CONTEXT - 1])


def test_drift_continues_a_line_exactly() -> None:
    rows = np.arange(80.0)
    part = history()
    line = History(np.stack([3 + 0.5 * rows, -2 * rows], axis=1), part.hours, part.starts, CONTEXT, HORIZON)
    np.testing.assert_allclose(fitted(Drift(), line), all_windows(line)[1], rtol=1e-12)


def test_drift_reads_the_first_and_last_value_only() -> None:
    part = history()
    origins, _ = all_windows(part)
    slope = (origins.context[:, -1] - origins.context[:, 0]) / 5
    np.testing.assert_allclose(fitted(Drift(), part)[:, 3], origins.context[:, -1] + 4 * slope, rtol=1e-12)


def test_mean_is_that_of_all_training_rows_not_of_windows() -> None:
    part = history()
    few = History(part.values, part.hours, np.array([0]), CONTEXT, HORIZON)
    np.testing.assert_allclose(fitted(Mean(), few)[0], np.tile(part.values.mean(0), (HORIZON, 1)), rtol=1e-12)


@pytest.mark.parametrize("lag", range(1, CONTEXT + 1))
def test_seasonal_is_exact_for_a_series_of_that_period(lag: int) -> None:
    part = history()
    season = np.random.default_rng(lag).normal(size=(lag, 2))
    periodic = History(season[np.arange(80) % lag], part.hours, part.starts, CONTEXT, HORIZON)
    np.testing.assert_array_equal(fitted(Seasonal(hours=lag / 6), periodic), all_windows(periodic)[1])


def test_seasonal_goes_back_by_whole_lags_from_each_lead() -> None:
    part = history()
    forecast = fitted(Seasonal(hours=0.5), part)
    origin = part.starts + CONTEXT - 1
    for lead, back in ((1, 3), (2, 3), (3, 3), (4, 6)):
        np.testing.assert_array_equal(forecast[:, lead - 1], part.values[origin + lead - back])


@pytest.mark.parametrize("minutes", [1, 6, 7.5, 10, 60])
def test_a_season_of_any_length_is_exact_where_the_series_is_linear_between_rows(minutes: float) -> None:
    """A wave of straight lines whose corners are rows: its period is no multiple of the step."""
    step, season = minutes / 60, 24.8412
    context = int(season / step) + 2
    hours = 420_000 + np.arange(3 * context) * step
    phases = np.array([0.0, 0.3, 0.55, 0.9, 1.0]) * season
    heights = np.array([0.0, 1.0, -2.0, 0.5, 0.0])

    def wave(times: np.ndarray) -> np.ndarray:
        return np.interp((times - 420_000) % season, phases, heights)[..., np.newaxis]

    part = History(wave(hours), hours, np.arange(context), context, context)
    forecast, truth = fitted(Seasonal(hours=season), part), all_windows(part)[1]
    near_corner = 2 * np.abs(np.diff(heights) / np.diff(phases)).max() * step
    assert np.abs(forecast - truth).max() <= near_corner
    assert np.median(np.abs(forecast - truth)) < 1e-9


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), season=st.floats(0.5, 3.0))
def test_seasons_at_irregular_steps_are_interpolated_in_time(seed: int, season: float) -> None:
    random = np.random.default_rng(seed)
    hours = random.choice(4000, size=60, replace=False)
    hours.sort()
    part = History(random.normal(size=(60, 2)), hours / 100, np.arange(41), 12, 8)
    baseline = Seasonal(hours=0.5)
    baseline.fit(part)
    baseline.hours = season
    origins, _ = all_windows(part)
    forecast, length = baseline.forecast(origins), round(season * 3_600_000) / 3_600_000
    for window in (0, 17, 40):
        last = origins.context_hours[window, -1]
        for lead, ahead in enumerate(origins.future_hours[window]):
            time = ahead
            while time > last + 1e-9:
                time = time - length
            for target in range(2):
                own = origins.context[window, :, target]
                expected = np.interp(time, origins.context_hours[window], own)
                assert forecast[window, lead, target] == pytest.approx(expected, abs=1e-3)


def test_a_window_that_spans_less_reads_nothing_of_another() -> None:
    """Half-hourly rows of ones behind a window of a thousands, by a season that reaches beyond their beginning."""
    part = History(np.arange(100.0)[:, np.newaxis], np.arange(100.0), np.arange(60), 24, 6)
    baseline = Seasonal(hours=24)
    baseline.fit(part)
    hours = np.stack([np.arange(30.0), 40 + np.arange(30) / 2])
    context = np.stack([np.full((24, 1), 1000.0), np.ones((24, 1))])
    both = baseline.forecast(Origins(context, hours[:, :24], hours[:, 24:], None, None))
    assert (both[1] == 1).all()
    assert (both[0] == 1000).all()


def test_steps_below_a_millisecond_have_no_seasons() -> None:
    part = history()
    with pytest.raises(ConfigurationError, match="shorter than a millisecond"):
        Seasonal(hours=1e-6).fit(replace(part, hours=np.arange(80) * 1e-8))


def test_without_hours_the_season_is_that_of_the_data() -> None:
    part = history()
    np.testing.assert_array_equal(
        fitted(Seasonal(hours=None), replace(part, season=3)), fitted(Seasonal(hours=3 / 6), part)
    )
    with pytest.raises(ConfigurationError, match=r"data\.season=1 says that there is none"):
        Seasonal(hours=None).fit(part)


def test_a_season_shorter_than_a_step_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"hours=0\.05 is less than half a step of 0\.166667 hours"):
        Seasonal(hours=0.05).fit(history())


FORMS = [{"shared": shared, "levels": levels} for shared in (True, False) for levels in (True, False)]


def by_hand(part: History, unseen: History, penalty: float, shared: bool, levels: bool) -> np.ndarray:
    """The forecasts for the windows of `unseen` by scikit-learn, window by window."""
    mean, spread = part.values.mean(axis=0), part.values.std(axis=0)

    def examples(of: History) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        origins, truth = all_windows(of)
        past, future = (origins.context - mean) / spread, (truth - mean) / spread
        last = past[:, -1:]
        x = past if levels else (past - last)[:, :-1]
        y = future - last
        if shared:
            x, y = (values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (x, y))
        return x.reshape(len(x), -1), y.reshape(len(y), -1), last

    x, y, _ = examples(part)
    unseen_x, _, last = examples(unseen)
    alpha = penalty * x.reshape(len(x), -1).var(axis=0).mean()
    found = SklearnRidge(alpha=alpha, solver="svd").fit(x, y).predict(unseen_x)
    targets = part.values.shape[1]
    changes = (
        found.reshape(len(last), targets, HORIZON).transpose(0, 2, 1)
        if shared
        else found.reshape(len(last), HORIZON, targets)
    )
    return mean + (last + changes) * spread


@pytest.mark.parametrize("penalty", [0.0, 0.1, 10.0, 1e4])
@pytest.mark.parametrize("level", [0.0, 1e6])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_ridge_is_that_of_scikit_learn(penalty: float, level: float, form: dict[str, bool]) -> None:
    part = history(rows=3000, level=level)
    forecast = fitted(Ridge(penalty=penalty, **form), part)
    expected = by_hand(part, part, penalty, **form)
    np.testing.assert_allclose(forecast, expected, rtol=1e-9 if level == 0 else 0, atol=1e-9 if level == 0 else 1e-6)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_ridge_forecasts_unseen_windows_with_the_fitted_map(form: dict[str, bool]) -> None:
    train, test = history(seed=1), history(seed=2)
    baseline = Ridge(penalty=1.0, **form)
    baseline.fit(train)
    expected = by_hand(train, test, 1.0, **form)
    np.testing.assert_allclose(baseline.forecast(all_windows(test)[0]), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("levels", [True, False])
def test_windows_of_sizes_of_their_own_share_a_map(levels: bool) -> None:
    """Each is standardised by its context; scikit-learn's map of these, in the unit of the window."""
    part = history(rows=200)
    growing = replace(part, values=part.values * np.exp(np.arange(200) / 20)[:, np.newaxis])
    origins, truth = all_windows(growing)
    mean, spread = origins.context.mean(axis=1, keepdims=True), origins.context.std(axis=1, keepdims=True)
    past, future = (origins.context - mean) / spread, (truth - mean) / spread
    last = past[:, -1:]
    x = past if levels else (past - last)[:, :-1]
    x, y = (values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (x, future - last))
    found = SklearnRidge(alpha=3.0 * x.var(axis=0).mean(), solver="svd").fit(x, y).predict(x)
    changes = found.reshape(len(last), 2, HORIZON).transpose(0, 2, 1)
    expected = mean + (last + changes) * spread
    forecast = fitted(Ridge(penalty=3.0, levels=levels, by_window=True), growing)
    np.testing.assert_allclose((forecast - expected) / spread, 0, atol=1e-9)
    still = replace(growing, values=np.where(np.arange(200)[:, np.newaxis] < 100, 0.3, growing.values))
    assert (fitted(Ridge(by_window=True), still)[:90] == 0.3).all()


def test_a_nearly_still_context_does_not_outweigh_all_others() -> None:
    """A hundred series that vary, and one that stands still but for a last place before it jumps."""
    random, rows = np.random.default_rng(0), 60
    noise = random.normal(size=(101, rows))
    values = np.full((101, rows), 100.0)
    for step in range(1, rows):
        values[:, step] = 100 + 0.8 * (values[:, step - 1] - 100) + noise[:, step]
    values[100], values[100, 5] = 100.0, 100.000001
    values[100, 30:] = 105.0
    places = (np.arange(101)[:, np.newaxis] * rows + np.arange(rows - 30 + 1)).ravel()
    whole = History(values.reshape(-1, 1), 420_000.0 + np.arange(101 * rows), places, 24, 6)
    origins, truth = all_windows(replace(whole, starts=places[: 100 * 31]))
    errors = [
        float(np.sqrt(np.mean((fitted_on(baseline, whole, origins) - truth) ** 2)))
        for baseline in (Ridge(by_window=True), LastValue())
    ]
    assert errors[0] < 0.95 * errors[1]


def fitted_on(baseline: Baseline, part: History, origins: Origins) -> np.ndarray:
    baseline.fit(part)
    return baseline.forecast(origins)


def left_out_error(part: History, others: np.ndarray, block: np.ndarray, option: dict[str, float]) -> float:
    """The squared error on a block of a map fitted on others, in units of the targets on all rows."""
    mean, spread = part.values.mean(axis=0), part.values.std(axis=0)
    whole = replace(part, values=(part.values - mean) / spread)

    def examples(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        origins, truth = all_windows(replace(whole, starts=starts))
        last = origins.context[:, -1:]
        x = origins.context if option["levels"] else (origins.context - last)[:, :-1]
        return tuple(values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (x, truth - last))

    x, y = examples(others)
    line = SklearnRidge(alpha=option["penalty"] * x.var(axis=0).mean(), solver="svd").fit(x, y)
    x, y = examples(block)
    return float(((line.predict(x) - y) ** 2).sum())


def test_what_forecasts_left_out_blocks_best_is_chosen() -> None:
    """Each fifth of the windows is forecast by a map fitted on windows that share no row with it."""
    part = history(rows=200)
    options = [{"levels": levels, "penalty": penalty} for levels in (True, False) for penalty in (0.1, 10.0, 1000.0)]
    folds = np.array_split(part.starts, 5)
    blocks = [fold[fold + CONTEXT + HORIZON <= end] for fold, end in zip(folds, (38, 76, 114, 152, 200), strict=True)]
    errors = []
    for option in options:
        error = 0.0
        for place, block in enumerate(blocks):
            others = np.concatenate([other for number, other in enumerate(blocks) if number != place])
            error += left_out_error(part, others, block, option)
        errors.append(error)
    chosen = Ridge(penalty=[0.1, 10.0, 1000.0])
    chosen.fit(part)
    assert chosen.facts == options[int(np.argmin(errors))]
    np.testing.assert_allclose(chosen.forecast(all_windows(part)[0]), fitted(Ridge(**chosen.facts), part), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_ridge_does_not_depend_on_units(form: dict[str, bool]) -> None:
    """The same heights in m and in km, in a unit for each target, and from another zero."""
    part, units = history(), np.array([1e-3, 1e4])
    expected = fitted(Ridge(**form), part)
    for unit in (np.array([1e-3, 1e-3]), units):
        other = fitted(Ridge(**form), replace(part, values=part.values * unit))
        np.testing.assert_allclose(other / unit, expected, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_constant_target_is_held(form: dict[str, bool]) -> None:
    part = history()
    part.values[:, 1] = 0.1
    assert (fitted(Ridge(**form), part)[..., 1] == 0.1).all()


def test_from_one_value_there_are_no_differences() -> None:
    """The forecast is the last value and the mean change."""
    rows = np.arange(80.0)
    part = History(np.stack([rows, -rows], axis=1), rows, np.arange(76), 1, HORIZON)
    np.testing.assert_allclose(fitted(Ridge(levels=False, shared=False), part), all_windows(part)[1], rtol=1e-12)


def scaled_error(baseline: Baseline, train: History, test: History) -> float:
    baseline.fit(train)
    origins, truth = all_windows(test)
    return float(np.mean(((baseline.forecast(origins) - truth) / train.values.std(axis=0)) ** 2))


def parts(values: np.ndarray, context: int, horizon: int) -> tuple[History, History]:
    """The first 70 per cent of the rows, and the rest."""
    cut, hours = len(values) * 7 // 10, np.arange(len(values)) * 1.0
    length = context + horizon
    return (
        History(values[:cut], hours[:cut], np.arange(cut - length + 1), context, horizon),
        History(values, hours, np.arange(cut - context, len(values) - length + 1), context, horizon),
    )


def test_of_many_channels_a_shared_map_does_not_overfit() -> None:
    """Ten noisy days of each size; a map over all channels has ten times the coefficients, and needs its penalty."""
    rng = np.random.default_rng(0)
    days = np.sin(2 * np.pi * np.arange(700)[:, None] / 24 + rng.uniform(0, 6, size=10))
    train, test = parts((days + 0.5 * rng.normal(size=days.shape)) * 10 ** np.linspace(-2, 3, 10), 48, 12)
    maps = Ridge(), Ridge(shared=False), Ridge(shared=False, penalty=1.0)
    shared, joint, fixed = (scaled_error(each, train, test) for each in maps)
    assert shared < 0.4  # the noise alone has 1/3
    assert joint < 0.45
    assert fixed > 1.5 * shared


@pytest.mark.parametrize(("levels", "bound"), [(True, 1.35), (False, 1.02)])
def test_random_walks_of_any_size_are_no_disaster(levels: bool, bound: float) -> None:
    """As exchange rates: the last value is best; one ridge over all in their own units had six times its error."""
    errors = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        train, test = parts((rng.normal(size=(4000, 8)) * 10 ** np.linspace(-2, 1, 8)).cumsum(axis=0), 48, 24)
        errors.append([scaled_error(baseline, train, test) for baseline in (Ridge(levels=levels), LastValue())])
    ridge, last = np.mean(errors, axis=0)
    assert ridge < bound * last


@pytest.mark.slow
def test_ridge_on_etth1() -> None:
    """0.367 of the variance, below the best straight lines of the literature.

    Zeng et al. 2022, arXiv 2205.13504, table 2: NLinear 0.374, Linear 0.375.
    """
    path = Path(os.environ.get("RECAST_DATA_DIR", "data")) / "ETTh1.csv"
    if not path.exists():
        pytest.skip("ETTh1.csv is absent")
    values = pd.read_csv(path).iloc[:14_400, 1:].to_numpy(dtype=np.float64)
    hours = np.arange(len(values)) * 1.0
    train = History(values[:8640], hours[:8640], np.arange(8640 - 815), 720, 96)
    test = History(values, hours, np.arange(11_520 - 720, 14_400 - 815), 720, 96)
    assert len(test.starts) == 2785
    baseline = Ridge()
    baseline.fit(train)
    errors = [
        np.mean(((baseline.forecast(origins) - truth) / train.values.std(axis=0)) ** 2, axis=(1, 2))
        for origins, truth in test.windows(500)
    ]
    assert np.concatenate(errors).mean() == pytest.approx(0.3672, abs=5e-5)
    assert baseline.facts == {"levels": False, "penalty": 10_000.0}


@pytest.mark.parametrize(("form", "inputs"), [({"shared": False}, 12), ({}, 6), ({"levels": False}, 5)], ids=str)
def test_ridge_without_penalty_refuses_inputs_that_depend_on_each_other(form: dict[str, bool], inputs: int) -> None:
    part = history()
    few = History(part.values, part.hours, np.arange(2), CONTEXT, HORIZON)
    message = rf"penalty=0: the {inputs} inputs depend on each other.*larger penalty"
    with pytest.raises(ConfigurationError, match=message):
        Ridge(penalty=0.0, **form).fit(few)
    Ridge(penalty=0.1, **form).fit(few)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("gap", [0, 1, 40])
def test_products_are_those_of_all_windows(gap: int, targets: int, stride: int) -> None:
    rows = 20_000
    values = np.random.default_rng(3).normal(size=(rows, targets)).cumsum(axis=0) / 50
    starts = np.arange(0, rows - CONTEXT - HORIZON + 1, stride)
    # A long run, a run shorter than the context, one window alone, and another long run.
    starts = starts[~np.isin(starts, [*range(30, 30 + gap), *range(33 + gap, 36 + 2 * gap), 38 + 2 * gap])]
    windows = values[starts[:, np.newaxis] + np.arange(CONTEXT + HORIZON)].reshape(len(starts), -1)
    found = window_products(values, starts, CONTEXT, HORIZON)
    expected = windows[:, : CONTEXT * targets].T @ windows
    np.testing.assert_allclose(found.products, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(found.totals, windows.sum(axis=0), rtol=1e-12, atol=1e-12 * np.abs(windows).sum())


def test_ridge_needs_a_window() -> None:
    part = history()
    none = History(part.values, part.hours, np.zeros(0, dtype=np.int64), CONTEXT, HORIZON)
    with pytest.raises(DataError, match=r"no training window of 6 \+ 4 steps"):
        Ridge().fit(none)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="Seasonal: hours=0: input should be greater than 0"):
        Seasonal(hours=0)
    with pytest.raises(ConfigurationError, match=r"Ridge: penalty=-1\.0: input should be greater than or equal to 0"):
        Ridge(penalty=-1.0)


def test_options_are_compared_with_the_windows() -> None:
    with pytest.raises(
        ConfigurationError, match=r"reads back to 1 hours before the origin, but the context of 6 steps begins 0\.83"
    ):
        Seasonal(hours=7 / 6).fit(history())
    part = history()
    with pytest.raises(ConfigurationError, match="Drift: context=1: a line needs a first and a last value"):
        Drift().fit(History(part.values, part.hours, part.starts, 1, HORIZON))


@pytest.mark.parametrize("baseline", SIMPLE, ids=lambda baseline: type(baseline).__name__)
def test_windows_of_other_sizes_are_refused(baseline: Baseline) -> None:
    baseline.fit(history())
    other, _ = all_windows(history(targets=1))
    with pytest.raises(ConfigurationError, match=r"= \(6, 4, 2\), but asked to forecast windows with \(6, 4, 1\)"):
        baseline.forecast(other)


@pytest.mark.parametrize("kind", [LastValue, Drift, Mean, Ridge])
def test_forecasting_before_fitting_says_so(kind: type[Baseline]) -> None:
    origins, _ = all_windows(history())
    with pytest.raises(RecastError, match=f"{kind.__name__}: not fitted yet; call fit"):
        kind().forecast(origins)


def test_a_fit_that_failed_leaves_no_older_one() -> None:
    baseline = Seasonal(hours=5 / 6)
    part = history()
    baseline.fit(part)
    with pytest.raises(ConfigurationError):
        baseline.fit(History(part.values, part.hours, part.starts, 4, HORIZON))
    with pytest.raises(RecastError, match="not fitted yet"):
        baseline.forecast(all_windows(part)[0])


def test_infinite_values_and_empty_parts_are_refused() -> None:
    part = history()
    part.values[7, 1] = np.inf
    with pytest.raises(DataError, match="LastValue: the training part has 80 rows, 1 of them with infinite"):
        LastValue().fit(part)
    part.values[:, 1] = np.nan
    with pytest.raises(DataError, match=r"LastValue: .* at least one observation of each target"):
        LastValue().fit(part)
    with pytest.raises(DataError, match="Mean: the training part has 0 rows"):
        Mean().fit(History(part.values[:0], part.hours[:0], part.starts[:0], CONTEXT, HORIZON))
