"""Labelled sequences of given lengths."""

import numpy as np

from recast.data.panel import Column, Panel, columns_of
from recast.data.spec import SequenceSpec


def sequences_of(lengths: list[int], channels: int = 2, classes: int = 3) -> Panel:
    """Row r of the storage holds r, r + 0.5, ..."""
    rows = sum(lengths)
    return Panel(
        columns=columns_of(past="xyzuvw"[:channels]),
        values=np.arange(rows)[:, None] + np.linspace(0, 0.5, channels),
        starts=np.cumsum([0, *lengths])[:-1],
        label="made up",
        items=np.arange(len(lengths)),
        static=(label_of(classes),),
        static_values=(np.arange(len(lengths)) % classes)[:, None].astype(float),
    )


def label_of(classes: int) -> Column:
    return Column("class", role="target", levels=tuple("abcdefgh"[:classes]))


def spec_of(channels: int, *, offset: float = 0.0, classes: int = 3) -> SequenceSpec:
    """Of the sequences above."""
    return SequenceSpec(
        columns=columns_of(past="xyzuvw"[:channels]),
        offset=(offset,) * channels,
        scale=(1.0,) * channels,
        static=(label_of(classes),),
        static_offset=(0.0,),
        static_scale=(1.0,),
    )
