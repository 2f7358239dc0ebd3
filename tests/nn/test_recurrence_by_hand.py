"""What implementations with a backward pass written by hand have in common: autograd's manners, and no chance."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from recurrences import (
    CELLS,
    TOLERANCE,
    ClosedCase,
    OpenCase,
    assert_close,
    leaves,
    results,
    run,
    runs_twice_the_same,
    squares,
)

from recast.nn.recurrence.autograd import Autograd
from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.plain import Plain


def compiled() -> Implementation:
    pytest.importorskip("numba", reason="numba is not installed")
    from recast.nn.recurrence.compiled.implementation import Numba

    return Numba()


Maker = Callable[[], Implementation]
every_implementation = pytest.mark.parametrize("by_hand", [Autograd, compiled], ids=["autograd", "numba"])
every_kind = pytest.mark.parametrize("kind", CELLS)
OPEN = OpenCase(time=40, at=(3, 40), hidden=(20, 7), inputs=3, batch=37, start="given", dropout=True, inputs_learn=True)
CLOSED = ClosedCase(
    horizon=40, hidden=(20, 7), targets=2, known=1, batch=37, teaching=0.5, dropout=True, inputs_learn=True
)
every_loop = pytest.mark.parametrize("case", [OPEN, CLOSED], ids=["open", "closed"])


@every_implementation
@every_kind
@every_loop
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_runs_agree_in_every_bit(by_hand: Maker, case, kind, dtype):
    runs_twice_the_same(by_hand(), replace(case, kind=kind, dtype=dtype).request())


@every_implementation
@every_kind
def test_only_some_of_the_results_are_used(by_hand: Maker, kind):
    case = OpenCase(kind=kind, time=13, at=(2, 9, 13), hidden=(5, 4), inputs=2, batch=3, start="given")
    request = case.request()
    wanted = leaves(request)
    for place in range(len(results(Plain(), request))):
        one, other = (
            torch.autograd.grad(results(part, request)[place].square().sum(), list(wanted.values()), allow_unused=True)
            for part in (by_hand(), Plain())
        )
        for (name, leaf), *pair in zip(wanted.items(), one, other, strict=True):
            left, right = (torch.zeros_like(leaf) if part is None else part for part in pair)
            assert_close(left, right, 1e-10, name)


@every_implementation
@every_loop
def test_a_request_built_in_inference_mode(by_hand: Maker, case):
    with torch.inference_mode():
        request = case.request()
        found, expected = results(by_hand(), request), results(Plain(), request)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@every_implementation
@every_loop
def test_a_second_backward_pass_needs_the_graph_to_be_retained(by_hand: Maker, case):
    request = case.request()
    wanted = list(leaves(request).values())
    total = squares(by_hand(), request)
    once = torch.autograd.grad(total, wanted, retain_graph=True)
    twice = torch.autograd.grad(total, wanted)
    assert all(torch.equal(*pair) for pair in zip(once, twice, strict=True))
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(total, wanted)


@every_implementation
@every_loop
def test_there_are_no_second_derivatives(by_hand: Maker, case):
    request = case.request()
    total = squares(by_hand(), request)
    first, *_ = torch.autograd.grad(total, list(leaves(request).values()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@every_implementation
@every_loop
@pytest.mark.parametrize("number", range(4))
def test_weights_changed_between_forward_and_back_are_noticed(by_hand: Maker, case, number):
    request = case.request()
    total = squares(by_hand(), request)
    with torch.no_grad():
        request.layers[0].weights[number].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@every_implementation
@every_loop
@pytest.mark.parametrize("number", range(4))
def test_a_frozen_weight_has_no_gradient_and_the_others_have_theirs(by_hand: Maker, case, number):
    request = case.request()
    expected = run(by_hand(), request).gradients
    for layer in request.layers:
        layer.weights[number].requires_grad_(False)
    frozen = {name for name in expected if name not in leaves(request)}
    assert len(frozen) == len(request.layers)
    found = run(by_hand(), request).gradients
    assert found.keys() == expected.keys() - frozen
    assert all(torch.equal(found[name], expected[name]) for name in found)
    squares(by_hand(), request).backward()
    assert all(layer.weights[number].grad is None for layer in request.layers)
    assert all(layer.weights[number - 1].grad is not None for layer in request.layers)


@every_implementation
@every_loop
def test_weights_that_are_all_frozen(by_hand: Maker, case):
    request = case.request()
    expected = run(by_hand(), request).gradients
    for layer in request.layers:
        layer.requires_grad_(False)
    found = run(by_hand(), request).gradients
    assert "inputs" in found or "known" in found
    assert all(torch.equal(found[name], expected[name]) for name in found)


@every_implementation
@every_loop
def test_gradients_of_two_passes_add_up(by_hand: Maker, case):
    request, other = case.request(), replace(case, seed=1).request()
    other = replace(other, layers=request.layers)
    weights = request.layers[0].weights
    one, two = (torch.autograd.grad(squares(by_hand(), part), weights) for part in (request, other))
    # Both passes first, then both backward passes.
    totals = squares(by_hand(), request), squares(by_hand(), other)
    for total in totals:
        total.backward()
    for weight, *parts in zip(weights, one, two, strict=True):
        assert torch.equal(weight.grad, sum(parts))
