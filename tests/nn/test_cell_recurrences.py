"""Cells with other recurrences, against plain loops written from their formulas."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from torch import nn

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.dilated import Dilated, DilatedState
from recast.nn.cells.gate_init import ChronoBias, ConstantBias
from recast.nn.cells.gru import GRU
from recast.nn.cells.linear_cell import scan
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.min_gru import MinGRU
from recast.nn.cells.min_lstm import MinLSTM
from recast.nn.cells.output_to_hidden import OutputToHidden
from recast.nn.cells.output_to_output import OutputToOutput
from recast.nn.cells.rnn import RNN
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions

FUNCTIONS = {"tanh": np.tanh, "relu": lambda v: np.maximum(v, 0), "linear": lambda v: v}


def output_to_hidden(x, o, weights, f="tanh", g="tanh"):
    w_ih, b, w_oh, w_ho, b_o = weights
    h = FUNCTIONS[f](w_ih @ x + w_oh @ o + b)
    return FUNCTIONS[g](w_ho @ h + b_o)


def output_to_output(x, o, weights, f="tanh", g="tanh"):
    w_ih, b, w_ho, w_oo, b_ho, b_oo = weights
    h = FUNCTIONS[f](w_ih @ x + b)
    return FUNCTIONS[g](w_ho @ h + b_ho + w_oo @ o + b_oo)


def candidate(v, activation):
    return v if activation == "linear" else np.where(v >= 0, v + 0.5, expit(v))


def min_gru(x, h, weights, activation="linear"):
    (w_z, w_n), (b_z, b_n) = (np.split(value, 2) for value in weights)
    z, n = expit(w_z @ x + b_z), candidate(w_n @ x + b_n, activation)
    return (1 - z) * n + z * h


def min_lstm(x, h, weights, activation="linear"):
    (w_f, w_i, w_n), (b_f, b_i, b_n) = (np.split(value, 3) for value in weights)
    f, i, n = expit(w_f @ x + b_f), expit(w_i @ x + b_i), candidate(w_n @ x + b_n, activation)
    return f / (f + i) * h + i / (f + i) * n


PLAIN = [
    pytest.param(OutputToHidden, {}, output_to_hidden, id="OutputToHidden"),
    pytest.param(
        OutputToHidden,
        {"inner_size": 5, "nonlinearity": "relu", "output_nonlinearity": "linear"},
        partial(output_to_hidden, f="relu", g="linear"),
        id="OutputToHidden relu linear",
    ),
    pytest.param(
        OutputToHidden,
        {"inner_size": 2, "output_nonlinearity": "relu"},
        partial(output_to_hidden, g="relu"),
        id="OutputToHidden tanh relu",
    ),
    pytest.param(OutputToOutput, {}, output_to_output, id="OutputToOutput"),
    pytest.param(
        OutputToOutput,
        {"inner_size": 5, "nonlinearity": "relu"},
        partial(output_to_output, f="relu"),
        id="OutputToOutput relu tanh",
    ),
    pytest.param(
        OutputToOutput,
        {"inner_size": 2, "output_nonlinearity": "relu"},
        partial(output_to_output, g="relu"),
        id="OutputToOutput tanh relu",
    ),
    pytest.param(MinGRU, {"gate_init": ConstantBias(bias=0.7)}, min_gru, id="MinGRU"),
    pytest.param(MinGRU, {"activation": "positive"}, partial(min_gru, activation="positive"), id="MinGRU positive"),
    pytest.param(MinLSTM, {"gate_init": ConstantBias(bias=0.7)}, min_lstm, id="MinLSTM"),
    pytest.param(MinLSTM, {"activation": "positive"}, partial(min_lstm, activation="positive"), id="MinLSTM positive"),
]
INNER = [RNN, GRU, LSTM, OutputToHidden, MinGRU]


def built(cell_class, seed=0, **options):
    torch.manual_seed(seed)
    return cell_class(**({"input_size": 2, "hidden_size": 3} | options)).double()


def random_like(state):
    return type(state)(*(torch.randn_like(part).requires_grad_() for part in state))


def both_faces(cell, inputs, state=None):
    return [forward(cell, inputs, state) for forward in (type(cell).forward, Cell.forward)]


def assert_equal(found, expected, tolerance=1e-12):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("cell_class", "options", "formula"), PLAIN)
def test_equal_to_the_formula_in_numpy(cell_class, options, formula):
    cell = built(cell_class, **options)
    weights = [value.detach().numpy() for value in cell.parameters()]
    inputs = torch.randn(4, 6, 2, dtype=torch.float64)
    state = random_like(cell.initial_state(4, inputs))
    with torch.no_grad():
        faces = both_faces(cell, inputs, state)
    for row in range(4):
        h, expected = state.hidden[row].detach().numpy(), []
        for x in inputs[row].numpy():
            h = formula(x, h, weights)
            expected.append(h)
        for outputs, final in faces:
            np.testing.assert_allclose(outputs[row].numpy(), np.stack(expected), rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(final.hidden[row].numpy(), h, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("cell_class", "options"),
    [param.values[:2] for param in PLAIN] + [(Dilated, {"stride": 2, "cell": LSTM}), (Dilated, {"stride": 5})],
)
def test_gradcheck_of_forward(cell_class, options):
    cell = built(cell_class, **options)
    inputs = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    state = random_like(cell.initial_state(2, inputs))

    def forward(inputs, *others):  # gradcheck moves the weights in place, so that the cell sees them
        outputs, final = cell(inputs, type(state)(*others[: len(state)]))
        return outputs, *final

    assert torch.autograd.gradcheck(forward, (inputs, *state, *cell.parameters()))


@pytest.mark.parametrize("cell_class", [OutputToHidden, OutputToOutput, MinGRU, MinLSTM, Dilated])
def test_a_learnt_initial_state_is_learnt(cell_class):
    cell = built(cell_class, learn_initial_state=True)
    inputs = torch.randn(4, 5, 2, dtype=torch.float64)
    assert_equal(cell(inputs)[0], built(cell_class)(inputs)[0])  # it starts from zeros
    with torch.no_grad():
        for start in cell.initial:
            start.normal_()
    state = cell.initial_state(4, inputs)
    gradients = []
    for (outputs, _), (others, _) in zip(both_faces(cell, inputs), both_faces(cell, inputs, state), strict=True):
        assert_equal(outputs, others)
        gradients.append(torch.autograd.grad(outputs.square().sum(), list(cell.initial)))
    assert_equal(*gradients)
    assert all(gradient.abs().min() > 0 for gradient in gradients[0])


# Output to hidden, output to output


def test_a_linear_output_makes_an_rnn_of_lower_rank():
    cell = built(OutputToHidden, inner_size=6, output_nonlinearity="linear")
    w_ih, b, w_oh, w_ho, b_o = cell.parameters()
    rnn = nn.RNN(2, 6, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for weight, value in zip(rnn.all_weights[0], (w_ih, w_oh @ w_ho, b, w_oh @ b_o), strict=True):
            weight.copy_(value)
    inputs = torch.randn(4, 7, 2, dtype=torch.float64)
    h, start = torch.zeros(1, 4, 6, dtype=torch.float64), cell.initial_state(4, inputs)
    start = start._replace(hidden=b_o.expand(4, -1))  # what the output layer makes of h = 0
    expected = rnn(inputs, h)[0] @ w_ho.T + b_o
    assert_equal(cell(inputs, start)[0], expected)
    assert torch.linalg.matrix_rank(w_oh @ w_ho) == 3


def test_the_inner_layer_is_as_wide_as_the_output_unless_told():
    assert built(OutputToHidden).feedback.weight.shape == (3, 3)
    assert built(OutputToHidden, inner_size=7).feedback.weight.shape == (7, 3)
    assert built(OutputToOutput).output.rnn.weight_ih_l0.shape == (3, 3)
    assert built(OutputToOutput, inner_size=7).output.rnn.weight_ih_l0.shape == (3, 7)


# Dilated


def dilated_by_definition(cell, inputs, state):
    """s_t = cell(x_t, s_{t - stride}) and hidden_t = sum_k W_k h_{t - k}, with the states kept in a list."""
    sizes, stride = cell.cell.state_sizes, cell.stride
    ring = state.memory.split(sum(sizes), dim=1)
    assert len(ring) == stride
    states = []
    for slot in ring:  # in each the output last
        *others, hidden = slot.split([*sizes[1:], sizes[0]], dim=1)
        states.append(cell.cell.state_type(hidden, *others))
    for time in range(inputs.shape[1]):
        states.append(cell.cell.step(inputs[:, time], states[-stride]))
    # W_0, the weights of the newest output, stand last.
    weights = [torch.eye(sizes[0]).double()] if stride == 1 else cell.fusion.weight.split(sizes[0], dim=1)[::-1]
    outputs = []
    for time in range(stride, len(states)):
        terms = [states[time - k].hidden @ weight.T for k, weight in enumerate(weights)]
        assert len(terms) == stride
        outputs.append(sum(terms))
    newest = [torch.cat([*after[1:], after[0]], dim=1) for after in states[-stride:]]
    return torch.stack(outputs, dim=1), DilatedState(outputs[-1], torch.cat(newest, dim=1))


def with_gradients(cell, inputs, state, outputs, final):
    results = [outputs, *final]
    generator = torch.Generator().manual_seed(0)
    total = sum((torch.randn(part.shape, generator=generator).double() * part).sum() for part in results)
    leaves = [inputs, state.memory, *cell.parameters()]
    (unread,) = torch.autograd.grad(total, [state.hidden], retain_graph=True, allow_unused=True)
    assert unread is None
    return results + list(torch.autograd.grad(total, leaves))


@settings(max_examples=60, deadline=None)
@given(
    inner=st.sampled_from(INNER),
    stride=st.integers(1, 5),
    time=st.integers(1, 12),
    batch=st.integers(1, 3),
    hidden_size=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_dilated_is_its_definition_for_any_length(inner, stride, time, batch, hidden_size, seed):
    cell = built(Dilated, seed, cell=inner, stride=stride, hidden_size=hidden_size)
    inputs = torch.randn(batch, time, 2, dtype=torch.float64, requires_grad=True)
    state = random_like(cell.initial_state(batch, inputs))
    defined = with_gradients(cell, inputs, state, *dilated_by_definition(cell, inputs, state))
    for outputs, final in both_faces(cell, inputs, state):
        assert_equal(with_gradients(cell, inputs, state, outputs, final), defined)


@settings(max_examples=30, deadline=None)
@given(stride=st.integers(1, 4), first=st.integers(1, 7), second=st.integers(1, 7), steps=st.booleans())
def test_dilated_may_be_cut_anywhere(stride, first, second, steps):
    cell = built(Dilated, cell=LSTM, stride=stride)
    inputs = torch.randn(2, first + second, 2, dtype=torch.float64)
    whole, final = cell(inputs)
    before, between = cell(inputs[:, :first])
    after, last = (Cell.forward if steps else Dilated.forward)(cell, inputs[:, first:], between)
    assert_equal((torch.cat([before, after], dim=1), *last), (whole, *final))


@pytest.mark.parametrize("inner", INNER)
def test_with_stride_one_dilated_is_the_inner_cell(inner):
    cell, plain = built(Dilated, cell=inner, stride=1), built(inner)
    inputs = torch.randn(3, 8, 2, dtype=torch.float64)
    assert len(list(cell.parameters())) == len(list(plain.parameters()))  # nothing is fused
    expected, last = plain(inputs)
    for outputs, final in both_faces(cell, inputs):
        assert_equal(outputs, expected)
        assert_equal((final.hidden, final.memory), (last.hidden, torch.cat([*last[1:], last.hidden], dim=1)))


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_dilated_responds_to_an_impulse_at_every_step_and_its_inner_state_at_multiples_of_the_stride(stride):
    cell = built(Dilated, cell=LSTM, stride=stride)
    inputs = torch.randn(1, 20, 2, dtype=torch.float64)
    struck = inputs.clone()
    struck[:, 4] += 1
    outputs = (cell(struck)[0] - cell(inputs)[0])[0].abs()
    assert (outputs.amax(dim=1) > 1e-9).tolist() == [time >= 4 for time in range(20)]
    newest = slice(-2 * 3, None)  # the inner cell's content and output
    inner = [cell(struck[:, :time])[1].memory - cell(inputs[:, :time])[1].memory for time in range(1, 21)]
    responds = [bool(difference[:, newest].any()) for difference in inner]
    assert responds == [time >= 4 and (time - 4) % stride == 0 for time in range(20)]


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("layers", [1, 2])
def test_layers_of_one_stride_see_every_input(stride, layers):
    cells = [built(Dilated, seed, stride=stride, input_size=3) for seed in range(layers)]
    inputs = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    outputs = inputs
    for cell in cells:
        outputs, _ = cell(outputs)
    for time in range(9):
        (gradient,) = torch.autograd.grad(outputs[:, time].sum(), inputs, retain_graph=True)
        reached = (gradient.abs() > 1e-9).all(dim=2)
        assert reached.all(dim=0).tolist() == [before <= time for before in range(9)]


@pytest.mark.parametrize(("stride", "size"), [(2, 3), (5, 16)])
def test_at_first_the_newest_output_passes_and_the_others_a_little(stride, size):
    cell = built(Dilated, stride=stride, hidden_size=size)
    *older, newest = cell.fusion.weight.split(size, dim=1)
    assert torch.equal(newest, torch.eye(size).double())
    assert len(older) == stride - 1
    for weight in older:
        assert 0 < weight.abs().min() < weight.abs().max() <= (stride * size) ** -0.5
    assert cell.fusion.bias is None
    inputs = torch.randn(2, 7, 2, dtype=torch.float64)
    fused = cell(inputs)[0]
    torch.nn.init.zeros_(cell.fusion.weight[:, :-size])
    assert not torch.allclose(cell(inputs)[0][:, 1:], fused[:, 1:])
    phases = [cell.cell(inputs[:, phase::stride])[0] for phase in range(min(stride, 7))]
    for phase, expected in enumerate(phases):
        assert_equal(cell(inputs)[0][:, phase::stride], expected)


def test_a_sequence_shorter_than_the_stride_sees_the_initial_states_alone():
    cell, plain = built(Dilated, stride=9), built(GRU)
    inputs = torch.randn(3, 4, 2, dtype=torch.float64)
    expected = [plain.step(x, plain.initial_state(3, inputs)).hidden for x in inputs.unbind(1)]
    outputs, final = cell(inputs)
    assert not final.memory[:, : 5 * 3].any()  # five of nine states are still zero
    assert_equal(final.memory[:, 5 * 3 :], torch.cat(expected, dim=1))
    assert_equal(outputs[:, 0], expected[0])
    assert_equal(outputs[:, 3], torch.cat(expected, dim=1) @ cell.fusion.weight[:, 5 * 3 :].T)


def test_dilated_starts_from_a_state_learnt_by_the_inner_cell():
    cell = built(Dilated, cell=partial(MinGRU, learn_initial_state=True), stride=3)
    assert cell.initial is None
    with torch.no_grad():
        cell.cell.initial[0].copy_(torch.tensor([1.0, 2.0, 3.0]))
    inputs = torch.randn(2, 5, 2, dtype=torch.float64)
    start = cell.initial_state(2, inputs)
    assert torch.equal(start.memory, torch.tensor([[1.0, 2, 3] * 3] * 2, dtype=torch.float64))
    assert_equal(start.hidden, start.memory @ cell.fusion.weight.T)
    expected = dilated_by_definition(cell, inputs, start)[0]
    for outputs, _ in both_faces(cell, inputs):
        assert_equal(outputs, expected)
        (gradient,) = torch.autograd.grad(outputs.sum(), [cell.cell.initial[0]])
        assert gradient.abs().min() > 0


def test_the_gates_of_dilated_are_those_of_the_step_it_makes():
    cell = built(Dilated, cell=MinGRU, stride=2)
    inputs = torch.randn(4, 5, 2, dtype=torch.float64)
    _, state = cell(inputs[:, :4])
    ((name, gate),) = cell.gates(inputs[:, 4], state).items()
    assert name == "update"
    drive = cell.cell.coefficients(inputs[:, 4])[1]
    two_back, _ = state.memory.split(3, dim=1)
    assert_equal(cell.step(inputs[:, 4], state).memory[:, 3:], gate * two_back + drive)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": partial(GRU, hidden_size=4)}, r"hidden_size=3, but the inner cell is given hidden_size=4; it has"),
        (
            {"cell": partial(MinGRU, learn_initial_state=True), "learn_initial_state": True},
            "learn_initial_state=True here and in the inner cell; learn a state for each phase here",
        ),
        ({"stride": 0}, "stride=0: input should be greater than or equal to 1"),
        ({"cell": 3}, "cell=3: input should be callable"),
    ],
)
def test_dilated_refuses(options, message):
    with pytest.raises(ConfigurationError, match=f"^Dilated: {message}"):
        built(Dilated, **options)


def test_any_cell_may_be_dilated_from_the_command_line():
    folders.register()
    chosen = ["model/cell=dilated", "model/cell@model.cell.cell=lstm", "model.cell.hidden_size=5"]
    config = compose("train", chosen)
    check(config, TrainOptions)
    cell = build(config["model"]["cell"])(input_size=2)
    assert (type(cell.cell), cell.cell.hidden_size, cell.hidden_size) == (LSTM, 5, 5)
    other = compose("train", [*chosen, "model.cell.cell.hidden_size=6"])
    with pytest.raises(ConfigurationError, match="the inner cell is given hidden_size=6"):
        build(other["model"]["cell"])(input_size=2)


# MinGRU, MinLSTM and their scan


def scan_by_autograd(decay, drive, start):
    states = [start]
    for a, b in zip(decay.unbind(1), drive.unbind(1), strict=True):
        states.append(a * states[-1] + b)
    return torch.stack(states[1:], dim=1)


def assert_scan_is_the_loop(decay, drive, start, tolerance=1e-12):
    found, expected = [], []
    for results, function in ((found, scan), (expected, scan_by_autograd)):
        leaves = [value.detach().clone().requires_grad_() for value in (decay, drive, start)]
        states = function(*leaves)
        weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(0)).to(states.dtype)
        results += [states, *torch.autograd.grad((weights * states).sum(), leaves)]
    assert all(part.isfinite().all() for part in found)
    assert_equal(found, expected, tolerance)


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 3)),
    scale=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_scan_is_the_loop_in_values_and_gradients(shape, scale, seed):
    torch.manual_seed(seed)
    decay = (scale * torch.randn(shape, dtype=torch.float64)).sigmoid()
    assert_scan_is_the_loop(decay, torch.randn_like(decay), torch.randn_like(decay[:, 0]))


def test_scan_is_stable_at_saturated_decays():
    torch.manual_seed(0)
    # A unit for each pair: mostly the large decay, now and then the small one.
    small, large = torch.cartesian_prod(
        torch.tensor([0.0, 1e-300, 1e-30, 0.5], dtype=torch.float64),
        torch.tensor([1.0, 1 - 1e-16, 0.9, 1e-30], dtype=torch.float64),
    ).T
    decay = torch.where(torch.rand(2, 2000, len(small)) < 0.01, small, large)
    assert_scan_is_the_loop(decay, torch.randn_like(decay), torch.randn_like(decay[:, 0]))


def test_scan_takes_any_layout():
    torch.manual_seed(0)
    decay, drive = torch.rand(2, 7, 5, 3, dtype=torch.float64).unbind(0)
    across = [part.transpose(0, 1) for part in (decay, drive)]
    start = torch.randn(1, 3, dtype=torch.float64).expand(5, 3)
    assert torch.equal(scan(*across, start), scan(*(part.contiguous() for part in (*across, start))))


def test_a_scan_has_gradients_of_gradients():
    torch.manual_seed(0)
    leaves = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in [(2, 4, 2), (2, 4, 2), (2, 2)]]
    assert torch.autograd.gradgradcheck(scan, leaves)


@pytest.mark.parametrize(("cell_class", "gate"), [(MinGRU, "update"), (MinLSTM, "forget")])
@pytest.mark.parametrize("bias", [-69.0, -3.0, 0.0, 3.0, 40.0])
def test_the_bias_sets_how_fast_the_memory_decays(cell_class, gate, bias):
    cell = built(cell_class, gate_init=ConstantBias(bias=bias))
    plain = built(cell_class, gate_init=ConstantBias(bias=0.0))
    with torch.no_grad():
        for value, drawn in zip(cell.parameters(), plain.parameters(), strict=True):
            value.sub_(drawn)  # the option alone is left
        cell.product.bias[-3:] += 1  # the candidate
    inputs = torch.randn(1, 2000, 2, dtype=torch.float64)
    # From zero towards one at the rate z = 1 / (1 + exp(-bias)), over 2000 steps: 1 - z^t without cancellation.
    expected = -np.expm1(-np.arange(1, 2001) * np.log1p(np.exp(-bias)))
    np.testing.assert_allclose(cell(inputs)[0][0, :, 0].detach(), expected, rtol=2e-6)
    gates = cell.gates(inputs[:, 0], cell.initial_state(1, inputs))
    np.testing.assert_allclose(gates[gate][0].detach(), expit(bias), rtol=1e-4)


@pytest.mark.parametrize(("cell_class", "gate"), [(MinGRU, "update"), (MinLSTM, "forget")])
def test_chrono_spreads_the_memories_of_a_linear_recurrence(cell_class, gate):
    cell = built(cell_class, hidden_size=64, gate_init=ChronoBias(longest=50))
    with torch.no_grad():
        cell.product.weight.zero_()
    inputs = torch.zeros(1, 2, dtype=torch.float64)
    kept = cell.gates(inputs, cell.initial_state(1, inputs))[gate][0].detach().numpy()
    spans = 1 / (1 - kept)
    assert 2 - 1e-5 <= spans.min() < 6
    assert 40 < spans.max() <= 50 + 1e-3


@pytest.mark.parametrize("cell_class", [MinGRU, MinLSTM])
@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_stay_finite_when_gates_saturate(cell_class, scale, dtype):
    cell = built(cell_class).to(dtype)
    inputs = (scale * torch.randn(2, 2000, 2, dtype=dtype)).requires_grad_()
    outputs, _ = cell(inputs)
    gradients = torch.autograd.grad(outputs.square().mean(), [inputs, *cell.parameters()])
    assert all(part.isfinite().all() for part in (outputs, *gradients))


def test_the_gates_of_min_lstm_are_shares_even_where_both_round_to_zero():
    cell = built(MinLSTM, input_size=1, hidden_size=1)
    with torch.no_grad():
        cell.product.weight.zero_()
        cell.product.bias.copy_(torch.tensor([-1000.0, -1001.0, 0.0]))
    gates = cell.gates(torch.zeros(1, 1, dtype=torch.float64), cell.initial_state(1, cell.product.bias))
    assert gates["forget"].item() == pytest.approx(expit(1.0), rel=1e-12)
    assert gates["input"].item() == pytest.approx(expit(-1.0), rel=1e-12)


@pytest.mark.parametrize("cell_class", [MinGRU, MinLSTM])
def test_the_positive_form_stays_positive(cell_class):
    cell = built(cell_class, activation="positive")
    outputs, _ = cell(10 * torch.randn(3, 50, 2, dtype=torch.float64))
    assert outputs.min() > 0


@pytest.mark.parametrize("cell_class", [MinGRU, MinLSTM])
def test_under_autocast_the_state_keeps_its_precision(cell_class):
    cell = built(cell_class).float()
    inputs = torch.randn(2, 9, 2)
    with torch.autocast("cpu", torch.bfloat16):
        (outputs, final), (others, last) = both_faces(cell, inputs)
    assert {part.dtype for part in (outputs, final.hidden, others, last.hidden)} == {torch.float32}
    torch.testing.assert_close(outputs, others, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("cell_class", "option", "value"),
    [
        (OutputToHidden, "inner_size", 0),
        (OutputToHidden, "nonlinearity", "linear"),
        (OutputToHidden, "output_nonlinearity", "sigmoid"),
        (OutputToOutput, "inner_size", 2.5),
        (OutputToOutput, "output_nonlinearity", "linear"),
        (MinGRU, "activation", "tanh"),
        (MinGRU, "gate_init", "3"),
        (MinLSTM, "activation", None),
        (MinLSTM, "gate_init", 3.0),
        (MinLSTM, "learn_initial_state", 1),
        (Dilated, "stride", 1.5),
    ],
)
def test_own_options_are_checked(cell_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{cell_class.__name__}: {option}="):
        built(cell_class, **{option: value})
