"""Layer-normalised cells, against plain loops written from the paper."""

from functools import partial
from inspect import signature

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from torch import nn

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.gate_init import ConstantBias
from recast.nn.cells.layer_norm_gru import LayerNormGRU
from recast.nn.cells.layer_norm_lstm import LayerNormLSTM
from recast.nn.cells.layer_norm_rnn import LayerNormRNN

CELLS = [LayerNormRNN, LayerNormGRU, LayerNormLSTM]
every_cell = pytest.mark.parametrize("cell_class", CELLS)
H = 5


def named(cell: Cell) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in cell.named_parameters()}


def layer_norm(a, gain, bias):
    """Equations 3 and 15 of Ba et al. 2016, for one sample."""
    mean = a.sum() / len(a)
    deviation = np.sqrt(((a - mean) ** 2).sum() / len(a) + 1e-5)
    return gain * (a - mean) / deviation + bias


def layer_norm_rnn(x, state, w, function):
    a = w["weight_hh"] @ state[0] + w["weight_ih"] @ x + w["bias_ih"]
    return (function(layer_norm(a, w["norm.weight"], w["norm.bias"])),), {}


def layer_norm_gru(x, state, w):
    (h,) = state
    m = 2 * len(h)
    summed_x, summed_h = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h
    r, z = np.split(
        expit(
            layer_norm(summed_x[:m], w["norm_input_gates.weight"], w["norm_input_gates.bias"])
            + layer_norm(summed_h[:m], w["norm_hidden_gates.weight"], w["norm_hidden_gates.bias"])
        ),
        2,
    )
    candidate = np.tanh(
        layer_norm(summed_x[m:], w["norm_input_candidate.weight"], w["norm_input_candidate.bias"])
        + r * layer_norm(summed_h[m:], w["norm_hidden_candidate.weight"], w["norm_hidden_candidate.bias"])
    )
    return ((1 - z) * candidate + z * h,), {"reset": r, "update": z}


def layer_norm_lstm(x, state, w):
    h, c = state
    i, f, g, o = np.split(
        layer_norm(w["weight_hh"] @ h, w["norm_hidden.weight"], w["norm_hidden.bias"])
        + layer_norm(w["weight_ih"] @ x + w["bias_ih"], w["norm_input.weight"], w["norm_input.bias"]),
        4,
    )
    c = expit(f) * c + expit(i) * np.tanh(g)
    h = expit(o) * np.tanh(layer_norm(c, w["norm_cell.weight"], w["norm_cell.bias"]))
    return (h, c), {"input": expit(i), "forget": expit(f), "output": expit(o)}


LOOPS = [
    pytest.param(LayerNormRNN, {}, partial(layer_norm_rnn, function=np.tanh), id="RNN tanh"),
    pytest.param(
        LayerNormRNN,
        {"nonlinearity": "relu"},
        partial(layer_norm_rnn, function=lambda v: np.maximum(v, 0)),
        id="RNN relu",
    ),
    pytest.param(LayerNormGRU, {"gate_init": ConstantBias(bias=0.7)}, layer_norm_gru, id="GRU"),
    pytest.param(LayerNormLSTM, {"gate_init": ConstantBias(bias=0.7)}, layer_norm_lstm, id="LSTM"),
]


def drawn(cell_class: type[Cell], options: dict[str, object], seed: int = 0) -> Cell:
    """A cell whose gains and biases have moved from where they start."""
    torch.manual_seed(seed)
    cell = cell_class(input_size=2, hidden_size=H, **options).double()
    with torch.no_grad():
        for value in cell.parameters():
            value.add_(0.3 * torch.randn_like(value))
    return cell


def run(formula, x, state, w):
    """A plain loop: outputs of all steps and the last state, one row."""
    outputs, gates = [], []
    for step in x:
        state, used = formula(step, state, w)
        outputs.append(state[0])
        gates.append(used)
    return np.stack(outputs), state, gates


@pytest.mark.parametrize(("cell_class", "options", "formula"), LOOPS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_layer_normalised_cells_equal_the_loop(cell_class, options, formula, seed):
    cell = drawn(cell_class, options, seed)
    inputs = torch.randn(3, 6, 2, dtype=torch.float64)
    initial = cell.state_type(*(torch.randn(3, H, dtype=torch.float64) for _ in cell.state_sizes))
    with torch.no_grad():
        faces = [forward(cell, inputs, initial) for forward in (cell_class.forward, Cell.forward)]
    for row in range(3):
        start = tuple(part[row].numpy() for part in initial)
        expected, last, gates = run(formula, inputs[row].numpy(), start, named(cell))
        for outputs, final in faces:
            np.testing.assert_allclose(outputs[row].numpy(), expected, rtol=1e-11, atol=1e-12)
            for part, other in zip(final, last, strict=True):
                np.testing.assert_allclose(part[row].numpy(), other, rtol=1e-11, atol=1e-12)
        found = cell.gates(inputs[row, :1], cell.state_type(*(part[row : row + 1] for part in initial)))
        assert list(found) == list(gates[0])
        for name, gate in found.items():
            np.testing.assert_allclose(gate[0].detach().numpy(), gates[0][name], rtol=1e-11, atol=1e-12)


# The RNN with relu has kinks, which differences would straddle.
@pytest.mark.parametrize(("cell_class", "options", "formula"), [LOOPS[0], *LOOPS[2:]])
def test_gradients_of_layer_normalised_cells_equal_differences_of_the_loop(cell_class, options, formula):
    cell = drawn(cell_class, options)
    generator = np.random.default_rng(0)
    inputs = torch.randn(1, 4, 2, dtype=torch.float64, requires_grad=True)
    start = [torch.randn(1, H, dtype=torch.float64, requires_grad=True) for _ in cell.state_sizes]
    outputs, final = cell(inputs, cell.state_type(*start))
    weights = [generator.normal(size=part.shape) for part in (outputs, *final)]
    total = sum((torch.tensor(weight) * part).sum() for weight, part in zip(weights, (outputs, *final), strict=True))
    variables = {"inputs": inputs, **dict(cell.named_parameters())}
    variables |= {f"state {index}": part for index, part in enumerate(start)}
    gradients = dict(zip(variables, torch.autograd.grad(total, list(variables.values())), strict=True))
    values = {name: value.detach().numpy() for name, value in variables.items()}

    def loop(moved: dict[str, np.ndarray]) -> float:
        state = tuple(moved[f"state {index}"][0] for index in range(len(start)))
        found, last, _ = run(formula, moved["inputs"][0], state, moved)
        return sum((weight[0] * part).sum() for weight, part in zip(weights, (found, *last), strict=True))

    for name, gradient in gradients.items():
        for _ in range(3):
            direction = generator.normal(size=values[name].shape)
            ahead, behind = (loop(values | {name: values[name] + sign * 1e-5 * direction}) for sign in (1, -1))
            expected = float((gradient.numpy() * direction).sum())
            assert (ahead - behind) / 2e-5 == pytest.approx(expected, rel=1e-6, abs=1e-7), name


@every_cell
def test_adding_the_same_weights_to_all_units_changes_nothing(cell_class):
    """Ba et al. 2016, section 5.1: the re-centring of the weights, here of input and state."""
    cell = drawn(cell_class, {})
    inputs = torch.randn(3, 6, 2, dtype=torch.float64)
    before = cell(inputs)[0]
    with torch.no_grad():
        cell.weight_ih += torch.randn(1, 2)
        cell.weight_hh += torch.randn(1, H)
    torch.testing.assert_close(cell(inputs)[0], before, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("cell_class", [LayerNormGRU, LayerNormLSTM])
def test_the_size_of_the_weights_does_not_matter(cell_class):
    """Ba et al. 2016, section 5.1: re-scaling, of input and state apart; up to the 1e-5 beside the variance."""
    cell = drawn(cell_class, {})
    inputs = torch.randn(3, 6, 2, dtype=torch.float64)
    # Not from zeros, beside which the 1e-5 is not small.
    state = cell.state_type(*(torch.full((3, H), 0.5, dtype=torch.float64) for _ in cell.state_sizes))
    before = cell(inputs, state)[0]
    with torch.no_grad():
        cell.weight_ih *= 30
        cell.bias_ih *= 30
        cell.weight_hh *= 3
    torch.testing.assert_close(cell(inputs, state)[0], before, rtol=0, atol=2e-3)


@every_cell
def test_the_size_of_a_single_input_is_seen_at_the_first_step(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=1, hidden_size=16).double()
    one, two = (cell(torch.full((1, 1, 1), value, dtype=torch.float64))[0] for value in (0.5, 1.0))
    assert (one - two).abs().max() > 0.02
    nn.init.zeros_(cell.bias_ih)
    blind = [cell(torch.full((1, 1, 1), value, dtype=torch.float64))[0] for value in (0.5, 1.0)]
    assert (blind[0] - blind[1]).abs().max() < 1e-3


@every_cell
def test_layer_normalised_cells_start_as_said(cell_class):
    torch.manual_seed(0)
    options = {"gate_init": ConstantBias(bias=0.0)} if "gate_init" in signature(cell_class).parameters else {}
    cell = cell_class(input_size=3, hidden_size=16, **options)
    for name, value in named(cell).items():
        if name.startswith("norm"):
            assert np.array_equal(value, np.full_like(value, name.endswith("weight")))
        else:
            assert 0.2 < np.abs(value).max() <= 0.25


@every_cell
def test_a_single_unit_cannot_be_normalised(cell_class):
    with pytest.raises(
        ConfigurationError, match=rf"^{cell_class.__name__}: hidden_size=1: .* greater than or equal to 2"
    ):
        cell_class(input_size=1, hidden_size=1)


def test_the_nonlinearity_of_the_layer_normalised_cell_is_checked():
    with pytest.raises(ConfigurationError, match=r"^LayerNormRNN: nonlinearity="):
        LayerNormRNN(input_size=1, nonlinearity="elu")
