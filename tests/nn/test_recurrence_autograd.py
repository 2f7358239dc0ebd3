"""The recurrence with its backward pass by hand: values and gradients of the definition, and autograd's manners."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from recurrences import (
    CELLS,
    ClosedCase,
    OpenCase,
    agrees,
    closed_cases,
    compare,
    gradcheck_of,
    open_cases,
    results,
)
from torch import nn

from recast.nn.cells.gru import GRU
from recast.nn.cells.layer_norm_gru import LayerNormGRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.recurrence.autograd import Autograd

every_kind = pytest.mark.parametrize("kind", CELLS)
LONG_OPEN = OpenCase(time=40, at=(3, 40), hidden=(4, 3), inputs=2, dropout=True)
LONG_CLOSED = ClosedCase(horizon=40, hidden=(4, 3), targets=2, known=1, teaching=0.5, dropout=True)
every_loop = pytest.mark.parametrize("case", [LONG_OPEN, LONG_CLOSED], ids=["open", "closed"])


@settings(max_examples=60, deadline=None)
@given(open_cases())
def test_open_loops_are_those_of_the_definition(case):
    agrees(Autograd(), case)


@settings(max_examples=60, deadline=None)
@given(closed_cases())
def test_closed_loops_are_those_of_the_definition(case):
    agrees(Autograd(), case)


@every_kind
def test_a_long_loop_is_that_of_the_definition(kind):
    """Many chunks of the backward pass, and one that is not full."""
    compare(Autograd(), OpenCase(kind=kind, time=301, at=(17, 301), hidden=(8,), batch=5).request(), 1e-10)
    compare(Autograd(), ClosedCase(kind=kind, horizon=131, hidden=(8,), batch=5, teaching=0.3).request(), 1e-10)


@every_kind
def test_gradients_are_finite_differences(kind):
    case = OpenCase(
        kind=kind, hidden=(2, 3), inputs=2, at=(2, 4), outputs_from=1, start="learnt", dropout=True, inputs_learn=True
    )
    gradcheck_of(Autograd(), case.request())
    case = ClosedCase(kind=kind, hidden=(2, 3), targets=2, known=1, teaching=0.5, dropout=True, inputs_learn=True)
    gradcheck_of(Autograd(), case.request())
    gradcheck_of(Autograd(), replace(case, residual=True).request())


@every_loop
@pytest.mark.parametrize("without_gradient", [torch.no_grad, torch.inference_mode])
def test_values_without_gradients(case, without_gradient):
    request = case.request()
    expected = results(Autograd(), request)
    with without_gradient():
        found = results(Autograd(), request)
    for one, other in zip(found, expected, strict=True):
        assert not one.requires_grad
        assert torch.equal(one, other)


def test_outputs_changed_in_place_do_not_spoil_the_gradients():
    """Outputs lie in the memory that the backward pass reads."""
    request = LONG_OPEN.request()
    outputs = Autograd().sequence(request).outputs
    with pytest.raises(RuntimeError, match="inplace"):
        outputs.mul_(2).sum().backward()


OPEN = OpenCase(time=20, at=(20,), hidden=(3, 3), dtype=torch.float32)
CLOSED = ClosedCase(horizon=20, hidden=(3, 3), dtype=torch.float32)
every_request = pytest.mark.parametrize("case", [OPEN, CLOSED], ids=["open", "closed"])


@every_request
def test_nothing_is_refused_that_can_be_computed(case):
    assert Autograd().refusal(case.request()) is None
    assert Autograd().refusal(replace(case, dtype=torch.float64).request()) is None


@every_request
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (LayerNormGRU(input_size=3, hidden_size=3), "a cell is neither tanh RNN nor GRU nor LSTM"),
        (RNN(input_size=3, hidden_size=3, nonlinearity="relu"), "a cell is neither tanh RNN nor GRU nor LSTM"),
        (LSTM(input_size=3, hidden_size=3), "the layers are of different kinds (gru, lstm)"),
        (GRU(input_size=3, hidden_size=3).double(), "numbers are float64 beside float32"),
    ],
)
def test_layers_that_are_refused(case, cell, reason):
    request = case.request()
    assert Autograd().refusal(replace(request, layers=[request.layers[0], cell])) == reason


def hear(module: nn.Module, *_: object) -> None:
    pytest.fail("nothing runs here")


@every_request
@pytest.mark.parametrize(
    "listen",
    ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"],
)
def test_layers_with_hooks_run_by_themselves(case, listen):
    request = case.request()
    handle = getattr(request.layers[1], listen)(hear)
    assert Autograd().refusal(request) == "a layer has hooks, so that it must run by itself"
    handle.remove()
    assert Autograd().refusal(request) is None


@every_request
def test_other_numbers_are_refused(case):
    assert Autograd().refusal(replace(case, dtype=torch.bfloat16).request()) == "numbers are bfloat16"
    with torch.autocast("cpu"):
        assert Autograd().refusal(case.request()) == "autocast is on"
    request = case.request()
    states = [(torch.zeros(2, 3, dtype=torch.float64),)] * 2
    assert Autograd().refusal(replace(request, states=states)) == "numbers are float64 beside float32"


def test_a_readout_that_is_not_linear_is_refused():
    request = CLOSED.request()
    readout = request.readout._replace(linear=False)
    assert Autograd().refusal(replace(request, readout=readout)) == "what is fed back is not linear in the outputs"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (replace(OPEN, kind="lstm"), "torch's own call is faster for an open loop of this cell"),
        (replace(OPEN, time=7, at=(7,)), "there are few steps"),
        (replace(CLOSED, horizon=7), "there are few steps"),
        (replace(OPEN, hidden=(3, 129)), "torch's own calls are as fast for so many units"),
        (replace(CLOSED, hidden=(129,)), "torch's own calls are as fast for so many units"),
    ],
)
def test_loops_that_torch_runs_faster(case, reason):
    assert Autograd().refusal(case.request()) == reason


def test_without_gradients_torch_runs_open_loops_faster():
    with torch.no_grad():
        assert Autograd().refusal(OPEN.request()) == "torch's own call is faster where no gradient is wanted"
        assert Autograd().refusal(CLOSED.request()) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_kind
def test_loops_on_a_gpu(kind):
    request = replace(LONG_OPEN, kind=kind, device="cuda").request()
    compare(Autograd(), request, 1e-10)
    assert Autograd().refusal(request) == "torch's own call is faster on this device"
    compare(Autograd(), replace(LONG_CLOSED, kind=kind, device="cuda").request(), 1e-10)
