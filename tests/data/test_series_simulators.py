"""TideSimulator, TwoSines and AR2 against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.arima_process import ArmaProcess

from recast.data.prepare.grid import ErrorGrid
from recast.data.sources.autoregressive import AR2, is_stationary, stationary_path, variance_ratio
from recast.data.sources.fingerprint import fingerprint
from recast.data.sources.lattice import find_lattice
from recast.data.sources.sines import TwoSines
from recast.data.sources.tide import CONSTITUENTS, TideSimulator
from recast.errors import ConfigurationError

SIMULATORS = [
    pytest.param(TideSimulator, {"days": 5}, id="TideSimulator"),
    pytest.param(TwoSines, {"series": 7}, id="TwoSines"),
    pytest.param(AR2, {"rows": 99}, id="AR2"),
]


@pytest.mark.parametrize(("simulator", "options"), SIMULATORS)
def test_the_seed_determines_the_series(simulator, options):
    first = simulator(**options, seed=0)
    assert fingerprint(first.read()) == fingerprint(first.read())
    assert fingerprint(first.read()) == fingerprint(simulator(**options, seed=0).read())
    assert fingerprint(first.read()) == fingerprint(simulator(**options).read())
    assert len({fingerprint(simulator(**options, seed=seed).read()) for seed in range(3)}) == 3


@pytest.mark.parametrize(("simulator", "options"), SIMULATORS)
def test_for_file_reads_its_own_columns(simulator, options, tmp_path):
    source = simulator(**options)
    path = tmp_path / "a.csv"
    series = source.read()
    path.write_text(f"datetime,{series.names[0]}\n2020-01-01,1\n2020-01-02,2\n")
    again = source.for_file(str(path)).read()
    assert (again.names, again.units, again.step) == (series.names, series.units, series.step)


@pytest.mark.parametrize(("simulator", "options"), SIMULATORS)
def test_a_negative_seed_is_refused(simulator, options):
    with pytest.raises(ConfigurationError, match="seed=-1"):
        simulator(**options, seed=-1)


def autocovariance(x, lag):
    return np.mean((x[:-lag] - x.mean()) * (x[lag:] - x.mean()))


def test_tide_is_the_sum_of_its_constituents():
    hours = np.linspace(0, 1000, 700)
    period, amplitude, phase = np.array(list(CONSTITUENTS.values())).T
    wave = np.exp(1j * (2 * np.pi * hours[:, None] / period - np.pi * phase / 180))
    assert TideSimulator.tide(hours) == pytest.approx((wave.real * amplitude).sum(1), abs=1e-12)


def test_without_noise_the_gauge_shows_the_rounded_tide():
    source = TideSimulator(days=3, mean_level=1.0, surge_std=0, local_std=0, noise_std=0, gaps=False, step_minutes=60)
    series = source.read()
    assert series.values[:, 0] == pytest.approx(1 + source.tide(np.arange(72.0)), abs=0.005 + 1e-9)
    assert np.array_equal(series.values, series.values.round(2))
    assert str(series.times[0]) == "2020-01-01T00:00:00.000000000"
    assert (series.names, series.units, series.step, series.timezone) == (("ssh",), ("m",), "60min", "UTC")
    assert ErrorGrid().apply(series) is series


def test_surge_has_the_stated_spread_and_autocorrelation():
    residual = []
    for seed in range(8):
        source = TideSimulator(days=2000, gaps=False, seed=seed)
        series = source.read()
        residual.append(series.values[:, 0] - source.tide(np.arange(len(series)) / 6) - 0.84)
    residual = np.array(residual)
    assert residual.std() == pytest.approx(np.sqrt(0.2**2 + 0.05**2 + 0.01**2 + 0.01**2 / 12), rel=0.03)
    correlation = {lag: np.mean(residual[:, :-lag] * residual[:, lag:]) / residual.var() for lag in (1, 100, 204, 2000)}
    assert correlation[1] == pytest.approx(0.994, abs=0.002)
    assert correlation[100] == pytest.approx(0.67, abs=0.03)
    # 34 hours are 204 steps.
    assert correlation[204] == pytest.approx(0.2**2 / 0.0426 * np.exp(-1), abs=0.04)
    assert correlation[2000] == pytest.approx(0, abs=0.06)


def test_gaps_are_those_of_the_real_record():
    series = TideSimulator().read()
    lattice = find_lattice(series.times, "10min")
    assert (len(series), lattice.missing, lattice.off) == (25_613, 607, 12)
    gaps = lattice.gaps
    assert np.sort(gaps)[-1] == 576
    assert 576 + gaps[gaps < 576].sum() == 607
    assert np.all(np.diff(series.times) > np.timedelta64(0, "ns"))
    whole = TideSimulator(gaps=False).read()
    assert series.times[[0, -1]].tolist() == whole.times[[0, -1]].tolist()
    _, rows, kept = np.intersect1d(whole.times, series.times, return_indices=True)
    assert len(kept) == 25_601
    assert np.array_equal(whole.values[rows], series.values[kept])


def test_a_row_off_the_grid_has_the_level_of_its_own_time():
    options = {"surge_std": 0.0, "local_std": 0.0, "noise_std": 0.0, "step_minutes": 30}
    source = TideSimulator(days=2000, **options)
    series = source.read()
    hours = (series.times - series.times[0]) / np.timedelta64(1, "h")
    assert np.abs(series.values[:, 0] - 0.84 - source.tide(hours)).max() < 0.015


@settings(max_examples=40, deadline=None)
@given(days=st.floats(0.1, 40), step=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_gaps_keep_the_order_and_the_ends(days, step, seed):
    source = TideSimulator(days=days, step_minutes=step, seed=seed)
    series = source.read()
    assert np.all(np.diff(series.times) > np.timedelta64(0, "ns"))
    assert series.times[-1] - series.times[0] == (source.rows - 1) * np.timedelta64(60 * step, "s")
    assert len(series) == source.rows - sum(round(count * source.rows / 26_208) for count in (576, 19))


def test_tide_options_are_checked():
    with pytest.raises(ConfigurationError, match=r"days=0\.001 is 0 row\(s\) of 10 minutes; expected two at least"):
        TideSimulator(days=0.001)
    with pytest.raises(ConfigurationError, match="step_minutes=0"):
        TideSimulator(step_minutes=0)
    with pytest.raises(ConfigurationError, match=r"step_minutes=2\.5"):
        TideSimulator(step_minutes=2.5)
    with pytest.raises(ConfigurationError, match="surge_hours=0"):
        TideSimulator(surge_hours=0)


def test_two_sines_are_waves_of_the_stated_frequencies_and_amplitudes():
    panel = TwoSines(series=200, length=50, noise=0.0, seed=3).read()
    assert panel.starts.tolist() == list(range(0, 10_000, 50))
    assert len(panel) == 10_000
    frequency1, frequency2, offset1, offset2 = np.random.default_rng(3).random((4, 200))
    for piece, (first, stop) in enumerate(panel.pieces):
        t = np.linspace(0, 1, 50)
        fast = np.sin((t - offset2[piece]) * (frequency2[piece] * 20 + 20))
        slow = np.sin((t - offset1[piece]) * (frequency1[piece] * 10 + 10))
        assert panel.values[first:stop, 0] == pytest.approx(0.5 * slow + 0.2 * fast, abs=1e-12)
    assert (panel.names, panel.units, panel.step) == (("value",), ("",), "s")
    assert ErrorGrid().apply(panel) is panel


def test_two_sines_noise_is_uniform_of_the_stated_floor():
    source = TwoSines(series=2000, noise=0.1, seed=0)
    noise = (source.read().values - TwoSines(series=2000, noise=0.0, seed=0).read().values)[:, 0]
    assert source.noise_floor == pytest.approx(0.000833, abs=4e-7)
    assert noise.var() == pytest.approx(source.noise_floor, rel=0.02)
    assert np.abs(noise).max() <= 0.05 + 1e-12
    assert np.mean(noise < -0.025) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("phi1", "phi2"), [(1.58, -0.9025), (0.5, 0.3), (0.9, 0.0), (-1.2, -0.5)])
def test_ar2_has_the_autocovariance_of_theory(phi1, phi2):
    sigma = 0.7
    process = ArmaProcess([1, -phi1, -phi2], [1])
    expected = sigma**2 * process.acovf(6)
    assert sigma**2 * variance_ratio(phi1, phi2) == pytest.approx(expected[0], rel=1e-9)
    x = AR2(rows=200_000, phi1=phi1, phi2=phi2, sigma=sigma).read().values[:, 0]
    assert x.var() == pytest.approx(expected[0], rel=0.06)
    for lag in range(1, 6):
        assert autocovariance(x, lag) == pytest.approx(expected[lag], abs=0.06 * expected[0])


def test_ar2_follows_its_recursion_from_a_stationary_start():
    phi1, phi2, std = 1.9, -0.95, 2.0
    starts = np.array([stationary_path(np.random.default_rng(seed), 4, phi1, phi2, std) for seed in range(20_000)])
    assert starts.std(axis=0) == pytest.approx(np.full(4, std), rel=0.03)
    expected = ArmaProcess([1, -phi1, -phi2], [1]).acf(4)
    correlation = np.corrcoef(starts.T)[0]
    assert correlation == pytest.approx(expected, abs=0.02)
    path = stationary_path(np.random.default_rng(1), 500, phi1, phi2, std)
    innovations = path[2:] - phi1 * path[1:-1] - phi2 * path[:-2]
    expected_innovations = np.random.default_rng(1).standard_normal(502)[4:] * std / np.sqrt(variance_ratio(phi1, phi2))
    assert innovations == pytest.approx(expected_innovations, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(phi1=st.floats(-2.5, 2.5), phi2=st.floats(-1.5, 1.5))
def test_stationary_means_roots_inside_the_unit_circle(phi1, phi2):
    radius = np.abs(np.roots([1, -phi1, -phi2])).max(initial=0)
    if abs(radius - 1) > 1e-6:
        assert is_stationary(phi1, phi2) == (radius < 1)


def test_ar2_refuses_what_is_not_stationary():
    with pytest.raises(ConfigurationError, match=r"phi1=0\.7, phi2=0\.3 is not stationary; expected phi2 > -1, phi1"):
        AR2(phi1=0.7, phi2=0.3)
    with pytest.raises(ConfigurationError, match="sigma=0"):
        AR2(sigma=0)


def test_best_forecast_and_its_error_variance():
    source = AR2(rows=300_000, sigma=0.5, seed=2)
    psi = ArmaProcess([1, -source.phi1, -source.phi2], [1]).arma2ma(8)
    assert source.forecast_error_variance(8) == pytest.approx(0.25 * np.cumsum(psi**2), rel=1e-12)
    assert source.forecast_error_variance(1).tolist() == [0.25]
    x = source.read().values[:, 0]
    forecast = source.best_forecast(x[1:-8], x[:-9], horizon=8)
    truth = np.lib.stride_tricks.sliding_window_view(x[2:], 8)
    assert forecast.shape == truth.shape
    error = np.mean((forecast - truth) ** 2, axis=0)
    assert error == pytest.approx(source.forecast_error_variance(8), rel=0.02)
    assert source.best_forecast(1.0, 2.0, 2).tolist() == pytest.approx(
        [1.58 - 1.805, 1.58 * (1.58 - 1.805) - 0.9025], abs=1e-12
    )


def test_ar2_defaults_swing_with_the_stated_period():
    source = AR2()
    assert 2 * np.pi / np.arccos(source.phi1 / (2 * np.sqrt(-source.phi2))) == pytest.approx(10.7, abs=0.1)
    assert np.sqrt(-source.phi2) == pytest.approx(0.95)
