"""What makes a picture readable."""

import itertools
from unittest.mock import patch

from matplotlib.text import Text


def overlaps(first, second):
    return first.x0 < second.x1 and second.x0 < first.x1 and first.y0 < second.y1 and second.y0 < first.y1


def drawn_texts(figure):
    """The texts that matplotlib draws, with their places; it keeps others, such as ticks outside the view."""
    drawn = []
    draw = Text.draw

    def recorded(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            drawn.append((text, Text.get_window_extent(text, renderer)))
        return draw(text, renderer, *args, **kwargs)

    with patch.object(Text, "draw", recorded):
        figure.draw_without_rendering()
    return drawn


def assert_readable(figure):
    """All text lies within the picture, none is tiny, and no two texts cover each other."""
    drawn = drawn_texts(figure)
    frame = figure.bbox
    for text, box in drawn:
        assert frame.x0 - 1 <= box.x0 < box.x1 <= frame.x1 + 1, text
        assert frame.y0 - 1 <= box.y0 < box.y1 <= frame.y1 + 1, text
        assert text.get_fontsize() >= 9, text
    for (one, first), (other, second) in itertools.combinations(drawn, 2):
        assert not overlaps(first, second), (one, other)
