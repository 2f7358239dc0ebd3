"""Small texts as panels, and a text that is easy to learn."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from commands import scratch, trained

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


@functools.cache
def text_checkpoint() -> Path:
    """The best state of a small language model that has seen a rhyme once."""
    folder = scratch() / "rhyme"
    folder.mkdir(exist_ok=True)
    (folder / "rhyme.txt").write_text(RHYME * 10)
    run = trained(
        *("task=text", "data=text", "data.source.path=rhyme.txt", "data.chunk=8", "data.batch_size=4"),
        *("data.warmup=8", "data.passage=16", "model.cell.hidden_size=6", "trainer.max_epochs=1", "logger=none"),
        *("callbacks.progress_bar=null", "callbacks.samples=null", "baselines=none"),
        cwd=folder,
    )
    return run / "checkpoints" / "best.ckpt"
