"""Harmonic analysis against plain least squares, and all baselines on a real tide gauge."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import utide
from panels import panel_of
from utide.harmonics import ut_E

from recast.data.features.tidal_basis import ROWS, TidalBasis
from recast.data.features.tide import FittedTide
from recast.errors import ConfigurationError, DataError, RecastError
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.baselines.harmonic import Harmonic
from recast.scoring.baselines.naive import LastValue, Mean, Seasonal
from recast.scoring.baselines.ridge import Ridge
from recast.types import Origins

CONTEXT, HORIZON = 30, 20
NAMES = ["M2", "O1", "M4"]
PERIODS = np.array([12.4206012, 25.8193417, 6.2103006])
SANTOS = ["M2", "S2", "O1", "K1", "N2", "K2", "Q1", "P1", "M3", "M4", "MS4", "NU2"]


def columns(hours: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * (hours - 438_000)[:, np.newaxis] / PERIODS
    return np.concatenate([np.ones((len(hours), 1)), np.cos(phase), np.sin(phase)], axis=1)


def gauge(noise: float = 0.3) -> tuple[History, History]:
    """Two targets, 40 days of irregular steps with a gap, cut into a training and a test part."""
    random = np.random.default_rng(3)
    hours = 438_000 + np.cumsum(random.choice([10, 10, 10, 7, 13], size=5760)) / 60
    hours[2000:] += 51.5
    values = columns(hours) @ random.normal(size=(7, 2)) + noise * random.normal(size=(5760, 2)).cumsum(0) / 20
    first, rest = slice(0, 5000), slice(5000, None)
    return (
        History(values[first], hours[first], np.arange(0, 4950, 5), CONTEXT, HORIZON),
        History(values[rest], hours[rest], np.arange(0, 710), CONTEXT, HORIZON),
    )


def forecast_all(baseline: Baseline, part: History) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts and truths, batch by batch, so that batches must not matter."""
    pairs = [(baseline.forecast(origins), truth) for origins, truth in part.windows(batch=256)]
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


def plain_tide(train: History, hours: np.ndarray) -> np.ndarray:
    coefficients = np.linalg.lstsq(columns(train.hours), train.values, rcond=None)[0]
    return (columns(hours.ravel()) @ coefficients).reshape(*hours.shape, -1)


def test_tide_is_that_of_plain_least_squares() -> None:
    train, test = gauge()
    baseline = Harmonic(constituents=NAMES)
    baseline.fit(train)
    origins = next(test.windows(batch=10**4))[0]
    forecast, truth = forecast_all(baseline, test)
    assert forecast.shape == truth.shape
    np.testing.assert_allclose(forecast, plain_tide(train, origins.future_hours), atol=2e-5)


def test_a_pure_tide_is_forecast_exactly() -> None:
    train, test = gauge(noise=0)
    baseline = Harmonic(constituents=NAMES)
    baseline.fit(train)
    forecast, truth = forecast_all(baseline, test)
    np.testing.assert_allclose(forecast, truth, atol=2e-5)


@pytest.mark.parametrize("kind", [LastValue, Ridge])
def test_residual_is_forecast_from_what_the_tide_leaves(kind: type[Baseline]) -> None:
    train, test = gauge()
    baseline = Harmonic(constituents=NAMES, residual=kind())
    baseline.fit(train)
    alone = kind()
    alone.fit(train.minus(plain_tide(train, train.hours)))
    origins = next(test.windows(batch=10**4))[0]
    past, future = plain_tide(train, origins.context_hours), plain_tide(train, origins.future_hours)
    left = Origins(origins.context - past, origins.context_hours, origins.future_hours)
    np.testing.assert_allclose(forecast_all(baseline, test)[0], future + alone.forecast(left), atol=1e-4)


def test_times_are_exact_to_a_millisecond() -> None:
    # Seconds are no binary fractions of an hour: truncation would lose a millisecond at a fifth of the stamps of 2001.
    seconds = np.random.default_rng(4).integers(1, 1200, size=5760).cumsum()
    stamps = np.datetime64("2001-02-28T23:50:00") + seconds.astype("timedelta64[s]")
    hours = stamps.astype(np.int64) / 3600
    series = np.random.default_rng(5).normal(size=(5760, 1)).cumsum(axis=0)
    part = History(series[:5000], hours[:5000], np.arange(4950), CONTEXT, HORIZON)
    baseline = Harmonic(constituents=NAMES)
    baseline.fit(part)
    future = History(series[5000:], hours[5000:], np.arange(710), CONTEXT, HORIZON)
    coefficients = utide.solve(
        stamps[:5000],
        series[:5000, 0],
        lat=0,
        constit=NAMES,
        nodal=False,
        trend=False,
        method="ols",
        conf_int="none",
        verbose=False,
    )
    expected = utide.reconstruct(stamps[5000:], coefficients, verbose=False).h
    forecast, _ = forecast_all(baseline, future)
    np.testing.assert_allclose(forecast[:, 0, 0], expected[CONTEXT : CONTEXT + 710], rtol=0, atol=1e-10)


@pytest.mark.parametrize("latitude", [None, 3.0, -24.0])
def test_the_basis_is_that_of_utide(latitude: float | None) -> None:
    names = sorted(set(utide.constit_index_dict) - {"Z0"})
    milliseconds = np.sort(np.random.default_rng(6).integers(-(10**12), 2 * 10**12, size=50))
    flags = [False, latitude is None, False, False]
    expected = ut_E(
        milliseconds / 86_400_000 + 719_163,
        0.0,
        np.zeros(len(names)),
        np.array([utide.constit_index_dict[name] for name in names]),
        latitude or 0.0,
        flags,
        None,
    )
    basis = TidalBasis(names, latitude)
    found = basis.at(milliseconds)
    assert found.shape == (50, basis.size)
    np.testing.assert_allclose(found[:, :-1], np.concatenate([expected.real, expected.imag], axis=1), atol=1e-9)
    np.testing.assert_array_equal(found[:, -1], 1)


def test_more_rows_than_fit_into_a_part_give_the_fit_of_all_rows() -> None:
    hours = 420_000 + np.arange(3 * ROWS + 5) / 6
    stamps = np.rint(hours * 3600).astype("datetime64[s]")
    values = np.random.default_rng(7).normal(size=(len(hours), 2)).cumsum(axis=0)
    baseline = Harmonic(constituents=NAMES)
    baseline.fit(History(values, hours, np.arange(10), CONTEXT, HORIZON))
    origins = Origins(np.zeros((1, CONTEXT, 2)), hours[:CONTEXT][np.newaxis], hours[-HORIZON:][np.newaxis])
    for target, series in enumerate(values.T):
        fitted = utide.solve(
            stamps, series, lat=0, constit=NAMES, nodal=False, trend=False, conf_int="none", method="ols", verbose=False
        )
        expected = utide.reconstruct(stamps[-HORIZON:], fitted, verbose=False).h
        np.testing.assert_allclose(baseline.forecast(origins)[0, :, target], expected, rtol=0, atol=1e-9)


def test_latitude_brings_nodal_corrections() -> None:
    # The lunar node goes round in 18.6 years: corrected, an analysis of 40 days forecasts O1 nine years on.
    def o1(hours: np.ndarray) -> np.ndarray:
        truth = utide.solve(
            np.datetime64("2006-06-01") + np.arange(2000) * np.timedelta64(1, "h"),
            np.cos(2 * np.pi * np.arange(2000) / 25.8193417),
            lat=-24.0,
            constit=["O1"],
            trend=False,
            conf_int="none",
            verbose=False,
        )
        times = (hours * 3600).round().astype("datetime64[s]")
        return utide.reconstruct(times, truth, verbose=False).h[:, np.newaxis]

    early = 24.0 * 365.25 * 36 + np.arange(960.0)
    late = early + 24.0 * 3400
    starts = np.arange(0, 960 - CONTEXT - HORIZON)
    train, test = (History(o1(hours), hours, starts, CONTEXT, HORIZON) for hours in (early, late))
    errors = []
    for latitude in (-24.0, None):
        baseline = Harmonic(constituents=["O1"], latitude=latitude)
        baseline.fit(train)
        forecast, truth = forecast_all(baseline, test)
        errors.append(np.abs(forecast - truth).max())
    assert errors[0] < 1e-9
    assert errors[1] > 0.1


def test_constituents_are_checked() -> None:
    train, _ = gauge()
    with pytest.raises(ConfigurationError, match=r"no constituent 'm2'; did you mean M2.* UTide has .*M2"):
        Harmonic(constituents=["m2"]).fit(train)
    with pytest.raises(ConfigurationError, match="no constituent 'Z0'"):
        Harmonic(constituents=["Z0"]).fit(train)
    with pytest.raises(ConfigurationError, match="constituents: M2 given more than once"):
        Harmonic(constituents=["M2", "S2", "M2"])
    with pytest.raises(ConfigurationError, match=r"constituents=\[\]: list should have at least 1 item"):
        Harmonic(constituents=[])


def test_latitude_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="latitude=0: the nodal corrections are not defined at the equator"):
        Harmonic(constituents=["M2"], latitude=0.0)
    with pytest.raises(ConfigurationError, match=r"latitude=-91\.0: input should be greater than or equal to -90"):
        Harmonic(constituents=["M2"], latitude=-91.0)


def test_too_few_rows_are_refused() -> None:
    short = History(np.zeros((6, 1)), np.arange(6.0), np.arange(3), 2, 1)
    with pytest.raises(DataError, match="6 training rows, but 3 constituents have 7 coefficients"):
        Harmonic(constituents=NAMES).fit(short)


@pytest.mark.parametrize("kind", ["constant", "walk", "few rows"])
def test_where_there_is_no_tide_to_choose_it_is_the_mean(kind: str) -> None:
    rows = 12 if kind == "few rows" else 300
    noise = np.random.default_rng(0).normal(size=(rows, 1))
    values = {"constant": np.full((rows, 1), 2.0), "walk": noise.cumsum(axis=0), "few rows": noise}[kind]
    part = History(values, 420_000.0 + np.arange(rows), np.array([0]), 4, 2)
    baseline = Harmonic()
    baseline.fit(part)
    if kind != "walk" or not baseline.facts["constituents"]:
        ((origins, _),) = part.windows()
        np.testing.assert_allclose(baseline.forecast(origins), values.mean(), rtol=1e-12)
    panel = panel_of([[rows]])
    changed = panel.values.copy()
    changed[:, list(panel.of("target"))] = values
    panel = replace(panel, values=changed)
    tide = FittedTide()
    numbers = tide.fit(panel, slice(None))
    found = tide.at(panel.clock, np.zeros(rows, dtype=np.int64), panel, horizon=1, numbers=numbers)
    assert np.isfinite(found).all()


def test_forecasting_before_fitting_says_so() -> None:
    origins = next(gauge()[0].windows())[0]
    with pytest.raises(RecastError, match="Harmonic: not fitted yet"):
        Harmonic(constituents=["M2"]).forecast(origins)


@pytest.fixture(scope="module")
def santos() -> tuple[History, History]:
    """All rows as they come, gaps ignored: 800 steps to read, 100 to forecast; the test part is June 2020."""
    path = Path(os.environ.get("RECAST_DATA_DIR", "data")) / "santos_ssh.csv"
    if not path.exists():
        pytest.skip("santos_ssh.csv is absent")
    frame = pd.read_csv(path, parse_dates=["datetime"])
    hours = ((frame.datetime - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(hours=1)).to_numpy()
    values = frame.ssh.to_numpy(dtype=np.float64)[:, np.newaxis]
    rows = int((frame.datetime < pd.Timestamp("2020-06-01", tz="UTC")).sum())
    assert rows == 21_293
    return (
        History(values[:rows], hours[:rows], np.arange(20_393), 800, 100),
        History(values[rows:], hours[rows:], np.arange(3_420), 800, 100),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        (LastValue(), "0.171"),
        (Mean(), "0.124"),
        (Seasonal(hours=24.8412), "0.0368"),
        (Harmonic(constituents=SANTOS), "0.043"),
        (Harmonic(constituents=SANTOS, residual=LastValue()), "0.0141"),
        (Ridge(), "0.00918"),
        (Harmonic(constituents=SANTOS, residual=Ridge()), "0.00688"),
        (Harmonic(), "0.0409"),
        (Harmonic(residual=Ridge()), "0.00645"),
    ],
    ids=["last", "mean", "seasonal", "tide", "tide+last", "ridge", "tide+ridge", "chosen tide", "chosen tide+ridge"],
)
def test_mean_squared_error_on_santos(baseline: Baseline, expected: str, santos: tuple[History, History]) -> None:
    train, test = santos
    baseline.fit(train)
    forecast, truth = forecast_all(baseline, test)
    assert f"{np.mean((forecast - truth) ** 2):.3g}" == expected
