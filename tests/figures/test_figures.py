"""Pictures and text plots: what is drawn, where, and that it can be read."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import FillBetweenPolyCollection, LineCollection
from matplotlib.colors import to_rgba
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from pictures import assert_readable, drawn_texts

from recast.errors import ConfigurationError, DataError
from recast.figures.agreement import (
    MANY,
    TargetPairs,
    predicted_against_true,
    predicted_series,
    targets_against_true,
    targets_over_time,
)
from recast.figures.leads import by_last_error, lead_errors, spread, step_seconds
from recast.figures.panels import MOST_TARGETS, TargetPanels, forecast_panels, target_panels
from recast.figures.plot import Plot
from recast.figures.png import save
from recast.figures.style import ACCENT, cut, digits, fold
from recast.figures.terminal import terminal_forecast, terminal_lead_errors
from recast.figures.text_canvas import TextCanvas, numbers

START = np.datetime64("2020-06-10T09:50", "ns")


def tide_panel(context=300, horizon=100, *, step=600, shift=0, title="origin 2020-06-12 11:40"):
    steps = np.arange(context + horizon)
    times = START + np.timedelta64(shift, "m") + steps * np.timedelta64(step, "s")
    values = 0.9 + 0.4 * np.cos(2 * np.pi * steps / 74.5) + 0.1 * np.sin(steps / 9)
    mean = values[context:] + 0.05
    reach = 0.3 * np.sqrt(np.arange(1, horizon + 1) / horizon)
    past, future = slice(context), slice(context, None)
    return Plot(title, times[past], values[past], times[future], values[future], mean, mean - reach, mean + reach, 0.9)


def step_panel(context=50, horizon=10):
    values = np.sin(np.arange(context + horizon) / 3)
    steps = np.arange(context + horizon)
    future = slice(context, None)
    return Plot("series 3", steps[:context], values[:context], steps[future], values[future], values[future] * 0.9)


def curves():
    leads = np.arange(1, 101)
    return {
        "last value": 0.41 * np.sin(leads / 65),
        "harmonics + residual": 0.02 + 0.011 * leads**0.5,
        "ridge": 0.02 + 0.0105 * leads**0.5,
        "gru": 0.025 + 0.0102 * leads**0.5,
        "mean": np.full(100, 0.352),
    }


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def legend_words(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# Plot


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros(99)}, r"future_times has shape \(100,\) and mean \(99,\)"),
        ({"truth": np.zeros(3)}, r"truth \(3,\)"),
        ({"context": np.zeros((300, 1))}, r"context \(300, 1\)"),
        ({"context": np.zeros(0), "context_times": np.zeros(0)}, "not empty"),
        ({"lower": None}, "lower is missing"),
        ({"upper": None}, "upper is missing"),
        ({"future_times": np.arange(100)}, "both must be dates or both step numbers"),
        ({"level": 90.0}, "level=90.0"),
    ],
)
def test_panel_that_does_not_fit_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        replace(tide_panel(), **change)


def test_panel_names_its_band_by_its_level():
    assert tide_panel().band_name == "90 % band"
    assert replace(tide_panel(), level=0.995).band_name == "99.5 % band"
    assert replace(tide_panel(), level=None).band_name == "forecast band"


# forecast_panels


def test_forecast_panel_draws_what_it_is_given():
    panel = tide_panel()
    figure = forecast_panels([panel], unit="m", title="Santos", timezone="UTC")
    (axes,) = figure.axes
    drawn = lines(axes)
    np.testing.assert_array_equal(drawn["input"].get_xdata(orig=True), panel.context_times)
    for name, times, values in [
        ("input", panel.context_times, panel.context),
        ("truth", panel.future_times, panel.truth),
        ("forecast", panel.future_times, panel.mean),
    ]:
        np.testing.assert_array_equal(drawn[name].get_xdata(orig=True), times)
        np.testing.assert_array_equal(drawn[name].get_ydata(orig=True), values)
    assert drawn["_origin"].get_xdata(orig=True)[0] == panel.context_times[-1]
    assert to_rgba(drawn["forecast"].get_color()) == to_rgba(ACCENT)
    (band,) = [artist for artist in axes.collections if isinstance(artist, FillBetweenPolyCollection)]
    corners = band.get_paths()[0].vertices[:, 1]
    assert corners.min() == panel.lower.min()
    assert corners.max() == panel.upper.max()
    assert legend_words(figure) == ["input", "90 % band", "truth", "forecast"]
    assert axes.get_ylabel() == "m"
    assert axes.get_xlabel() == "time (UTC)"
    assert axes.get_title(loc="left") == panel.title
    assert figure.get_suptitle() == "Santos"
    assert isinstance(axes.xaxis.get_major_formatter(), ConciseDateFormatter)
    assert_readable(figure)


def test_band_and_truth_are_drawn_only_if_given():
    panel = replace(tide_panel(), truth=None, lower=None, upper=None)
    figure = forecast_panels([panel], unit="m", title="")
    assert not figure.axes[0].collections
    assert legend_words(figure) == ["input", "forecast"]
    assert figure.axes[0].get_xlabel() == ""
    assert_readable(figure)


@pytest.mark.parametrize("count", range(1, 7))
def test_panels_of_any_number_are_readable(count):
    panels = [tide_panel(shift=4320 * index) for index in range(count)]
    figure = forecast_panels(panels, unit="m", title="GRU encoder-decoder, test split", timezone="UTC")
    assert len(figure.axes) == count
    assert [axes.get_title(loc="left") for axes in figure.axes] == [panel.title for panel in panels]
    assert legend_words(figure) == ["input", "90 % band", "truth", "forecast"]
    bottoms = [axes for axes in figure.axes if axes.get_xlabel()]
    assert len(bottoms) == (1 if count <= 3 else 2)
    assert_readable(figure)


@pytest.mark.parametrize("hours", [0.2, 3, 9, 20, 36, 60, 100, 400, 1600, 3000, 8000, 24000, 200000])
def test_dates_are_readable_over_any_range(hours):
    panel = tide_panel(80, 20, step=max(1, int(36 * hours)))
    figure = forecast_panels([panel] * 4, unit="m", title="range")  # two columns: the narrowest axes
    assert_readable(figure)
    labels = set(figure.axes[0].get_xticklabels())
    assert len([text for text, _ in drawn_texts(figure) if text in labels]) >= 2


def test_steps_and_few_points_are_marked():
    figure = forecast_panels([step_panel()] * 6, unit="", title="sines")
    for axes in figure.axes:
        drawn = lines(axes)
        assert drawn["forecast"].get_marker() == "o"
        assert drawn["input"].get_marker() == ""
        assert axes.get_ylabel() == ""
    assert figure.axes[5].get_xlabel() == "steps"
    assert_readable(figure)


def test_a_single_step_shows_its_band():
    panel = tide_panel(19, 1, step=86400)
    figure = forecast_panels([panel], unit="US$ and CA$", title="one $ and another $")
    (axes,) = figure.axes
    (band,) = [artist for artist in axes.collections if isinstance(artist, LineCollection)]
    np.testing.assert_array_equal(band.get_segments()[0][:, 1], [panel.lower[0], panel.upper[0]])
    assert legend_words(figure) == ["input", "90 % band", "truth", "forecast"]
    assert_readable(figure)


def test_bands_of_different_levels_have_each_a_legend_entry():
    figure = forecast_panels([tide_panel(), replace(tide_panel(), level=0.5)], unit="m", title="")
    assert legend_words(figure) == ["input", "90 % band", "truth", "forecast", "50 % band"]


@pytest.mark.parametrize("count", [0, 7])
def test_too_few_or_too_many_panels_are_refused(count):
    with pytest.raises(DataError, match=f"found {count} panels, expected 1 to 6"):
        forecast_panels([tide_panel()] * count, unit="m", title="")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_leave_holes(bad):
    panel = tide_panel()
    broken = replace(panel, mean=np.full(100, bad), truth=np.where(np.arange(100) < 50, bad, panel.truth))
    figure = forecast_panels([broken], unit="m", title="")
    assert_readable(figure)
    text = terminal_forecast(broken, unit="m", width=80, height=20)
    assert "●" not in text.split("\n", 2)[2]
    assert "o" in text.split("\n", 2)[2]


def test_long_titles_stay_within_the_picture():
    words = "encoder-decoder with scheduled sampling and a harmonic bypass " * 6
    panels = [replace(tide_panel(), title=words)] * 4
    assert_readable(forecast_panels(panels, unit="m", title=words))


# lead_errors


def test_lead_errors_draws_and_names_each_curve():
    given_curves = curves()
    figure = lead_errors(given_curves, unit="m", metric="RMSE", step="10min", highlight="gru")
    axes = figure.axes[0]
    drawn = lines(axes)
    assert set(drawn) == set(given_curves)
    for name, curve in given_curves.items():
        np.testing.assert_array_equal(drawn[name].get_xdata(), np.arange(1, 101))
        np.testing.assert_array_equal(drawn[name].get_ydata(), curve)
    assert to_rgba(drawn["gru"].get_color()) == to_rgba(ACCENT)
    assert all(drawn["gru"].get_linewidth() > line.get_linewidth() for name, line in drawn.items() if name != "gru")
    looks = {(line.get_color(), line.get_linestyle()) for line in drawn.values()}
    assert len(looks) == len(given_curves)
    words = [text.get_text() for text in axes.texts]
    assert sorted(words) == sorted(f"{name}  {digits(curve[-1])}" for name, curve in given_curves.items())
    assert axes.get_xlabel() == "lead [steps]"
    assert axes.get_ylabel() == "RMSE [m]"
    assert axes.get_ylim()[0] == 0
    assert_readable(figure)


def test_labels_stand_in_the_order_of_the_curves():
    figure = lead_errors(curves(), unit="m", metric="RMSE", step=None, highlight="gru")
    heights = {text.get_text().split("  ")[0]: text.xyann[1] for text in figure.axes[0].texts}
    ranked = by_last_error(curves())
    assert ranked == ["ridge", "gru", "harmonics + residual", "mean", "last value"]
    assert [heights[name] for name in ranked] == sorted(heights.values())


@pytest.mark.parametrize(
    ("step", "label", "time_at_50"),
    [
        ("10min", "lead [hours]", 50 / 6),
        ("2min", "lead [hours]", 50 / 30),
        ("s", "lead [minutes]", 50 / 60),
        ("h", "lead [days]", 50 / 24),
        ("15min", "lead [hours]", 12.5),
        ("2D", "lead [days]", 100),
    ],
)
def test_second_axis_counts_time(step, label, time_at_50):
    figure = lead_errors(curves(), unit="m", metric="RMSE", step=step, highlight="gru")
    figure.draw_without_rendering()
    (second,) = figure.axes[0].child_axes
    assert second.get_xlabel() == label
    low, high = second.get_xlim()
    assert low + (high - low) * 49 / 99 == pytest.approx(time_at_50)
    assert_readable(figure)


@pytest.mark.parametrize("step", [None, "B", "MS", "D", "min"])
def test_no_second_axis_without_a_fixed_length_or_where_it_would_repeat_the_first(step):
    figure = lead_errors(curves(), unit="m", metric="RMSE", step=step, highlight="gru")
    assert not figure.axes[0].child_axes


@pytest.mark.parametrize(
    ("step", "seconds"), [("10min", 600.0), ("h", 3600.0), ("D", 86400.0), ("B", None), (None, None)]
)
def test_length_of_a_step(step, seconds):
    assert step_seconds(step) == seconds


def test_many_curves_with_long_names_are_readable():
    many = {f"baseline number {i} with an overlong name": 0.1 + 0.001 * i + np.zeros(50) for i in range(18)}
    figure = lead_errors(many | {"gru": np.full(50, 0.1)}, unit="m", metric="RMSE", step="B", highlight="gru")
    assert_readable(figure)


def test_a_single_lead_becomes_bars():
    errors = {"last value": np.array([1.687]), "gru": np.array([1.31])}
    figure = lead_errors(errors, unit="USD", metric="RMSE", step="B", highlight="gru")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["gru", "last value"]
    assert [bar.get_width() for bar in axes.patches] == [1.31, 1.687]
    assert axes.get_xlabel() == "RMSE [USD]"
    assert_readable(figure)


def test_curves_that_are_not_finite_are_named_as_such():
    broken = curves() | {"rnn": np.full(100, np.nan), "lstm": np.where(np.arange(100) < 60, 0.3, np.inf)}
    figure = lead_errors(broken, unit="m", metric="RMSE", step="10min", highlight="gru")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "rnn  not finite" in words
    assert "lstm  not finite" in words
    assert_readable(figure)
    assert by_last_error(broken)[-2:] == ["lstm", "rnn"] or by_last_error(broken)[-2:] == ["rnn", "lstm"]
    assert "rnn not finite" in terminal_lead_errors(
        broken, unit="m", metric="RMSE", highlight="gru", width=100, height=25
    )


def test_negative_skill_is_seen():
    figure = lead_errors({"gru": np.linspace(-0.5, 0.5, 20)}, unit="", metric="skill", step=None, highlight="gru")
    assert figure.axes[0].get_ylim()[0] < -0.5
    assert figure.axes[0].get_ylabel() == "skill"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "no curve 'gru' to highlight; found: none"),
        ({"lstm": np.ones(3)}, "no curve 'gru' to highlight; found: lstm"),
        ({"gru": np.ones((3, 1))}, r"'gru' has shape \(3, 1\)"),
        ({"gru": np.ones(3), "mean": np.ones(0)}, r"'mean' has shape \(0,\)"),
    ],
)
def test_curves_that_do_not_fit_are_refused(bad, message):
    with pytest.raises(DataError, match=message):
        lead_errors(bad, unit="m", metric="RMSE", step=None, highlight="gru")
    with pytest.raises(DataError, match=message):
        terminal_lead_errors(bad, unit="m", metric="RMSE", highlight="gru", width=80, height=20)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=25).map(sorted), st.floats(0.01, 0.2))
def test_spread_keeps_order_distance_and_limits(heights, gap):
    moved = spread(heights, gap)
    room = min(gap, 1 / max(1, len(heights) - 1))
    assert all(b - a >= room - 1e-9 for a, b in itertools.pairwise(moved))
    assert min(moved) >= -1e-9
    assert max(moved) <= 1 + 1e-9


def test_spread_moves_as_little_as_possible():
    assert spread([0.1, 0.5, 0.9], 0.05) == [0.1, 0.5, 0.9]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([0.0, 0.0, 0.0], 0.1) == pytest.approx([0.0, 0.1, 0.2])
    assert spread([1.0, 1.0], 0.1) == pytest.approx([0.9, 1.0])


# Agreement


def test_agreement_of_few_pairs_is_points_with_their_measures():
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((20, 10))
    forecast = truth + 0.3 * rng.standard_normal((20, 10))
    figure = predicted_against_true(truth, forecast, unit="m", title="all leads")
    (axes,) = figure.axes
    points = axes.collections[0].get_offsets()
    np.testing.assert_array_equal(points, np.column_stack([truth.ravel(), forecast.ravel()]))
    from sklearn.metrics import r2_score, root_mean_squared_error

    words = axes.texts[0].get_text()
    assert f"R² = {r2_score(truth.ravel(), forecast.ravel()):.3f}" in words
    assert f"RMSE = {digits(root_mean_squared_error(truth.ravel(), forecast.ravel()))} m" in words
    assert "200 pairs" in words
    diagonal = lines(axes)["forecast = truth"]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlabel() == "truth [m]"
    assert axes.get_ylabel() == "forecast [m]"
    assert axes.get_title() == "all leads"
    assert_readable(figure)


@pytest.mark.parametrize("count", [MANY + 1, 200_000])
def test_agreement_of_many_pairs_counts_them(count):
    rng = np.random.default_rng(1)
    truth = rng.standard_normal(count)
    figure = predicted_against_true(truth, truth + 0.1 * rng.standard_normal(count), unit="", title="")
    counts = figure.axes[0].collections[0].get_array()
    assert counts.sum() == count
    assert f"{count:,} pairs" in figure.axes[0].texts[0].get_text()
    assert figure.axes[1].get_ylabel() == "pairs"
    assert_readable(figure)


def test_agreement_with_a_constant_truth_has_no_r2():
    for count in (10, MANY + 1):
        figure = predicted_against_true(np.ones(count), np.ones(count), unit="m", title="")
        assert "R² undefined" in figure.axes[0].texts[0].get_text()
        figure.draw_without_rendering()


def test_agreement_says_what_it_left_out():
    forecast = np.array([1.0, np.nan, 3.0, np.inf])
    figure = predicted_against_true(np.arange(4.0), forecast, unit="m", title="")
    assert "2 pairs\n2 not finite, left out" in figure.axes[0].texts[0].get_text()
    with pytest.raises(DataError, match="none of the 4 pairs is finite"):
        predicted_against_true(np.arange(4.0), np.full(4, np.nan), unit="m", title="")


def test_series_of_truth_and_forecast():
    panel = tide_panel()
    figure = predicted_series(panel.future_times, panel.truth, panel.mean, unit="m", title="lead 50", timezone="UTC")
    drawn = lines(figure.axes[0])
    np.testing.assert_array_equal(drawn["truth"].get_ydata(), panel.truth)
    np.testing.assert_array_equal(drawn["forecast"].get_ydata(), panel.mean)
    np.testing.assert_array_equal(drawn["forecast"].get_xdata(orig=True), panel.future_times)
    assert legend_words(figure) == ["truth", "forecast"]
    assert figure.axes[0].get_ylabel() == "m"
    assert_readable(figure)


def shown_dates(figure: Figure) -> tuple[list[str], str]:
    """The labels of the time axis that are seen, and what they leave out."""
    figure.draw_without_rendering()
    axis = figure.axes[0].xaxis
    low, high = axis.get_view_interval()
    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [label.get_text() for place, label in ticks if low <= place <= high], axis.get_offset_text().get_text()


@pytest.mark.parametrize(
    ("first", "hours", "says"),
    [
        ("2020-06-02", 27 * 24, "2020-Jun"),
        # The margin of the axis reaches into July.
        ("2020-06-01", 30 * 24, "2020-Jun"),
        ("2020-06-15", 30 * 24, "2020-Jun to Jul"),
        ("2020-06-20T06", 12, "2020-Jun-20"),
        ("2020-06-20T12", 24, "2020-Jun-20 to 21"),
        ("2019-12-20", 24 * 24, "2019-Dec to 2020-Jan"),
        ("2020-02-01", 150 * 24, "2020"),
        # The year is among the ticks.
        ("2019-07-01", 365 * 24, ""),
    ],
)
def test_the_time_axis_says_what_its_ticks_leave_out(first, hours, says):
    times = np.datetime64(first, "ns") + np.arange(hours) * np.timedelta64(1, "h")
    figure = predicted_series(times, np.zeros(hours), np.zeros(hours), unit="m", title="")
    labels, offset = shown_dates(figure)
    assert offset == says
    assert all(labels)


def test_agreement_of_different_shapes_is_refused():
    with pytest.raises(DataError, match=r"truth has shape \(3,\) and forecast \(3, 1\)"):
        predicted_against_true(np.ones(3), np.ones((3, 1)), unit="", title="")
    with pytest.raises(DataError, match="must have the same and not be empty"):
        predicted_against_true(np.ones(0), np.ones(0), unit="", title="")
    with pytest.raises(DataError, match=r"times has shape \(4,\) and truth \(3,\)"):
        predicted_series(np.arange(4), np.ones(3), np.ones(3), unit="", title="")


# Files


def test_the_same_picture_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save(forecast_panels([tide_panel()], unit="m", title="t"), tmp_path / "new" / "folder" / f"{name}.png")
    first, second = sorted((tmp_path / "new" / "folder").iterdir())
    assert first.read_bytes() == second.read_bytes()
    assert b"Software" not in first.read_bytes()
    from PIL import Image

    with Image.open(first) as picture:
        assert picture.format == "PNG"
        assert picture.size == (1000, 600)


def test_a_failing_save_leaves_the_old_file_and_no_other(tmp_path):
    class FailsHalfway(Figure):
        def savefig(self, path, **_options):
            path.write_bytes(b"half a pict")
            raise OSError("no space left on device")

    target = tmp_path / "figure.png"
    target.write_bytes(b"old")
    with pytest.raises(OSError, match="no space left"):
        save(FailsHalfway(), target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    save(predicted_series(np.arange(3), np.ones(3), np.ones(3), unit="", title=""), target)
    assert target.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [target]


# Text


@pytest.mark.parametrize(("width", "height"), [(50, 12), (80, 24), (120, 40), (300, 100)])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("kind", ["tide", "steps", "stock"])
def test_text_forecast_fits_and_has_a_legend(width, height, colour, kind):
    panel = {"tide": tide_panel, "steps": step_panel, "stock": lambda: tide_panel(30, 1, step=86400)}[kind]()
    text = terminal_forecast(panel, unit="m", width=width, height=height, colour=colour, timezone="UTC")
    assert ("\x1b[" in text) == colour
    rows = re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")
    assert len(rows) == height
    assert max(map(len, rows)) <= width
    assert rows[0] == f"{panel.title} [m]"
    names = ["⣀⡠ input", "o truth", "● forecast"] + ([f"· {panel.band_name}"] if panel.band else [])
    assert rows[1] == "   ".join(names)
    plot = "\n".join(rows[2:-1])
    assert "●" in plot
    assert ("·" in plot) == (panel.band is not None)
    assert re.search("[\u2801-\u28ff]", plot)
    if kind == "steps":
        assert rows[-1].strip() == "steps"
    else:
        assert rows[-1].endswith("UTC")


def test_text_forecast_puts_values_where_they_belong():
    steps = np.arange(100)
    panel = Plot("ramp", steps[:60], steps[:60] * 1.0, steps[60:], None, steps[60:] * 1.0)
    rows = terminal_forecast(panel, unit="", width=80, height=24).split("\n")
    assert "truth" not in rows[1]
    places = [(row.rindex("●"), index) for index, row in enumerate(rows[2:]) if "●" in row]
    columns = [column for column, _ in places]
    assert columns == sorted(columns, reverse=True)  # a rising line: further up is further right
    assert columns[0] >= 78
    assert min(row.index("●") for row in rows[2:] if "●" in row) >= 0.6 * 76  # the forecast is the last 40 %


def test_text_axis_keeps_its_length_where_values_are_missing():
    steps = np.arange(100.0)
    panel = Plot("cut", steps[:50], steps[:50], steps[50:], None, np.where(steps[50:] < 75, steps[50:], np.nan))
    rows = terminal_forecast(panel, unit="", width=80, height=24).split("\n")[2:]
    assert max(row.rindex("●") for row in rows if "●" in row) < 65


def test_text_forecast_of_a_constant_series_lies_in_the_middle():
    panel = Plot("flat", np.arange(5), np.full(5, 7.0), np.arange(5, 9), None, np.full(4, 7.0))
    rows = terminal_forecast(panel, unit="", width=60, height=21).split("\n")[2:-1]
    (row,) = [index for index, line in enumerate(rows) if "●" in line]
    assert 5 <= row <= 11


@pytest.mark.parametrize(("width", "height"), [(50, 20), (80, 24), (200, 60)])
@pytest.mark.parametrize("colour", [False, True])
def test_text_errors_fit_and_name_all_curves_in_order(width, height, colour):
    text = terminal_lead_errors(
        curves(), unit="m", metric="RMSE", highlight="gru", width=width, height=height, colour=colour
    )
    assert ("\x1b[" in text) == colour
    rows = re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")
    assert len(rows) == height
    assert max(map(len, rows)) <= width
    assert rows[0] == "RMSE [m]"
    assert rows[-1].strip() == "lead [steps]"
    legend = "   ".join(rows[1 : next(i for i, row in enumerate(rows) if "│" in row or "┤" in row)])
    names = re.findall(r"(\S) (.+?) ([\d.]+)(?:   |$)", legend)
    assert [name for _, name, _ in names] == by_last_error(curves())
    assert [sign for sign, _, _ in names] == ["a", "●", "b", "c", "d"]
    assert "●" in "".join(rows[3:])


def test_text_errors_of_a_single_lead():
    text = terminal_lead_errors({"gru": np.array([1.3])}, unit="", metric="RMSE", highlight="gru", width=60, height=12)
    assert "● gru 1.30" in text
    (row,) = [row for row in text.split("\n")[2:] if "●" in row]
    assert row.index("●") <= 6  # lead 1 stands at the left end of the axis


@pytest.mark.parametrize(("width", "height"), [(49, 24), (80, 11)])
def test_text_plot_without_room_is_refused(width, height):
    with pytest.raises(ConfigurationError, match="give it more width or height"):
        terminal_forecast(tide_panel(), unit="m", width=width, height=height)


def test_sheets_do_not_share_what_is_drawn():
    def canvas():
        return TextCanvas(width=60, height=12, colour=False, x=(0.0, 1.0), y=[np.array([0.0, 1.0])])

    first, second = canvas(), canvas()
    first.curve(np.array([0.5]), np.array([0.5]), marker="●", colour=None, joined=False)
    assert "●" in first.text()
    assert "●" not in second.text()


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([0, 0.5, 1], ["0.0", "0.5", "1.0"]),
        ([0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([10, 20, 30], ["10", "20", "30"]),
        ([0, 2.5, 5], ["0.0", "2.5", "5.0"]),
        ([0, 2e6, 4e6], ["0", "2e+06", "4e+06"]),
        ([0, 2e-6, 4e-6], ["0", "2e-06", "4e-06"]),
        ([0.1, 0.2, 0.3], ["0.1", "0.2", "0.3"]),
    ],
)
def test_tick_numbers(ticks, expected):
    assert numbers(np.asarray(ticks, dtype=float)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1071, "0.107"),
        (0.41, "0.410"),
        (1.687, "1.69"),
        (123.4, "123"),
        (0.0, "0"),
        (-0.5, "-0.500"),
        (2e-7, "2.00e-07"),
        (np.nan, "not finite"),
    ],
)
def test_three_digits(value, expected):
    assert digits(value) == expected


def test_long_words_are_cut_and_folded():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
    assert fold("one two three four five", 9) == "one two\nthree …"


# Several targets


def targets_of(count, windows):
    panels = [tide_panel(shift=4320 * index) for index in range(windows)]
    return [
        TargetPanels(f"target {number}", "m", tuple(replace(panel, mean=panel.mean + number) for panel in panels))
        for number in range(count)
    ]


def pairs_of(count, size):
    rng = np.random.default_rng(0)
    truths = rng.normal(size=(count, size))
    return [TargetPairs(f"target {n}", "kW", truth, truth + 0.3 * n) for n, truth in enumerate(truths)]


def test_a_curve_keeps_its_colour_whatever_its_rank_and_what_is_added_after_it():
    def colours_of(**errors):
        curves = {"model": np.array([0.1, 0.1])} | {name: np.array([0.2, last]) for name, last in errors.items()}
        figure = lead_errors(curves, unit="m", metric="RMSE", step="h", highlight="model")
        return {line.get_label(): line.get_color() for line in figure.axes[0].lines if line.get_label() in curves}

    first = colours_of(ridge=0.3, mean=0.4)
    other = colours_of(ridge=0.4, mean=0.3, anchor=0.2)
    assert {name: other[name] for name in first} == first
    assert len(set(other.values())) == 4


SOME_SIZES = {(2, 1), (2, 3), (7, 2), (7, 4), (8, 1), (8, 3)}
"""Each number of targets and of windows; the other pairs take as long."""


@pytest.mark.parametrize(
    ("count", "windows"),
    [
        pytest.param(*size, marks=() if size in SOME_SIZES else pytest.mark.slow)
        for size in itertools.product((2, 7, 8), (1, 2, 3, 4))
    ],
)
def test_every_target_has_a_row_and_every_window_a_column(count, windows):
    targets = targets_of(count, windows)
    figure = target_panels(targets, title="test", timezone="UTC")
    columns = min(windows, 3)
    grid = np.array(figure.axes, dtype=object).reshape(count, columns)
    for number, (target, row) in enumerate(zip(targets, grid, strict=True)):
        assert row[0].get_ylabel() == f"target {number} [m]"
        for axes, panel in zip(row, target.panels, strict=False):
            drawn = next(line for line in axes.lines if line.get_label() == "forecast")
            np.testing.assert_array_equal(drawn.get_ydata(), panel.mean)
    assert [axes.get_title() for axes in grid[0]] == [panel.title for panel in targets[0].panels[:columns]]
    assert legend_words(figure) == ["input", "90 % band", "truth", "forecast"]
    assert figure.get_suptitle() == "test"
    assert_readable(figure)


def test_a_single_target_has_the_picture_of_its_panels():
    (target,) = targets_of(1, 4)
    figure = target_panels([target], title="test")
    assert len(figure.axes) == 4
    assert figure.get_suptitle() == "target 0: test"


def test_of_many_targets_the_first_are_shown_and_the_heading_counts_them():
    figure = target_panels(targets_of(300, 1), title="test")
    assert len(figure.axes) == MOST_TARGETS
    assert figure.get_suptitle() == "test (the first 8 of 300 targets)"
    assert_readable(figure)
    with pytest.raises(DataError, match="found no panels"):
        target_panels([], title="test")


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("size", [100, MANY + 1])
def test_agreement_of_every_target_is_drawn(count, size):
    targets = pairs_of(count, size)
    figure = targets_against_true(targets, title="test, 1 step ahead")
    clouds = [axes for axes in figure.axes if axes.get_xlabel() == "truth [kW]"]
    assert len(clouds) == min(count, MOST_TARGETS)
    for number, axes in enumerate(clouds):
        said = axes.texts[0].get_text()
        assert f"{size:,} pairs" in said
        assert f"RMSE = {digits(0.3 * number)} kW" in said
    assert ("of 12 targets" in figure.get_suptitle()) is (count == 12)
    times = np.datetime64("2020-01-01", "ns") + np.arange(size) * np.timedelta64(1, "h")
    figure = targets_over_time(times, targets, title="test, 1 step ahead", timezone="UTC")
    assert len(figure.axes) == min(count, MOST_TARGETS)
    for target, axes in zip(targets, figure.axes, strict=False):
        truth, forecast = axes.lines
        np.testing.assert_array_equal(truth.get_ydata(), target.truth)
        np.testing.assert_array_equal(forecast.get_ydata(), target.forecast)
    assert_readable(figure)
