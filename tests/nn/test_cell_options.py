"""Options that the cells of torch share with their layer-normalised forms: initialisation, initial state; gates."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import kstest
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.gate_init import ChronoBias, ConstantBias
from recast.nn.cells.gru import GRU
from recast.nn.cells.layer_norm_gru import LayerNormGRU
from recast.nn.cells.layer_norm_lstm import LayerNormLSTM
from recast.nn.cells.layer_norm_rnn import LayerNormRNN
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions

TORCH_CELLS = [RNN, GRU, LSTM]
LAYER_NORM_CELLS = [LayerNormRNN, LayerNormGRU, LayerNormLSTM]
GATED = [GRU, LSTM, LayerNormGRU, LayerNormLSTM]
every_cell = pytest.mark.parametrize("cell_class", TORCH_CELLS + LAYER_NORM_CELLS)
every_torch_cell = pytest.mark.parametrize("cell_class", TORCH_CELLS)
every_gated_cell = pytest.mark.parametrize("cell_class", GATED)
NO_BIAS = ConstantBias(bias=0.0)
H = 5


def named(cell: Cell) -> dict[str, np.ndarray]:
    """Copies of the parameters under torch's names."""
    return {
        name.removeprefix("rnn.").removesuffix("_l0"): value.detach().numpy().copy()
        for name, value in cell.named_parameters()
    }


def blocks(cell: Cell) -> np.ndarray:
    """The state-to-state weights, a square matrix for each gate."""
    return np.stack(np.split(named(cell)["weight_hh"], len(named(cell)["weight_hh"]) // cell.hidden_size))


def gate_bias(cell: Cell, block: int) -> np.ndarray:
    """All that is added to the summed inputs of a gate, for each unit."""
    values = named(cell)
    parts = {
        LayerNormGRU: ["norm_input_gates.bias", "norm_hidden_gates.bias"],
        LayerNormLSTM: ["norm_input.bias", "norm_hidden.bias"],
    }.get(type(cell), ["bias_ih", "bias_hh"])
    rows = slice(block * cell.hidden_size, (block + 1) * cell.hidden_size)
    return sum(values[part][rows] for part in parts)


def memory(cell: Cell, start: float) -> Tensor:
    """A state with `start` in the field that the gates keep."""
    state = cell.initial_state(1, torch.zeros(1, dtype=next(cell.parameters()).dtype))
    return state._replace(**{state._fields[-1]: torch.full_like(state[-1], start)})


@every_cell
def test_orthogonal_blocks_are_orthogonal(cell_class):
    torch.manual_seed(0)
    for block in blocks(cell_class(input_size=2, hidden_size=7, recurrent_init="orthogonal")):
        np.testing.assert_allclose(block.T @ block, np.eye(7), atol=1e-6)


@every_cell
def test_orthogonal_blocks_differ_from_each_other_and_between_seeds(cell_class):
    drawn = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        drawn += list(blocks(cell_class(input_size=2, hidden_size=7, recurrent_init="orthogonal")))
    for first in range(len(drawn)):
        for second in range(first):
            assert np.abs(drawn[first] - drawn[second]).max() > 0.1


@every_cell
def test_identity_blocks_are_the_identity(cell_class):
    for block in blocks(cell_class(input_size=2, hidden_size=4, recurrent_init="identity")):
        assert np.array_equal(block, np.eye(4))


@every_cell
@pytest.mark.parametrize("how", ["orthogonal", "identity"])
def test_other_weights_start_as_without(cell_class, how):
    torch.manual_seed(0)
    plain = named(cell_class(input_size=2, hidden_size=4))
    torch.manual_seed(0)
    for name, value in named(cell_class(input_size=2, hidden_size=4, recurrent_init=how)).items():
        if name == "weight_hh":
            assert not np.array_equal(value, plain[name])
        elif cell_class is RNN and how == "identity" and name.startswith("bias"):
            assert not value.any()
        else:
            assert np.array_equal(value, plain[name])


def test_irnn_starts_as_an_adder_of_its_inputs():
    torch.manual_seed(0)
    cell = RNN(input_size=1, hidden_size=6, nonlinearity="relu", recurrent_init="identity").double()
    inputs = torch.rand(2, 300, 1, dtype=torch.float64)
    _, final = cell(inputs)
    weight = cell.weights[0].detach()
    torch.testing.assert_close(final.hidden.detach(), inputs.sum(1) @ weight.T.relu(), rtol=1e-12, atol=0)


def test_orthogonal_weights_keep_the_length_of_a_small_state():
    torch.manual_seed(0)
    lengths = {}
    for how in ("uniform", "orthogonal"):
        cell = RNN(input_size=1, hidden_size=32, recurrent_init=how).double()
        for bias in cell.weights[2:]:
            nn.init.zeros_(bias)
        state = memory(cell, 1e-6)
        _, final = cell(torch.zeros(1, 100, 1, dtype=torch.float64), state)
        lengths[how] = float(final.hidden.detach().norm() / state.hidden.norm())
    assert lengths["orthogonal"] == pytest.approx(1, abs=1e-4)
    assert lengths["uniform"] < 1e-10


def chrono_bias(units: int, longest: int) -> Tensor:
    bias = torch.full((units,), 7.0)
    ChronoBias(longest=longest).initialise([bias])
    return bias


def test_chrono_spreads_the_memories_evenly_up_to_the_longest():
    torch.manual_seed(0)
    bias = chrono_bias(5000, 100).double().numpy()
    spans = 1 / (1 - expit(bias))  # steps over which a gate sigmoid(b) keeps a state
    assert spans.min() >= 2 - 1e-5
    assert spans.max() <= 100 + 1e-3
    assert kstest(spans, "uniform", args=(2, 98)).pvalue > 0.01


@every_gated_cell
def test_chrono_sets_the_gates_that_keep_and_write(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=64, gate_init=ChronoBias(longest=50))
    kept = gate_bias(cell, 1)
    assert kept.min() >= 0
    assert 3 < kept.max() <= np.log(49) + 1e-6
    assert len(np.unique(kept)) > 50
    if cell_class in (LSTM, LayerNormLSTM):
        np.testing.assert_array_equal(gate_bias(cell, 0), -kept)


@pytest.mark.parametrize(("cell_class", "touched"), [(GRU, slice(64, 128)), (LSTM, slice(128))])
def test_chrono_leaves_the_other_biases_alone(cell_class, touched):
    torch.manual_seed(0)
    plain = named(cell_class(input_size=2, hidden_size=64, gate_init=NO_BIAS))
    torch.manual_seed(0)
    for name, value in named(cell_class(input_size=2, hidden_size=64, gate_init=ChronoBias(longest=50))).items():
        if name.startswith("bias"):
            value[touched] = plain[name][touched]
        assert np.array_equal(value, plain[name])


@every_gated_cell
def test_chrono_alone_makes_states_decay_over_its_spans(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=1, hidden_size=40, gate_init=ChronoBias(longest=30)).double()
    kept = expit(gate_bias(cell, 1))
    with torch.no_grad():
        for name, value in cell.named_parameters():
            if "weight_" in name or name == "bias_ih":
                value.zero_()
        if isinstance(cell, GRU | LSTM):
            # Only the gates' biases: the candidate is then 0.
            candidate = slice(2 * 40, 3 * 40)
            for bias in cell.weights[2:]:
                bias[candidate] = 0
    state = memory(cell, 0.3)
    for _ in range(20):
        state = cell.step(torch.randn(1, 1, dtype=torch.float64), state)
    np.testing.assert_allclose(state[-1][0].detach().numpy(), 0.3 * kept**20, rtol=1e-12)


def half_life(cell: Cell) -> int:
    """Steps after which half of a small difference between two states is left, on average over units."""
    one, other = memory(cell, 0.0), memory(cell, 0.1)
    x = torch.zeros(1, cell.input_size)
    for step in range(1, 3000):
        one, other = cell.step(x, one), cell.step(x, other)
        if (other[-1] - one[-1]).abs().mean() < 0.05:
            return step
    raise AssertionError("it does not decay")


@pytest.mark.parametrize("cell_class", [GRU, LSTM])
@torch.no_grad()
def test_memory_grows_with_the_longest_dependency(cell_class):
    torch.manual_seed(0)
    build = partial(cell_class, input_size=1, hidden_size=64)
    found = [half_life(build(gate_init=ChronoBias(longest=longest))) for longest in (10, 100, 1000)]
    assert half_life(build(gate_init=NO_BIAS)) < found[0]
    for half, longest in zip(found, (10, 100, 1000), strict=True):
        assert longest / 5 < half < longest / 2


@pytest.mark.parametrize("longest", [2, 0, -5, 10.0, "10", True])
def test_chrono_is_checked(longest):
    with pytest.raises(ConfigurationError, match=r"^ChronoBias: longest="):
        ChronoBias(longest=longest)


@pytest.mark.parametrize("bias", ["3", None, float("nan"), float("inf")])
def test_a_constant_bias_is_checked(bias):
    with pytest.raises(ConfigurationError, match=r"^ConstantBias: bias="):
        ConstantBias(bias=bias)


def test_the_shortest_chrono():
    assert 0 <= chrono_bias(1000, 3).min() < chrono_bias(1000, 3).max() <= np.log(2) + 1e-6


@pytest.mark.parametrize("cell", ["gru", "lstm", "layer_norm_gru", "layer_norm_lstm"])
def test_chrono_from_the_command_line(cell):
    folders.register()
    chosen = [f"model/cell={cell}", "model/cell/gate_init=chrono"]
    with pytest.raises(ConfigurationError, match=r"model\.cell\.gate_init\.longest"):
        check(compose("train", chosen), TrainOptions)
    config = compose("train", [*chosen, "model.cell.gate_init.longest=800"])
    check(config, TrainOptions)
    assert gate_bias(build(config["model"]["cell"])(input_size=1), 1).max() > np.log(400)


@pytest.mark.parametrize("cell_class", GATED[2:])
def test_the_bias_of_a_layer_normalised_cell_moves_its_gate_and_nothing_else(cell_class):
    torch.manual_seed(0)
    plain = cell_class(input_size=2, hidden_size=3)
    torch.manual_seed(0)
    moved = cell_class(input_size=2, hidden_size=3, gate_init=ConstantBias(bias=2.5))
    assert np.array_equal(gate_bias(moved, 1), np.full(3, 2.5, dtype=np.float32))
    changed = {name for name, value in named(moved).items() if not np.array_equal(value, named(plain)[name])}
    assert changed == {"norm_input_gates.bias" if cell_class is LayerNormGRU else "norm_input.bias"}
    assert sum((named(moved)[name] != named(plain)[name]).sum() for name in changed) == 3


@every_cell
@pytest.mark.parametrize(("option", "value"), [("recurrent_init", "zeros"), ("learn_initial_state", 1)])
def test_common_options_are_checked(cell_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{cell_class.__name__}: {option}="):
        cell_class(input_size=1, **{option: value})


@every_cell
def test_a_learnt_initial_state_trains(cell_class):
    """The first output alone is to be reached, and only the state before it can move."""
    torch.manual_seed(0)
    cell = cell_class(input_size=1, hidden_size=8, learn_initial_state=True).double()
    inputs = torch.zeros(1, 1, 1, dtype=torch.float64)
    with torch.no_grad():
        wanted, _ = cell(inputs, memory(cell, 0.4))
        before = (cell(inputs)[0] - wanted).square().mean()
    optimizer = torch.optim.Adam(cell.initial.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (cell(inputs)[0] - wanted).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * before


@every_torch_cell
def test_a_learnt_initial_state_holds_for_packed_sequences(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=4, learn_initial_state=True).double()
    for start in cell.initial.parameters():
        nn.init.normal_(start)
    starts, lengths = list(cell.initial.parameters()), [3, 6, 1]
    inputs = torch.randn(3, 6, 2, dtype=torch.float64)
    packed = pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    outputs, final = cell.forward_packed(packed)
    padded, _ = pad_packed_sequence(outputs, batch_first=True)
    gradients = torch.autograd.grad(padded.square().sum(), starts)
    total = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(lengths):
        expected, after = Cell.forward(cell, inputs[row : row + 1, :length])
        torch.testing.assert_close(padded[row, :length], expected[0], rtol=1e-13, atol=1e-13)
        for part, other in zip(final, after, strict=True):
            torch.testing.assert_close(part[row], other[0], rtol=1e-13, atol=1e-13)
        total = total + expected.square().sum()
    for gradient, expected in zip(gradients, torch.autograd.grad(total, starts), strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
        assert gradient.abs().min() > 0


def test_gates_of_the_gru():
    torch.manual_seed(0)
    cell = GRU(input_size=2, hidden_size=H).double()
    generator = np.random.default_rng(0)
    x, h = (generator.normal(size=(3, size)) for size in (2, H))
    w = {name: np.split(value, 3) for name, value in named(cell).items()}
    of_x = [x @ w["weight_ih"][k].T + w["bias_ih"][k] for k in range(3)]
    of_h = [h @ w["weight_hh"][k].T + w["bias_hh"][k] for k in range(3)]
    expected = {gate: expit(of_x[k] + of_h[k]) for k, gate in ((0, "reset"), (1, "update"))}
    assert_gates(cell, x, (h,), expected)
    # The step uses these very values.
    candidate = np.tanh(of_x[2] + expected["reset"] * of_h[2])
    state = cell.step(torch.tensor(x), to_state(cell, (h,)))
    kept = (1 - expected["update"]) * candidate + expected["update"] * h
    np.testing.assert_allclose(state.hidden.detach().numpy(), kept, rtol=1e-12)


def test_gates_of_the_lstm():
    torch.manual_seed(0)
    cell = LSTM(input_size=2, hidden_size=H).double()
    generator = np.random.default_rng(0)
    x, h, c = (generator.normal(size=(3, size)) for size in (2, H, H))
    w = {name: np.split(value, 4) for name, value in named(cell).items()}
    sums = [x @ w["weight_ih"][k].T + w["bias_ih"][k] + h @ w["weight_hh"][k].T + w["bias_hh"][k] for k in range(4)]
    expected = {gate: expit(sums[k]) for k, gate in ((0, "input"), (1, "forget"), (3, "output"))}
    assert_gates(cell, x, (h, c), expected)
    state = cell.step(torch.tensor(x), to_state(cell, (h, c)))
    # The step uses these very values.
    content = expected["forget"] * c + expected["input"] * np.tanh(sums[2])
    np.testing.assert_allclose(state.cell.detach().numpy(), content, rtol=1e-12)
    np.testing.assert_allclose(state.hidden.detach().numpy(), expected["output"] * np.tanh(content), rtol=1e-12)


def to_state(cell: Cell, parts: tuple[np.ndarray, ...]):
    return cell.state_type(*(torch.tensor(part) for part in parts))


def assert_gates(cell: Cell, x: np.ndarray, state: tuple[np.ndarray, ...], expected: dict[str, np.ndarray]) -> None:
    found = cell.gates(torch.tensor(x), to_state(cell, state))
    assert list(found) == list(expected)
    for name, gate in expected.items():
        np.testing.assert_allclose(found[name].detach().numpy(), gate, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cell_class", [RNN, LayerNormRNN])
def test_a_simple_cell_has_no_gates(cell_class):
    cell = cell_class(input_size=1, hidden_size=2)
    assert cell.gates(torch.zeros(1, 1), memory(cell, 0)) == {}
