"""The sLSTM against a loop without its stabiliser, and where that would overflow."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from recast.errors import ConfigurationError
from recast.nn.cells.slstm import SLSTM, SLSTMState

every_gate = pytest.mark.parametrize("forget_gate", ["sigmoid", "exponential"])


def built(hidden=4, **options):
    torch.manual_seed(0)
    return SLSTM(input_size=2, hidden_size=hidden, **options).double()


def by_definition(cell, inputs, h, c, n):
    """Beck et al. 2024, equations 8 to 14, one sequence, with R as a full matrix."""
    w, b = cell.weight_ih.detach().numpy(), cell.bias.detach().numpy()
    size = len(h) // cell.heads
    blocks = cell.weight_hh.detach().numpy().reshape(4, cell.heads, size, size)
    recurrent = np.zeros((4, len(h), len(h)))
    for gate in range(4):
        for head in range(cell.heads):
            own = slice(head * size, (head + 1) * size)
            recurrent[gate, own, own] = blocks[gate, head]
    outputs = []
    for x in inputs:
        i, f, z, o = (part + matrix @ h for part, matrix in zip(np.split(w @ x + b, 4), recurrent, strict=True))
        i, f = np.exp(i), expit(f) if cell.forget_gate == "sigmoid" else np.exp(f)
        c = f * c + i * np.tanh(z)
        n = f * n + i
        h = expit(o) * c / n
        outputs.append(h)
    return np.stack(outputs), c, n


@every_gate
@pytest.mark.parametrize("heads", [1, 2])
def test_equal_to_the_loop_of_the_paper(forget_gate, heads):
    cell = built(forget_gate=forget_gate, heads=heads)
    inputs = torch.randn(4, 9, 2, dtype=torch.float64)
    hidden, content, normaliser, stabiliser = torch.randn(4, 4, 4, dtype=torch.float64)
    state = SLSTMState(hidden, content, normaliser.exp(), stabiliser)
    for start in (None, state):
        with torch.no_grad():
            outputs, final = cell(inputs, start)
        for row in range(4):
            given = [np.zeros(4)] * 3
            if start is not None:
                scale = stabiliser[row].exp()
                given = [part.numpy() for part in (hidden[row], content[row] * scale, start.normaliser[row] * scale)]
            expected, c, n = by_definition(cell, inputs[row].numpy(), *given)
            np.testing.assert_allclose(outputs[row].numpy(), expected, rtol=1e-11, atol=1e-12)
            scale = final.stabiliser[row].exp()
            np.testing.assert_allclose((final.cell[row] * scale).numpy(), c, rtol=1e-11, atol=1e-12)
            np.testing.assert_allclose((final.normaliser[row] * scale).numpy(), n, rtol=1e-11, atol=1e-12)


@every_gate
@pytest.mark.parametrize("shift", [-1e4, 0.0, 1e4])
def test_huge_gates_leave_a_weighted_mean(forget_gate, shift):
    # Without R the output is a mean with the weights i_s f_{s+1} ... f_t, a softmax of their logarithms.
    cell = built(forget_gate=forget_gate).float()
    with torch.no_grad():
        cell.weight_hh.zero_()
        cell.weight_ih[:8] *= 300
        cell.bias[:4] += shift
    inputs = torch.randn(3, 20, 2)
    outputs, state = cell(inputs)
    outputs.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in cell.parameters())
    assert (state.normaliser >= 1).all()
    i, f, z, o = cell.double().read(inputs.double()).chunk(4, dim=-1)
    kept = (nn.functional.logsigmoid(f) if forget_gate == "sigmoid" else f).cumsum(dim=1)
    for last in range(20):
        weights = (i[:, : last + 1] + kept[:, last : last + 1] - kept[:, : last + 1]).softmax(dim=1)
        expected = o[:, last].sigmoid() * (weights * z[:, : last + 1].tanh()).sum(dim=1)
        # Where two weights of 1e4 nearly agree, float32 tells them apart by 1e-3.
        torch.testing.assert_close(outputs[:, last].double(), expected, rtol=0, atol=5e-3)


def test_the_stabiliser_changes_no_output():
    cell, x = built(), torch.randn(3, 2, dtype=torch.float64)
    state = SLSTMState(*torch.rand(4, 3, 4, dtype=torch.float64))
    for by in (-2.0, 3.0):
        scale = np.exp(by)
        other = SLSTMState(state.hidden, state.cell * scale, state.normaliser * scale, state.stabiliser - by)
        torch.testing.assert_close(cell.step(x, other).hidden, cell.step(x, state).hidden, rtol=1e-13, atol=1e-14)


def test_heads_do_not_read_each_other():
    cell, x = built(heads=2), torch.randn(1, 2, dtype=torch.float64)
    state = SLSTMState(*torch.rand(4, 1, 4, dtype=torch.float64))
    moved = state._replace(hidden=state.hidden + torch.tensor([0.0, 1.0, 0.0, 0.0]))
    changed = cell.step(x, moved).hidden != cell.step(x, state).hidden
    assert changed.tolist() == [[True, True, False, False]]


def test_both_forget_gates_start_with_the_same_memory():
    starts = {}
    for forget_gate in ("sigmoid", "exponential"):
        cell = built(forget_gate=forget_gate)
        with torch.no_grad():
            cell.weight_ih.zero_()
            cell.weight_hh.zero_()
        starts[forget_gate] = cell(torch.randn(1, 3, 2, dtype=torch.float64))[1]
    for one, other in zip(*starts.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_heads_divide_the_units():
    with pytest.raises(ConfigurationError, match=r"^SLSTM: heads=3 does not divide hidden_size=4; choose a divisor"):
        built(heads=3)
