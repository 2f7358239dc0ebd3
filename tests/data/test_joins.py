"""Columns of other tables at the stamps of a panel: what was known then, and nothing later."""

from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_forms import part

from recast.data.datamodule import ForecastDataModule
from recast.data.features.calendar import Calendar
from recast.data.features.lags import TargetLags
from recast.data.joins.as_of import last_known, mean_over
from recast.data.joins.join import Join
from recast.data.panel import Panel
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.windows import Windows
from recast.data.sources.frame import FrameSource, FrameTable
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.errors import ConfigurationError, DataError
from recast.nn.models.direct import Direct
from recast.runs.network_forecaster import NetworkForecaster

MINUTE = np.timedelta64(60_000_000_000, "ns")


def minutes(numbers: Any) -> np.ndarray:
    return np.datetime64("2024-01-01", "ns") + np.asarray(numbers) * MINUTE


def source_of(frame: pd.DataFrame, *, targets: list[str], known: list[str] | None = None, **options: Any) -> Source:
    return FrameSource(time="time", targets=targets, known=known, missing=[], **options).for_table(
        FrameTable(frame, "time")
    )


def level_of(rows: int = 300, *, seed: int = 0) -> pd.DataFrame:
    stamps = minutes(10 * np.arange(rows) + 600)
    return pd.DataFrame({"time": stamps, "level": np.random.default_rng(seed).normal(size=rows).cumsum()})


def weather_of(rows: int = 80, *, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    numbers = {"wind": random.normal(size=rows), "pressure": np.arange(rows)}
    skies = random.choice(["clear", "grey", "rain"], size=rows)
    return pd.DataFrame({"time": minutes(60 * np.arange(rows)), **numbers, "sky": skies})


@settings(deadline=None)
@given(
    stamps=st.lists(st.integers(0, 300), min_size=1, max_size=20, unique=True).map(sorted),
    wanted=st.lists(st.integers(-50, 500), min_size=1, max_size=20, unique=True).map(sorted),
    delay=st.integers(0, 60),
    hold=st.none() | st.integers(0, 100),
    span=st.integers(1, 120),
    seed=st.integers(0, 99),
)
def test_values_are_those_of_a_loop_over_what_was_known(stamps, wanted, delay, hold, span, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=len(stamps))
    values[random.random(len(stamps)) < 0.2] = np.nan
    held = last_known(
        minutes(stamps),
        values,
        minutes(wanted),
        delay=delay * MINUTE,
        hold=None if hold is None else hold * MINUTE,
    )
    means = mean_over(minutes(stamps), values, minutes(wanted), delay=delay * MINUTE, span=span * MINUTE)
    for stamp, one, mean in zip(wanted, held, means, strict=True):
        seen = [(s + delay, v) for s, v in zip(stamps, values, strict=True) if s + delay <= stamp and not np.isnan(v)]
        known = [v for since, v in seen[-1:] if hold is None or stamp - since <= hold]
        assert one == known[0] if known else np.isnan(one)
        inside = [v for s, v in zip(stamps, values, strict=True) if stamp - delay - span < s <= stamp - delay]
        inside = [v for v in inside if not np.isnan(v)]
        assert mean == pytest.approx(np.mean(inside)) if inside else np.isnan(mean)


def joined(join: Join, panel: Panel | None = None, **options: Any) -> Panel:
    panel = panel or source_of(level_of(), targets=["level"]).read()
    return Covariates(joins={"weather": join}).added(panel, horizon=2, **({"keep_gaps": False} | options))


def column(panel: Panel, name: str) -> np.ndarray:
    return panel.values[:, panel.names.index(name)]


def test_an_hour_of_delay_is_the_hour_before():
    found = joined(Join(source=source_of(weather_of(), targets=["wind", "pressure"]), delay="1h"))
    assert found.names == ("level", "weather.wind", "weather.pressure")
    assert [c.role for c in found.columns] == ["target", "past", "past"]
    hours = ((found.clock - minutes(0)) // (60 * MINUTE)).astype(int)
    assert column(found, "weather.pressure").tolist() == (hours - 1).tolist()


def test_a_known_column_holds_for_its_step_alone():
    weather = weather_of(12)
    join = Join(source=source_of(weather, targets=["wind", "pressure"]), known=["pressure"], missing="mask", delay="1h")
    found = joined(join)
    assert [c.role for c in found.columns] == ["target", "past", "known"]
    hours = ((found.clock - minutes(0)) // (60 * MINUTE)).astype(int)
    assert np.array_equal(column(found, "weather.pressure"), np.where(hours < 12, hours, np.nan), equal_nan=True)
    # What is not known ahead is held until the next value comes.
    assert not np.isnan(column(found, "weather.wind")).any()


@pytest.mark.parametrize("missing", ["error", "drop", "mask"])
def test_rows_without_a_value(missing):
    weather = weather_of().drop(index=range(20, 30))
    join = Join(source=source_of(weather, targets=["wind"]), hold="2h", missing=missing)
    panel = source_of(level_of(), targets=["level"]).read()
    if missing == "error":
        with pytest.raises(DataError, match=r"no value of 'weather\.wind' is known at .*missing=drop"):
            joined(join)
        return
    found = joined(join)
    if missing == "mask":
        assert len(found) == len(panel)
        assert 0 < np.isnan(column(found, "weather.wind")).sum() < len(panel)
        return
    assert len(found) < len(panel)
    assert not np.isnan(found.values).any()
    assert len(found.pieces) == 2
    assert {int(d // MINUTE) for first, stop in found.pieces for d in np.diff(found.clock[first:stop])} == {10}


class Stations(Source):
    """Two stations in one table."""

    def read(self) -> Panel:
        one, other = (source_of(weather_of(seed=seed), targets=["wind", "pressure"]).read() for seed in (1, 2))
        return replace(
            one,
            values=np.concatenate([one.values, other.values]),
            times=np.concatenate([one.clock, other.clock]),
            starts=np.array([0, len(one)]),
            items=np.array([0, 1]),
            ids=("Rio Grande", "Paranagua"),
            static_values=np.empty((2, 0)),
        )

    def for_table(self, table: Table) -> Source:
        return self


def test_each_series_of_a_table_has_columns_of_its_own():
    found = joined(Join(source=Stations(), how="mean", span="3h"))
    names = [f"weather.{what} {where}" for where in ("Rio Grande", "Paranagua") for what in ("wind", "pressure")]
    assert list(found.names[1:]) == names
    other = weather_of(seed=2).set_index("time")["wind"].rolling("3h").mean()
    expected = other.reindex(pd.DatetimeIndex(found.clock), method="ffill")
    on_the_hour = found.clock.astype("datetime64[h]") == found.clock
    assert column(found, names[2])[on_the_hour] == pytest.approx(expected[on_the_hour].to_numpy())


def test_winds_become_components():
    weather = pd.DataFrame({"time": minutes(60 * np.arange(80)), "gust": 2.0, "from": 90.0})
    weather.loc[1::2, "from"] = 180.0
    found = joined(Join(source=source_of(weather, targets=["gust", "from"]), winds={"gust": "from"}))
    assert found.names[1:] == ("weather.gust east", "weather.gust north")
    # From the east: toward the west; from the south: toward the north.
    odd = ((found.clock - minutes(0)) // (60 * MINUTE)).astype(int) % 2 == 1
    assert found.values[:, 1:] == pytest.approx(np.where(odd[:, None], [0.0, 2.0], [-2.0, 0.0]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"how": "mean"}, "a mean needs the span"),
        ({"span": "6h"}, "a mean needs the span"),
        ({"how": "mean", "span": "6h", "hold": "1h"}, "a mean is not held"),
        ({"delay": "soon"}, "delay='soon' is no length of time"),
        ({"hold": "-1h"}, "hold='-1h' is no length of time"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        Join(source=Stations(), **options)


def test_tables_that_do_not_fit_are_refused():
    weather = weather_of()
    aware = weather.assign(time=weather["time"].dt.tz_localize("UTC"))
    with pytest.raises(DataError, match=r"its stamps have a time zone, those of .* have no time zone"):
        joined(Join(source=source_of(aware, targets=["wind"])))
    with pytest.raises(ConfigurationError, match=r"known: .* has no column 'rain'; it has wind"):
        joined(Join(source=source_of(weather, targets=["wind"]), known=["rain"]))
    sky = source_of(weather, targets=["wind", "pressure"], past=["sky"], categories=["sky"])
    with pytest.raises(
        ConfigurationError,
        match=r"'sky' is a category, which has no mean; join by how=last \(data\.joins\.\w+\.how=last \S+span=null\)$",
    ):
        joined(Join(source=sky, how="mean", span="3h"))
    with pytest.raises(
        ConfigurationError,
        match=r"'sky' is a category, which has no components; leave it out of data\.joins\.\w+\.winds$",
    ):
        joined(Join(source=sky, winds={"wind": "sky"}))
    with pytest.raises(
        DataError, match=r"'sky': found '.*or make an input of words a category: data\.joins\.weather\.sou"
    ):
        joined(Join(source=source_of(weather, targets=["wind"], past=["sky"])))


CONTEXT, HORIZON = 12, 4


def data_of(level: pd.DataFrame, weather: pd.DataFrame, *, delay: str | None) -> ForecastDataModule:
    return ForecastDataModule(
        source=source_of(level, targets=["level"]),
        windows=Windows(context=CONTEXT, horizon=HORIZON),
        features={"lags": TargetLags(lags=[HORIZON]), "c": Calendar(parts=["hour"])},
        joins={
            "weather": Join(source=source_of(weather, targets=["wind"]), delay=delay),
            "mean": Join(source=source_of(weather, targets=["wind"]), delay=delay, how="mean", span="3h"),
            "plan": Join(source=source_of(weather, targets=["pressure"]), known=["pressure"]),
            "sky": Join(source=source_of(weather, targets=["wind"], past=["sky"], categories=["sky"]), delay=delay),
            "outlook": Join(source=source_of(weather, targets=["pressure"], known=["sky"], categories=["sky"])),
        },
    )


def forecaster_of(data: ForecastDataModule) -> NetworkForecaster:
    def build_model(spec: Any) -> Direct:
        torch.manual_seed(0)
        return Direct(spec=spec, cell=part("cell", "gru"), head=part("head", "point")).double().eval()

    return NetworkForecaster(
        build_model=build_model, spec=data.spec, source=data.source, grid=data.grid, covariates=data.covariates
    )


@settings(deadline=None, max_examples=4)
@given(row=st.integers(100, 250), delay=st.sampled_from([None, "10min", "90min"]), seed=st.integers(0, 9))
def test_no_value_after_the_origin_changes_a_forecast(row, delay, seed):
    """Known columns aside, and of a joined table already from the origin less the delay on."""
    level, weather = level_of(seed=seed), weather_of()
    data = data_of(level, weather, delay=delay)
    forecaster = forecaster_of(data)
    origin = level["time"][row]
    seen = level[level["time"] <= origin]
    unknown = weather["time"] > origin - pd.Timedelta(delay or 0)
    later = weather.assign(wind=weather["wind"].where(~unknown, 1e3), sky=weather["sky"].where(~unknown, "rain"))
    tables = dict.fromkeys(("weather", "mean", "sky"), later)
    before = forecaster.forecast(seen)["level"].tolist()
    assert forecaster.forecast(seen, tables=tables)["level"].tolist() == before
    # Nor does it in the windows that models are tested on.
    # (What is known ahead stays.)
    as_known = later.assign(sky=weather["sky"])
    changed = data_of(level.assign(level=level["level"].where(level["time"] <= origin, 1e3)), as_known, delay=delay)
    start = torch.tensor([int(np.searchsorted(data.prepared.panel.clock, np.datetime64(origin))) - CONTEXT + 1])
    changed.adopt(data.spec)
    one, other = (found.windows_at(start) for found in (data, changed))
    parts = ("history", "past", "known", "categories.past", "categories.known")
    assert all(torch.equal(attrgetter(name)(one), attrgetter(name)(other)) for name in parts)
    # What was known before does change it.
    earlier = weather.assign(wind=weather["wind"].where(unknown, 1e3))
    assert forecaster.forecast(seen, tables={"weather": earlier[["time", "wind"]]})["level"].tolist() != before


def test_a_known_column_reaches_beyond_the_end_as_far_as_it_is_needed():
    level, weather = level_of(), weather_of()
    forecaster = forecaster_of(data_of(level, weather, delay=None))
    seen = level.iloc[:200]
    found = forecaster.forecast(seen)
    assert len(found) == HORIZON
    hour = seen["time"].iloc[-1].floor("h")
    plan = weather.loc[weather["time"] <= hour, ["time", "pressure"]]
    assert forecaster.forecast(seen, tables={"plan": plan})["level"].tolist() == found["level"].tolist()
    with pytest.raises(DataError, match=r"tables\['plan'\]: no value of 'plan\.pressure' is known at .*give a table"):
        forecaster.forecast(seen, tables={"plan": plan.iloc[:-1]})
    with pytest.raises(ConfigurationError, match=r"tables\.rain: the model was trained with no such table; it has"):
        forecaster.forecast(seen, tables={"rain": weather})


def test_a_category_is_the_last_one_known():
    weather = weather_of().set_index("time")
    sky = source_of(weather.reset_index(), targets=["wind"], past=["sky"], categories=["sky"])
    found = joined(Join(source=sky, delay="90min"))
    (added,) = (c for c in found.columns if c.name == "weather.sky")
    assert (added.role, added.levels) == ("past", ("clear", "grey", "rain"))
    since = pd.DatetimeIndex(found.clock) - pd.Timedelta("90min")
    assert [added.levels[int(code)] for code in column(found, "weather.sky")] == [weather["sky"].asof(t) for t in since]


@pytest.mark.parametrize("role", ["past", "known"])
def test_a_table_may_have_categories_alone(role):
    level, weather = level_of(), weather_of()
    words = {role: ["sky"], "categories": ["sky"]}
    alone, beside = (source_of(weather, targets=targets, **words) for targets in ([], ["wind"]))
    found = joined(Join(source=alone))
    assert [(c.name, c.role, c.levels) for c in found.columns[1:]] == [("weather.sky", role, ("clear", "grey", "rain"))]
    assert np.array_equal(column(found, "weather.sky"), column(joined(Join(source=beside)), "weather.sky"))
    data = ForecastDataModule(
        source=source_of(level, targets=["level"]),
        windows=Windows(context=CONTEXT, horizon=HORIZON),
        joins={"weather": Join(source=alone)},
    )
    forecaster, seen = forecaster_of(data), level.iloc[:200]
    expected = forecaster.forecast(seen)["level"].tolist()
    assert forecaster.forecast(seen, tables={"weather": weather[["time", "sky"]]})["level"].tolist() == expected
    other = weather[["time", "sky"]].assign(sky="rain")
    assert forecaster.forecast(seen, tables={"weather": other})["level"].tolist() != expected


def test_a_word_that_means_missing_is_so_in_a_table_of_categories_alone():
    weather = weather_of()
    weather.loc[3, "sky"] = "M"
    words: dict[str, Any] = {"time": "time", "targets": [], "past": ["sky"], "categories": ["sky"], "missing": ["M"]}
    source = FrameSource(**words).for_table(FrameTable(weather, "time"))
    assert np.isnan(source.read().values[:, 0]).tolist() == [row == 3 for row in range(len(weather))]


def test_a_series_has_a_target_and_a_table_has_a_column():
    level = level_of()
    source = source_of(level.assign(flow=1.0), targets=[], past=["flow"])
    with pytest.raises(ConfigurationError, match=r"data\.source\.targets=\[\] leaves nothing to forecast; name a"):
        ForecastDataModule(source=source, windows=Windows(context=CONTEXT, horizon=HORIZON)).prepare()
    with pytest.raises(ConfigurationError, match=r"targets=\[\] and no other column over time; name one"):
        source_of(level, targets=[])


def test_levels_are_those_of_the_training_whatever_a_later_table_has():
    level, weather = level_of(), weather_of()
    forecaster = forecaster_of(data_of(level, weather, delay=None))
    seen = level.iloc[:200]
    expected = forecaster.forecast(seen)["level"].tolist()
    # Without the first level the others have other numbers; a row before all others brings it back and is never read.
    without = weather.assign(sky=weather["sky"].map({"clear": "rain", "grey": "rain", "rain": "grey"}))
    before = without.head(1).assign(time=minutes([-60]), sky="clear")
    few, all_levels = (
        forecaster.forecast(seen, tables={"outlook": table, "sky": table})["level"].tolist()
        for table in (without, pd.concat([before, without]))
    )
    assert few == all_levels != expected
    for name in ("outlook", "sky"):
        with pytest.raises(DataError, match=rf"column '{name}\.sky' has the level 'storm', which the training had not"):
            forecaster.forecast(seen, tables={name: weather.assign(sky="storm")})


def test_a_joined_table_is_part_of_the_fingerprint():
    level, weather = level_of(), weather_of()
    same, other = (
        data_of(level, weather, delay=None),
        data_of(level, weather.assign(wind=0.5 * weather["wind"]), delay=None),
    )
    assert data_of(level, weather, delay=None).fingerprint == same.fingerprint != other.fingerprint
