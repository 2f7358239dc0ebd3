"""The picture of a confusion matrix."""

import numpy as np
import pytest
from matplotlib.image import AxesImage
from PIL import Image

from recast.figures.confusion import confusion_matrix
from recast.figures.png import save


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_counts_are_written_and_colours_are_shares_of_rows():
    counts = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 99]])
    figure = confusion_matrix(counts, ["a", "b", "c"], title="test")
    assert texts(figure) == ["8", "2", "1", "99"]
    (image,) = (child for child in figure.axes[0].get_children() if isinstance(child, AxesImage))
    assert np.asarray(image.get_array()) == pytest.approx(np.array([[0.8, 0.2, 0], [0, 0, 0], [0.01, 0, 0.99]]))


def test_long_names_keep_what_tells_them_apart():
    names = [f"a very long name of class {index}" for index in range(30)]
    figure = confusion_matrix(np.eye(30, dtype=np.int64), names, title="test")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == 30
    assert max(map(len, labels)) <= 14
    assert len(texts(figure)) == 30


def test_a_large_matrix_has_no_digits():
    figure = confusion_matrix(np.eye(31, dtype=np.int64), list(map(str, range(31))), title="test")
    assert texts(figure) == []


@pytest.mark.parametrize("classes", [2, 9, 40])
def test_it_is_drawn(classes, tmp_path):
    counts = np.random.default_rng(0).integers(0, 9, (classes, classes))
    figure = confusion_matrix(counts, [f"$x_{index}" for index in range(classes)], title="a $title_")
    save(figure, tmp_path / "confusion.png")
    pixels = np.asarray(Image.open(tmp_path / "confusion.png").convert("L"))
    assert min(pixels.shape) > 400
    assert pixels.std() > 10
