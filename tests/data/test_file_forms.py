"""Files of the forms in the table of docs/files.md, each read by the options that stand there."""

import gzip
import re
import shlex
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pages import page

import recast
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.source import Source
from recast.errors import ConfigurationError, DataError
from recast.runs.checkpoints.checkpoint import ALLOWED
from recast.runs.configure.build import build

TABLE = page("files.md")
HOURS = pd.date_range("2020-01-31 22:00", periods=4, freq="h").to_numpy()
LEVEL = [1.25, 1.5, np.nan, 0.75]

GESLA = """# FORMAT VERSION 3.0
# SITE NAME Santos
# DATUM INFORMATION Unspecified
2020/01/31 22:00:00     1.2500  1  1
2020/01/31 23:00:00     1.5000  1  1
2020/02/01 00:00:00   -99.9999  5  0
2020/02/01 01:00:00     0.7500  1  1
"""
UHSLC = "2020,1,31,22,1250\n2020,1,31,23,1500\n2020,2,1,0,-32767\n2020,2,1,1,750\n"
NOAA = """Date Time, Water Level, Sigma, O or I (for verified), F, R, L, Quality
2020-01-31 22:00,1.250,0.003,0,0,0,0,v
2020-01-31 23:00,1.500,0.003,0,0,0,0,v
2020-02-01 00:00,,,,1,1,1,v
2020-02-01 01:00,0.750,0.003,0,0,0,0,v
"""
IOC = """Time (UTC),prs(m),rad(m)
2020-01-31 22:00:00,9.1,1.25
2020-01-31 23:00:00,9.2,1.5
2020-02-01 00:00:00,,
2020-02-01 01:00:00,9.3,0.75
"""
GERMAN = "Zeit;Pegel\n31.01.2020 23:00;1,25\n01.02.2020 00:00;1,5\n01.02.2020 01:00;M\n01.02.2020 02:00;0,75\n"
LONG = "station,time,level\n" + "".join(
    f"{name},{stamp},{value}\n" for name in "ab" for stamp, value in zip(HOURS, [1.25, 1.5, 1.0, 0.75], strict=True)
)


def options_of(form: str) -> list[str]:
    """The overrides of a row of the table."""
    (row,) = re.findall(rf"^\| {re.escape(form)}.*?\| `(.*)` \|$", TABLE, re.MULTILINE)
    return shlex.split(row)


def source_of(path: Path, text: str, words: list[str]) -> Source:
    path.write_text(text)
    config = recast.compose(["data=csv", f"data.source.path={path}", *words])
    return build(config["data"]["source"], ALLOWED)


@pytest.mark.parametrize(
    ("form", "text", "target", "unit"),
    [
        ("GESLA-3", GESLA, "level", 1.0),
        ("UHSLC, hourly CSV", UHSLC, "level", 1000.0),
        ("NOAA", NOAA, "Water Level", 1.0),
        ("IOC", IOC, "rad(m)", 1.0),
        ("German", GERMAN, "Pegel", 1.0),
    ],
)
def test_forms_of_gauges(tmp_path, form, text, target, unit):
    panel = source_of(tmp_path / "gauge.txt", text, [*options_of(form), f'data.source.targets=["{target}"]']).read()
    np.testing.assert_array_equal(panel.clock, HOURS)
    np.testing.assert_array_equal(panel.values[:, 0] / unit, LEVEL)
    assert panel.step == "h"


def test_long_form(tmp_path):
    panel = source_of(tmp_path / "long.csv", LONG, [*options_of("long"), "data.source.targets=[level]"]).read()
    assert panel.ids == ("a", "b")
    assert panel.lengths.tolist() == [4, 4]


def test_one_row_a_series(tmp_path):
    (tmp_path / "train.csv").write_text("V1,V2,V3\na,1,2\nb,3,\n")
    (tmp_path / "test.csv").write_text("V1,V2\na,5\nb,6\n")
    words = [word.replace("test.csv", str(tmp_path / "test.csv")) for word in options_of("one row a series")]
    config = recast.compose([*words, f"data.source.path={tmp_path}/train.csv"])
    panel = build(config["data"]["source"], ALLOWED).read()
    assert panel.values[:, 0].tolist() == [1, 2, 5, 3, 6]


PLAIN = "t,v\n2020-01-01,1.5\n2020-01-02,2.5\n"


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip", "zst"])
def test_files_are_unpacked_by_their_ending(tmp_path, ending):
    """Pandas packs; a file that is cut off, or none of that kind, is no shorter table."""
    if ending == "zst":
        pytest.importorskip("zstandard")
    path = tmp_path / f"level.csv.{ending}"
    stamps = pd.date_range("2020-01-01", periods=5000, freq="h")
    frame = pd.DataFrame({"t": stamps, "v": np.random.default_rng(0).normal(size=len(stamps))})
    frame.to_csv(path, index=False)
    source = CsvSource(path=str(path), time="t", targets=["v"])
    np.testing.assert_array_equal(source.read().values[:, 0], frame["v"])
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], content[:-3], b"no such thing" * 9):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"level\.csv\.\w+: cannot be read: \w+"):
            source.read()


def test_frames_of_zst_follow_each_other(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    head, tail = (zstandard.ZstdCompressor().compress(part.encode()) for part in (PLAIN[:9], PLAIN[9:]))
    (tmp_path / "level.csv.zst").write_bytes(head + tail)
    panel = CsvSource(path=str(tmp_path / "level.csv.zst"), time="t", targets=["v"]).read()
    assert panel.values[:, 0].tolist() == [1.5, 2.5]


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "level.csv.zst").write_bytes(b"anything")
    with pytest.raises(DataError, match=r"level\.csv\.zst: .*pip install 'recast-rnn\[zst\]'; or unpack the file"):
        CsvSource(path=str(tmp_path / "level.csv.zst"), time="t", targets=["v"]).read()


def test_an_archive_holds_one_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", PLAIN)
        archive.writestr("b.csv", PLAIN)
    with pytest.raises(DataError, match=r"an archive of 2 files \(a\.csv, b\.csv\); expected one"):
        CsvSource(path=str(tmp_path / "two.zip"), time="t", targets=["v"]).read()


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (GESLA.replace("1.5000", "1.5x00"), {}, "line 5, column 'level': found '1.5x00'; expected a number"),
        (GESLA.replace("02/01 00", "02/30 00"), {}, "line 6, columns date, hour: found '2020/02/30 00:00:00'"),
        (GESLA.replace("  1  1\n2020/01/31 23", "  1\n2020/01/31 23"), {}, "found 4 fields in the first row"),
        (GESLA.replace("1.5000  1", "1.5000  "), {}, "line 5: found 4 fields, expected 5"),
        (GESLA, {"quality": {"flag": [9]}}, "no row has a flag of data.source.quality={'flag': [9]}; found 1, 5"),
        (GESLA, {"skip": 3, "comment": None, "columns": ["a", "b"]}, "but data.source.columns names 2 (a, b)"),
    ],
)  # fmt: skip
def test_messages_name_the_line_of_the_file(tmp_path, text, options, says):
    path = tmp_path / "gauge.txt"
    path.write_text(text)
    common = {"delimiter": "blanks", "comment": "#", "columns": ["date", "hour", "level", "flag", "use"]}
    common |= {"time": ["date", "hour"], "date_format": "%Y/%m/%d %H:%M:%S", "quality": {"flag": [1]}}
    with pytest.raises(DataError) as error:
        CsvSource(path=str(path), targets=["level"], **(common | options)).read()
    assert says in str(error.value)


def test_lines_at_the_beginning_are_skipped_and_counted(tmp_path):
    path = tmp_path / "level.csv"
    path.write_text("Station: x, y\nUnit: m\n\n" + PLAIN.replace("2.5", "y"))
    with pytest.raises(DataError, match=r"level\.csv, line 6, column 'v': found 'y'"):
        CsvSource(path=str(path), time="t", targets=["v"], skip=2).read()


def test_words_and_flags_that_mean_not_observed(tmp_path):
    path = tmp_path / "level.csv"
    path.write_text("t,v,p,flag\n2020-01-01,1,5,G\n2020-01-02,---,6,G\n2020-01-03,-9999,M,B\n2020-01-04,2,8,G\n")
    options = {"path": str(path), "time": "t", "targets": ["v"], "past": ["p"], "quality": {"flag": ["G"]}}
    panel = CsvSource(**options, missing=["---", "M"]).read()
    np.testing.assert_array_equal(panel.values, [[1, 5], [np.nan, 6], [np.nan, np.nan], [2, 8]])
    with pytest.raises(DataError, match=r"line 3, column 'v': found '---'"):
        CsvSource(**options, missing=["M"]).read()
    assert CsvSource(**(options | {"targets": "all"}), missing=["---", "M"]).read().names == ("v", "p")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"date_format": "%H:%M"}, "date_format='%H:%M' gives no day"),
        ({"time": []}, r"time=\[\]"),
        ({"time": ["a", "v"]}, "'v' is named twice"),
        ({"missing": ["-9"]}, "'-9' is a number in quotation marks"),
        ({"skip": -1}, "skip=-1"),
    ],
)
def test_bad_options_are_refused_before_a_file_is_read(options, says):
    with pytest.raises(ConfigurationError, match=says):
        CsvSource(**({"path": "nowhere.csv", "time": "t", "targets": ["v"]} | options))


def test_several_files_are_a_panel(tmp_path):
    for number, name in enumerate(["north", "south"]):
        (tmp_path / f"{name}.csv").write_text(PLAIN.replace("1.5", f"{number}.5"))
    source = CsvSource(path=str(tmp_path / "*.csv"), time="t", targets="all")
    panel = source.read()
    assert (panel.ids, panel.names) == (("north", "south"), ("v",))
    assert panel.values[:, 0].tolist() == [0.5, 2.5, 1.5, 2.5]
    assert source.id_column == "file"
    assert source.for_file(str(tmp_path / "south.csv")).read().ids == ("south",)
    (tmp_path / "south.csv").write_text(PLAIN.replace("2.5", "x"))
    with pytest.raises(DataError, match=r"south\.csv, line 3, column 'v': found 'x'"):
        source.read()
    (tmp_path / "south.csv").write_text(PLAIN.replace("v", "w"))
    with pytest.raises(DataError, match=r"south\.csv: no column 'v'"):
        source.read()
    (tmp_path / "north.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    with pytest.raises(DataError, match=r"its stem names a series, but .* has it too"):
        CsvSource(path=str(tmp_path / "north*"), time="t", targets=["v"]).read()
    with pytest.raises(DataError, match=r"\*\.dat: no such files"):
        CsvSource(path=str(tmp_path / "*.dat"), time="t", targets=["v"]).read()


def test_several_files_may_hold_several_series_each(tmp_path):
    (tmp_path / "a.csv").write_text(LONG)
    (tmp_path / "b.csv").write_text(LONG.replace("a,", "c,").replace("b,", "d,"))
    panel = CsvSource(path=str(tmp_path / "*.csv"), time="time", targets=["level"], id="station").read()
    assert panel.ids == ("a", "b", "c", "d")
