"""The weather of the simulated gauge against closed forms, and what it does to the level."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.sources.fingerprint import fingerprint
from recast.data.sources.tide import TideSimulator
from recast.data.sources.weather import Weather, inverse_barometer
from recast.data.sources.writer import write_csv
from recast.errors import ConfigurationError

STILL = {"surge_std": 0.0, "local_std": 0.0, "noise_std": 0.0}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "e23ff2e0db712467228f47101c103ace30ccff9d671014bd22d8cb5ff1823e03"),
        (
            {"days": 30, "step_minutes": 7, "seed": 3},
            "f52d381b78bc87b9b2bcc8572dc480e49ee0554c117a59d533c2127583f5b4fb",
        ),
    ],
)
def test_without_weather_the_record_is_what_it_was_before_there_was_any(options, expected):
    assert hashlib.sha256(TideSimulator(**options).read().values.tobytes()).hexdigest() == expected


def test_weather_is_added_to_the_same_record():
    without, weathered = (TideSimulator(days=100, weather=weather, seed=4).read() for weather in (None, Weather()))
    assert np.array_equal(without.times, weathered.times)
    added = weathered.values[:, 0] - without.values[:, 0]
    assert 0.08 < added.std() < 0.25
    far = TideSimulator(days=100, weather=Weather(fetch_km=0, pressure_std=1e-9), seed=4).read()
    assert np.array_equal(far.values[:, 0], without.values[:, 0])


def test_the_station_has_the_stated_spreads_and_autocorrelations():
    east, north, pressure = Weather().draw(np.random.default_rng(0), 400_000, 1.0).station.T
    pressure = pressure - 1013
    for column, spread in ((east, 6), (north, 6), (pressure, 8)):
        assert column.mean() == pytest.approx(0, abs=0.15)
        assert column.std() == pytest.approx(spread, rel=0.02)
    # A Rayleigh distribution.
    assert np.hypot(east, north).mean() == pytest.approx(6 * np.sqrt(np.pi / 2), rel=0.01)
    assert np.mean(np.hypot(east, north) > 18) == pytest.approx(np.exp(-4.5), rel=0.1)
    for lag in (6, 22, 44, 88):
        k = lag / 22
        for column, expected in ((east, 1), (north, 1 - k), (pressure, 1 + k)):
            found = np.mean(column[:-lag] * column[lag:]) / column.var()
            assert found == pytest.approx(expected * np.exp(-k), abs=0.035), lag
    assert np.corrcoef([east, north, pressure])[np.triu_indices(3, 1)] == pytest.approx(np.zeros(3), abs=0.03)


def test_rising_pressure_comes_with_wind_from_the_south():
    _, north, pressure = Weather().draw(np.random.default_rng(1), 500, 1.0).station.T
    assert np.corrcoef(np.diff(pressure), north[1:])[0, 1] == pytest.approx(1)


def test_a_steady_wind_sets_the_level_up_as_friction_and_gravity_balance():
    weather = Weather(fetch_km=100, depth=10, toward_deg=90, response_hours=5)
    hours = np.arange(1, 200)
    level = weather.set_up(np.full(199, 10.0), np.zeros(199), 1.0)
    # 1.22 kg/m3, a drag coefficient of .00145 at 10 m/s, 100 km over 10 m.
    expected = 1.22 * 0.00145 * 100 * 100_000 / (1025 * 9.81 * 10)
    assert level[-1] == pytest.approx(expected, rel=1e-9)
    assert level == pytest.approx(expected * (1 - np.exp(-hours / 5)), rel=1e-9)
    assert weather.set_up(np.full(199, -10.0), np.zeros(199), 1.0) == pytest.approx(-level, rel=1e-9)
    assert weather.set_up(np.zeros(199), np.full(199, 10.0), 1.0) == pytest.approx(np.zeros(199), abs=1e-12)
    # A storm of twice the wind does more than four times as much.
    assert weather.set_up(np.full(199, 20.0), np.zeros(199), 1.0)[-1] == pytest.approx(expected * 4 * 2.1 / 1.45)


def test_a_changing_wind_against_the_recursion_written_out():
    random = np.random.default_rng(2)
    east, north = 8 * random.standard_normal((2, 300))
    weather = Weather(toward_deg=30, response_hours=4)
    level, expected = 0.0, []
    for u, v in zip(east.tolist(), north.tolist(), strict=True):
        speed = (u * u + v * v) ** 0.5
        stress = 1.22 * (0.8 + 0.065 * speed) / 1000 * speed * (u * 0.5 + v * 0.75**0.5)
        balance = stress * 250_000 / (1025 * 9.81 * 20)
        level += (1 - np.exp(-0.5 / 4)) * (balance - level)
        expected.append(level)
    assert weather.set_up(east, north, 0.5) == pytest.approx(np.array(expected), abs=1e-12)


def test_the_sea_rises_a_centimetre_for_each_hectopascal_less():
    assert inverse_barometer(np.array([1013.0, 1003.0, 1023.0])) == pytest.approx([0, 0.0994, -0.0994], abs=1e-4)


@pytest.mark.parametrize("travel", [0.0, 7.0])
def test_the_gauge_has_the_weather_of_the_station_a_while_later(travel):
    weather = Weather(travel_hours=travel)
    source = TideSimulator(days=200, step_minutes=60, gaps=False, weather=weather, **STILL)
    panel = source.read()
    hours = np.arange(len(panel))
    level, east, north, pressure = panel.values.T
    left = level - source.tide(hours) - source.mean_level
    from_station = weather.set_up(east, north, 1.0) + inverse_barometer(pressure)
    # After ten response times the rest before the first reading is forgotten; readings are rounded.
    late = int(travel)
    assert left[60 + late :] == pytest.approx(from_station[60 : len(hours) - late], abs=0.02)


def test_columns_and_file(tmp_path):
    source = TideSimulator(days=5, step_minutes=60, weather=Weather(), gaps=False)
    panel = source.read()
    assert panel.names == ("ssh", "wind_east", "wind_north", "pressure")
    assert panel.units == ("m", "m/s", "m/s", "hPa")
    assert [column.role for column in panel.columns] == ["target", "past", "past", "past"]
    assert np.array_equal(panel.values[:, 1:], panel.values[:, 1:].round(1))
    write_csv(panel, tmp_path / "gauge.csv")
    again = source.for_file(str(tmp_path / "gauge.csv")).read()
    assert again.columns == panel.columns
    assert np.array_equal(again.values, panel.values)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 300),
    step=st.floats(0.05, 30),
    travel=st.floats(0, 100),
    response=st.floats(0.5, 50),
    seed=st.integers(0, 2**32),
)
def test_any_record_is_finite_and_determined_by_its_seed(rows, step, travel, response, seed):
    weather = Weather(travel_hours=travel, response_hours=response)
    station, level = weather.draw(np.random.default_rng(seed), rows, step)
    assert station.shape == (rows, 3)
    assert level.shape == (rows,)
    assert np.isfinite(station).all()
    assert np.isfinite(level).all()
    again = weather.draw(np.random.default_rng(seed), rows, step)
    assert np.array_equal(again.station, station)
    assert np.array_equal(again.level, level)


def test_seeds_give_other_weather():
    records = [TideSimulator(days=5, weather=Weather(), seed=seed).read() for seed in (0, 0, 1)]
    assert len({fingerprint(record) for record in records}) == 2


@pytest.mark.parametrize(("option", "value"), [("hours", 0), ("depth", 0), ("pressure_std", 0), ("travel_hours", -1)])
def test_options_are_checked(option, value):
    with pytest.raises(ConfigurationError, match=f"{option}={value}"):
        Weather(**{option: value})
