"""The hand computation of the book, digit for digit.

Raschka, Liu & Mirjalili 2022, "Machine learning with PyTorch and Scikit-Learn", chapter 15, "Computing activations in
an RNN", prints three pairs a step. "Hidden" is W_ih x + b_ih alone: the part of the state, W_hh h + b_hh, is added
after the printing, so that it is no hidden state, nor the whole pre-activation. "Output (manual)" and "RNN output" are
the state h = tanh(W_ih x + b_ih + W_hh h + b_hh).
"""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from recast.nn.cells.cell import Cell
from recast.nn.cells.rnn import RNN

SCRIPT = Path(__file__).parents[2] / "scripts" / "hand_computation.py"
INPUTS = torch.tensor([[1.0] * 5, [2.0] * 5, [3.0] * 5])
HIDDEN = torch.tensor([[-0.4701929, 0.5863904], [-0.88883156, 1.2364397], [-1.3074701, 1.8864892]])
OUTPUT = torch.tensor([[-0.3519801, 0.52525216], [-0.68424344, 0.76074266], [-0.8649416, 0.90466356]])
LAST_PLACES = 3e-7
"""The order of summation differs between versions and machines; float32 has steps of 1.2e-7 above 1."""


@pytest.fixture
def cell() -> RNN:
    torch.manual_seed(1)
    return RNN(input_size=5, hidden_size=2)


def test_the_seed_gives_the_weights_of_the_book(cell):
    torch.manual_seed(1)
    layer = nn.RNN(input_size=5, hidden_size=2, num_layers=1, batch_first=True)
    for ours, theirs in zip(cell.weights, layer.all_weights[0], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("forward", [RNN.forward, Cell.forward])
def test_the_printed_outputs(cell, forward):
    outputs, final = forward(cell, INPUTS[None])
    torch.testing.assert_close(outputs[0], OUTPUT, rtol=0, atol=LAST_PLACES)
    assert torch.equal(final.hidden, outputs[:, -1])


def test_the_printed_hidden_is_the_part_of_the_input_alone(cell):
    weight_ih, weight_hh, bias_ih, bias_hh = cell.weights
    torch.testing.assert_close(INPUTS @ weight_ih.T + bias_ih, HIDDEN, rtol=0, atol=LAST_PLACES)
    before = torch.cat([torch.zeros(1, 2), OUTPUT[:-1]])
    missing = before @ weight_hh.T + bias_hh
    torch.testing.assert_close(torch.tanh(HIDDEN + missing), OUTPUT, rtol=0, atol=LAST_PLACES)
    assert (torch.tanh(HIDDEN) - OUTPUT).abs().max() > 0.05


def test_the_script_prints_the_same(capsys):
    runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr().out
    rows = [line.rsplit(maxsplit=2) for line in printed.splitlines() if line.startswith("  ")]
    found = {name: [] for name, *_ in rows}
    for name, *pair in rows:
        found[name].append([float(value) for value in pair])
    torch.testing.assert_close(torch.tensor(found["  W_ih x + b_ih"]), HIDDEN, rtol=0, atol=LAST_PLACES)
    outputs = [name for name in found if name.startswith("  h ")]
    assert len(outputs) == 4
    for name in outputs:
        torch.testing.assert_close(torch.tensor(found[name]), OUTPUT, rtol=0, atol=LAST_PLACES)
    *_, last = printed.splitlines()
    assert last.startswith("largest difference from the hand computation: torch.nn.RNN ")
