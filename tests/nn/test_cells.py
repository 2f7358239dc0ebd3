"""Cells: the two faces agree with each other, with torch.nn and with the formulas.

A new cell is tested by existing.
"""

import pickle
from collections.abc import Callable
from itertools import compress

import numpy as np
import pytest
import torch
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from torch import Tensor, nn

import recast.nn.cells
from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell, CellState
from recast.nn.cells.gate_init import ConstantBias
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.options import option_hints

CELLS = concrete_classes(recast.nn.cells, Cell)
every_cell = pytest.mark.parametrize("cell_class", CELLS, ids=lambda value: value.__name__)
sizes = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 4),
        "time": st.integers(1, 7),
        "input_size": st.integers(1, 3),
        "hidden_size": st.integers(1, 5),
        "seed": st.integers(0, 2**32 - 1),
    }
)


def fewest_units(cell_class: type[Cell]) -> int:
    """The smallest hidden size that the annotation permits."""
    return max(bound.ge for bound in option_hints(cell_class)["hidden_size"].__metadata__)


def random_state(cell: Cell, batch: int, like: Tensor) -> CellState:
    zeros = cell.initial_state(batch, like)
    return type(zeros)(*(torch.randn_like(part).requires_grad_() for part in zeros))


def values_and_gradients(cell: Cell, forward: Callable, inputs: Tensor, state: CellState) -> list[Tensor]:
    """Outputs, final state, and the gradients of a random linear function of them.

    All must have one but the output in the initial state: a cell may carry all that a step reads beside it.
    """
    outputs, final = forward(cell, inputs, state)
    assert type(final) is type(state)
    results = [outputs, *final]
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(part.shape, generator=generator, dtype=part.dtype).to(part.device) for part in results]
    total = sum((weight * part).sum() for weight, part in zip(weights, results, strict=True))
    may_go_unread = state.hidden if len(state) > 1 else None
    leaves = [inputs, *state, *cell.parameters()]
    for leaf, gradient in zip(leaves, torch.autograd.grad(total, leaves, allow_unused=True), strict=True):
        assert gradient is not None or leaf is may_go_unread
        results.append(torch.zeros_like(leaf) if gradient is None else gradient)
    return results


def assert_faces_agree(cell: Cell, batch: int, time: int, tolerance: float) -> None:
    example = next(cell.parameters())
    inputs = torch.randn(batch, time, cell.input_size, dtype=example.dtype, device=example.device, requires_grad=True)
    state = random_state(cell, batch, inputs)
    fast = values_and_gradients(cell, type(cell).forward, inputs, state)
    defined = values_and_gradients(cell, Cell.forward, inputs, state)
    assert fast[0].shape == (batch, time, cell.hidden_size)
    for one, other in zip(fast, defined, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_cells_are_found():
    assert {RNN, GRU, LSTM} <= set(CELLS)


@every_cell
@settings(max_examples=15, deadline=None)
@given(size=sizes)
def test_forward_and_step_agree_in_values_and_gradients(cell_class, size):
    torch.manual_seed(size["seed"])
    units = max(size["hidden_size"], fewest_units(cell_class))
    cell = cell_class(input_size=size["input_size"], hidden_size=units).double()
    assert_faces_agree(cell, size["batch"], size["time"], 1e-12)


@every_cell
def test_forward_and_step_agree_in_float32(cell_class):
    torch.manual_seed(0)  # torch has other kernels for float32 than for float64
    assert_faces_agree(cell_class(input_size=3, hidden_size=16), batch=5, time=20, tolerance=2e-5)


@every_cell
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_forward_and_step_agree_on_cuda(cell_class):
    torch.manual_seed(0)
    assert_faces_agree(cell_class(input_size=3, hidden_size=16).double().cuda(), batch=5, time=20, tolerance=1e-10)


@every_cell
def test_a_sequence_runs_in_mixed_precision_on_any_cpu(cell_class):
    # oneDNN has no LSTM in bfloat16 for processors without such instructions.
    torch.manual_seed(0)
    cell = cell_class(input_size=3, hidden_size=16)
    inputs = torch.randn(2, 5, 3)
    exact, _ = cell(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, state = cell(inputs)
        again, _ = cell(inputs.bfloat16(), state)
    torch.testing.assert_close(outputs.float(), exact, rtol=0.05, atol=0.05)
    assert torch.isfinite(again).all()
    outputs.float().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in cell.parameters() if weight.grad is not None)


@every_cell
def test_a_sequence_may_be_cut(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=4).double()
    inputs = torch.randn(3, 9, 2, dtype=torch.float64)
    whole, final = cell(inputs)
    first, between = cell(inputs[:, :4])
    second, last = cell(inputs[:, 4:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(tuple(last), tuple(final), rtol=1e-13, atol=1e-13)


@every_cell
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_state_is_the_initial_state_is_zeros(cell_class, dtype):
    cell = cell_class(input_size=2, hidden_size=4).to(dtype)
    inputs = torch.randn(3, 5, 2, dtype=dtype)
    state = cell.initial_state(3, inputs)
    assert state._fields[0] == "hidden"
    assert state.hidden.shape == (3, 4)
    for part, units in zip(state, cell.state_sizes, strict=True):
        assert part.shape == (3, units)
        assert part.dtype == dtype
        assert not part.any()
    for forward in (cell_class.forward, Cell.forward):
        without, given_zeros = forward(cell, inputs), forward(cell, inputs, state)
        assert torch.equal(without[0], given_zeros[0])
        assert all(torch.equal(*pair) for pair in zip(without[1], given_zeros[1], strict=True))


@every_cell
def test_a_learnt_initial_state_is_the_same_for_both_faces_and_gets_a_gradient(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=4, learn_initial_state=True).double()
    inputs = torch.randn(3, 9, 2, dtype=torch.float64)
    starts = [value for name, value in cell.named_parameters() if name.startswith("initial.")]
    state = random_state(cell, 3, inputs)
    read = [part is not None for part in torch.autograd.grad(cell(inputs, state)[0].sum(), state, allow_unused=True)]
    assert [start.shape for start in starts] == [(size,) for size in compress(cell.state_sizes, read)]
    assert not any(start.any() for start in starts)
    for start in starts:
        nn.init.normal_(start)
    found = []
    for forward in (cell_class.forward, Cell.forward):
        outputs, final = forward(cell, inputs)
        total = (outputs * torch.arange(outputs.numel()).view_as(outputs)).sum()
        found.append([outputs, *final, *torch.autograd.grad(total, starts)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
    assert all(gradient.abs().min() > 0 for gradient in found[0][-len(starts) :])
    state = cell.initial_state(3, inputs)
    for part, start in zip(compress(state, read), starts, strict=True):
        assert torch.equal(part, start.expand(3, -1))
    assert all(part.all() for part in state)


@every_cell
def test_gates_lie_between_0_and_1(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=4).double()
    x = torch.randn(3, 2, dtype=torch.float64)
    for gate in cell.gates(x, random_state(cell, 3, x)).values():
        assert gate.shape == (3, 4)
        assert gate.min() > 0
        assert gate.max() < 1
        assert gate.std() > 0


@every_cell
def test_gradcheck_of_step(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=3).double()
    x = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    state = random_state(cell, 2, x)

    def step(x, *others):  # gradcheck moves the weights in place, so that the cell sees them
        return tuple(cell.step(x, type(state)(*others[: len(state)])))

    assert torch.autograd.gradcheck(step, (x, *state, *cell.parameters()))


@every_cell
def test_a_cell_survives_pickle_and_state_dict(cell_class):
    torch.manual_seed(0)
    cell, inputs = cell_class(input_size=2, hidden_size=4), torch.randn(3, 5, 2)
    loaded = cell_class(input_size=2, hidden_size=4)
    loaded.load_state_dict(cell.state_dict())
    for copy in (loaded, pickle.loads(pickle.dumps(cell))):
        assert torch.equal(copy(inputs)[0], cell(inputs)[0])
        assert torch.equal(Cell.forward(copy, inputs)[0], Cell.forward(cell, inputs)[0])


TORCH_TWINS = [
    pytest.param(RNN, {}, nn.RNN, {}, id="RNN tanh"),
    pytest.param(RNN, {"nonlinearity": "relu"}, nn.RNN, {"nonlinearity": "relu"}, id="RNN relu"),
    pytest.param(GRU, {"gate_init": ConstantBias(bias=0.0)}, nn.GRU, {}, id="GRU"),
    pytest.param(LSTM, {"gate_init": ConstantBias(bias=0.0)}, nn.LSTM, {}, id="LSTM"),
]


@pytest.mark.parametrize(("cell_class", "options", "twin_class", "twin_options"), TORCH_TWINS)
def test_equal_to_torch_with_copied_weights(cell_class, options, twin_class, twin_options):
    torch.manual_seed(0)
    cell = cell_class(input_size=3, hidden_size=5, **options).double()
    twin = twin_class(3, 5, batch_first=True, dtype=torch.float64, **twin_options)
    twin.load_state_dict({name.removeprefix("rnn."): value for name, value in cell.state_dict().items()})
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    state = random_state(cell, 2, inputs)
    before = tuple(part.unsqueeze(0) for part in state)
    expected, after = twin(inputs, before if len(before) > 1 else before[0])
    after = after if isinstance(after, tuple) else (after,)
    for forward in (cell_class.forward, Cell.forward):
        outputs, final = forward(cell, inputs, state)
        torch.testing.assert_close(outputs, expected, rtol=1e-13, atol=1e-13)
        for part, other in zip(final, after, strict=True):
            torch.testing.assert_close(part, other.squeeze(0), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("cell_class", "options", "twin_class", "twin_options"), TORCH_TWINS)
def test_initialised_as_torch(cell_class, options, twin_class, twin_options):
    torch.manual_seed(0)
    cell = cell_class(input_size=3, hidden_size=5, **options)
    torch.manual_seed(0)
    twin = twin_class(3, 5, **twin_options)
    for ours, theirs in zip(cell.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.abs().max() <= 5**-0.5


def rnn_formula(x, state, weights, function):
    w_ih, w_hh, b_ih, b_hh = weights
    return (function(w_ih @ x + b_ih + w_hh @ state[0] + b_hh),)


def gru_formula(x, state, weights):
    (h,) = state
    (w_ir, w_iz, w_in), (w_hr, w_hz, w_hn), (b_ir, b_iz, b_in), (b_hr, b_hz, b_hn) = (
        np.split(value, 3) for value in weights
    )
    r = expit(w_ir @ x + b_ir + w_hr @ h + b_hr)
    z = expit(w_iz @ x + b_iz + w_hz @ h + b_hz)
    n = np.tanh(w_in @ x + b_in + r * (w_hn @ h + b_hn))
    return ((1 - z) * n + z * h,)


def lstm_formula(x, state, weights):
    h, c = state
    (w_ii, w_if, w_ig, w_io), (w_hi, w_hf, w_hg, w_ho), (b_ii, b_if, b_ig, b_io), (b_hi, b_hf, b_hg, b_ho) = (
        np.split(value, 4) for value in weights
    )
    i = expit(w_ii @ x + b_ii + w_hi @ h + b_hi)
    f = expit(w_if @ x + b_if + w_hf @ h + b_hf)
    g = np.tanh(w_ig @ x + b_ig + w_hg @ h + b_hg)
    o = expit(w_io @ x + b_io + w_ho @ h + b_ho)
    c = f * c + i * g
    return o * np.tanh(c), c


@pytest.mark.parametrize(
    ("cell_class", "options", "formula"),
    [
        pytest.param(RNN, {}, lambda *args: rnn_formula(*args, np.tanh), id="RNN tanh"),
        pytest.param(
            RNN, {"nonlinearity": "relu"}, lambda *args: rnn_formula(*args, lambda v: np.maximum(v, 0)), id="RNN relu"
        ),
        pytest.param(GRU, {"gate_init": ConstantBias(bias=0.7)}, gru_formula, id="GRU"),
        pytest.param(LSTM, {"gate_init": ConstantBias(bias=0.7)}, lstm_formula, id="LSTM"),
    ],
)
def test_equal_to_the_formulas_in_numpy(cell_class, options, formula):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=3, **options).double()
    weights = [value.detach().numpy() for value in cell.parameters()]
    inputs = torch.randn(4, 6, 2, dtype=torch.float64)
    initial = random_state(cell, 4, inputs)
    with torch.no_grad():
        faces = [forward(cell, inputs, initial) for forward in (cell_class.forward, Cell.forward)]
    for row in range(4):
        state = tuple(part[row].detach().numpy() for part in initial)
        expected = []
        for x in inputs[row].numpy():
            state = formula(x, state, weights)
            expected.append(state[0])
        for outputs, final in faces:
            np.testing.assert_allclose(outputs[row].numpy(), np.stack(expected), rtol=1e-12, atol=1e-13)
            for part, other in zip(final, state, strict=True):
                np.testing.assert_allclose(part[row].numpy(), other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cell_class", [GRU, LSTM])
def test_a_constant_bias_moves_its_gate_and_nothing_else(cell_class):
    torch.manual_seed(0)
    plain = dict(cell_class(input_size=2, hidden_size=3, gate_init=ConstantBias(bias=0.0)).named_parameters())
    torch.manual_seed(0)
    moved = dict(cell_class(input_size=2, hidden_size=3, gate_init=ConstantBias(bias=2.5)).named_parameters())
    assert moved.keys() == plain.keys()
    for name, value in moved.items():
        expected = plain[name].detach().clone()
        if name == "rnn.bias_ih_l0":
            expected[3:6] += 2.5
        assert torch.equal(value, expected)


@pytest.mark.parametrize(("cell_class", "part"), [(GRU, "hidden"), (LSTM, "cell")])
def test_a_constant_bias_sets_how_fast_the_memory_decays(cell_class, part):
    torch.manual_seed(0)
    plain = cell_class(input_size=2, hidden_size=3, gate_init=ConstantBias(bias=0.0)).double()
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=3).double()
    with torch.no_grad():
        for value, drawn in zip(cell.parameters(), plain.parameters(), strict=True):
            value.sub_(drawn)  # the option alone is left
    state = random_state(cell, 4, torch.zeros(1, dtype=torch.float64))
    after = cell.step(torch.randn(4, 2, dtype=torch.float64), state)
    # Zero weights: the candidate is tanh(0) = 0 and the state shrinks by sigmoid(3) = 1 - 1 / (1 + e^3).
    expected = getattr(state, part) * (1 - 1 / (1 + np.exp(3.0)))
    torch.testing.assert_close(getattr(after, part), expected, rtol=1e-6, atol=0)


@every_cell
@pytest.mark.parametrize("option", ["input_size", "hidden_size"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True, None])
def test_sizes_are_checked(cell_class, option, value):
    options = {"input_size": 1, "hidden_size": 2} | {option: value}
    with pytest.raises(ConfigurationError, match=f"^{cell_class.__name__}: {option}="):
        cell_class(**options)


@pytest.mark.parametrize(
    ("cell_class", "option", "value"),
    [(RNN, "nonlinearity", "elu"), (GRU, "gate_init", 3.0), (LSTM, "gate_init", "chrono")],
)
def test_own_options_are_checked(cell_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{cell_class.__name__}: {option}="):
        cell_class(input_size=1, **{option: value})
