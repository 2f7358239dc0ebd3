"""Small texts as panels, and a text that is easy to learn."""

from collections.abc import Sequence

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.spec import UNKNOWN, TextSpec

RHYME = "the cat sat on the mat.\nthe rat sat on the cat.\n"


def text_panel(codes: Sequence[int] | np.ndarray, levels: tuple[str, ...]) -> Panel:
    """A text whose symbols are levels."""
    return Panel(
        columns=(Column("character", levels=levels),),
        values=np.asarray(codes, dtype=np.float64)[:, None],
        starts=np.zeros(1, dtype=np.int64),
        label="text",
    )


def text_spec(symbols: Sequence[str], symbol: str = "character") -> TextSpec:
    """The spec of a text with these symbols beside `UNKNOWN`."""
    column = Column(symbol, levels=(UNKNOWN, *symbols))
    return TextSpec(columns=(column,), offset=(0.0,), scale=(1.0,))
