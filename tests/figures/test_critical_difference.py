"""The critical-difference picture: what is drawn where, and that nothing overlaps."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from recast.errors import DataError
from recast.figures.critical_difference import AXIS, critical_difference
from recast.figures.png import save

FOUR = {"last value": 3.9, "gru": 1.2, "lstm": 1.9, "rnn": 3.0}


def draw(ranks=FOUR, **options):
    defaults = {"distance": 1.25, "cliques": [["lstm", "gru"], ["rnn", "lstm"]], "blocks": 14, "alpha": 0.05}
    return critical_difference(ranks, **(defaults | options))


def lines(figure, name: str) -> list[np.ndarray]:
    return [line.get_xydata() for line in figure.axes[0].lines if line.get_gid() == name]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def scale_of(figure) -> tuple[float, float]:
    """Place of rank 1 and inches to the rank, from the numbers under the ticks."""
    places = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    return places["1"], (places["4"] - places["1"]) / 3


def test_models_are_named_with_their_ranks_and_the_best_is_left():
    figure = draw()
    assert {"gru", "lstm", "rnn", "last value", "1.20", "1.90", "3.00", "3.90"} <= set(texts(figure))
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert places["gru"][0] == places["lstm"][0] < places["rnn"][0] == places["last value"][0]
    assert places["gru"][1] < places["lstm"][1]
    assert places["last value"][1] < places["rnn"][1]


def test_the_heading_counts_the_blocks():
    assert draw(title="test mse").axes[0].get_title() == "test mse: average ranks over 14 blocks (1 is best)"
    assert draw(blocks=1).axes[0].get_title() == "Average ranks over 1 block (1 is best)"


def test_bars_span_their_groups_and_do_not_touch():
    figure = draw()
    start, rank = scale_of(figure)
    first, second = lines(figure, "clique")
    assert first[:, 0] == pytest.approx([start + 0.2 * rank, start + 0.9 * rank], abs=0.06)
    assert second[:, 0] == pytest.approx([start + 0.9 * rank, start + 2 * rank], abs=0.06)
    assert first[0, 1] < second[0, 1]
    apart = draw(cliques=[["gru", "lstm"], ["rnn", "last value"]])
    one, other = lines(apart, "clique")
    assert one[0, 1] == other[0, 1]
    assert lines(draw(cliques=[]), "clique") == []


def test_the_ruler_is_as_long_as_the_critical_difference():
    figure = draw()
    _, rank = scale_of(figure)
    (ruler,) = lines(figure, "ruler")
    assert np.ptp(ruler[:, 0]) == pytest.approx(1.25 * rank)
    assert "critical difference 1.25 (Nemenyi, 5 %)" in texts(figure)
    long = draw(distance=3.5)
    (ruler,) = lines(long, "ruler")
    assert np.ptp(ruler[:, 0]) == pytest.approx(AXIS)
    assert any("longer than the axis" in text for text in texts(long))


def test_a_long_name_keeps_its_end():
    name = (
        "data=santos_hourly, model=encoder_decoder, model/cell=layer_norm_gru, model/schedule=inverse_sigmoid, seed=3"
    )
    figure = draw({name: 1.0, "gru": 2.0}, cliques=[])
    (shown,) = (text for text in texts(figure) if text.startswith("data="))
    assert len(shown.split("\n")) == 3
    assert "…" in shown
    assert shown.endswith("seed=3")


@pytest.mark.parametrize("models", [2, 3, 8, 16, 20])
@pytest.mark.parametrize("name", ["m{}", "data=two_sines, model/cell=gru, model/schedule=inverse_$sigmoid {}"])
def test_it_is_drawn_and_no_text_overlaps_another(models, name, tmp_path):
    rng = np.random.default_rng(models)
    ranks = np.sort(1 + (models - 1) * rng.random(models))
    ranks[0] = 1.0
    ranks[-1] = models
    names = [name.format(index) for index in range(models)]
    groups = [names[first : first + 3] for first in range(models - 2)]
    figure = draw(dict(zip(names, ranks, strict=True)), cliques=groups, title="$mse")
    save(figure, tmp_path / "ranks.png")
    pixels = np.asarray(Image.open(tmp_path / "ranks.png").convert("L"))
    assert pixels.std() > 5
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    boxes = [text.get_window_extent(renderer) for text in [*axes.texts, axes.title]]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    height, width = pixels.shape
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= width
    assert min(box.y0 for box in boxes) >= 0
    assert max(box.y1 for box in boxes) <= height


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranks": {"gru": 1.0}}, "1 models, at least 2"),
        ({"ranks": {"gru": 1.0, "lstm": 2.5}}, "'lstm' has average rank 2.5; among 2 models it lies between 1 and 2"),
        ({"ranks": {"gru": 1.0, "lstm": math.nan}}, "'lstm' has average rank nan"),
        ({"distance": 0.0}, "the distance is 0, expected a positive number"),
        ({"distance": math.inf}, "the distance is inf"),
        ({"cliques": [["gru", "rmm"]]}, "no model 'rmm' of a group; found: last value, gru, lstm, rnn"),
    ],
)
def test_what_cannot_be_drawn(options, message):
    with pytest.raises(DataError, match=message):
        draw(**options)
