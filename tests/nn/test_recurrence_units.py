"""The compiled loops of peephole LSTM and sLSTM: values and gradients of the definition, and autograd's manners."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import recurrences
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrences import OpenCase, compare, gradcheck_of, results, run, runs_twice_the_same

from recast.nn.cells.peephole_lstm import PeepholeLSTM
from recast.nn.cells.slstm import SLSTM
from recast.nn.recurrence.plain import Plain
from recast.nn.recurrence.request import OpenLoop

pytest.importorskip("numba", reason="numba is not installed")

from recast.nn.recurrence.compiled.exponential import decay, log1p
from recast.nn.recurrence.compiled.implementation import Numba
from recast.nn.recurrence.compiled.jit import jit

UNIT_CELLS = {
    "peephole_lstm": PeepholeLSTM,
    "slstm": SLSTM,
    "slstm_exponential": partial(SLSTM, forget_gate="exponential"),
}
every_kind = pytest.mark.parametrize("kind", UNIT_CELLS)
fast = Numba()


@pytest.fixture(autouse=True)
def cells(monkeypatch):
    for kind, cell in UNIT_CELLS.items():
        monkeypatch.setitem(recurrences.CELLS, kind, cell)


@st.composite
def open_loops(draw: Callable[..., Any], kind: str) -> OpenCase:
    time = draw(st.integers(1, 30))
    return OpenCase(
        kind=kind,
        hidden=draw(st.lists(st.integers(1, 40), min_size=1, max_size=2).map(tuple)),
        inputs=draw(st.integers(1, 4)),
        batch=draw(st.sampled_from([1, 3, 15, 16, 17, 33])),
        time=time,
        at=tuple(sorted(draw(st.sets(st.integers(1, time), min_size=1, max_size=3)))),
        outputs_from=draw(st.sampled_from([0, time]) | st.integers(0, time)),
        start=draw(st.sampled_from(["zero", "learnt", "given"])),
        dropout=draw(st.booleans()),
        inputs_learn=draw(st.booleans()),
        dtype=torch.float64,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def positive(request: OpenLoop) -> OpenLoop:
    """With normalisers as cells leave them: a negative one almost cancels what is added, in any precision."""
    for state in request.states:
        if hasattr(state, "normaliser"):
            with torch.no_grad():
                state.normaliser.exp_()
    return request


@every_kind
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_loops_are_those_of_the_definition(kind, data):
    compare(fast, positive(data.draw(open_loops(kind)).request()), 1e-9)


@every_kind
def test_loops_in_float32_are_those_of_the_definition(kind):
    case = OpenCase(kind=kind, hidden=(20, 7), inputs=3, batch=37, time=60, at=(8, 60), start="given", dropout=True)
    compare(fast, positive(replace(case, inputs_learn=True, dtype=torch.float32).request()), 2e-5)


@every_kind
def test_gradients_are_finite_differences(kind):
    gradcheck_of(
        fast, positive(OpenCase(kind=kind, hidden=(3, 2), start="given", at=(2, 4), inputs_learn=True).request())
    )


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exponential"])
def test_heads_are_blocks_of_the_recurrent_matrix(forget_gate):
    torch.manual_seed(0)
    cell = SLSTM(input_size=2, hidden_size=12, heads=3, forget_gate=forget_gate).double()
    inputs = torch.randn(5, 9, 2, dtype=torch.float64)
    compare(fast, OpenLoop(layers=[cell], inputs=inputs, states=[None], dropout=[], at=(9,), outputs_from=0), 1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("forget_gate", ["sigmoid", "exponential"])
@pytest.mark.parametrize("shift", [-1e3, 0.0, 1e3])
def test_huge_gates_are_those_of_the_definition(forget_gate, shift, dtype):
    torch.manual_seed(0)
    cell = SLSTM(input_size=2, hidden_size=8, forget_gate=forget_gate).to(dtype)
    with torch.no_grad():
        cell.weight_hh.mul_(0.1)
        cell.weight_ih[:16] *= 100
        cell.bias[:8] += shift
    request = OpenLoop(
        layers=[cell], inputs=torch.randn(5, 9, 2, dtype=dtype), states=[None], dropout=[], at=(9,), outputs_from=0
    )
    found = run(fast, request)
    assert all(gradient.isfinite().all() for gradient in found.gradients.values())
    if dtype == torch.float64:
        compare(fast, request, 1e-8)


@every_kind
def test_what_is_not_a_number_shows(kind):
    request = OpenCase(kind=kind, hidden=(5,), batch=3).request()
    request.inputs[1, 0, 0] = torch.nan
    outputs = results(fast, request)[0]
    assert outputs[1].isnan().all()
    assert outputs[[0, 2]].isfinite().all()


@every_kind
def test_threads_change_no_bit(kind):
    case = OpenCase(kind=kind, hidden=(9,), batch=50, time=6, at=(6,), inputs_learn=True)
    runs_twice_the_same(fast, case.request())
    one, two = (run(Numba(threads=threads), case.request()) for threads in (1, 2))
    for found, other in zip(
        (*one.values, *one.gradients.values()), (*two.values, *two.gradients.values()), strict=True
    ):
        assert torch.equal(found, other)


@every_kind
def test_a_second_backward_pass_gives_the_same(kind):
    request = OpenCase(kind=kind, hidden=(5,), batch=3).request()
    weights = request.layers[0].weights
    total = results(fast, request)[0].square().sum()
    once = torch.autograd.grad(total, weights, retain_graph=True)
    assert all(torch.equal(*pair) for pair in zip(once, torch.autograd.grad(total, weights), strict=True))


@every_kind
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_values_without_gradients(kind, mode):
    request = OpenCase(kind=kind, hidden=(5,), batch=35).request()
    with mode():
        for one, other in zip(results(fast, request), results(Plain(), request), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@every_kind
def test_closed_loops_are_refused(kind):
    assert fast.refusal(OpenCase(kind=kind).request()) is None
    assert fast.refusal(recurrences.ClosedCase(kind=kind).request()) == "a cell is neither tanh RNN nor GRU nor LSTM"


@jit
def decay_of(x, y):
    for k in range(len(x)):
        y[k] = decay(x[k])


@jit
def log1p_of(x, y):
    for k in range(len(x)):
        y[k] = log1p(x[k])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-7), (np.float64, 5e-15)])
def test_exponential_and_logarithm(dtype, tolerance):
    x = np.concatenate([-np.geomspace(1e-12, 80, 20_001), [0.0]]).astype(dtype)
    u = np.concatenate([np.geomspace(1e-12, 1, 20_001), [0.0]]).astype(dtype)
    for loop, given_, exact in ((decay_of, x, np.exp), (log1p_of, u, np.log1p)):
        loop(given_, found := np.empty_like(given_))
        np.testing.assert_allclose(found, exact(given_.astype(np.float64)), rtol=tolerance)
    decay_of(np.array([-1e4, -np.inf, np.nan], dtype), found := np.empty(3, dtype))
    assert (found[:2] < 1e-30).all()
    assert np.isnan(found[2])
