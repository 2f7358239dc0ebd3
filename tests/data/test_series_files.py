"""SeaLevelSource and StockSource, on small files and on the real ones."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recast.data.sources.csv_file import CsvSource
from recast.data.sources.sea_level import SeaLevelSource
from recast.data.sources.stock import StockSource
from recast.errors import ConfigurationError, DataError

BARS = "Date,Close,Volume,Name\n2020-01-02,10,100,A\n2020-01-03,11,0,A\n2020-01-06,9.9,300,A\n"


def real(name):
    path = Path(os.environ.get("RECAST_DATA_DIR", "data")) / name
    if not path.exists():
        pytest.skip(f"{name} is absent")
    return str(path)


@pytest.fixture
def bars(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text(BARS)
    return str(path)


def test_sea_level_has_one_channel_in_metres(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("datetime,ssh\n2020-01-01 00:00Z,0.5\n2020-01-01 00:10Z,-9999\n")
    series = SeaLevelSource(path=str(path), missing=[-9999.0]).read()
    assert (series.names, series.units, series.step, series.timezone) == (("ssh",), ("m",), "10min", "UTC")
    np.testing.assert_array_equal(series.values, [[0.5], [np.nan]])


def test_sea_level_for_file_keeps_all_but_the_path(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("when,height\n2020-01-01 00:00,0.5\n2020-01-01 01:00,-1\n")
    source = SeaLevelSource(path="a.csv", time="when", column="height", unit="cm", step="h", missing=[-1.0])
    series = source.for_file(str(path)).read()
    assert (series.names, series.units, series.step) == (("height",), ("cm",), "h")
    np.testing.assert_array_equal(series.values, [[0.5], [np.nan]])


def test_santos():
    path = real("santos_ssh.csv")
    series = SeaLevelSource(path=path).read()
    table = pd.read_csv(path)
    assert len(series) == 25_613
    assert series.timezone == "UTC"
    assert np.array_equal(series.values[:, 0], table["ssh"].to_numpy())
    assert str(series.times[0]) == "2020-01-01T00:00:00.000000000"
    assert str(series.times[-1]) == "2020-06-30T23:50:00.000000000"
    assert CsvSource(path=path, time="datetime", targets=["ssh"]).read().step == "10min"


def test_etth1_has_an_hourly_step_and_seven_channels():
    names = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL"]
    series = CsvSource(path=real("ETTh1.csv"), time="date", targets=["OT"], past=names).read()
    assert series.values.shape == (17_420, 7)
    assert (series.step, series.names[0], series.timezone) == ("h", "OT", None)


def test_price(bars):
    series = StockSource(path=bars).read()
    assert (series.names, series.units, series.step) == (("Close",), ("USD",), "B")
    assert series.values[:, 0].tolist() == [10, 11, 9.9]
    assert StockSource(path=bars, column="Volume").read().units == ("shares",)


def test_log_return(bars):
    series = StockSource(path=bars, transform="log_return").read()
    assert (series.names, series.units) == (("log_return_Close",), ("",))
    assert series.values[:, 0] == pytest.approx([np.log(1.1), np.log(0.9)], abs=1e-15)
    assert series.times.tolist() == np.array(["2020-01-03", "2020-01-06"], "datetime64[ns]").tolist()


def test_log_return_needs_positive_values_and_two_rows(bars, tmp_path):
    with pytest.raises(DataError, match=r"bars\.csv, line 3, column 'Volume': found 0; expected a positive number"):
        StockSource(path=bars, column="Volume", transform="log_return").read()
    one = tmp_path / "one.csv"
    one.write_text("Date,Close\n2020-01-02,10\n")
    assert len(StockSource(path=str(one), step="B").read()) == 1
    with pytest.raises(DataError, match="one row; a log return needs two at least"):
        StockSource(path=str(one), transform="log_return", step="B").read()


def test_stock_messages(bars):
    with pytest.raises(DataError, match="no column 'close'; did you mean 'Close'"):
        StockSource(path=bars, column="close").read()
    with pytest.raises(DataError, match="line 2, column 'Name': found 'A'; expected a number"):
        StockSource(path=bars, column="Name").read()
    with pytest.raises(ConfigurationError, match="transform='returns'"):
        StockSource(path=bars, transform="returns")


def test_stock_for_file_keeps_all_but_the_path(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("day,Open\n2020-01-06,10\n2020-01-13,20\n2020-01-20,-1\n")
    source = StockSource(
        path="a.csv", column="Open", transform="log_return", time="day", currency="BRL", step="7D", missing=[-1.0]
    )
    series = source.for_file(str(path)).read()
    assert (series.names, series.step) == (("log_return_Open",), "7D")
    assert series.values[:, 0].tolist() == [np.log(20) - np.log(10)]
    price = StockSource(path="a.csv", column="Open", time="day", currency="BRL", missing=[-1.0]).for_file(str(path))
    assert price.read().units == ("BRL",)


@pytest.mark.parametrize("column", ["Open", "High", "Low", "Close", "Volume"])
def test_apple(column):
    path = real("AAPL_2006-01-01_to_2018-01-01.csv")
    series = StockSource(path=path, column=column, transform="log_return").read()
    prices = pd.read_csv(path)[column].to_numpy(dtype=float)
    assert len(series) == 3_018
    assert np.exp(np.cumsum(series.values[:, 0])) * prices[0] == pytest.approx(prices[1:], rel=1e-12)
    assert CsvSource(path=path, time="Date", targets=[column]).read().step == "B"
