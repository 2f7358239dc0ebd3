"""Recorded closed loops: played with tensors of their own, they must never mix up two passes.

On a CPU a recording does its work again at each play, and writes the results where those of the first time are, as a
CUDA graph does.
"""

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from recurrences import (
    CELLS,
    TOLERANCE,
    ClosedCase,
    OpenCase,
    assert_close,
    closed_cases,
    compare,
    leaves,
    open_cases,
    run,
)
from torch import Tensor

from recast.nn.recurrence.autograd import Autograd
from recast.nn.recurrence.cuda_graph import CudaGraph
from recast.nn.recurrence.graphs.capture import Replay, Work
from recast.nn.recurrence.plain import Plain
from recast.nn.recurrence.request import ClosedLoop

CASE = ClosedCase(hidden=(4, 3), targets=2, known=1, batch=3, horizon=6, teaching=0.5, dropout=True, inputs_learn=True)
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class Repeater:
    """Records work as something to be done again; counts recordings and plays."""

    def __init__(self) -> None:
        self.recordings = 0
        self.plays = 0

    def __call__(self, work: Work, device: torch.device) -> Replay:
        self.recordings += 1
        assert not torch.is_grad_enabled()
        results = work()
        for kept in results:
            # Until the first play they hold nothing, as those of a CUDA graph.
            kept.fill_(torch.nan)

        def play() -> None:
            self.plays += 1
            for kept, new in zip(results, work(), strict=True):
                kept.copy_(new)

        return Replay(results, play)


def recorded(room: int = 8) -> tuple[CudaGraph, Repeater]:
    capture = Repeater()
    return CudaGraph(capture=capture, room=room), capture


def requests(number: int, case: ClosedCase = CASE) -> list[ClosedLoop]:
    """Loops of the same shapes with numbers of their own."""
    return [replace(case, seed=2 * seed).request() for seed in range(number)]


def total(implementation: CudaGraph | Autograd | Plain, request: ClosedLoop) -> Tensor:
    return implementation.decode(request).values.square().sum()


def gradients(value: Tensor, request: ClosedLoop, **options: bool) -> list[Tensor]:
    return list(torch.autograd.grad(value, list(leaves(request).values()), **options))


def expected(request: ClosedLoop) -> list[Tensor]:
    return gradients(total(Plain(), request), request)


def assert_all_close(found: list[Tensor], wanted: list[Tensor]) -> None:
    for number, pair in enumerate(zip(found, wanted, strict=True)):
        assert_close(*pair, 1e-10, f"gradient {number}")


@settings(max_examples=40, deadline=None)
@given(closed_cases(most=20))
def test_closed_loops_are_those_of_the_definition(case):
    implementation, capture = recorded()
    for request in requests(2, case):
        compare(implementation, request, TOLERANCE[case.dtype])
    assert (capture.recordings, capture.plays) == (2, 4)


@settings(max_examples=10, deadline=None)
@given(open_cases(most=10))
def test_open_loops_are_not_recorded(case):
    implementation, capture = recorded()
    compare(implementation, case.request(), TOLERANCE[case.dtype])
    assert capture.recordings == 0


def test_forward_and_back_by_turns_need_one_recording():
    implementation, capture = recorded()
    for request in requests(5):
        assert_all_close(gradients(total(implementation, request), request), expected(request))
    assert capture.recordings == 2


def test_what_was_given_stays_when_the_recording_is_played_again():
    implementation, _ = recorded()
    one, other = requests(2)
    first = run(implementation, one)
    copies = [part.clone() for part in (*first.values, *first.gradients.values())]
    run(implementation, other)
    assert all(torch.equal(*pair) for pair in zip((*first.values, *first.gradients.values()), copies, strict=True))


@pytest.mark.parametrize("backwards", [False, True])
def test_several_passes_before_their_ways_back(backwards):
    implementation, capture = recorded()
    batches = requests(3)
    pending = [(total(implementation, request), request) for request in batches]
    assert capture.recordings == 2 * 3
    for value, request in reversed(pending) if backwards else pending:
        assert_all_close(gradients(value, request), expected(request))
    # From now on three are at hand.
    pending = [(total(implementation, request), request) for request in batches]
    assert capture.recordings == 2 * 3
    del pending


def test_passes_that_share_weights_add_up():
    implementation, _ = recorded()
    one, other = requests(2)
    other = replace(other, layers=one.layers, readout=one.readout)
    found = gradients(total(implementation, one) + total(implementation, other), one)
    assert_all_close(found, gradients(total(Plain(), one) + total(Plain(), other), one))


def test_where_no_recording_is_free_the_loop_runs_unrecorded():
    implementation, capture = recorded(room=1)
    pending = [(total(implementation, request), request) for request in requests(3)]
    assert capture.recordings == 2
    assert capture.plays == 1
    for value, request in pending:
        assert_all_close(gradients(value, request), expected(request))
    request = requests(4)[-1]
    assert_all_close(gradients(total(implementation, request), request), expected(request))
    assert capture.recordings == 2


def test_a_pass_that_is_dropped_frees_its_recording():
    implementation, capture = recorded(room=1)
    one, other = requests(2)
    total(implementation, one)
    gc.collect()
    assert_all_close(gradients(total(implementation, other), other), expected(other))
    assert capture.plays == 3


def test_a_graph_that_is_retained_keeps_its_recording():
    implementation, capture = recorded()
    one, other = requests(2)
    value = total(implementation, one)
    wanted = expected(one)
    assert_all_close(gradients(value, one, retain_graph=True), wanted)
    assert_all_close(gradients(total(implementation, other), other), expected(other))
    assert capture.recordings == 4
    assert_all_close(gradients(value, one), wanted)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        gradients(value, one)


@pytest.mark.parametrize("without_gradient", [torch.no_grad, torch.inference_mode])
def test_a_forecast_between_forward_and_back(without_gradient):
    implementation, capture = recorded()
    one, other = requests(2)
    value = total(implementation, one)
    with without_gradient():
        for _ in range(2):
            assert_close(total(implementation, other), total(Plain(), other), 1e-10, "forecast")
    assert_all_close(gradients(value, one), expected(one))
    # The forecast needs no backward pass.
    assert capture.recordings == 3


def test_recordings_made_in_inference_mode_serve_outside_it():
    implementation, capture = recorded()
    with torch.inference_mode():
        request = CASE.request()
        inside = implementation.decode(request).values
    with torch.no_grad():
        outside = implementation.decode(CASE.request()).values
    assert torch.equal(inside, outside)
    assert capture.recordings == 1


def test_weights_changed_between_forward_and_back_are_noticed():
    implementation, _ = recorded()
    request = CASE.request()
    value = total(implementation, request)
    with torch.no_grad():
        request.layers[0].weights[1].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def test_weights_that_were_changed_after_a_step_are_read_anew():
    implementation, capture = recorded()
    request = CASE.request()
    run(implementation, request)
    with torch.no_grad():
        for layer in request.layers:
            for weight in layer.weights:
                weight.mul_(0.5)
    compare(implementation, request, 1e-10)
    assert capture.recordings == 2


def test_there_are_no_second_derivatives():
    implementation, _ = recorded()
    request = CASE.request()
    first, *_ = gradients(total(implementation, request), request, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_hooks_on_saved_tensors_cannot_lead_to_wrong_gradients():
    """They make autograd keep copies, so that the recording seems to be free."""
    implementation, _ = recorded()
    one, other = requests(2)
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda tensor: tensor):
        value = total(implementation, one)
    total(implementation, other)
    with pytest.raises(RuntimeError, match=r"overwritten by another pass.*recurrence\.implementation=autograd"):
        value.backward()


def changed(**options: object) -> Callable[[], ClosedLoop]:
    return replace(CASE, **options).request


def frozen() -> ClosedLoop:
    request = CASE.request()
    request.layers[0].weights[0].requires_grad_(False)
    return request


@pytest.mark.parametrize(
    "build",
    [
        changed(kind="lstm"),
        changed(hidden=(4, 5)),
        changed(batch=4),
        changed(horizon=7),
        changed(known=0),
        changed(teaching=None),
        changed(detach=True),
        changed(dropout=False),
        changed(dtype=torch.float32),
        changed(inputs_learn=False),
        frozen,
    ],
)
def test_other_loops_have_other_recordings(build):
    implementation, capture = recorded()
    run(implementation, CASE.request())
    compare(implementation, build(), TOLERANCE[build().first.dtype])
    assert capture.recordings == 4
    compare(implementation, CASE.request(), 1e-10)
    assert capture.recordings == 4


def test_other_settings_of_products_have_other_recordings():
    implementation, capture = recorded()
    run(implementation, CASE.request())
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        run(implementation, CASE.request())
    finally:
        torch.set_float32_matmul_precision(before)
    assert capture.recordings == 4


def test_the_recording_used_longest_ago_goes():
    implementation, capture = recorded(room=2)

    def made(horizon: int) -> bool:
        before = capture.recordings
        run(implementation, replace(CASE, horizon=horizon).request())
        return capture.recordings > before

    assert [made(horizon) for horizon in (2, 3, 2, 4, 2, 3)] == [True, True, False, True, False, True]


@pytest.mark.parametrize("case", [CASE, OpenCase()], ids=["closed", "open"])
def test_data_on_the_cpu_are_refused(case):
    assert CudaGraph().refusal(case.request()) == "the data are not on a GPU"


@on_a_gpu
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("teaching", [None, 0.5])
def test_closed_loops_on_a_gpu(kind, dtype, teaching):
    implementation = CudaGraph()
    case = replace(CASE, kind=kind, dtype=dtype, teaching=teaching, horizon=50, device="cuda")
    for request in requests(3, case):
        assert implementation.refusal(request) is None
        compare(implementation, request, TOLERANCE[dtype])


@on_a_gpu
def test_several_passes_before_their_ways_back_on_a_gpu():
    implementation = CudaGraph(room=2)
    pending = [(total(implementation, request), request) for request in requests(3, replace(CASE, device="cuda"))]
    for value, request in pending:
        assert_all_close(gradients(value, request), expected(request))


@on_a_gpu
def test_what_is_refused_on_a_gpu():
    case = replace(CASE, device="cuda")
    assert CudaGraph().refusal(OpenCase(device="cuda").request()) == "cuDNN runs open loops"
    assert CudaGraph().refusal(replace(case, dtype=torch.bfloat16).request()) == "numbers are bfloat16"
    with torch.autocast("cuda"):
        assert CudaGraph().refusal(case.request()) == "autocast is on"
