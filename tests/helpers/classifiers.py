"""Batches of sequences and small classifiers."""

from functools import partial

import torch
from synthetic import sequences_of

from recast.data.panel import Column, columns_of
from recast.data.spec import PanelSpec
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.models.classifier import Classifier
from recast.types import Batch

CELLS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
CLASSES = 4


def spec_of(channels: int) -> PanelSpec:
    return PanelSpec(
        columns=columns_of(past="uvwxyz"[:channels]),
        offset=(0.0,) * channels,
        scale=(1.0,) * channels,
        static=(Column("class", role="target", levels=tuple("abcd")),),
        static_offset=(0.0,),
        static_scale=(1.0,),
    )


def model_of(cell: str | type[Cell] = "gru", *, channels: int = 3, hidden: int = 5, seed: int = 0, **options):
    torch.manual_seed(seed)
    built = partial(CELLS[cell] if isinstance(cell, str) else cell, hidden_size=hidden)
    return Classifier(spec=spec_of(channels), cell=built, **options).double()


def batch_of(lengths: list[int], *, channels: int = 3, seed: int = 0, extra: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    values = torch.zeros(len(lengths), max(lengths) + extra, channels, dtype=torch.float64)
    for row, length in enumerate(lengths):
        values[row, :length] = torch.randn(length, channels, dtype=torch.float64, generator=random)
    label = torch.randint(CLASSES, (len(lengths),), generator=random)
    return sequences_of(values, torch.tensor(lengths), label)
