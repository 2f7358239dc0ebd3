"""CsvSource: what it reads, and the one message for each thing that may be wrong with a file."""

import logging
import math
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.panel import Column, columns_of
from recast.data.prepare.grid import ErrorGrid, InterpolateGrid, MaskGrid, RowsGrid, SplitGrid
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.csv_text import load_csv
from recast.data.sources.sea_level import SeaLevelSource
from recast.data.sources.sentinels import find_sentinel
from recast.data.sources.step import fixed_step, infer_step, parse_step
from recast.errors import ConfigurationError, DataError


@pytest.fixture
def read(tmp_path):
    def read_text(text, **options):
        path = tmp_path / "level.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return CsvSource(**({"path": str(path), "time": "t", "targets": ["v"]} | options)).read()

    return read_text


def test_reads_targets_then_past_with_units(read):
    series = read(
        "t,a,v,note\n2020-01-01 00:00,1,2.5,x\n2020-01-01 00:10,3,-4e-1,y\n", past=["a"], units={"a": "hPa", "v": "m"}
    )
    assert series.names == ("v", "a")
    assert series.units == ("m", "hPa")
    assert [column.role for column in series.columns] == ["target", "past"]
    assert series.targets.tolist() == [[2.5], [-0.4]]
    assert series.is_single
    assert series.values.tolist() == [[2.5, 1.0], [-0.4, 3.0]]
    assert series.values.dtype == np.float64
    assert series.times.dtype == np.dtype("datetime64[ns]")
    assert series.times.tolist() == np.array(["2020-01-01T00:00", "2020-01-01T00:10"], "datetime64[ns]").tolist()
    assert series.starts.tolist() == [0]
    assert series.step == "10min"
    assert series.timezone is None
    assert series.label.endswith("level.csv")


def test_units_not_named_are_empty(read):
    assert read("t,v\n2020,1\n2021,2\n", step="YS").units == ("",)


@pytest.mark.parametrize(
    ("stamps", "expected", "timezone"),
    [
        (["2020-01-01 00:00:00+00:00", "2020-01-01 01:00:00+00:00"], ["2020-01-01T00", "2020-01-01T01"], "UTC"),
        (["2020-01-01T00:00Z", "2020-01-01T01:00Z"], ["2020-01-01T00", "2020-01-01T01"], "UTC"),
        (["2020-01-01 00:00-0300", "2020-01-01 01:00-0300"], ["2020-01-01T03", "2020-01-01T04"], "UTC"),
        # Summer time ends: the same hour twice, an hour apart.
        (["2020-10-25 02:30+02:00", "2020-10-25 02:30+01:00"], ["2020-10-25T00:30", "2020-10-25T01:30"], "UTC"),
        (["2020-01-01T00:00:00.5", "2020-01-01T00:00:01"], ["2020-01-01T00:00:00.5", "2020-01-01T00:00:01"], None),
        (["2020-01", "2020-02"], ["2020-01-01", "2020-02-01"], None),
        (["20200101", "20200102"], ["2020-01-01", "2020-01-02"], None),
    ],
)
def test_stamps_are_iso_and_zones_become_utc(read, stamps, expected, timezone):
    series = read("t,v\n" + "".join(f"{stamp},1\n" for stamp in stamps))
    assert series.times.tolist() == np.array(expected, "datetime64[ns]").tolist()
    assert series.timezone == timezone


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbft,v\n2020-01-01,1\n2020-01-02,2\n",
        b"t,v\r\n2020-01-01,1\r\n2020-01-02,2\r\n",
        b"t,v\r2020-01-01,1\r2020-01-02,2",
        b"\nt,v\n\n2020-01-01,1\n\n2020-01-02,2\n\n",
        b'"t","v"\n"2020-01-01","1"\n2020-01-02,2\n',
        b'note,t,v\n"two\nlines, a comma",2020-01-01,1\nx,2020-01-02,2\n',
        b"v,t\n 1 ,2020-01-01\n+2, 2020-01-02\n",
    ],
)
def test_common_dialects_read_alike(read, text):
    series = read(text)
    assert series.values[:, 0].tolist() == [1.0, 2.0]
    assert series.times.tolist() == np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]").tolist()


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("", {}, "the file is empty; expected a header and rows"),
        (" \n\n", {}, "the file is empty"),
        ("t,v\n", {}, "a header (t, v) and no rows after it"),
        (
            "t,ssh,value\n2020,1,2\n",
            {"targets": ["valeu"]},
            "no column 'valeu'; did you mean 'value'? the file has 't', 'ssh', 'value'",
        ),
        ("t,v\n2020,1\n", {"time": "zzz"}, "no column 'zzz'; the file has 't', 'v'"),
        (
            "t;v\n2020;1\n",
            {},
            "found semicolons between its fields, expected commas; say so: data.source.delimiter=semi",
        ),
        ("t,v,v\n2020,1,2\n", {}, "2 columns have the name 'v'; rename all but one"),
        (
            "t,v\n2020-01-01,1\n2020-01-02,2,3\n",
            {},
            "level.csv, line 3: found 3 fields, expected 2 as in the header (t, v)",
        ),
        ("t,v\n2020-01-01,1,5\n2020-01-02,2,5\n", {}, "line 2: found 3 fields, expected 2"),
        ("t,v\n\n2020-01-01,1\n2020-01-02\n", {}, "line 4: found 1 fields, expected 2"),
        ('t,v\n"2020-01-01",1\n2020-01-02,2,"3"\n', {}, "line 3: found 3 fields, expected 2"),
        ('t,v\n2020-01-01,"1\n2020-01-02,2\n', {}, "line 2: quotation marks do not match"),
        (
            b"t,v\n2020-01-01,1\n2020-01-02,\xb0\n",
            {},
            "line 3: found the byte 0xb0, which is no UTF-8 text; save the file as UTF-8",
        ),
        (
            "t,v\n2020-01-01,1\n01/02/2020,2\n",
            {},
            "level.csv, line 3, column 't': found '01/02/2020', no time stamp; expected ISO 8601",
        ),
        ("t,v\n2020-02-30,1\n", {}, "line 2, column 't': found '2020-02-30', no time stamp"),
        ("t,v\n2020-01-01,1\nnow,2\n", {}, "line 3, column 't': found 'now', no time stamp"),
        ("t,v\n1577836800,1\n", {}, "found '1577836800', no time stamp"),
        ("t,v\n2020-01-01,1\n,2\n", {}, "line 3, column 't': found '', an empty stamp"),
        ("t,v\n2020-01-01,1\nNaT,2\n", {}, "line 3, column 't': found 'NaT', no time stamp"),
        ("t,v\n1066-10-14,1\n1066-10-15,1\n", {}, "found '1066-10-14', a stamp out of range; expected 1678 to 2261"),
        (
            "t,v\n2020-01-01 00:00,1\n2020-01-01 01:00Z,2\n",
            {},
            "line 3, column 't': found '2020-01-01 01:00Z', a stamp with a zone; the rows before",
        ),
        (
            "t,v\n2020-01-01 00:00+01:00,1\n2020-01-01 01:00,2\n",
            {},
            "line 3, column 't': found '2020-01-01 01:00', a stamp without a zone",
        ),
        (
            "t,v\n2020-01-01,1\n2020-01-02,2\n2020-01-02,2\n",
            {},
            "line 4, column 't': found '2020-01-02', which line 3 has too (1 duplicate stamps in all)",
        ),
        (
            "t,v\n2020-01-02,1\n2020-01-01,2\n2020-01-02,2\n",
            {},
            "line 4, column 't': found '2020-01-02', which line 2 has too",
        ),
        (
            "t,v\n2020-01-01,1\n2020-01-03,2\n2020-01-02,2\n",
            {},
            "line 4, column 't': found '2020-01-02', before the stamp of the row above it; expected ascending",
        ),
        (
            "t,v\n2020-01-01,1\n2020-01-02,\n2020-01-03,NA\n",
            {},
            (
                "line 3, column 'v': found ''; expected a finite number (2 row(s) have none); delete such "
                "rows, or say that they were not observed: data.source.missing=[nan]"
            ),
        ),
        ("t,v\n2020-01-01,1\n2020-01-02,null\n", {}, "line 3, column 'v': found 'null'; expected a finite number"),
        (
            "t,v\n2020-01-01,1\n2020-01-02,-inf\n",
            {},
            "line 3, column 'v': found '-inf'; expected a finite number (1 row(s) have none); correct the value",
        ),
        ("t,v\n2020-01-01,1e400\n2020-01-02,1\n", {}, "line 2, column 'v': found '1e400'; expected a finite number"),
        (
            "t,v\n2020-01-01,1\n2020-01-02,high\n",
            {},
            "line 3, column 'v': found 'high'; expected a number with a decimal point (1 row(s) have none)",
        ),
        ('t,v\n2020-01-01,"1,5"\n', {}, "line 2, column 'v': found '1,5'; expected a number with a decimal point"),
        ("t,v\n2020-01-01,1\n2020-01-02,1_0\n", {}, "line 3, column 'v': found '1_0'; expected a number"),
        # Python's float takes these for blanks and digits.
        ("t,v\n2020-01-01,1\n2020-01-02,0.9\x1f\n", {}, "line 3, column 'v': found '0.9\\x1f'; expected a number"),
        ("t,v\n2020-01-01,1\n2020-01-02,0.9\xa0\n", {}, "line 3, column 'v': found '0.9\\xa0'; expected a number"),
        ("t,v\n2020-01-01,1\n2020-01-02,\u0663\n", {}, "line 3, column 'v': found '\u0663'; expected a number"),
        ("t,v\n2020-01-01,1\n2020-01-02\x1f,2\n", {}, "line 3, column 't': found '2020-01-02\\x1f', no time stamp"),
        # Squares of larger numbers have no finite sum.
        (
            "t,v\n2020-01-01,1e200\n2020-01-02,1\n",
            {},
            "line 2, column 'v': found '1e200'; expected a number of at most 1",
        ),
        (
            "t,v\n2020-01-01,1\n2020-01-02,-1e308\n",
            {},
            "line 3, column 'v': found '-1e308'; expected a number of at most 1",
        ),
        ("t,v\n2020-01-01,True\n", {}, "found 'True'; expected a number"),
        (
            "t,v\n2020-01-01,1\n2020-01-02,0x10\n2020-01-03,nan\n",
            {},
            "line 3, column 'v': found '0x10'; expected a number",
        ),
        ('n,t,v\n"a\nb",2020-01-01,1\nx,2020-01-02,\n', {}, "line 4, column 'v': found ''"),
        ("t,v\n2020-01-01,5\n", {"missing": [5]}, "no target of ['v'] is observed in any row by missing=[5]"),
        ("t,v\n2020-01-01,5\n", {}, "1 row(s); a step needs two at least; state it"),
        (
            "t,v\n2020-01-01,5\n2020-02-01,5\n2020-03-05,5\n2020-04-05,5\n",
            {},
            "difference of stamps is 31 days, of no fixed length in a calendar; state the step: data.source.step=MS",
        ),
    ],
)
def test_bad_files_are_reported_with_line_column_found_and_remedy(read, text, options, expected):
    with pytest.raises(DataError) as error:
        read(text, **options)
    assert expected in str(error.value)
    assert "level.csv" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t;v\n2020-01-01;1,5\n2020-01-02;2,5\n", "data.source.delimiter=semicolon data.source.decimal=comma"),
        ("t;v\n2020-01-01;1.5\n2020-01-02;2.5\n", "data.source.delimiter=semicolon"),
        ("t\tv\n2020-01-01\t1.5\n2020-01-02\t2.5\n", "data.source.delimiter=tab"),
        ('t|v\n2020-01-01|"1,5"\n2020-01-02|"2,5"\n', "data.source.delimiter=pipe data.source.decimal=comma"),
        ('t,v\n2020-01-01,"1,5"\n2020-01-02,"2,5"\n', "data.source.decimal=comma"),
    ],
)
def test_delimiter_and_decimal_sign_are_named_and_can_be_stated(read, text, said):
    with pytest.raises(DataError) as error:
        read(text)
    assert str(error.value).endswith(f"say so: {said}")
    options = dict(word.removeprefix("data.source.").split("=") for word in said.split())
    assert read(text, **options).values[:, 0].tolist() == [1.5, 2.5]


def test_what_does_not_have_the_stated_dialect_is_refused(read):
    with pytest.raises(DataError, match=r"found commas between its fields, expected semicolons; say so: .*=comma"):
        read("t,v\n2020-01-01,1.5\n2020-01-02,2.5\n", delimiter="semicolon")
    with pytest.raises(
        DataError, match=r"line 2, column 'v': found '1\.234,5'; expected a number with a decimal comma"
    ):
        read("t;v\n2020-01-01;1.234,5\n2020-01-02;2,5\n", delimiter="semicolon", decimal="comma")
    with pytest.raises(ConfigurationError, match="delimiter='colon'"):
        read("t:v\n2020-01-01:1\n", delimiter="colon")


def test_other_files_of_a_source_are_in_its_dialect(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("datetime;ssh\n2020-01-01;1,5\n2020-01-02;2,5\n")
    for source in (
        SeaLevelSource(path="x.csv", delimiter="semicolon", decimal="comma"),
        CsvSource(path="x.csv", time="datetime", targets=["ssh"], delimiter="semicolon", decimal="comma"),
    ):
        assert source.for_file(str(path)).read().values[:, 0].tolist() == [1.5, 2.5]


def test_numbers_whose_squares_overflow_are_refused(read):
    with pytest.raises(DataError) as error:
        read("t,v\n2020-01-01,1\n2020-01-02,-1e308\n2020-01-03,1e200\n")
    assert "line 3, column 'v': found '-1e308'; expected a number of at most 1e+140 in size" in str(error.value)
    assert "(2 row(s) have none)" in str(error.value)
    assert "data.source.missing=[-1e+308]" in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file; looked in "):
        CsvSource(path=str(tmp_path / "nowhere.csv"), time="t", targets=["v"]).read()
    with pytest.raises(DataError, match="a folder; expected a CSV file"):
        CsvSource(path=str(tmp_path), time="t", targets=["v"]).read()


def test_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "level.csv"
    path.write_text("t,v\n2020,1\n")

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"level\.csv: cannot be read: Permission denied"):
        CsvSource(path=str(path), time="t", targets=["v"]).read()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"targets": ["v", "v"]}, "the column 'v' is named twice in time, id, targets, past, known and static"),
        ({"targets": ["t"]}, "the column 't' is named twice"),
        ({"past": ["v"]}, "the column 'v' is named twice"),
        ({"targets": []}, "targets=[]"),
        ({"units": {"w": "m"}, "targets": ["wind"]}, "units names 'w'; the columns are ['wind']"),
        ({"units": {"winds": "m"}, "targets": ["wind"]}, "units names 'winds'; did you mean 'wind'?"),
        ({"step": "10minutos"}, "step='10minutos' is unknown; expected a pandas offset alias"),
        ({"step": "-10min"}, "step='-10min' does not go forward"),
        ({"step": "0min"}, "step='0min' does not go forward"),
        ({"missing": ["-9999"]}, "missing=['-9999']"),
        ({"targets": "v"}, "targets='v'"),
    ],
)
def test_bad_options_are_refused_before_the_file_is_read(options, expected):
    with pytest.raises(ConfigurationError) as error:
        CsvSource(**({"path": "nowhere.csv", "time": "t", "targets": ["v"]} | options))
    assert expected in str(error.value)


NOISE = np.random.default_rng(0).normal(1.0, 0.1, 50).round(3)


def with_values(values):
    stamps = np.datetime64("2020-01-01") + np.arange(len(values))
    return "t,v\n" + "".join(f"{stamp},{value}\n" for stamp, value in zip(stamps, values, strict=True))


@pytest.mark.parametrize("sentinel", ["-9999", "-999", "9999", "99999", "-99.99", "-32768", "1e20"])
def test_a_sentinel_is_named_and_can_be_stated(read, caplog, sentinel):
    values = [*NOISE, sentinel, 1.0, sentinel]
    with pytest.raises(DataError) as error:
        read(with_values(values))
    shown = repr(float(sentinel)).removesuffix(".0")
    assert f"line 52, column 'v': found {shown} in 2 row(s)" in str(error.value)
    assert f"data.source.missing=[{shown}]" in str(error.value)
    assert "data.source.missing=[]" in str(error.value)
    with caplog.at_level(logging.INFO):
        series = read(with_values(values), missing=[float(sentinel)])
        kept = SplitGrid().apply(series)
    assert np.flatnonzero(np.isnan(series.values[:, 0])).tolist() == [50, 52]
    assert len(kept) == 51
    assert kept.values[-1, 0] == 1.0
    assert "2 of 53 rows have a value not observed by missing=[" in caplog.text
    assert "2 of 53 rows dropped: a value was not observed" in caplog.text
    assert len(read(with_values(values), missing=[])) == 53


def test_a_sentinel_in_any_used_column_is_a_value_not_observed(read, caplog):
    text = "t,v,p,other\n2020-01-01,1,-9,-9\n2020-01-02,2,5,-9\n2020-01-03,3,5,1\n2020-01-04,-9,5,1\n"
    with caplog.at_level(logging.INFO):
        series = read(text, past=["p"], missing=[-9.0])
    np.testing.assert_array_equal(series.values, [[1, np.nan], [2, 5], [3, 5], [np.nan, 5]])
    assert "2 of 4 rows have a value not observed by missing=[-9.0]" in caplog.text
    for policy in (ErrorGrid(), SplitGrid(), InterpolateGrid(max_steps=1), RowsGrid()):
        assert policy.apply(series).values.tolist() == [[2, 5], [3, 5]]
    # The message's line counts the rows not observed too.
    with pytest.raises(DataError, match="line 4, column 'v': found 'inf'"):
        read(text.replace("03,3", "03,inf"), past=["p"], missing=[-9.0])


def test_empty_fields_can_be_stated_as_missing(read):
    series = read("t,v\n2020-01-01,1\n2020-01-02,\n2020-01-03,2\n", missing=[math.nan])
    np.testing.assert_array_equal(series.values[:, 0], [1, np.nan, 2])
    assert SplitGrid().apply(series).values[:, 0].tolist() == [1, 2]


def test_the_step_is_that_of_the_rows_whose_targets_were_observed(read):
    rows = [
        f"2020-01-01T{hour:02}:{minute},{1 if minute == '00' else ''},5" for hour in range(5) for minute in ("00", "30")
    ]
    series = read("t,v,p\n" + "\n".join(rows), past=["p"], missing=[math.nan])
    assert (len(series), series.step) == (10, "h")


def test_a_file_whose_rows_all_lack_an_input_has_no_row_for_a_grid_without_masks(read):
    series = read("t,v,p\n2020-01-01,1,\n2020-01-02,2,\n", past=["p"], missing=[math.nan])
    with pytest.raises(DataError, match="no row has all of its values observed; use fewer columns, or data/grid=mask"):
        SplitGrid().apply(series)
    assert MaskGrid().apply(series) is series


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], None),
        ([998.0, 999.0, 1001.0], None),  # an air pressure
        ([9999.0, 9999.0], None),
        ([0.0, 0.0, 0.0, 999.0], (3, 999.0)),
        ([0.0] * 30 + [400.0, 999.0], None),  # rain: the median deviation is 0, the plain one 70
        ([-9999.0, -9999.0, 0.1, 0.2, 0.3], (0, -9999.0)),  # may be the greater part
        ([1e8, 2e8, 3e8, 99999.0], None),  # a traded volume
        ([10.0, 12.0, 11.0, 13.0, 7e5, 999.0], None),  # within the range of the others
        ([0.0, 1.0] * 30, None),  # a flag
        ([0.0] * 40 + [500.0] * 3, None),  # a machine that runs or does not
        ([*range(40), 300.0, 300.0, 280.0], None),  # not alone: 280 was measured once
        ([*range(40), 99.0, 99.0], (40, 99.0)),
        ([*range(0, 360, 5), 999.0], (72, 999.0)),  # directions of the wind
        ([*range(60), 99.0, 99.0], None),  # no farther than the others are apart
    ],
)
def test_find_sentinel(values, expected):
    assert find_sentinel(np.array(values)) == expected


COMMON = [
    *(-99.9999, -99.0, 99.0, -901.0, 1e37, -1e31, -3.4028235e38, 9999.999, -999999999.0, -888.0),
    *(-9999.0, 999.0, 32767.0, 1e20, 9.96921e36, -2147483648.0),
]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("sentinel", COMMON)
def test_common_null_values_are_found_once_or_repeated(sentinel, times):
    values = np.random.default_rng(0).normal(1, 0.5, 500).round(3)
    values[100 : 100 + times] = sentinel
    assert find_sentinel(values) == (100, sentinel)


@pytest.mark.parametrize("sentinel", [-12345.67, 1e6, -1e15, 77.7])
def test_any_value_that_is_repeated_far_away_is_found(sentinel):
    values = np.random.default_rng(0).normal(1, 0.5, 500).round(3)
    values[7] = sentinel
    assert find_sentinel(values) is None
    values[[100, 300]] = sentinel
    assert find_sentinel(values) == (7, sentinel)
    values[[50, 60]] = 2 * sentinel  # two kinds, each repeated
    assert find_sentinel(values) is not None


@pytest.mark.parametrize("draw", ["exponential", "standard_cauchy", "standard_normal", "lognormal"])
def test_heavy_tails_and_rounding_are_no_sentinels(draw):
    random = np.random.default_rng(0)
    for digits in (0, 1, 3):
        assert find_sentinel(getattr(random, draw)(size=3000).round(digits)) is None


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("santos_ssh.csv", ["ssh"]),
        ("santos_weather.csv", None),
        ("nordpool_prices.csv", None),
        ("ETTh1.csv", None),
        ("AAPL_2006-01-01_to_2018-01-01.csv", None),
    ],
)
def test_no_column_of_a_real_file_has_a_sentinel(name, columns):
    path = Path(os.environ.get("RECAST_DATA_DIR", "data")) / name
    if not path.exists():
        pytest.skip(f"{name} is absent")
    table = pd.read_csv(path).select_dtypes("number")
    for column in columns or table.columns:
        values = table[column].to_numpy(dtype=float)
        assert find_sentinel(values[np.isfinite(values)]) is None


def test_a_repeated_value_far_away_is_asked_about(read, caplog):
    values = [*NOISE, -77.25, 1.0, -77.25]
    with pytest.raises(DataError) as error:
        read(with_values(values))
    assert "line 52, column 'v': found -77.25 in 2 row(s), far from the other values" in str(error.value)
    assert "data.source.missing=[-77.25]; if it was measured: data.source.missing=[]" in str(error.value)
    assert np.isnan(read(with_values(values), missing=[-77.25]).values).sum() == 2
    assert len(read(with_values(values), missing=[])) == 53


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30, unique=True))
def test_find_sentinel_leaves_ordinary_values_alone(values):
    assert find_sentinel(np.array(values)) is None


@pytest.mark.parametrize(
    ("step", "alias"),
    [
        ("10min", "10min"),
        ("60min", "h"),
        ("24h", "D"),
        ("7D", "7D"),
        ("90min", "90min"),
        ("250ms", "250ms"),
        ("7ns", "7ns"),
    ],
)
def test_inferred_step_is_the_most_frequent_difference(step, alias):
    times = pd.date_range("2020-01-01", periods=9, freq=step).to_numpy().astype("datetime64[ns]")
    times = np.delete(times, [3, 6])
    assert infer_step(times, "x") == alias
    assert fixed_step(alias) == pd.Timedelta(step).to_timedelta64()


def test_inferred_step_of_a_tie_is_the_shortest():
    times = np.array(["2020-01-01T00", "2020-01-01T02", "2020-01-01T03"], "datetime64[ns]")
    assert infer_step(times, "x") == "h"


def test_inferred_step_of_weekdays_is_the_business_day():
    days = pd.bdate_range("2020-01-01", periods=30).to_numpy().astype("datetime64[ns]")
    assert infer_step(days, "x") == "B"
    week = pd.bdate_range("2020-01-06", periods=5).to_numpy().astype("datetime64[ns]")
    assert infer_step(week, "x") == "D"


def test_steps_of_the_calendar_have_no_length():
    assert fixed_step("B") is None
    assert fixed_step("MS") is None
    assert parse_step("B").n == 1


def test_for_file_keeps_all_but_the_path(tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("t,v,p\n2020-01-01,1,2\n2020-01-02,-5,2\n")
    source = CsvSource(path="x.csv", time="t", targets=["v"], past=["p"], units={"p": "hPa"}, step="D", missing=[-5.0])
    series = source.for_file(str(other)).read()
    assert (series.names, series.units, series.step) == (("v", "p"), ("", "hPa"), "D")
    np.testing.assert_array_equal(series.values, [[1, 2], [np.nan, 2]])
    assert [column.role for column in series.columns] == ["target", "past"]
    assert series.label == str(other)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_numbers_are_the_nearest_to_their_digits(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "level.csv"
    path.write_text(with_values([repr(value) for value in values]))
    series = CsvSource(path=str(path), time="t", targets=["v"], missing=[]).read()
    assert series.values[:, 0].tolist() == values


@pytest.mark.slow
def test_a_big_file_reads_in_linear_time(tmp_path):
    path = tmp_path / "big.csv"
    rows = 200_000
    stamps = np.datetime_as_string(np.datetime64("2000-01-01T00:00") + 10 * np.arange(rows), unit="s")
    path.write_text("t,v\n" + "\n".join(f"{stamp}+00:00,{row % 1000 / 100}" for row, stamp in enumerate(stamps)))
    begin = time.process_time()
    series = CsvSource(path=str(path), time="t", targets=["v"]).read()
    assert len(series) == rows
    assert time.process_time() - begin < 5  # 0.4 s where it was written; a loop over rows takes longer


# Inputs known ahead, static ones, categories

PLAN = (
    "t,v,wind,plan,day,gate,depth,ground\n"
    "2020-01-01,1,7,10,wed,open,30,sand\n"
    "2020-01-02,2,8,11,thu, shut,30,sand\n"
    "2020-01-03,3,9,12,fri,open,30,sand\n"
)
OPTIONS = {
    "past": ["wind", "gate"],
    "known": ["day", "plan"],
    "static": ["depth", "ground"],
    "categories": ["day", "gate", "ground"],
    "units": {"v": "m", "plan": "MW", "depth": "m"},
}


def test_columns_have_their_roles_and_kinds(read):
    panel = read(PLAN, **OPTIONS)
    assert panel.columns == columns_of(
        targets=["v"],
        past=["wind", "gate"],
        known=["day", "plan"],
        units={"v": "m", "plan": "MW"},
        levels={"gate": ("open", "shut"), "day": ("fri", "thu", "wed")},
    )
    assert panel.values.tolist() == [[1, 7, 0, 2, 10], [2, 8, 1, 1, 11], [3, 9, 0, 0, 12]]
    assert panel.static == (Column("depth", "m", "static"), Column("ground", "", "static", ("sand",)))
    assert panel.static_values.tolist() == [[30, 0]]
    assert panel.ids == ("1",)


def test_for_file_keeps_roles_and_kinds(read, tmp_path):
    source = CsvSource(path="nowhere.csv", time="t", targets=["v"], **OPTIONS)
    first = read(PLAN, **OPTIONS)
    again = source.for_file(str(tmp_path / "level.csv")).read()
    assert (again.columns, again.static) == (first.columns, first.static)
    assert np.array_equal(again.values, first.values)


def test_what_is_known_ahead_is_read_from_a_file_of_its_own(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("t,day,plan\n2020-01-04T00:00Z,sat,13\n2020-01-05T00:00Z,sun,14\n")
    source = CsvSource(path="nowhere.csv", time="t", targets=["v"], step="D", **OPTIONS)
    panel = source.read_known(load_csv(str(path)))
    assert panel.columns == columns_of(known=["day", "plan"], units={"plan": "MW"}, levels={"day": ("sat", "sun")})
    assert panel.values.tolist() == [[0, 13], [1, 14]]
    assert panel.clock.tolist() == np.array(["2020-01-04", "2020-01-05"], "datetime64[ns]").tolist()
    assert (panel.step, panel.timezone, panel.label) == ("D", "UTC", str(path))
    path.write_text("t,plan\n2020-01-04,13\n")
    with pytest.raises(DataError, match=r"plan\.csv: no column 'day'"):
        source.read_known(load_csv(str(path)))
    path.write_text("t,day,plan\n2020-01-04,sat,x\n")
    with pytest.raises(DataError, match=r"plan\.csv, line 2, column 'plan': found 'x'; expected a number"):
        source.read_known(load_csv(str(path)))


def test_missing_values_of_inputs_are_not_observed(read):
    text = PLAN.replace(" shut", "").replace("02,2,8,11", "02,2,-9,").replace("fri", "NA").replace(",30,", ",-9,")
    panel = read(text, missing=[-9.0, math.nan], **OPTIONS)
    np.testing.assert_array_equal(
        panel.values, [[1, 7, 0, 1, 10], [2, np.nan, np.nan, 0, np.nan], [3, 9, 0, np.nan, 12]]
    )
    np.testing.assert_array_equal(panel.static_values, [[np.nan, 0]])


def test_a_number_that_means_not_observed_is_no_level(read):
    panel = read(PLAN.replace(" shut", "-9999"), missing=[-9999.0], **OPTIONS)
    assert panel.columns[2].levels == ("open",)
    np.testing.assert_array_equal(panel.values[:, 2], [0, np.nan, 0])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (" shut", "", "level.csv, line 3, column 'gate': found ''; expected the name of a level"),
        (" shut", "  ", "level.csv, line 3, column 'gate': found ''; expected the name of a level"),
        (" shut", "NA", "level.csv, line 3, column 'gate': found 'NA'; expected the name of a level"),
        ("11,thu", "x,thu", "level.csv, line 3, column 'plan': found 'x'; expected a number"),
        ("12,fri", ",fri", "level.csv, line 4, column 'plan': found ''; expected a finite number"),
        (
            "open,30,sand\n2020-01-02",
            "open,31,sand\n2020-01-02",
            "level.csv, line 3, column 'depth': found '30', but '31' in line 2; expected one value throughout",
        ),
        ("fri,open,30,sand", "fri,open,30,mud", "line 4, column 'ground': found 'mud', but 'sand' in line 2"),
        ("fri,open,30,sand", "fri,open,ten,sand", "line 4, column 'depth': found 'ten'; expected a number"),
        (",plan,", ",plans,", "no column 'plan'; did you mean 'plans'?"),
    ],
)
def test_what_is_wrong_with_an_input_is_named(read, old, new, expected):
    with pytest.raises(DataError) as error:
        read(PLAN.replace(old, new), **OPTIONS)
    assert expected in str(error.value)


def test_a_static_column_has_the_value_of_the_rows_where_it_is_known(read):
    text = PLAN.replace("wed,open,30", "wed,open,")
    panel = read(text, missing=[math.nan], **OPTIONS)
    assert panel.static_values[0, 0] == 30
    with pytest.raises(DataError, match="line 4, column 'depth': found '31', but '30' in line 3"):
        read(text.replace("fri,open,30", "fri,open,31"), missing=[math.nan], **OPTIONS)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"known": ["v"]}, "the column 'v' is named twice in time, id, targets, past, known and static"),
        ({"past": ["p"], "static": ["p"]}, "the column 'p' is named twice"),
        ({"categories": ["v"]}, "the target 'v' is a category; forecasts are numbers"),
        ({"known": ["day"], "categories": ["days"]}, "categories names 'days'; did you mean 'day'? the columns are"),
        ({"known": "day"}, "known='day'"),
    ],
)
def test_impossible_roles_are_refused_before_the_file_is_read(options, expected):
    with pytest.raises(ConfigurationError) as error:
        CsvSource(path="nowhere.csv", time="t", targets=["v"], **options)
    assert expected in str(error.value)
