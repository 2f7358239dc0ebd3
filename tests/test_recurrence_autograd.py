"""The recurrence with its way back by hand: values and gradients of the definition, and autograd's manners."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from recurrences import (
    CELLS,
    TOLERANCE,
    ClosedCase,
    OpenCase,
    closed_cases,
    compare,
    gradcheck_of,
    leaves,
    open_cases,
    results,
    run,
    runs_twice_the_same,
)
from torch import Tensor, nn

from recast.cells.gru import GRU
from recast.cells.layer_norm_gru import LayerNormGRU
from recast.cells.lstm import LSTM
from recast.cells.rnn import RNN
from recast.recurrence.autograd import Autograd
from recast.recurrence.plain import Plain
from recast.recurrence.request import ClosedLoop, OpenLoop

every_kind = pytest.mark.parametrize("kind", CELLS)
LONG_OPEN = OpenCase(time=40, at=(3, 40), hidden=(4, 3), inputs=2, dropout=True)
LONG_CLOSED = ClosedCase(horizon=40, hidden=(4, 3), targets=2, known=1, teaching=0.5, dropout=True)
every_loop = pytest.mark.parametrize("case", [LONG_OPEN, LONG_CLOSED], ids=["open", "closed"])


def scalar(request: OpenLoop | ClosedLoop) -> Tensor:
    return torch.stack([part.square().sum() for part in results(Autograd(), request)]).sum()


@settings(max_examples=60, deadline=None)
@given(open_cases())
def test_open_loops_are_those_of_the_definition(case):
    compare(Autograd(), case.request(), TOLERANCE[case.dtype])


@settings(max_examples=60, deadline=None)
@given(closed_cases())
def test_closed_loops_are_those_of_the_definition(case):
    compare(Autograd(), case.request(), TOLERANCE[case.dtype])


@every_kind
def test_a_long_loop_is_that_of_the_definition(kind):
    """Many chunks of the way back, and one that is not full."""
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


@every_kind
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_runs_agree_in_every_bit(kind, dtype):
    runs_twice_the_same(Autograd(), replace(LONG_OPEN, kind=kind, dtype=dtype).request())
    runs_twice_the_same(Autograd(), replace(LONG_CLOSED, kind=kind, dtype=dtype).request())


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


@every_loop
def test_a_request_built_in_inference_mode(case):
    with torch.inference_mode():
        request = case.request()
        found, expected = results(Autograd(), request), results(Plain(), request)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@every_loop
def test_a_second_way_back_needs_the_graph_to_be_retained(case):
    request = case.request()
    wanted = list(leaves(request).values())
    total = scalar(request)
    once = torch.autograd.grad(total, wanted, retain_graph=True)
    twice = torch.autograd.grad(total, wanted)
    assert all(torch.equal(*pair) for pair in zip(once, twice, strict=True))
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(total, wanted)


@every_loop
def test_there_are_no_second_derivatives(case):
    request = case.request()
    first, *_ = torch.autograd.grad(scalar(request), list(leaves(request).values()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@every_loop
@pytest.mark.parametrize("number", range(4))
def test_weights_changed_between_forward_and_back_are_noticed(case, number):
    request = case.request()
    total = scalar(request)
    with torch.no_grad():
        request.layers[0].weights[number].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_outputs_changed_in_place_do_not_spoil_the_gradients():
    """Outputs lie in the memory that the way back reads."""
    request = LONG_OPEN.request()
    outputs = Autograd().sequence(request).outputs
    with pytest.raises(RuntimeError, match="inplace"):
        outputs.mul_(2).sum().backward()


@every_loop
@pytest.mark.parametrize("number", range(4))
def test_a_frozen_weight_has_no_gradient_and_the_others_have_theirs(case, number):
    request = case.request()
    expected = run(Autograd(), request).gradients
    for layer in request.layers:
        layer.weights[number].requires_grad_(False)
    frozen = {name for name in expected if name not in leaves(request)}
    assert len(frozen) == len(request.layers)
    found = run(Autograd(), request).gradients
    assert found.keys() == expected.keys() - frozen
    assert all(torch.equal(found[name], expected[name]) for name in found)


@every_loop
def test_weights_that_are_all_frozen(case):
    request = replace(case, inputs_learn=True).request()
    expected = run(Autograd(), request).gradients
    for layer in request.layers:
        layer.requires_grad_(False)
    found = run(Autograd(), request).gradients
    assert "inputs" in found or "known" in found
    assert all(torch.equal(found[name], expected[name]) for name in found)


@every_loop
def test_gradients_of_two_passes_add_up(case):
    request, other = case.request(), replace(case, seed=1).request()
    other = replace(other, layers=request.layers)
    weights = request.layers[0].weights
    one, two = (torch.autograd.grad(scalar(part), weights) for part in (request, other))
    # Both passes first, then both ways back.
    (scalar(request) + scalar(other)).backward()
    for weight, *parts in zip(weights, one, two, strict=True):
        torch.testing.assert_close(weight.grad, sum(parts))


def test_only_some_of_the_results_are_used():
    request = OpenCase(kind="lstm", time=5, at=(2, 5)).request()
    wanted = list(leaves(request).values())
    gradients = []
    for implementation in (Autograd(), Plain()):
        # Neither the outputs nor the cell's content after the last step.
        state = implementation.sequence(request).states[0]
        gradients.append(torch.autograd.grad(state.hidden[:, 1].sum() + state.cell[:, 0].sum(), wanted))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


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
