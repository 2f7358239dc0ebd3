"""Hourly sea level in the form of the UHSLC, written here column by column as the archive's description says."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pages import page

import recast
from recast.data.sources.uhslc import UhslcSource
from recast.errors import DataError
from recast.runs.checkpoints.checkpoint import ALLOWED
from recast.runs.configure.build import build

TABLE = page("files.md")
YEARS = pd.date_range("1999-12-30", "2000-01-02 23:00", freq="h")
HEIGHTS = np.random.default_rng(0).integers(-999, 4000, size=len(YEARS))
HEIGHTS[[5, 30, 31]] = 9999
HEIGHTS[40:42] = -1000, 12000


def put(columns: dict[int, str]) -> str:
    """A record of 80 characters, from words by the number of their first one."""
    record = [" "] * 80
    for first, word in columns.items():
        record[first - 1 : first - 1 + len(word)] = word
    return "".join(record)


def header(year: int, *, station: str = "057A", zone: str = "0000", offset: str = "00000", unit: str = "MM") -> str:
    places = {1: station, 6: "HONOLULU", 25: "HAWAII, USA", 45: str(year), 50: "21184N", 57: "157520W"}
    return put({**places, 65: zone, 70: "2", 72: offset, 77: "R", 79: unit})


def records(heights: np.ndarray, stamps: pd.DatetimeIndex, station: str = "057A") -> list[str]:
    return [
        put({1: station, 6: "HONO", 12: f"{day:%Y%m%d}{1 + (day.hour == 12)}", 21: "".join(f"{h:5d}" for h in half)})
        for day, half in zip(stamps[::12], heights.reshape(-1, 12), strict=True)
    ]


def written(path: Path, *lines: str | list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for part in lines for line in ([part] if isinstance(part, str) else part)))
    return path


def whole(path: Path, **about: str) -> Path:
    lines = records(HEIGHTS, YEARS, about.get("station", "057A"))
    return written(path, header(1999, **about), lines[:4], header(2000, **about), lines[4:])


EXPECTED = np.where(HEIGHTS == 9999, np.nan, HEIGHTS)


def test_a_file_of_two_years(tmp_path):
    path = whole(tmp_path / "h057a.dat")
    words = ["data=uhslc", "data.source.path=h057a.dat"]
    assert f"`{' '.join(words)}`" in TABLE
    source = build(recast.compose(words)["data"]["source"] | {"path": str(path)}, ALLOWED)
    panel = source.read()
    assert_array_equal(panel.clock, YEARS.to_numpy())
    assert_array_equal(panel.values[:, 0], EXPECTED)
    assert (panel.step, panel.timezone, panel.columns[0].unit, panel.names) == ("h", "UTC", "mm", ("sea_level",))


def test_compressed_and_with_the_ends_of_lines_of_windows(tmp_path):
    text = whole(tmp_path / "h057a.dat").read_bytes()
    (tmp_path / "h057a.dat.gz").write_bytes(gzip.compress(text.replace(b"\n", b"\r\n")))
    assert_array_equal(UhslcSource(path=str(tmp_path / "h057a.dat.gz")).read().values[:, 0], EXPECTED)


@pytest.mark.parametrize(("zone", "minutes"), [("0055", 330), ("+055", 330), ("-095", -570)])
def test_stamps_are_in_utc_and_values_on_the_datum(tmp_path, zone, minutes):
    """Tenths of an hour, east positive: noon at 5.5 hours is half past six in Greenwich."""
    panel = UhslcSource(path=str(whole(tmp_path / "h.dat", zone=zone, offset="00120"))).read()
    assert_array_equal(panel.clock, (YEARS - pd.Timedelta(minutes=minutes)).to_numpy())
    assert_array_equal(panel.values[:, 0], EXPECTED + 120)


def test_files_of_one_year_each_are_one_series_in_the_order_of_time(tmp_path):
    lines = records(HEIGHTS, YEARS)
    written(tmp_path / "h057a99.dat", header(1999), lines[:4])
    written(tmp_path / "h057a00.dat", header(2000), lines[4:])
    panel = UhslcSource(path=str(tmp_path / "h057a*.dat")).read()
    assert panel.is_single
    assert_array_equal(panel.values[:, 0], EXPECTED)


def test_several_stations_are_several_series(tmp_path):
    for station in ("057A", "058B"):
        whole(tmp_path / f"h{station.lower()}.dat", station=station)
    panel = UhslcSource(path=str(tmp_path / "h*.dat"), several=True).read()
    assert panel.ids == ("057A", "058B")
    assert_array_equal(panel.values[:, 0], np.tile(EXPECTED, 2))
    with pytest.raises(DataError, match=r"records of 2 stations \(057A, 058B\); say so: data\.source\.several=true"):
        UhslcSource(path=str(tmp_path / "h*.dat")).read()


GOOD = records(HEIGHTS, YEARS)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([header(1999), GOOD[0][:-5]], "line 2: found '057A .*: 75 characters, not 80; expected records"),
        ([header(1999), GOOD[0].replace("991230", "991301")], "line 2: found .*; expected records"),
        (
            [header(1999), GOOD[0][:19] + "3" + GOOD[0][20:]],
            "'199912303' in characters 12 to 20 is no date with 1 or 2",
        ),
        ([header(1999), GOOD[0][:-4] + "12x4"], "line 2: .*invalid literal for int"),
        ([header(1999, unit="FT"), GOOD[0]], "line 1: .*a header has 80 characters and ends in the unit MM"),
        ([GOOD[0]], "line 1: a record of station '057A' after no header"),
        ([header(1999, station="001A"), GOOD[0]], "line 2: a record of station '057A' after the header of '001A'"),
        ([header(1999)], "no record; expected records"),
        (["time,level", "2020-01-01,1"], "line 1: found 'time,level': 10 characters, not 80"),
        ([header(1999), GOOD[1], GOOD[0]], "line 3, value 1, column 'time': found '1999-12-30 00:00.*ascending"),
        ([header(1999), GOOD[0], GOOD[0]], "line 3, value 1, column 'time': found .* has too"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, lines, said):
    with pytest.raises(DataError, match=said) as caught:
        UhslcSource(path=str(written(tmp_path / "h.dat", lines))).read()
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "h.dat") in str(caught.value)
