"""One row a series, without stamps: the form of the M4 competition."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recast.data.sources.frame import FrameTable
from recast.data.sources.series_rows import SeriesRowsSource
from recast.errors import ConfigurationError, DataError

TRAIN = '"V1","V2","V3","V4","V5"\n"H1",1,2,3.5,4\n"H2",10,20,,\n\n"H3",7,8,9,\n'
TEST = '"V1","V2","V3"\n"H2",30,40\n"H3",10,11\n"H1",5,6\n'
SERIES = {"H1": [1, 2, 3.5, 4], "H2": [10, 20], "H3": [7, 8, 9]}
REST = {"H1": [5, 6], "H2": [30, 40], "H3": [10, 11]}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "train.csv").write_text(TRAIN)
    (tmp_path / "test.csv").write_text(TEST)

    def build(**options):
        return SeriesRowsSource(**({"path": str(tmp_path / "train.csv"), "id": "V1", "step": "h"} | options))

    return build


@pytest.mark.parametrize("is_continued", [False, True])
def test_each_row_is_a_series_that_a_second_file_continues(source, tmp_path, is_continued):
    panel = source(continued=str(tmp_path / "test.csv") if is_continued else None, unit="MW").read()
    assert (panel.ids, panel.names, panel.units, panel.step) == (("H1", "H2", "H3"), ("value",), ("MW",), "h")
    for (first, stop), name in zip(panel.pieces, panel.ids, strict=True):
        expected = SERIES[name] + (REST[name] if is_continued else [])
        assert panel.values[first:stop, 0].tolist() == expected
        stamps = pd.date_range("2000-01-01", periods=len(expected), freq="h")
        np.testing.assert_array_equal(panel.clock[first:stop], stamps.to_numpy())


def test_stamps_go_on_by_the_calendar(source):
    panel = source(step="MS", begin="2020-11-01").read()
    assert panel.clock[:4].astype("datetime64[D]").astype(str).tolist() == [
        "2020-11-01",
        "2020-12-01",
        "2021-01-01",
        "2021-02-01",
    ]


@pytest.mark.parametrize(
    ("train", "test", "options", "says"),
    [
        (TRAIN.replace("20,,", "x,,"), TEST, {}, "train.csv, line 3, column 'V3': found 'x'; expected a number"),
        (TRAIN.replace("1,2,", "1,,"), TEST, {}, "train.csv, line 2, column 'V3': found ''; expected a finite number"),
        (TRAIN, TEST.replace("40", "inf"), {}, "test.csv, line 2, column 'V3': found 'inf'; expected a finite number"),
        (TRAIN.replace("H3", "H1"), TEST, {}, "train.csv, line 5, column 'V1': found 'H1', which line 2 has too"),
        (TRAIN.replace('"H3"', ""), TEST, {}, "train.csv, line 5, column 'V1': found ''; expected the name of"),
        (TRAIN, TEST.replace("H3", "H4"), {}, "train.csv: the series 'H3' stands in one of them alone (1 in all)"),
        (TRAIN, TEST + '"H4",1,2\n', {}, "the series 'H4' stands in one of them alone (1 in all)"),
        (TRAIN.replace("10,20", ","), TEST.replace("30,40", ","), {}, "the series 'H2' has no value"),
        (TRAIN, TEST, {"id": "V0"}, "train.csv: no column 'V0'"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_field_of_the_file(source, tmp_path, train, test, options, says):
    (tmp_path / "train.csv").write_text(train)
    (tmp_path / "test.csv").write_text(test)
    with pytest.raises(DataError) as error:
        source(continued=str(tmp_path / "test.csv"), **options).read()
    assert says in str(error.value)


def test_a_gap_before_the_last_value_may_be_a_value_not_observed(source, tmp_path):
    (tmp_path / "train.csv").write_text(TRAIN.replace("1,2,3.5", "1,,3.5"))
    panel = source(missing=[np.nan]).read()
    np.testing.assert_array_equal(panel.values[:4, 0], [1, np.nan, 3.5, 4])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"begin": "soon"}, "begin='soon' is no date"),
        ({"step": "hourly"}, "step='hourly'"),
        ({"time": "V1"}, "'V1' is"),
    ],
)
def test_bad_options_are_refused_before_the_file_is_read(source, options, says):
    with pytest.raises(ConfigurationError, match=says):
        source(path="nowhere.csv", **options)


def test_frames_are_in_long_form(source):
    frame = pd.DataFrame({"V1": ["a"] * 3, "time": pd.date_range("2020", periods=3, freq="h"), "value": [1.0, 2, 3]})
    panel = source().for_table(FrameTable(frame, "time", id="V1")).read()
    assert (panel.ids, panel.values[:, 0].tolist()) == (("a",), [1, 2, 3])


def test_the_hourly_series_of_m4():
    folder = Path(os.environ.get("RECAST_DATA_DIR", "data"))
    train, test = folder / "m4_hourly_train.csv", folder / "m4_hourly_test.csv"
    for file in (train, test):
        if not file.exists():
            pytest.skip(f"{file.name} is absent")
    panel = SeriesRowsSource(path=str(train), continued=str(test), id="V1", step="h").read()
    first, second = (pd.read_csv(file, index_col="V1") for file in (train, test))
    assert set(panel.lengths.tolist()) == {748, 1008}
    assert panel.ids == tuple(first.index)
    for (begin, stop), name in zip(panel.pieces, panel.ids, strict=True):
        expected = np.concatenate([first.loc[name].dropna(), second.loc[name]])
        np.testing.assert_array_equal(panel.values[begin:stop, 0], expected)
