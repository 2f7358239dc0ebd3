"""Reach of the gradient: against closed forms, finite differences and NumPy; for every model and every cell."""

import copy
import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import synthetic
import torch
from finding import concrete_classes
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.loggers import CSVLogger
from matplotlib.collections import FillBetweenPolyCollection
from pictures import assert_readable
from small_data import small_data
from torch import Tensor, nn

import recast.nn.cells
import recast.nn.models
from recast.data.panel import columns_of
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError
from recast.figures.memory import FLOOR, MemoryPanel, memory_sheet
from recast.nn.anchors import NoAnchor
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.ensemble.ensemble import Ensemble
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.models.deepar import DeepAR
from recast.nn.models.direct import Direct
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.models.segment import Segment
from recast.nn.models.vector_to_sequence import VectorToSequence
from recast.nn.schedules import Never
from recast.options import option_hints
from recast.training.callbacks.memory import MemoryCurves
from recast.training.memory.decay import decay_rate, time_constant
from recast.training.memory.jacobian import spectrum, state_jacobian
from recast.training.memory.memory import LayerMemory, measure
from recast.training.memory.picture import layer_name, picture
from recast.training.memory.trace import traced
from recast.training.task import ForecastTask
from recast.types import Batch

CONTEXT, HORIZON = 6, 4
MODELS = [model for model in concrete_classes(recast.nn.models, ForecastModel) if model is not VectorToSequence]
CELLS = concrete_classes(recast.nn.cells, Cell)
every_model = pytest.mark.parametrize("model_class", MODELS, ids=lambda value: value.__name__)
every_cell = pytest.mark.parametrize("cell_class", CELLS, ids=lambda value: value.__name__)


def spec_of(*, context: int = CONTEXT, horizon: int = HORIZON) -> SeriesSpec:
    return SeriesSpec(
        columns=columns_of(targets=["a"], units={"a": "m"}),
        step="h",
        context=context,
        horizon=horizon,
        offset=(0.0,),
        scale=(1.0,),
        naive_error=(1.0,),
    )


def batch_of(spec: SeriesSpec, windows: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(1)
    context, target = (
        torch.randn(windows, steps, 1, dtype=torch.float64, generator=generator)
        for steps in (spec.context, spec.horizon)
    )
    rows = torch.cat([context, target], dim=1)
    made = synthetic.batch_of(spec, windows)
    return made._replace(history=context, target=target, known=rows[..., :0])


def model_of(
    model_class: type[ForecastModel] = EncoderDecoder,
    cell: Any = GRU,
    *,
    spec: SeriesSpec | None = None,
    **options: Any,
) -> ForecastModel:
    """A float64 model with weights large enough for every path to matter."""
    torch.manual_seed(0)
    defaults = {"cell": partial(cell, hidden_size=3), "head": Point(), "layers": 2}
    defaults |= {"schedule": Never()} if "schedule" in option_hints(model_class) else {}
    small = {"segment": 2, "seasons": [3], "lags": [4], "dropout": 0.0}
    options_set = {name for name, one in inspect.signature(model_class).parameters.items() if one.default}
    defaults |= {option: value for option, value in small.items() if option in options_set}
    model = model_class(spec=spec or spec_of(), **(defaults | options)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.8, 0.8)
    return model


def steady_relu(factors: list[float], context: int, readout: list[float]) -> Direct:
    """A linear network: each unit is multiplied by a factor at each step, and driven by a positive input."""
    units = len(factors)
    cell = partial(RNN, hidden_size=units, nonlinearity="relu")
    model = Direct(spec=spec_of(context=context, horizon=1), cell=cell, head=Point(), anchor=NoAnchor).double()
    layer = model.encoder.stack.cells[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        weight_ih, weight_hh, _, bias_hh = layer.weights
        weight_ih.fill_(0.01)
        bias_hh.fill_(1.0)
        weight_hh.copy_(torch.diag(torch.tensor(factors, dtype=torch.float64)))
        model.readout.output.weight.copy_(torch.tensor([readout], dtype=torch.float64))
    return model


# The pass by steps


@every_model
@pytest.mark.parametrize("cell_class", [RNN, LSTM])
def test_a_traced_model_forecasts_the_same(model_class, cell_class):
    model = model_of(model_class, cell_class).eval()
    batch = batch_of(model.spec)
    expected = model(batch)
    with traced(model) as traces:
        torch.testing.assert_close(model(batch), expected, rtol=1e-12, atol=1e-12)
    assert len(traces) >= 2
    for trace in traces:
        outputs, last = trace.cell(trace.inputs)
        noted = torch.stack([state.hidden for state in trace.states[1:]], dim=1)
        torch.testing.assert_close(noted, outputs, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(tuple(trace.states[-1]), tuple(last), rtol=1e-12, atol=1e-12)
        assert not any(part.any() for part in trace.states[0])
        assert not trace.cell._forward_hooks


@every_cell
def test_every_cell_is_traced_whole(cell_class):
    model = model_of(EncoderDecoder, cell_class).eval()
    batch = batch_of(model.spec)
    expected = model(batch)
    with traced(model) as traces:
        torch.testing.assert_close(model(batch), expected, rtol=1e-10, atol=1e-12)
    # A cell within a cell is part of it; the decoder goes on from given states.
    assert [trace.name for trace in traces] == ["encoder.stack.cells.0", "encoder.stack.cells.1"]
    assert all(type(trace.cell) is cell_class for trace in traces)


def test_a_cell_that_goes_on_from_given_states_is_left_alone():
    model = model_of().eval()
    batch = batch_of(model.spec)
    with traced(model) as traces:
        model.teacher_forced(batch)
    assert [trace.name for trace in traces] == ["encoder.stack.cells.0", "encoder.stack.cells.1"]
    assert all(len(trace.states) == CONTEXT + 1 for trace in traces)


def test_steps_are_counted_from_the_origin_where_the_first_are_not_run_over():
    members = {"lagged": lambda spec: model_of(DeepAR, spec=spec), "plain": lambda spec: model_of(Direct, spec=spec)}
    layers = measure(Ensemble(spec=spec_of(), members=members), batch_of(spec_of()))
    for layer in layers:
        assert layer.before.tolist() == ([2, 1, 0] if "lagged" in layer.name else [5, 4, 3, 2, 1, 0])
    assert len(layers) == 4


def test_the_hooks_go_away_after_an_error():
    model = model_of()
    with pytest.raises(ZeroDivisionError), traced(model):
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in model.modules())


# Gradients


@pytest.mark.parametrize("factors", [[0.5, 0.9, 1.1], [0.8, 0.8, 0.8], [1.0, 1.0, 1.0], [1.05, 1.05, 1.05]])
def test_gradients_of_a_linear_network_are_powers(factors):
    context, readout = 12, [0.3, -0.2, 0.5]
    model = steady_relu(factors, context, readout)
    batch = batch_of(model.spec)
    batch = batch._replace(history=batch.history.abs())
    (layer,) = measure(model, batch)
    error = (model(batch)[..., 0] - batch.target)[:, 0, 0].detach().numpy()
    past = np.arange(context - 1, -1, -1)
    powers = np.linalg.norm(np.array(readout) * np.array(factors) ** past[:, None], axis=1)
    expected = 2 * np.abs(error).mean() * powers
    assert list(layer.norms) == ["lead 1"]
    assert layer.norms["lead 1"]["hidden"] == pytest.approx(expected, rel=1e-12)
    assert layer.norms["lead 1"]["state"] == pytest.approx(expected, rel=1e-12)
    assert layer.relative("lead 1") == pytest.approx(powers / powers[-1], rel=1e-12)
    assert layer.before.tolist() == past.tolist()
    assert layer.singular == pytest.approx(np.full((12, 3), max(factors)), rel=1e-12)
    assert layer.radius == pytest.approx(layer.singular, rel=1e-12)
    if len(set(factors)) == 1:
        assert layer.decay_rate("lead 1") == pytest.approx(math.log(factors[0]), abs=1e-12)
    if factors[0] == 0.8:
        assert layer.time_constant("lead 1") == pytest.approx(-1 / math.log(0.8), rel=1e-10)
    if factors[0] == 1.05:
        assert layer.time_constant("lead 1") == math.inf


@contextmanager
def nudged(cell: Cell, call: int, by: tuple[Tensor, ...]) -> Iterator[None]:
    """Adds `by` to the state after one of the cell's steps; the first is call 0."""
    step, calls = cell.step, iter(range(10_000))

    def moved(x: Tensor, state: Any) -> Any:
        after = step(x, state)
        return type(after)(*map(torch.add, after, by)) if next(calls) == call else after

    cell.step = moved
    try:
        yield
    finally:
        del cell.step


@pytest.mark.parametrize(
    ("model_class", "cell_class", "options"),
    [
        (EncoderDecoder, LSTM, {}),
        (EncoderDecoder, LSTM, {"tied": True}),
        (EncoderDecoder, GRU, {"bidirectional": True, "layers": 1}),
        (Direct, LSTM, {"layers": 3}),
        *((model_class, GRU, {}) for model_class in MODELS if model_class not in (EncoderDecoder, Direct)),
    ],
)
def test_gradients_are_those_of_finite_differences(model_class, cell_class, options):
    model = model_of(model_class, cell_class, **options).eval().requires_grad_(False)
    batch = batch_of(model.spec, windows=1)
    layers = measure(model, batch)
    assert len(layers) >= 2

    def loss(cell: Cell, call: int, by: tuple[Tensor, ...], lead: int) -> float:
        with nudged(cell, call, by), traced(model):
            parameters = model(batch)
        return model.head.loss(parameters[:, [lead - 1]], batch.target[:, [lead - 1]]).item()

    eps = 1e-5
    for layer in layers:
        cell = model.get_submodule(layer.name)
        for lead, step in ((1, 0), (HORIZON, len(layer.before) // 2), (HORIZON, len(layer.before) - 1)):
            # A field at a time: a derivative with respect to one holds the others fixed.
            for place, field in enumerate(cell.state_type._fields):
                slopes = []
                for unit in range(cell.state_sizes[place]):
                    by = [torch.zeros(size, dtype=torch.float64) for size in cell.state_sizes]
                    by[place][unit] = eps
                    there, back = (loss(cell, step, tuple(sign * part for part in by), lead) for sign in (1, -1))
                    slopes.append((there - back) / (2 * eps))
                expected = np.linalg.norm(slopes)
                assert layer.norms[f"lead {lead}"][field][step] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_norm_of_the_state_is_that_of_its_fields_together():
    (first, _) = measure(model_of(cell=LSTM), batch_of(spec_of(), windows=1))
    for norms in first.norms.values():
        assert norms["state"] == pytest.approx(np.hypot(norms["hidden"], norms["cell"]), rel=1e-12)


def test_a_field_that_nothing_reads_has_no_gradient():
    model = model_of(Direct, LSTM)
    last = measure(model, batch_of(model.spec))[-1].norms["all leads"]
    assert last["cell"][-1] == 0
    assert last["cell"][-2] > 0
    assert last["state"][-1] == last["hidden"][-1] > 0


def test_leads_are_the_first_the_middle_and_the_last():
    batch = batch_of(spec_of())
    assert list(measure(model_of(), batch)[0].norms) == ["lead 1", "lead 2", "lead 4", "all leads"]
    assert list(measure(model_of(), batch, leads=[3])[0].norms) == ["lead 3", "all leads"]
    for wrong in ([0], [5]):
        with pytest.raises(ConfigurationError, match=r"expected leads from 1 to the horizon, 4"):
            measure(model_of(), batch, leads=wrong)


def test_norms_and_gates_are_means_over_windows_however_many():
    spec = spec_of()
    model, batch = model_of(cell=LSTM), batch_of(spec, windows=18)
    together = measure(model, batch, jacobian_windows=3, jacobian_steps=4)
    alone = [measure(model, batch.take(torch.tensor([row])), jacobian_steps=4) for row in range(18)]
    for layer, (found, *ones) in enumerate(zip(together, *alone, strict=True)):
        for loss, fields in found.norms.items():
            for field, norms in fields.items():
                expected = np.mean([one.norms[loss][field] for one in ones], axis=0)
                assert norms == pytest.approx(expected, rel=1e-10), (layer, loss, field)
        for name, gate in found.gates.items():
            assert gate == pytest.approx(np.mean([one.gates[name] for one in ones], axis=0), rel=1e-10)
        assert found.singular.shape == (4, 3)
        for column, row in enumerate((0, 8, 17)):
            assert found.singular[:, column] == pytest.approx(ones[row].singular[:, 0], rel=1e-10)
        assert found.spectrum_before.tolist() == [5, 3, 2, 0]


# Decay


@given(rate=st.floats(-5, 5), scale=st.floats(1e-6, 1e6), length=st.integers(2, 50))
def test_decay_rate_of_an_exponential(rate, scale, length):
    before = np.arange(length - 1, -1, -1.0)
    assert decay_rate(scale * np.exp(rate * before), before) == pytest.approx(rate, abs=1e-7)


def test_decay_leaves_out_zeros_and_says_when_it_does_not_know():
    before = np.arange(5.0)
    assert decay_rate(np.array([1, np.exp(-1), 0, np.exp(-3), np.nan]), before) == pytest.approx(-1)
    assert math.isnan(decay_rate(np.array([1.0, 0, 0, 0, 0]), before))
    assert math.isnan(time_constant(math.nan))
    assert time_constant(-0.25) == 4
    assert time_constant(0.0) == time_constant(0.1) == math.inf


# Jacobian


def test_jacobian_of_a_tanh_network():
    torch.manual_seed(0)
    cell = RNN(input_size=2, hidden_size=7).double()
    x, hidden = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    after = cell.step(x, cell.state_type(hidden)).hidden
    expected = ((1 - after.square()).unsqueeze(2) * cell.weights[1]).detach()
    jacobian = state_jacobian(cell, x, cell.state_type(hidden))
    torch.testing.assert_close(jacobian, expected, rtol=1e-12, atol=1e-14)
    found = spectrum(jacobian)
    for matrix, singular, radius in zip(expected.numpy(), *found, strict=True):
        assert singular.item() == pytest.approx(np.linalg.svd(matrix)[1][0], rel=1e-12)
        assert radius.item() == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max(), rel=1e-10)


@every_cell
def test_jacobian_of_every_cell_is_that_of_torch(cell_class):
    torch.manual_seed(0)
    cell = cell_class(input_size=2, hidden_size=3).double()
    x = torch.randn(2, 2, dtype=torch.float64)
    zeros = cell.initial_state(2, x)
    state = type(zeros)(*(0.5 * torch.randn_like(part) for part in zeros))
    found = state_jacobian(cell, x, state)
    for window in range(2):
        parts = tuple(part[[window]] for part in state)

        def step(*given: Tensor, at: int = window) -> tuple[Tensor, ...]:
            return tuple(cell.step(x[[at]], cell.state_type(*given)))

        blocks = torch.autograd.functional.jacobian(step, parts)
        expected = torch.cat([torch.cat([block[0, :, 0] for block in row], dim=1) for row in blocks])
        torch.testing.assert_close(found[window], expected, rtol=1e-10, atol=1e-12)


def test_jacobian_of_a_large_state():
    cell = LSTM(input_size=1, hidden_size=128).double()
    x = torch.zeros(1, 1, dtype=torch.float64)
    jacobian = state_jacobian(cell, x, cell.initial_state(1, x))
    assert jacobian.shape == (1, 256, 256)
    # From zero the cell's content is forgotten by half: the forget gate stands at sigmoid(b).
    forget = torch.sigmoid(sum(cell.weights[2:])[128:256])
    torch.testing.assert_close(jacobian[0, 128:, 128:].detach(), torch.diag(forget).detach())


# Gates


class FixedState(NamedTuple):
    hidden: Tensor


class Fixed(Cell[FixedState]):
    """Its gate equals its input."""

    state_type = FixedState

    def step(self, x: Tensor, state: FixedState) -> FixedState:
        return FixedState(0.5 * state.hidden + x)

    def gates(self, x: Tensor, state: FixedState) -> dict[str, Tensor]:
        return {"input": x, "state": (state.hidden > 0).double()}


def test_saturation_counts_values_below_and_above():
    model = model_of(Direct, Fixed, layers=1, spec=spec_of(context=10, horizon=1))
    batch = batch_of(model.spec, windows=20)
    values = torch.linspace(0, 1, 200, dtype=torch.float64).reshape(20, 10, 1)
    (layer,) = measure(model, batch._replace(history=values))
    assert layer.gates["input"] == pytest.approx((0.1, 0.1, 0.5))
    # The gate of the first step sees the initial state, zero; later ones what was read before. Window 0 began with 0.
    assert layer.gates["state"].low == pytest.approx(21 / 200)
    assert layer.gates["state"].high == pytest.approx(179 / 200)


def test_saturation_of_an_lstm_is_that_of_its_formula():
    model = model_of(Direct, LSTM, layers=1)
    batch = batch_of(model.spec, windows=5)
    (layer,) = measure(model, batch)
    cell: Any = model.encoder.stack.cells[0]
    counts = []
    for window in batch.history:
        state = cell.initial_state(1, window)
        for x in window:
            w_ih, w_hh, b_ih, b_hh = cell.weights
            raw = (x @ w_ih.T + b_ih + state.hidden @ w_hh.T + b_hh).sigmoid()
            counts.append(raw.reshape(4, -1)[[0, 1, 3]].detach().numpy())
            state = cell.step(x[None], state)
    values = np.array(counts)
    for place, name in enumerate(("input", "forget", "output")):
        gate = values[:, place]
        assert layer.gates[name] == pytest.approx(((gate < 0.1).mean(), (gate > 0.9).mean(), gate.mean()), rel=1e-10)


def test_a_cell_without_gates_has_no_saturation():
    assert all(layer.gates == {} for layer in measure(model_of(cell=RNN), batch_of(spec_of())))


# All together


@every_cell
def test_every_cell_is_measured(cell_class):
    for layer in measure(model_of(EncoderDecoder, cell_class), batch_of(spec_of())):
        assert layer.cell == cell_class.__name__
        assert all(np.isfinite(norms).all() for fields in layer.norms.values() for norms in fields.values())
        assert np.all(layer.radius <= layer.singular * (1 + 1e-9))
        for gate in layer.gates.values():
            assert 0 <= gate.low <= 1 - gate.high <= 1


def test_steps_of_segments_are_counted_in_steps_of_the_data():
    layer = measure(model_of(Segment, layers=1), batch_of(spec_of()))[0]
    assert layer.before.tolist() == [4, 2, 0]
    relative = layer.relative("all leads")
    assert layer.decay_rate("all leads") == pytest.approx(np.polyfit([4, 2, 0], np.log(relative), 1)[0])


def test_measuring_changes_nothing():
    model = model_of(head=Gaussian(), dropout=0.5)
    batch = batch_of(model.spec)
    before = copy.deepcopy(model.state_dict())
    random = torch.get_rng_state()
    first, second = measure(model, batch)[0], measure(model, batch)[0]
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    for loss in first.norms:
        assert np.array_equal(first.norms[loss]["state"], second.norms[loss]["state"])


def test_single_precision_and_inference_mode_make_no_difference():
    model = model_of().float()
    batch = batch_of(model.spec)
    expected = measure(model, batch)[0].norms["lead 1"]["state"]
    with torch.inference_mode():
        found = measure(model.requires_grad_(False), batch.to_precision(torch.float32))
    assert found[0].norms["lead 1"]["state"] == pytest.approx(expected, rel=1e-5)


def test_a_gradient_far_below_single_precision_is_still_measured():
    model = steady_relu([0.01], 120, [1.0])
    (layer,) = measure(model.float(), batch_of(model.spec)._replace(history=torch.ones(3, 120, 1)))
    assert layer.relative("lead 1")[0] == pytest.approx(np.float64(np.float32(0.01)) ** 119, rel=1e-9)
    assert 0 < layer.relative("lead 1")[0] < 1e-200


def test_a_model_that_reads_its_context_otherwise_is_refused():
    model = model_of(VectorToSequence)
    with pytest.raises(ConfigurationError, match="VectorToSequence: no recurrent cell of it runs over the context"):
        measure(model, batch_of(model.spec))


def test_an_unused_last_state_has_no_relative_norm():
    layer = measure(model_of(), batch_of(spec_of()))[0]
    for norms in layer.norms.values():
        norms["state"][-1] = 0
    assert np.isnan(layer.relative("lead 1")).all()


# The picture


def panel_of(time: int = 100, *, gates: bool = True, constant: float = 20.0) -> MemoryPanel:
    before = np.arange(time - 1, -1, -1.0)
    chosen = np.linspace(time - 1, 0, min(time, 30)).round()
    singular = 1 + 0.2 * np.random.default_rng(0).random((len(chosen), 3))
    constants = {"lead 1": constant, "lead 36": 3 * constant, "all leads": 2 * constant}
    return MemoryPanel(
        title="encoder, layer 1 (LSTM)",
        before=before,
        norms={name: np.exp(-before / steps) for name, steps in constants.items()},
        time_constants=constants,
        spectrum_before=chosen,
        singular=singular,
        radius=0.8 * singular,
        gates={"input": (0.1, 0.3), "forget": (0.0, 0.9), "output": (0.5, 0.5)} if gates else {},
    )


def test_the_sheet_draws_what_it_is_given():
    panel = panel_of()
    figure = memory_sheet([panel], title="a title")
    gradients, jacobian, gates = figure.subfigs[0].axes
    curves = {line.get_label(): line for line in gradients.get_lines()}
    for name, norms in panel.norms.items():
        assert curves[name].get_xdata().tolist() == panel.before[::-1].tolist()
        assert curves[name].get_ydata() == pytest.approx(norms[::-1])
    assert gradients.get_yscale() == "log"
    names = [text.get_text() for text in gradients.texts]
    assert sorted(names) == [
        "all leads   1/e in 40.0 steps",
        "lead 1   1/e in 20.0 steps",
        "lead 36   1/e in 60.0 steps",
    ]
    medians = {line.get_label(): line for line in jacobian.get_lines()}
    assert medians["singular value"].get_ydata() == pytest.approx(np.median(panel.singular, axis=1)[::-1])
    bands = [artist for artist in jacobian.collections if isinstance(artist, FillBetweenPolyCollection)]
    assert bands[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(panel.singular.max())
    assert any(np.all(np.asarray(line.get_ydata()) == 1) for line in jacobian.get_lines())
    widths = [[bar.get_width() for bar in bars] for bars in gates.containers]
    assert np.array(widths) == pytest.approx(np.array([[0.1, 0, 0.5], [0.6, 0.1, 0], [0.3, 0.9, 0.5]]))


@pytest.mark.parametrize(
    "panels",
    [
        [panel_of(800), panel_of(800, constant=4.0)],
        [panel_of(7)],
        [panel_of(gates=False)],
        [panel_of(constant=1e6)],
    ],
    ids=["long and vanishing", "short", "no gates", "no decay"],
)
def test_the_sheet_can_be_read(panels):
    assert_readable(memory_sheet(panels, title="ssh: validation, 64 windows"))


def test_curves_end_where_rounding_begins():
    panel = panel_of(800, constant=4.0)
    axes = memory_sheet([panel], title="").subfigs[0].axes[0]
    for line in axes.get_lines():
        values = line.get_ydata()
        assert np.nanmin(values) >= FLOOR
    assert axes.get_ylim()[0] >= FLOOR / 2
    assert all(0 <= text.xyann[1] <= 1 for text in axes.texts)


def test_a_single_step_and_unknown_values_are_drawn():
    panel = panel_of(1)
    unknown = {name: np.full(1, np.nan) for name in panel.norms}
    for norms in (panel.norms, unknown):
        fields = vars(panel) | {"norms": norms, "time_constants": dict.fromkeys(norms, math.nan)}
        assert_readable(memory_sheet([MemoryPanel(**fields)], title="one"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"before": np.arange(3.0)}, r"'lead 1' has \(100,\) norms and a time constant; expected \(3,\) and one"),
        ({"time_constants": {}}, "no time constant"),
        ({"singular": np.ones((4, 2))}, r"singular has shape \(4, 2\), expected \(30, windows\)"),
        ({"radius": np.ones((30, 0))}, r"radius has shape \(30, 0\)"),
    ],
)
def test_a_panel_that_does_not_fit_is_refused(change, says):
    with pytest.raises(DataError, match=says):
        MemoryPanel(**(vars(panel_of()) | change))


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(DataError, match="no layer"):
        memory_sheet([], title="")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("encoder.stack.cells.0", "encoder, layer 1"),
        ("stack.cells.1", "stack, layer 2"),
        ("encoder.back.0", "encoder.back, layer 1"),
        ("cell", "cell"),
    ],
)
def test_layers_are_named_by_their_place(path, name):
    layer = measure(model_of(), batch_of(spec_of()))[0]
    assert layer_name(LayerMemory(**(vars(layer) | {"name": path}))) == name


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}])
def test_what_was_measured_is_drawn(options):
    layers = measure(model_of(cell=LSTM, **options), batch_of(spec_of()))
    figure = picture(layers, title="measured")
    assert len(figure.subfigs) == len(layers)
    assert_readable(figure)


# The callback


def train(folder: Any, *callbacks: pl.Callback, model: nn.Module | None = None) -> tuple[ForecastTask, Tensor]:
    torch.manual_seed(3)
    data = small_data(source=AR2(rows=120), windows=Windows(context=6, horizon=4))
    model = model or EncoderDecoder(
        spec=data.spec, cell=partial(LSTM, hidden_size=4), head=Gaussian(), schedule=Never(), layers=2, dropout=0.3
    )
    task = ForecastTask(model=model)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=CSVLogger(folder, name="", version="log"),
        default_root_dir=folder,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
    )
    trainer.fit(task, data)
    return task, torch.get_rng_state()


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Any:
    folder = tmp_path_factory.mktemp("watched")
    callback = MemoryCurves(every_n_epochs=2, windows=3, jacobian_windows=1, jacobian_steps=3)
    return folder, *train(folder, callback)


def test_training_does_not_notice_that_it_is_watched(watched, tmp_path):
    _, task, random = watched
    alone, alone_random = train(tmp_path)
    assert torch.equal(random, alone_random)
    for name, value in alone.state_dict().items():
        assert torch.equal(value, task.state_dict()[name]), name


def test_curves_are_logged_every_few_epochs_and_after_the_last(watched):
    folder, task, _ = watched
    log = pd.read_csv(folder / "log" / "metrics.csv")
    for layer in (1, 2):
        place = f"encoder_layer_{layer}"
        names = [f"{what}/{place}" for what in ("decay_rate", "singular_value", "spectral_radius")]
        names += [f"saturated/{place}_{gate}" for gate in ("input", "forget", "output")]
        for name in names:
            points = log.loc[log[name].notna(), "step"]
            assert points.tolist() == [6, 9], name
    measured = small_data()
    loader = measured.loader("validation")
    expected = measure(
        task.model,
        loader.storage.windows(loader.order.items, loader.context, loader.horizon),
        jacobian_windows=1,
        jacobian_steps=3,
    )
    last = log["decay_rate/encoder_layer_1"].dropna().iloc[-1]
    assert last == pytest.approx(expected[0].decay_rate("all leads"), rel=1e-6)
    assert log["time_constant/encoder_layer_1"].dropna().iloc[-1] == pytest.approx(-1 / last, rel=1e-6)
    assert (folder / "figures" / "validation_memory.png").stat().st_size > 10_000


def test_a_model_without_an_encoder_is_refused_before_training(tmp_path):
    model = VectorToSequence(spec=small_data().spec, cell=partial(GRU, hidden_size=4), head=Point(), schedule=Never())
    with pytest.raises(ConfigurationError, match="no recurrent cell of it runs over the context"):
        train(tmp_path, MemoryCurves(), model=model)
    assert not (tmp_path / "log" / "metrics.csv").exists()


def test_options_of_the_callback_are_checked():
    with pytest.raises(ConfigurationError, match="windows=0"):
        MemoryCurves(windows=0)
