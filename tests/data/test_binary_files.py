"""Parquet and netCDF files, picked by their ending."""

import sys

import numpy as np
import pandas as pd
import pytest

from recast.data.sources.csv_file import CsvSource
from recast.errors import DataError

TIMES = pd.date_range("2024-01-01", periods=5, freq="h")
FRAME = pd.DataFrame(
    {
        "station": np.repeat(["north", "south"], 5),
        "time": [*TIMES, *TIMES],
        "level": np.arange(10) / 4,
        "wind": np.arange(10.0)[::-1],
    }
)


def read(path, **options):
    source = CsvSource(path=str(path), time="time", targets=["level"], past=["wind"], id="station", **options)
    return source.read()


def check(panel):
    assert panel.ids == ("north", "south")
    np.testing.assert_array_equal(panel.clock, FRAME["time"].to_numpy())
    np.testing.assert_array_equal(panel.values, FRAME[["level", "wind"]].to_numpy())


@pytest.mark.parametrize("index", [[], ["station", "time"], ["time"]])
def test_parquet(tmp_path, index):
    pytest.importorskip("pyarrow")
    frame = FRAME.set_index(index) if index else FRAME
    frame.to_parquet(tmp_path / "sites.parquet")
    check(read(tmp_path / "sites.parquet"))
    with pytest.raises(DataError, match=r"sites\.parquet, row 7, column 'level': found 'nan'"):
        FRAME.assign(level=FRAME["level"].mask(FRAME.index == 7)).to_parquet(tmp_path / "sites.parquet")
        read(tmp_path / "sites.parquet")


def test_netcdf(tmp_path):
    pytest.importorskip("h5netcdf")
    data = pytest.importorskip("xarray").Dataset.from_dataframe(FRAME.set_index(["station", "time"]))
    data["level"].encoding["_FillValue"] = -9999.0
    data.to_netcdf(tmp_path / "sites.nc", engine="h5netcdf")
    check(read(tmp_path / "sites.nc"))
    data["level"][1, 2] = np.nan
    data.to_netcdf(tmp_path / "sites.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"sites\.nc, row 7, column 'level': found 'nan'"):
        read(tmp_path / "sites.nc")
    assert np.isnan(read(tmp_path / "sites.nc", missing=[np.nan]).values[7, 0])


@pytest.mark.parametrize("ending", ["parquet", "nc"])
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, ending, monkeypatch):
    path = tmp_path / f"sites.{ending}"
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match=rf"sites\.{ending}: cannot be read as"):
        read(path)
    with pytest.raises(DataError, match=r"nowhere\.\w+: cannot be read as"):
        read(tmp_path / f"nowhere.{ending}")
    monkeypatch.setitem(sys.modules, "xarray", None)
    if ending == "nc":
        with pytest.raises(DataError, match=r"pip install 'recast-rnn\[netcdf\]'"):
            read(path)
