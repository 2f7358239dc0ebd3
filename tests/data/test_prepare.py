"""Preparation: splits, windows without leakage, scaling, inputs, the denominator of MASE."""

import logging
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import small_data

from recast.data.panel import Column, Panel, columns_of
from recast.data.prepare.describe import align, aligned_known, check_columns
from recast.data.prepare.grid import ErrorGrid, InterpolateGrid, MaskGrid, RowsGrid, SplitGrid
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.scale import MinMax, NoScaling, Scaler, Standard
from recast.data.prepare.split import FractionSplit, Parts, Split, TimeSplit
from recast.data.prepare.storage import hours, periodic
from recast.data.prepare.windows import Windows
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError
from recast.runs.checkpoints.spec import checked_series_spec


def series_of(
    values: np.ndarray, *, starts: tuple[int, ...] = (0,), targets: int = 1, first: str = "2020-01-01"
) -> Panel:
    """Hourly rows; every piece goes on where the one before it ended."""
    values = np.asarray(values, dtype=float).reshape(len(values), -1)
    names = "abcdef"[: values.shape[1]]
    return Panel(
        columns=columns_of(targets=names[:targets], past=names[targets:], units=dict.fromkeys(names, "m")),
        values=values,
        starts=np.array(starts, dtype=np.int64),
        label="series",
        times=(np.datetime64(first, "ns") + np.arange(len(values)) * np.timedelta64(3_600_000_000_000, "ns")),
        step="h",
    )


def walk(rows: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, channels)).cumsum(axis=0)


def prepared_from(
    series: Panel,
    *,
    split: Split | None = None,
    scaler: Scaler | None = None,
    windows: Windows | None = None,
    periods: tuple[float, ...] = (),
    season: int = 1,
    trained: SeriesSpec | None = None,
) -> Prepared:
    return prepare(
        series,
        grid=ErrorGrid(),
        split=split or FractionSplit(),
        scaler=scaler or Standard(),
        windows=windows or Windows(context=4, horizon=2),
        periods=periods,
        season=season,
        trained=trained,
    )


# Splits


def of_one(parts: Parts) -> Parts:
    """The row range of each part of a single item."""
    return Parts(*(tuple(part[0].tolist()) for part in parts))


@given(rows=st.integers(1, 500), validation=st.floats(0, 0.6), test=st.floats(0, 0.39))
def test_fractions_cut_all_rows_in_order(rows, validation, test):
    parts = of_one(FractionSplit(validation=validation, test=test).parts(series_of(np.arange(rows))))
    assert parts.train[0] == 0
    assert parts.test[1] == rows
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert all(first <= stop for first, stop in parts)
    for (first, stop), share in zip(parts[1:], (validation, test), strict=True):
        assert abs((stop - first) - share * rows) <= 1


def test_fractions_of_a_hundred_rows():
    parts = FractionSplit(validation=0.1, test=0.2).parts(series_of(np.arange(100)))
    assert of_one(parts) == Parts((0, 70), (70, 80), (80, 100))


def test_fractions_must_leave_training_rows():
    with pytest.raises(ConfigurationError, match=r"validation=0\.5 and test=0\.5 leave nothing for training"):
        FractionSplit(validation=0.5, test=0.5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"test": "2020-01-03"}, ((0, 43), (43, 48), (48, 96))),
        ({"test": "2020-01-03 12:30", "validation": 0.0}, ((0, 61), (61, 61), (61, 96))),
        ({"test": "2020-01-03", "validation": "2020-01-02"}, ((0, 24), (24, 48), (48, 96))),
        ({"test": "2020-01-03", "validation": "2020-01-02", "end": "2020-01-04"}, ((0, 24), (24, 48), (48, 72))),
        # Series in UTC: a date with an offset is that moment.
        ({"test": "2020-01-03T02:00+02:00", "validation": "2020-01-02T00:00Z"}, ((0, 24), (24, 48), (48, 96))),
    ],
)
def test_split_by_time(options, expected):
    assert of_one(TimeSplit(**options).parts(series_of(np.arange(96)))) == Parts(*expected)


def test_dates_out_of_order_are_refused():
    split = TimeSplit(test="2020-01-02", validation="2020-01-03")
    with pytest.raises(
        DataError, match=r"training begins at row 0, validation at row 48, the test at row 24.*ascending dates"
    ):
        split.parts(series_of(np.arange(96)))
    with pytest.raises(DataError, match="the end is row 24"):
        TimeSplit(test="2020-01-03", end="2020-01-02").parts(series_of(np.arange(96)))


@pytest.mark.parametrize("option", ["test", "validation", "end"])
def test_what_is_no_date_is_refused(option):
    with pytest.raises(
        ConfigurationError, match=f"TimeSplit: {option}='soon' is not a date in ISO 8601 such as 2020-06-01"
    ):
        TimeSplit(**({"test": "2020-01-01"} | {option: "soon"}))


@pytest.mark.parametrize("option", ["test", "validation", "end"])
@pytest.mark.parametrize(
    "text",
    [
        *("", "NaT", "nan", "3000-01-01", "05/06/2020", "20/03/2020", "today", "now", "1 June 2020", "2020"),
        *("2020/06/01", "2020-13-01", "2020-06-31", "2020-06-01 12 pm", "2020-06-01 Europe/Berlin", "20200601"),
    ],
)
def test_no_date_at_all_is_refused(option, text):
    with pytest.raises(ConfigurationError, match="is not a date"):
        TimeSplit(**({"test": "2020-01-01"} | {option: text}))


@pytest.mark.parametrize(
    "text",
    [
        *("2020-06", "2020-06-01", "2020-06-01T00", "2020-06-01 00:00", "2020-06-01T00:00:00.000Z"),
        *("2020-06-01T02:00+02:00", "2020-05-31 21:00-0300", "2020-06-01T00:00:00+00"),
    ],
)
def test_dates_are_iso(text):
    assert TimeSplit(test=text).test == np.datetime64("2020-06-01")


# Windows


@st.composite
def layouts(draw):
    """First rows of pieces, parts and windows of any kind."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    bounds = np.cumsum([0, *lengths]).tolist()
    rows = bounds[-1]
    train, test = sorted(draw(st.tuples(st.integers(0, rows), st.integers(0, rows))))
    windows = Windows(
        context=draw(st.integers(1, 8)),
        horizon=draw(st.integers(1, 5)),
        stride=draw(st.integers(1, 4)),
        evaluation_stride=draw(st.integers(1, 4)),
        reach_back=draw(st.booleans()),
        exclude_last=draw(st.booleans()),
    )
    return bounds[:-1], Parts((0, train), (train, test), (test, rows)), windows


def rows_of(starts: np.ndarray, first: int, stop: int) -> set[int]:
    return {start + row for start in starts.tolist() for row in range(first, stop)}


@settings(max_examples=300, deadline=None)
@given(layout=layouts())
def test_no_training_window_shares_a_row_with_validation_or_test(layout):
    first_rows, parts, windows = layout
    panel = series_of(np.arange(parts.test[1]), starts=first_rows)
    train, *held_out = (
        windows.starts(panel, np.array([part]), training=name == "train") for name, part in parts._asdict().items()
    )
    seen = rows_of(train, 0, windows.length)
    assert all(row < parts.train[1] for row in seen)
    for starts in held_out:
        assert not seen & rows_of(starts, windows.context, windows.length)
        if not windows.reach_back:
            assert not seen & rows_of(starts, 0, windows.length)
    validation, test = (rows_of(starts, windows.context, windows.length) for starts in held_out)
    assert not validation & test
    assert all(parts.validation[0] <= row < parts.validation[1] for row in validation)
    assert all(row >= parts.test[0] for row in test)


@settings(max_examples=300, deadline=None)
@given(layout=layouts())
def test_windows_are_all_that_fit_and_no_others(layout):
    """Against the definition, window by window."""
    first_rows, parts, windows = layout
    panel = series_of(np.arange(parts.test[1]), starts=first_rows)
    for name, (first, stop) in parts._asdict().items():
        stride = windows.stride if name == "train" else windows.evaluation_stride
        expected = []
        for begin, end in panel.pieces:
            fits = [
                start
                for start in range(begin, end)
                if start + windows.length <= min(end, stop)
                and (start + windows.context if windows.reach_back else start) >= first
            ]
            if windows.exclude_last:
                fits = fits[:-1]
            expected += fits[::stride]
        found = windows.starts(panel, np.array([(first, stop)]), training=name == "train")
        assert found.dtype == np.int64
        assert found.tolist() == expected, name


def test_reach_back_makes_every_row_of_a_part_a_target():
    series = series_of(walk(100))
    prepared = prepared_from(series, windows=Windows(context=8, horizon=3, reach_back=True))
    targets = rows_of(prepared.starts.validation.numpy(), 8, 11)
    assert targets == set(range(*prepared.parts.validation[0]))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_an_empty_part_that_was_not_asked_for_is_no_error(part):
    split = FractionSplit(**({"validation": 0.2, "test": 0.2} | {part: 0.0}))
    starts = prepared_from(series_of(walk(60)), split=split).starts
    assert len(getattr(starts, part)) == 0
    assert len(starts.train) > 0


@pytest.mark.parametrize(
    ("rows", "split", "message"),
    [
        (5, {}, r"series: 5 rows are too short: a window takes context 4 \+ horizon 2 = 6 rows; give a longer series"),
        (50, {"test": 0.1}, r"the test part \(5 rows\) has no window.*\n?.*reach_back=true"),
        (50, {"validation": 0.1}, r"the validation part \(5 rows\) has no window"),
        (
            50,
            {"validation": 0.0, "test": 0.9},
            r"the train part \(5 rows\) has no window: .* without a gap",
        ),
    ],
)
def test_parts_too_short_for_a_window_are_errors(rows, split, message):
    with pytest.raises(DataError, match=message):
        prepared_from(series_of(walk(rows)), split=FractionSplit(**({"validation": 0.2, "test": 0.2} | split)))


@settings(max_examples=200, deadline=None)
@given(layout=layouts(), data=st.data())
def test_a_window_without_an_observed_target_in_its_context_or_horizon_is_none(layout, data):
    first_rows, parts, windows = layout
    rows = parts.test[1]
    complete = series_of(np.zeros((rows, 3)), starts=first_rows, targets=2)
    values = complete.values.copy()
    masks = st.lists(st.booleans(), min_size=rows, max_size=rows)
    for column in range(3):
        values[data.draw(masks), column] = np.nan
    panel = replace(complete, values=values)
    seen = panel.observed[:, :2].any(axis=1)
    for name, part in parts._asdict().items():
        possible = windows.starts(complete, np.array([part]), training=name == "train").tolist()
        expected = [
            start
            for start in possible
            if seen[start : start + windows.context].any()
            and seen[start + windows.context : start + windows.length].any()
        ]
        assert windows.starts(panel, np.array([part]), training=name == "train").tolist() == expected


# Scaling


SCALERS = {"standard": Standard(), "minmax": MinMax(), "unit": MinMax(low=0.0, high=1.0), "none": NoScaling()}
every_scaler = pytest.mark.parametrize("scaler", SCALERS.values(), ids=SCALERS.keys())


@every_scaler
def test_scaling_is_fitted_on_training_rows_only(scaler):
    values = walk(100, channels=2)
    changed = values.copy()
    changed[70:] = 1e6 * walk(30, channels=2, seed=1)
    before, after = (prepared_from(series_of(rows), scaler=scaler) for rows in (values, changed))
    assert before.spec == after.spec
    assert before.storage.values[:70].equal(after.storage.values[:70])
    assert before.fingerprint != after.fingerprint


@every_scaler
def test_storage_is_the_scaled_channels(scaler):
    values = 100 + walk(100, channels=3)
    prepared = prepared_from(series_of(values, targets=2), scaler=scaler)
    spec = prepared.spec
    assert prepared.storage.values.shape == (101, 3)
    assert not prepared.storage.values[-1].any()
    back = prepared.storage.values[:-1].double().numpy() * np.array(spec.scale) + np.array(spec.offset)
    np.testing.assert_allclose(back, values, rtol=1e-6, atol=1e-5)
    assert (spec.names, spec.targets, spec.units, spec.known_reals) == (("a", "b", "c"), 2, ("m",) * 3, 0)
    assert (spec.of("target"), spec.of("past"), spec.masked) == (spec.columns[:2], spec.columns[2:], False)


def test_standard_gives_mean_0_and_spread_1_on_training_rows():
    training = prepared_from(series_of(50 + walk(1000, channels=2))).storage.values[:700].double()
    np.testing.assert_allclose(training.mean(dim=0), 0, atol=1e-6)
    np.testing.assert_allclose(training.std(dim=0, correction=0), 1, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (2.0, 2.5)])
def test_minmax_maps_training_rows_to_its_range(low, high):
    training = prepared_from(series_of(walk(100, channels=2)), scaler=MinMax(low=low, high=high)).storage.values[:70]
    np.testing.assert_allclose(training.amin(dim=0), low, atol=1e-6)
    np.testing.assert_allclose(training.amax(dim=0), high, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, -1.0)])
def test_minmax_without_a_range_is_refused(low, high):
    with pytest.raises(ConfigurationError, match=rf"MinMax: low={low} must lie below high={high}"):
        MinMax(low=low, high=high)


@pytest.mark.parametrize("scaler_class", [Standard, MinMax])
def test_scaling_knows_the_rows_it_is_fitted_on_and_no_others(scaler_class):
    calm, wild = np.sin(np.arange(70.0)), 100 + 50 * np.cos(np.arange(30.0))
    for fitted_on, rows in (("train", calm), ("everything", np.concatenate([calm, wild]))):
        series = series_of(np.concatenate([calm, wild])[:, None])
        spec = prepared_from(series, scaler=scaler_class(fitted_on=fitted_on)).spec
        offset, scale = scaler_class().measure(rows[:, None])
        np.testing.assert_allclose((spec.offset, spec.scale), (offset, scale), rtol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 7.0, 0.1, 1e9 / 3, -1e-9])
@pytest.mark.parametrize("scaler", [Standard(), MinMax()], ids=["standard", "minmax"])
def test_a_channel_constant_in_training_is_named(scaler, constant):
    values = walk(100, channels=2)
    values[:70, 1] = constant
    with pytest.raises(DataError, match=r"column b: it is constant \(.*\) on all 70 training rows.*NoScaling"):
        prepared_from(series_of(values, targets=2), scaler=scaler)


def test_without_scaling_a_constant_channel_is_no_obstacle():
    values = walk(100, channels=2)
    values[:, 1] = 3.0
    assert prepared_from(series_of(values), scaler=NoScaling()).spec.scale == (1.0, 1.0)


def test_a_small_signal_on_a_large_offset_keeps_its_digits():
    signal = walk(100)
    small = prepared_from(series_of(signal)).storage.values
    large = prepared_from(series_of(signal + 1e7)).storage.values
    np.testing.assert_allclose(large, small, atol=1e-6)


# Periodic inputs


def test_periodic_inputs_are_sine_and_cosine_of_the_time():
    prepared = prepared_from(series_of(walk(100), first="2020-03-01"), periods=(24.0, 12.4206012))
    since = np.array([18_322 * 24 + hour for hour in range(100)])
    columns = [function(2 * math.pi * since / period) for period in (24.0, 12.4206012) for function in (np.sin, np.cos)]
    np.testing.assert_allclose(prepared.storage.values[:-1, 1:], np.stack(columns, axis=1), atol=1e-6)
    assert (prepared.spec.known_reals, prepared.storage.values.shape[1]) == (4, 5)


@given(shift=st.integers(0, 10**6), period=st.floats(0.5, 1000))
def test_periodic_inputs_lie_on_the_unit_circle(shift, period):
    times = np.datetime64("1990-01-01", "ns") + np.arange(shift, shift + 5) * np.timedelta64(1, "m")
    sine, cosine = periodic(times.astype("datetime64[ns]"), (period,)).T
    np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=1e-6)


def test_hours_count_from_1970():
    times = np.array(["1970-01-01", "1970-01-02T00:30", "1969-12-31T23:00"], dtype="datetime64[ns]")
    assert hours(times).tolist() == [0.0, 24.5, -1.0]


# The naive error


def test_naive_error_by_hand():
    series = series_of(
        [[0, 5], [1, 5], [3, 6], [3, 6], [100, 7], [104, 7], [104, 8], [0, 0], [0, 1], [0, 0]], starts=(0, 4), targets=2
    )
    windows = Windows(context=1, horizon=1)
    spec = prepared_from(series, split=FractionSplit(validation=0.0, test=0.3), windows=windows).spec
    # Pieces 0..3 and 4..6 of the training rows 0..6: |1|, |2|, |0| and |4|, |0| for the first channel.
    assert spec.naive_error == pytest.approx((7 / 5, 2 / 5))
    spec = prepared_from(series, split=FractionSplit(validation=0.0, test=0.3), windows=windows, season=2).spec
    assert spec.naive_error == pytest.approx(((3 + 2 + 4) / 3, (1 + 1 + 1) / 3))


def test_a_season_longer_than_the_pieces_is_an_error():
    with pytest.raises(
        DataError, match=r"no training rows in which 'a' was observed lie 90 steps apart; choose another data\.season"
    ):
        prepared_from(series_of(walk(100)), season=90)


# A trained model's scaling


def test_a_trained_spec_gives_its_scaling_and_nothing_else():
    trained = prepared_from(series_of(walk(100)), periods=(24.0,))
    series = series_of(10 + walk(100, seed=1))
    new = prepared_from(series, periods=(24.0,))
    result = prepared_from(series, trained=trained.spec)
    assert result.spec == trained.spec != new.spec
    expected = (series.values[:, 0] - trained.spec.offset[0]) / trained.spec.scale[0]
    np.testing.assert_allclose(result.storage.values[:-1, 0], expected, rtol=1e-5)
    assert result.storage.values[:, 1:].equal(new.storage.values[:, 1:])
    assert all(one.equal(other) for one, other in zip(result.starts, new.starts, strict=True))
    assert result.fingerprint == new.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": (Column("x"),)}, r"series: columns \[\('x', .*\], but the model was trained on \[\('a', "),
        ({"columns": (Column("a", role="past"),)}, r"columns \[\('a', 'past', .* trained on \[\('a', 'target', "),
        ({"columns": (Column("a", levels=("0",)),)}, r"'category'\)\], but the model was trained on .*'real'\)\]"),
        ({"static": (Column("s", role="static"),), "static_values": np.zeros((1, 1))}, r"static columns \[\('s', "),
        ({"step": "10min"}, "step '10min', but the model was trained on 'h'"),
        ({"values": np.where(np.arange(100) == 7, np.nan, walk(100)[:, 0])[:, None]}, "reads no masks"),
    ],
)
def test_a_panel_of_another_kind_is_refused(change, message):
    trained = prepared_from(series_of(walk(100)))
    other = replace(trained.panel, **change)
    with pytest.raises(DataError, match=message):
        check_columns(other, trained.spec)
    options = {"split": FractionSplit(), "scaler": Standard(), "windows": Windows(context=4, horizon=2)}
    with pytest.raises(DataError, match=message):
        prepare(other, grid=MaskGrid(), trained=trained.spec, **options)


# Values not observed


def gappy() -> Panel:
    """A target and an input, a third of whose values were not observed."""
    values = 5 + walk(200, channels=2)
    values[np.random.default_rng(3).random(values.shape) < 1 / 3] = np.nan
    return series_of(values)


MASKED = {"split": FractionSplit(), "windows": Windows(context=4, horizon=2), "grid": MaskGrid()}


def test_a_panel_with_gaps_is_described_by_what_was_observed():
    panel = gappy()
    prepared = prepare(panel, scaler=Standard(), season=3, **MASKED)
    spec, training = prepared.spec, panel.values[:140]
    assert spec.masked
    np.testing.assert_allclose(spec.offset, np.nanmean(training, axis=0), rtol=1e-12)
    np.testing.assert_allclose(spec.scale, np.nanstd(training, axis=0), rtol=1e-12)
    errors = [abs(training[row, 0] - training[row - 3, 0]) for row in range(3, 140)]
    assert spec.naive_error == pytest.approx([np.nanmean(errors)])
    scaled = (panel.values - spec.offset) / spec.scale
    found = prepared.storage.values[:-1].numpy()
    np.testing.assert_allclose(found[:, :2], np.nan_to_num(scaled), rtol=1e-5, atol=1e-6)
    assert np.array_equal(found[:, 2:] == 1, panel.observed)


@every_scaler
def test_a_mask_grid_masks_a_panel_without_gaps_too(scaler):
    series = series_of(walk(100, channels=2))
    masked, plain = prepare(series, scaler=scaler, **MASKED), prepared_from(series, scaler=scaler)
    assert masked.spec == replace(plain.spec, masked=True)
    assert masked.storage.values[:, :2].equal(plain.storage.values)
    assert (masked.storage.values[:-1, 2:] == 1).all()


def test_an_input_never_observed_in_training_is_named():
    values = walk(100, channels=2)
    values[:70, 1] = np.nan
    for scaler in SCALERS.values():
        with pytest.raises(DataError, match="column b: nothing was observed on all 70 training rows; leave it out"):
            prepare(series_of(values), scaler=scaler, **MASKED)


def test_targets_never_a_season_apart_are_refused():
    values = walk(100)
    values[1::2] = np.nan
    with pytest.raises(
        DataError, match=r"no training rows in which '\w' was observed lie 1 steps apart; choose another data\.season"
    ):
        prepare(series_of(values), scaler=Standard(), **MASKED)
    assert prepare(series_of(values), scaler=Standard(), season=2, **MASKED).spec.naive_error[0] > 0


# Levels


def levelled(*, gate: tuple[str, ...], ground: tuple[str, ...], levels: list[float], missing: bool = False) -> Panel:
    """A target and a category known ahead, on one ground."""
    values = np.column_stack([np.arange(len(levels)), levels])
    if missing:
        values[0] = np.nan
    return replace(
        series_of(values),
        columns=columns_of(targets=["a"], known=["gate"], units={"a": "m"}, levels={"gate": gate}),
        static=(Column("ground", role="static", levels=ground), Column("depth", "m", "static")),
        static_values=np.array([[len(ground) - 1, 7.0]]),
    )


def names_of(panel: Panel) -> list[str | None]:
    levels = panel.columns[1].levels or ()
    return [None if math.isnan(code) else levels[int(code)] for code in panel.values[:, 1]]


def spec_of(panel: Panel, *, masked: bool = False) -> SeriesSpec:
    return SeriesSpec(
        columns=panel.columns,
        offset=(0.0, 0.0),
        scale=(1.0, 1.0),
        static=panel.static,
        static_offset=(0.0, 0.0),
        static_scale=(1.0, 1.0),
        masked=masked,
        step="h",
        context=1,
        horizon=1,
        naive_error=(1.0,),
    )


@given(
    order=st.permutations(["open", "shut", "tilted"]),
    kept=st.integers(1, 3),
    levels=st.lists(st.integers(0, 2), min_size=2, max_size=9),
    missing=st.booleans(),
)
@settings(deadline=None)
def test_levels_in_another_order_become_those_of_the_training(order, kept, levels, missing):
    trained = spec_of(levelled(gate=("open", "shut", "tilted"), ground=("rock", "sand"), levels=[0]), masked=True)
    found = [float(level % kept) for level in levels]
    panel = levelled(gate=tuple(order[:kept]), ground=("sand",), levels=found, missing=missing)
    aligned = align(panel, trained)
    assert (aligned.columns, aligned.static) == (trained.columns, trained.static)
    assert names_of(aligned) == names_of(panel)
    np.testing.assert_array_equal(aligned.values[:, 0], panel.values[:, 0])
    assert aligned.static_values.tolist() == [[1, 7]]
    # The given panel stays as it is.
    assert panel.static_values.tolist() == [[0, 7]]


def test_a_level_that_the_training_had_not_is_named():
    trained = spec_of(levelled(gate=("open", "shut"), ground=("rock",), levels=[0]))
    with pytest.raises(DataError, match=r"series: column 'gate' has the level 'ajar', .* it had open, shut"):
        align(levelled(gate=("ajar", "open"), ground=("rock",), levels=[0.0, 1.0]), trained)
    with pytest.raises(DataError, match=r"column 'ground' has the level 'sand', .* it had rock"):
        align(levelled(gate=("open",), ground=("sand",), levels=[0.0]), trained)


def test_what_is_known_ahead_alone_has_the_levels_of_the_training():
    trained = spec_of(levelled(gate=("open", "shut"), ground=("rock",), levels=[0]))

    def plan(*gate: str) -> Panel:
        columns = columns_of(known=["gate"], levels={"gate": gate})
        return replace(series_of(np.array([0.0, np.nan])), columns=columns)

    aligned = aligned_known(plan("shut"), trained)
    assert aligned.columns == trained.columns[1:]
    np.testing.assert_array_equal(aligned.values, [[1], [np.nan]])
    with pytest.raises(DataError, match="column 'gate' has the level 'ajar'"):
        aligned_known(plan("ajar"), trained)


def test_a_panel_of_the_same_levels_is_not_copied():
    panel = levelled(gate=("open", "shut"), ground=("rock",), levels=[0.0, 1.0])
    assert align(panel, spec_of(panel)).values is panel.values


def test_prepare_asks_the_grid_first():
    series = series_of(walk(100))
    gap = replace(series, times=np.where(np.arange(100) < 50, series.times, series.times + np.timedelta64(1, "D")))
    with pytest.raises(DataError, match="not regular"):
        prepared_from(gap)
    options = {"split": FractionSplit(), "scaler": Standard(), "windows": Windows(context=4, horizon=2)}
    assert len(prepare(gap, grid=RowsGrid(), **options).starts.train) == 65


# What is lost or looks wrong is said


def test_series_too_short_for_a_window_are_named(caplog):
    series = replace(series_of(walk(100), starts=(0, 90, 95)), items=np.arange(3), ids=("long", "a", "b"))
    with caplog.at_level(logging.INFO):
        prepared_from(series, split=FractionSplit(validation=0.0, test=0.0))
    assert (
        "2 of 3 series are too short for a window of context 4 + horizon 2 = 6 rows and are not used: a, b"
        in caplog.text
    )
    assert "2 of 3 pieces without a gap are shorter" in caplog.text
    assert "10 of 100 rows are not used" in caplog.text


@pytest.mark.parametrize(("starts", "level"), [((0, 5, 50), "INFO"), ((0, *range(40, 100, 5)), "WARNING")])
def test_rows_in_pieces_too_short_are_counted(caplog, starts, level):
    with caplog.at_level(logging.INFO):
        prepared_from(series_of(walk(100), starts=starts), split=FractionSplit(validation=0.0, test=0.0))
    (record,) = caplog.records
    assert record.levelname == level
    assert "series are" not in caplog.text


def ragged(rows=100, first=0, stop=100):
    """Two channels, of which the second was observed from a row on and up to another."""
    values = walk(rows, 2)
    values[:first, 1] = values[stop:, 1] = np.nan
    return series_of(values)


def test_columns_of_different_lengths_are_named(caplog):
    with caplog.at_level(logging.INFO):
        prepared_from(ragged(first=10, stop=80))
    assert "30 of 100 rows dropped: a value was not observed ('b' lacks 30)" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert (
        "30 of 100 rows are dropped because not all columns cover the same time: 'b' begins at 2020-01-01 10:00:00, "
        "'b' ends at 2020-01-04 07:00:00" in caplog.text
    )


@pytest.mark.parametrize("policy", [ErrorGrid, SplitGrid, RowsGrid])
def test_most_rows_are_not_dropped_without_being_asked_for(policy):
    with pytest.raises(DataError) as error:
        policy().apply(ragged(first=60))
    assert "60 of 100 rows lack a value ('b' lacks 60) and would be dropped whole; use fewer columns" in str(
        error.value
    )
    assert "data.grid.most=0.6" in str(error.value)
    assert len(policy(most=0.6).apply(ragged(first=60))) == 40


def test_most_rows_are_not_made_up_without_being_asked_for():
    series = series_of(walk(50))
    sparse = replace(series, times=series.clock[0] + 6 * (series.clock - series.clock[0]))
    with pytest.raises(DataError) as error:
        InterpolateGrid(max_steps=6).apply(sparse)
    assert "245 of 295 rows would be made up by interpolation; the series may have another step" in str(error.value)
    assert "data.grid.most=0.84" in str(error.value)
    assert len(InterpolateGrid(max_steps=6, most=0.84).apply(sparse)) == 295
    assert len(MaskGrid().apply(sparse)) == 295  # nothing is made up


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: 100 * values, "is it in the same unit (m)?"),
        (lambda values: values / 1000, "is it in the same unit (m)?"),
        (lambda values: values + 1e4, "is it in the same unit (m)?"),
        (lambda values: 0 * values + 3, "column 'a' is 3 in all 100 rows; does the instrument work?"),
        (lambda values: values, None),
        (lambda values: values[:12], None),
        (lambda values: 1.5 * values + 2, None),
    ],
)
@pytest.mark.parametrize("scaler", [Standard(), MinMax()])
def test_another_unit_and_constant_values_are_said(caplog, change, said, scaler):
    wave = 5 + np.sin(np.arange(100) / 5)
    spec = prepared_from(series_of(wave), scaler=scaler).spec
    align(series_of(change(wave)), spec)
    assert (said in caplog.text) if said else not caplog.text


def test_without_a_scaling_only_constant_values_are_said(caplog):
    wave = 5 + np.sin(np.arange(100) / 5)
    spec = prepared_from(series_of(wave), scaler=NoScaling()).spec
    align(series_of(100 * wave), spec)
    assert not caplog.text
    align(series_of(0 * wave), spec)
    assert "column 'a' is 0 in all 100 rows" in caplog.text


@pytest.mark.parametrize("hold", [False, True])
def test_the_model_is_told_whether_the_last_observation_stands_for_one_that_is_missing(hold):
    data = small_data(grid=MaskGrid(hold=hold), removed=0.3)
    assert data.spec.masked
    assert data.spec.held is hold
    assert checked_series_spec(data.spec.to_dict()) == data.spec
    # Of an earlier version.
    before = {name: value for name, value in data.spec.to_dict().items() if name != "held"}
    assert not checked_series_spec(before).held
