"""write_csv and fingerprint."""

import hashlib
import struct
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.panel import Column, Panel, columns_of
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.fingerprint import fingerprint
from recast.data.sources.sines import TwoSines
from recast.data.sources.tide import TideSimulator
from recast.data.sources.writer import write_csv
from recast.errors import DataError

COLUMNS = columns_of(targets=["ssh"], past=["wind, east"], units={"ssh": "m", "wind, east": "m/s"})


def small(values=((0.1, 2.0), (1 / 3, -4.0)), **changes):
    values = np.array(values, dtype=float)
    series = Panel(
        columns=COLUMNS,
        values=values,
        times=np.datetime64("2020-01-01", "ns") + np.arange(len(values)) * np.timedelta64(600, "s"),
        step="10min",
        starts=np.zeros(1, dtype=np.int64),
        label="small",
        timezone="UTC",
    )
    return replace(series, **changes)


def test_the_file_is_exactly_this(tmp_path):
    path = tmp_path / "new folder" / "level.csv"
    write_csv(small(), path)
    expected = (
        'datetime,ssh,"wind, east"\n2020-01-01 00:00:00+00:00,0.1,2.0\n'
        "2020-01-01 00:10:00+00:00,0.3333333333333333,-4.0\n"
    )
    assert path.read_bytes().decode() == expected
    assert [file.name for file in path.parent.iterdir()] == ["level.csv"]
    write_csv(small(timezone=None), path)
    assert path.read_text().splitlines()[1] == "2020-01-01 00:00:00,0.1,2.0"


def test_written_and_read_again_is_the_same(tmp_path):
    series = TideSimulator(days=20).read()
    write_csv(series, tmp_path / "a.csv")
    again = TideSimulator().for_file(str(tmp_path / "a.csv")).read()
    assert fingerprint(again) == fingerprint(series)
    assert (again.names, again.units, again.step, again.timezone) == (("ssh",), ("m",), "10min", "UTC")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), min_size=2, max_size=9),
    st.sampled_from([1, 1_000_000_000, 86_400_000_000_000]),
    st.sampled_from([None, "UTC"]),
)
def test_any_series_survives_the_file(tmp_path_factory, values, step, timezone):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(values)) * np.timedelta64(step, "ns")
    series = small(values, times=times, timezone=timezone)
    write_csv(series, path)
    again = CsvSource(path=str(path), time="datetime", targets=["ssh"], past=["wind, east"], missing=[]).read()
    assert fingerprint(again) == fingerprint(series)
    assert again.timezone == timezone


def test_a_panel_is_written_piece_after_piece(tmp_path):
    panel = TwoSines(series=3, length=4).read()
    write_csv(panel, tmp_path / "panel.csv")
    assert len((tmp_path / "panel.csv").read_text().splitlines()) == 13


def test_a_failed_write_leaves_the_old_file_and_nothing_aside(tmp_path, monkeypatch):
    path = tmp_path / "level.csv"
    write_csv(small(), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match='a column has the name "datetime"'):
        write_csv(small(columns=columns_of(targets=["ssh"], past=["datetime"])), path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_csv(small(), tmp_path / "folder")

    def fill_the_disk(self, target, **options):
        target.write_text("half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_csv(small(), path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder", "level.csv"]


def test_fingerprint_is_stable_over_releases():
    content = b'{"columns": [["ssh", "target", null], ["wind, east", "past", null]], "shape": [2, 2], "ids": ["1"]}'
    content += struct.pack("<qq", 1_577_836_800 * 10**9, 1_577_837_400 * 10**9)
    content += struct.pack("<dddd", 0.1, 2.0, 1 / 3, -4.0) + struct.pack("<qq", 0, 0)
    assert fingerprint(small()) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.array([[0.1, 2.0], [1 / 3, -4.000001]])},
        {"values": np.array([[0.1, 1 / 3], [2.0, -4.0]])},
        {"times": np.array(["2020-01-01T00:00", "2020-01-01T00:11"], "datetime64[ns]")},
        {"values": np.array([[0.1, 2.0], [1 / 3, np.nan]])},
        {"columns": columns_of(targets=["ssh"], past=["wind"])},
        {"columns": columns_of(targets=["ssh"], known=["wind, east"])},
        {"columns": columns_of(targets=["ssh"], past=["wind, east"], levels={"wind, east": ("weak", "strong")})},
        {"starts": np.array([0, 1]), "items": np.zeros(2, dtype=np.int64)},
        {"starts": np.array([0, 1]), "items": np.arange(2), "ids": ("1", "2"), "static_values": np.empty((2, 0))},
        {"ids": ("gauge",)},
        {"static": (Column("depth", role="static"),), "static_values": np.array([[3.0]])},
    ],
)
def test_fingerprint_changes_with_each_part(change):
    assert fingerprint(small(**change)) != fingerprint(small())


def test_fingerprint_ignores_label_layout_and_byte_order():
    series = small()
    same = small(
        label="other", values=np.asfortranarray(series.values).astype(">f8"), starts=series.starts.astype(np.int32)
    )
    assert fingerprint(same) == fingerprint(series)


def test_values_not_observed_and_levels_survive_the_file(tmp_path):
    columns = columns_of(targets=["ssh"], known=["gate"], levels={"gate": ("open", "shut")})
    panel = small([[0.1, 1], [np.nan, 0], [0.3, np.nan]], columns=columns)
    write_csv(panel, tmp_path / "a.csv")
    assert [line.split(",")[1:] for line in (tmp_path / "a.csv").read_text().splitlines()[1:]] == [
        ["0.1", "shut"],
        ["", "open"],
        ["0.3", ""],
    ]
    source = CsvSource(
        path=str(tmp_path / "a.csv"),
        time="datetime",
        targets=["ssh"],
        known=["gate"],
        categories=["gate"],
        step="10min",
        missing=[np.nan],
    )
    assert fingerprint(source.read()) == fingerprint(panel)
