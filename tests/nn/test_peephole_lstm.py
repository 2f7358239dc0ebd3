"""The peephole LSTM against a loop from its formulas, and against torch.nn.LSTM where its peepholes are zero."""

import numpy as np
import torch
from scipy.special import expit
from torch import nn

from recast.nn.cells.gate_init import ConstantBias
from recast.nn.cells.peephole_lstm import PeepholeLSTM, PeepholeLSTMState


def built(hidden=3):
    torch.manual_seed(0)
    return PeepholeLSTM(input_size=2, hidden_size=hidden).double()


def random_state(batch, hidden=3):
    return PeepholeLSTMState(*(torch.randn(batch, hidden, dtype=torch.float64) for _ in range(2)))


def by_definition(cell, inputs, h, s):
    """Gers, Schraudolph & Schmidhuber 2002, equations of the forward pass, one sequence and one unit at a time."""
    w, u, b, p = (value.detach().numpy() for value in (cell.weight_ih, cell.weight_hh, cell.bias, cell.peepholes))
    units, outputs = len(h), []
    for x in inputs:
        total = [[w[gate * units + j] @ x + u[gate * units + j] @ h + b[gate * units + j] for j in range(units)]
                 for gate in range(4)]  # fmt: skip
        new_h, new_s = np.empty(units), np.empty(units)
        for j in range(units):
            y_in = expit(total[0][j] + p[j] * s[j])
            y_forget = expit(total[1][j] + p[units + j] * s[j])
            new_s[j] = y_forget * s[j] + y_in * np.tanh(total[2][j])
            new_h[j] = expit(total[3][j] + p[2 * units + j] * new_s[j]) * np.tanh(new_s[j])
        h, s = new_h, new_s
        outputs.append(h)
    return np.stack(outputs), s


def test_equal_to_the_loop_of_the_paper():
    cell, inputs, state = built(), torch.randn(4, 7, 2, dtype=torch.float64), random_state(4)
    with torch.no_grad():
        outputs, final = cell(inputs, state)
    for row in range(4):
        expected, content = by_definition(cell, inputs[row].numpy(), *(part[row].numpy() for part in state))
        np.testing.assert_allclose(outputs[row].numpy(), expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(final.cell[row].numpy(), content, rtol=1e-12, atol=1e-13)


def test_without_peepholes_it_is_the_lstm_of_torch():
    cell, twin = built(), nn.LSTM(2, 3, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        cell.peepholes.zero_()
        for weight, value in zip(twin.all_weights[0], (cell.weight_ih, cell.weight_hh, cell.bias, 0 * cell.bias),
                                 strict=True):  # fmt: skip
            weight.copy_(value)
    inputs, state = torch.randn(4, 7, 2, dtype=torch.float64, requires_grad=True), random_state(4)
    outputs, final = cell(inputs, state)
    expected, (hidden, content) = twin(inputs, tuple(part.unsqueeze(0) for part in state))
    for one, other in zip((outputs, *final), (expected, hidden[0], content[0]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)
    ours = torch.autograd.grad(outputs.square().sum(), [inputs, cell.weight_ih, cell.weight_hh, cell.bias])
    theirs = torch.autograd.grad(expected.square().sum(), [inputs, *twin.all_weights[0][:3]])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_a_unit_sees_its_own_cell_alone():
    cell, state = built(hidden=4), random_state(1, 4)
    moved = state._replace(cell=state.cell + torch.tensor([0.0, 1.0, 0.0, 0.0]))
    x = torch.randn(1, 2, dtype=torch.float64)
    changed = cell.step(x, moved).hidden != cell.step(x, state).hidden
    assert changed.tolist() == [[False, True, False, False]]
    for gate, value in cell.gates(x, moved).items():
        assert (value != cell.gates(x, state)[gate]).tolist() == [[False, True, False, False]], gate


def test_the_forget_gate_starts_open():
    torch.manual_seed(0)
    plain = PeepholeLSTM(input_size=2, hidden_size=3, gate_init=ConstantBias(bias=0.0))
    torch.manual_seed(0)
    moved = PeepholeLSTM(input_size=2, hidden_size=3, gate_init=ConstantBias(bias=2.5))
    expected = torch.zeros(12)
    expected[3:6] = 2.5
    torch.testing.assert_close(moved.bias - plain.bias, expected)
