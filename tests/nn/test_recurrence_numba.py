"""The compiled recurrence: values and gradients of the definition, bit for bit the same, and autograd's manners."""

import itertools
import math
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import pytest
import recurrences
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recurrences import (
    CELLS,
    TOLERANCE,
    ClosedCase,
    OpenCase,
    assert_close,
    compare,
    gradcheck_of,
    kinds,
    leaves,
    precisions,
    results,
    run,
    seeds,
    squares,
)
from small_data import small_data
from small_tasks import trainer_of
from torch import Tensor

from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.recurrence.engine import Engine, using
from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.plain import Plain
from recast.nn.recurrence.request import ClosedLoop, OpenLoop
from recast.nn.schedules import Linear
from recast.training.task import ForecastTask

pytest.importorskip("numba", reason="numba is not installed")


def fast() -> Implementation:
    from recast.nn.recurrence.compiled.implementation import Numba

    return Numba()


every_kind = pytest.mark.parametrize("kind", CELLS)
every_precision = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))
OPEN = OpenCase(time=20, at=(3, 20), hidden=(20, 7), inputs=3, batch=37, start="given", dropout=True, inputs_learn=True)
CLOSED = ClosedCase(
    horizon=20, hidden=(20, 7), targets=2, known=1, batch=37, teaching=0.5, dropout=True, inputs_learn=True
)
every_loop = pytest.mark.parametrize("case", [OPEN, CLOSED], ids=["open", "closed"])


def agrees(case: OpenCase | ClosedCase) -> None:
    """With the definition; its activations in float32 are fitted, with 2.5 times the errors of torch's."""
    recurrences.agrees(fast(), case, rounding=2.5)


hidden_sizes = st.lists(st.integers(1, 70), min_size=1, max_size=3).map(tuple)
batches = st.integers(1, 70) | st.sampled_from([15, 16, 17, 32, 33, 49])
# The backward pass goes in chunks of 8 steps.
times = st.integers(1, 60) | st.sampled_from([7, 8, 9, 16, 17, 24])


@st.composite
def open_loops(draw: Callable[..., Any]) -> OpenCase:
    time = draw(times)
    return OpenCase(
        kind=draw(kinds),
        hidden=draw(hidden_sizes),
        inputs=draw(st.integers(1, 20)),
        batch=draw(batches),
        time=time,
        at=tuple(sorted(draw(st.sets(st.integers(1, time), min_size=1, max_size=4)))),
        outputs_from=draw(st.sampled_from([0, time]) | st.integers(0, time)),
        start=draw(st.sampled_from(["zero", "learnt", "given"])),
        dropout=draw(st.booleans()),
        inputs_learn=draw(st.booleans()),
        dtype=draw(precisions),
        seed=draw(seeds),
    )


closed_loops = st.builds(
    ClosedCase,
    kind=kinds,
    hidden=hidden_sizes,
    targets=st.integers(1, 18),
    known=st.integers(0, 6),
    batch=batches,
    horizon=times,
    dropout=st.booleans(),
    teaching=st.sampled_from([None, 0.0, 0.5, 1.0]),
    detach=st.booleans(),
    residual=st.booleans(),
    inputs_learn=st.booleans(),
    dtype=precisions,
    seed=seeds,
)


# Agreement with the definition


@settings(max_examples=40, deadline=None)
@given(open_loops())
def test_open_loops_are_those_of_the_definition(case):
    agrees(case)


@settings(max_examples=40, deadline=None)
@given(closed_loops)
def test_closed_loops_are_those_of_the_definition(case):
    agrees(case)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(open_loops() | closed_loops)
@example(
    ClosedCase(kind="rnn", hidden=(4,), targets=13, known=1, batch=68, horizon=40, residual=True, dtype=torch.float32)
)
def test_many_loops_are_those_of_the_definition(case):
    agrees(case)


@settings(max_examples=8, deadline=None)
@given(closed_loops, st.integers(0, 59))
def test_masks_may_end_long_before_the_horizon(case, leads):
    case = replace(case, teaching=0.5, dtype=torch.float64)
    request = case.request()
    compare(fast(), replace(request, mask=request.mask[:, : min(leads, case.horizon - 1)]), 1e-10)


@every_precision
def test_long_loops_are_those_of_the_definition(dtype):
    agrees(OpenCase(kind="gru", time=800, at=(17, 800), hidden=(24,), inputs=4, batch=20, dtype=dtype))
    agrees(ClosedCase(kind="lstm", horizon=800, hidden=(24,), targets=3, batch=3, known=2, teaching=0.2, dtype=dtype))


@every_kind
def test_gradients_are_finite_differences(kind):
    case = OpenCase(
        kind=kind, hidden=(2, 3), inputs=2, time=9, at=(2, 9), outputs_from=1, start="learnt", dropout=True,
        inputs_learn=True,
    )  # fmt: skip
    gradcheck_of(fast(), case.request())
    gradcheck_of(fast(), replace(case, start="given").request())
    case = ClosedCase(
        kind=kind, hidden=(2, 3), targets=2, known=1, horizon=9, teaching=0.3, dropout=True, inputs_learn=True
    )
    gradcheck_of(fast(), case.request())
    gradcheck_of(fast(), replace(case, residual=True).request())


def test_gradients_come_through_the_parameters_too():
    request = CLOSED.request()
    only = torch.autograd.grad(fast().decode(request).parameters.square().sum(), request.readout.weight)
    expected = torch.autograd.grad(Plain().decode(request).parameters.square().sum(), request.readout.weight)
    torch.testing.assert_close(only, expected)


def test_truths_that_are_not_fed_do_not_matter():
    request = CLOSED.request()
    assert request.mask.shape[1] == 20
    truth = request.truth.detach().clone()
    truth[~request.mask] = truth[:, -1] = math.nan
    expected, found = run(fast(), request), run(fast(), replace(request, truth=truth.requires_grad_()))
    assert all(torch.equal(*pair) for pair in zip(found.values, expected.values, strict=True))
    assert all(torch.equal(found.gradients[name], expected.gradients[name]) for name in expected.gradients)
    assert not expected.gradients["truth"][~request.mask].any()
    assert expected.gradients["truth"][request.mask].any()


# The same in every bit


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@every_kind
@every_precision
@every_loop
def test_threads_change_no_bit(case, kind, dtype):
    # More blocks of 16 rows than there are sums of gradients.
    request = replace(case, kind=kind, dtype=dtype, batch=300).request()
    found = []
    for number in (1, 2, 3, 5):
        torch.set_num_threads(number)
        found.append(run(fast(), request))
        with torch.no_grad():
            assert all(torch.equal(*pair) for pair in zip(found[0].values, results(fast(), request), strict=True))
    for other in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(found[0].values, other.values, strict=True))
        for name, gradient in found[0].gradients.items():
            assert torch.equal(gradient, other.gradients[name]), name


def test_rows_do_not_know_of_each_other():
    """What a sequence gives does not depend on who else is in its block, within rounding."""
    request = replace(OPEN, batch=37).request()
    whole = fast().sequence(request).outputs
    for row in (0, 13, 36):
        alone = replace(
            request,
            inputs=request.inputs[row : row + 1],
            states=[type(state)(*(part[row : row + 1] for part in state)) for state in request.states],
            dropout=[factors[row : row + 1] for factors in request.dropout],
        )
        torch.testing.assert_close(fast().sequence(alone).outputs[0], whole[row], rtol=1e-12, atol=1e-12)


# Autograd's manners


def test_a_readout_changed_between_forward_and_back_is_noticed():
    request = CLOSED.request()
    total = fast().decode(request).values.sum()
    with torch.no_grad():
        request.readout.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@every_loop
def test_data_changed_after_the_forward_pass_do_not_matter(case):
    """As batches that a loader fills again."""
    request = replace(case, inputs_learn=False).request()
    weights = request.layers[0].weights
    expected = torch.autograd.grad(squares(fast(), request), weights)
    total = squares(fast(), request)
    data = [request.inputs] if isinstance(request, OpenLoop) else [request.known, request.base, request.truth]
    for part in (*data, *request.dropout):
        part.fill_(7)
    assert all(torch.equal(*pair) for pair in zip(torch.autograd.grad(total, weights), expected, strict=True))


def test_outputs_changed_in_place_do_not_spoil_the_gradients():
    request = OPEN.request()
    weights = request.layers[0].weights
    expected = torch.autograd.grad((fast().sequence(request).outputs * 2).sum(), weights)
    found = torch.autograd.grad(fast().sequence(request).outputs.mul_(2).sum(), weights)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@every_loop
@pytest.mark.parametrize("without_gradient", [torch.no_grad, torch.inference_mode])
def test_values_without_gradients_keep_nothing(case, without_gradient):
    request = case.request()
    expected = results(fast(), request)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda part: part), without_gradient():
        found = results(fast(), request)
    assert not kept
    for one, other in zip(found, expected, strict=True):
        assert not one.requires_grad
        assert one.grad_fn is None
        assert torch.equal(one, other)


@every_loop
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_states_are_kept_for_a_backward_pass_only(case, mode, monkeypatch):
    kept = []

    def watched(*arguments: Any, **options: Any) -> Any:
        result = run_forward(*arguments, **options)
        kept.append(len(result.saved))
        return result

    from recast.nn.recurrence.compiled import autograd_function

    run_forward = autograd_function.run_forward
    monkeypatch.setattr(autograd_function, "run_forward", watched)
    request = case.request()
    with mode():
        results(fast(), request)
    assert kept == [3 if mode is torch.enable_grad else 0]


class Box:
    """Something that autograd keeps."""

    def __init__(self, part: Tensor) -> None:
        self.part = part


@every_loop
def test_what_is_kept_is_freed_by_the_backward_pass(case):
    request = case.request()
    kept = []

    def pack(part: Tensor) -> Box:
        box = Box(part)
        kept.append(weakref.ref(box))
        return box

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.part):
        value, *_ = results(fast(), request)
    numbers = sum(box().part.numel() for box in kept)
    assert numbers > case.batch * 20 * sum(case.hidden)
    upstream = torch.ones_like(value)
    value.backward(upstream, retain_graph=True)
    assert all(box() is not None for box in kept)
    value.backward(upstream)
    assert all(box() is None for box in kept)


@every_precision
def test_tensors_that_are_not_contiguous(dtype):
    request = replace(OPEN, dtype=dtype).request()
    expected = results(fast(), request)
    reversed_ = request.inputs.detach().flip(1).contiguous().flip(1)
    by_time = request.inputs.detach().transpose(0, 1).contiguous().transpose(0, 1)
    part_of_more = torch.randn(37, 20, 9, dtype=dtype)
    part_of_more[:, :, 2:8:2] = request.inputs.detach()
    for inputs in (reversed_, by_time, part_of_more[:, :, 2:8:2]):
        found = results(fast(), replace(request, inputs=inputs))
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    closed = replace(CLOSED, dtype=dtype).request()
    changes = {
        name: getattr(closed, name).detach().transpose(0, 1).contiguous().transpose(0, 1)
        for name in ("known", "base", "truth", "mask")
    }
    dropout = [factors.transpose(1, 2).contiguous().transpose(1, 2) for factors in closed.dropout]
    found = results(fast(), replace(closed, dropout=dropout, **changes))
    assert all(torch.equal(*pair) for pair in zip(found, results(fast(), closed), strict=True))


def test_upstream_gradients_that_are_not_contiguous():
    request = OPEN.request()
    weights = request.layers[0].weights
    factors = torch.randn(20, 7, 37, dtype=torch.float64).permute(2, 0, 1)
    for part in (lambda outputs: (outputs * factors).sum(), lambda outputs: outputs.sum(), lambda o: o[:, ::3].sum()):
        one, other = (torch.autograd.grad(part(i.sequence(request).outputs), weights) for i in (fast(), Plain()))
        for left, right in zip(one, other, strict=True):
            assert_close(left, right, 1e-10, "weight")


def test_expanded_tensors():
    request = OPEN.request()
    inputs = torch.randn(1, 20, 3, dtype=torch.float64, requires_grad=True)
    rows = [part[:1].detach().requires_grad_() for state in request.states for part in state]
    assert len(rows) == 2
    gradients = []
    for implementation in (fast(), Plain()):
        states = [type(state)(row.expand(37, -1)) for state, row in zip(request.states, rows, strict=True)]
        expanded = replace(request, inputs=inputs.expand(37, -1, -1), states=states)
        value = implementation.sequence(expanded).outputs.square().sum()
        gradients.append(torch.autograd.grad(value, [inputs, *rows, *request.layers[0].weights]))
    for left, right in zip(*gradients, strict=True):
        assert_close(left, right, 1e-10, "gradient")


@every_kind
@every_precision
def test_a_batch_of_one(kind, dtype):
    agrees(replace(OPEN, kind=kind, dtype=dtype, batch=1))
    agrees(replace(CLOSED, kind=kind, dtype=dtype, batch=1))
    agrees(OpenCase(kind=kind, dtype=dtype, batch=1, time=1, at=(1,), hidden=(1,)))
    agrees(ClosedCase(kind=kind, dtype=dtype, batch=1, horizon=1, hidden=(1,)))


# A network that diverges must be seen to diverge


def places_of(request: OpenLoop | ClosedLoop) -> dict[str, Tensor]:
    """All numbers that a loop reads, by name, not part of any graph."""
    return {name: leaf.detach() for name, leaf in leaves(request).items()}


def spoilt(case: OpenCase | ClosedCase, name: str, value: float) -> OpenLoop | ClosedLoop:
    """One number is no number."""
    request = case.request()
    place = places_of(request)[name]
    generator = torch.Generator().manual_seed(3)
    index = tuple(int(torch.randint(size, (), generator=generator)) for size in place.shape)
    if name == "truth":
        # One that is fed.
        index = (*request.mask[:, :-1].nonzero()[7].tolist(), index[-1])
    place[index] = value
    return request


@every_kind
@every_precision
@every_loop
@pytest.mark.parametrize("hidden", [(16, 16), (20, 7)], ids=["full", "padded"])
def test_a_loss_shows_what_is_not_a_number(case, kind, dtype, hidden):
    case = replace(case, kind=kind, dtype=dtype, hidden=hidden, dropout=False, batch=18)
    for name in places_of(case.request()):
        assert squares(fast(), spoilt(case, name, math.nan)).isnan(), name


@pytest.mark.slow
@every_kind
@every_precision
@every_loop
@pytest.mark.parametrize("hidden", [(16, 16), (20, 7)], ids=["full", "padded"])
def test_infinite_numbers_give_what_the_definition_gives_or_no_number(case, kind, dtype, hidden):
    """A tanh of infinity is 1, so that a loss may well be finite."""
    case = replace(case, kind=kind, dtype=dtype, hidden=hidden, dropout=False, batch=18)
    seen = 0
    for name, value in itertools.product(places_of(case.request()), (math.inf, -math.inf)):
        request = spoilt(case, name, value)
        found, expected = run(fast(), request), run(Plain(), request)
        pairs = [*zip(found.values, expected.values, strict=True)]
        pairs += [(found.gradients[leaf], expected.gradients[leaf]) for leaf in expected.gradients]
        for one, other in pairs:
            seen += int((~one.isfinite()).sum())
            assert not (one.isfinite() & ~other.isfinite()).any(), name
            both = one.isfinite() & other.isfinite()
            torch.testing.assert_close(one[both], other[both], rtol=1e-4, atol=1e-4)
    assert seen


@every_kind
@every_precision
def test_weights_that_have_grown_beyond_all_bounds(kind, dtype):
    """Every weight infinite, as after a step that was far too long."""
    for case in (replace(OPEN, kind=kind, dtype=dtype), replace(CLOSED, kind=kind, dtype=dtype)):
        request = case.request()
        with torch.no_grad():
            for layer in request.layers:
                for weight in layer.weights:
                    weight.mul_(math.inf)
        assert not squares(fast(), request).isfinite()


# As part of models, and of training


def encoder_decoder(data: pl.LightningDataModule, cell: Any, **options: Any) -> EncoderDecoder:
    options.setdefault("schedule", Linear(start=0.8))
    return EncoderDecoder(spec=data.spec, cell=partial(cell, hidden_size=5), head=Point(), **options)


def trained(implementation: Any, cell: Any, precision: Any, **options: Any) -> ForecastTask:
    pl.seed_everything(0, verbose=False)
    data = small_data()
    with using(Engine(implementation=implementation)):
        model = encoder_decoder(data, cell, layers=2, dropout=0.2)
        task = ForecastTask(model=model, optimizer=partial(torch.optim.SGD, lr=0.1))
        trainer = trainer_of(precision=precision, max_epochs=3, accumulate_grad_batches=2, **options)
        trainer.fit(task, data)
    assert trainer.global_step == 6
    return task


@pytest.mark.parametrize("cell", [RNN, GRU, LSTM])
@pytest.mark.parametrize(("precision", "tolerance"), [("64-true", 1e-10), ("32-true", 1e-5)])
def test_training_gives_the_same_weights(cell, precision, tolerance):
    # Short enough that all gradients are clipped.
    one, other = (
        trained(name, cell, precision, gradient_clip_val=0.1).state_dict() for name in ("numba", "plain")
    )  # fmt: skip
    before = trained("plain", cell, precision, gradient_clip_val=1e-9).state_dict()
    assert one.keys() == other.keys()
    name = "model.decoder.readout.weight"
    assert (other[name] - before[name]).abs().max() > 1e-3
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], rtol=tolerance, atol=tolerance, msg=name)


def test_a_checkpoint_written_with_it_is_read_without(tmp_path):
    data = small_data()
    pl.seed_everything(0, verbose=False)
    with using(Engine(implementation="numba")):
        task = ForecastTask(model=encoder_decoder(data, GRU))
        trainer = trainer_of(default_root_dir=tmp_path)
        trainer.fit(task, data)
        trainer.save_checkpoint(tmp_path / "numba.ckpt")
        (scores,) = trainer.test(task, data, verbose=False)
    with using(Engine(implementation="plain")):
        other = ForecastTask(model=encoder_decoder(data, GRU))
        assert list(other.state_dict()) == list(task.state_dict())
        trainer = trainer_of(default_root_dir=tmp_path)
        (found,) = trainer.test(other, data, ckpt_path=tmp_path / "numba.ckpt", verbose=False, weights_only=True)
    assert found == pytest.approx(scores, rel=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        partial(EncoderDecoder, layers=3, schedule=Linear()),
        partial(Direct, layers=2),
        partial(Direct, layers=2, readout="recurrent"),
    ],
    ids=["encoder_decoder", "direct", "top"],
)
def test_models_give_the_same(build):
    data = small_data(periods=None)
    batch = data.windows_at(data.loader("test").order.items)
    pl.seed_everything(0, verbose=False)
    model: ForecastModel = build(spec=data.spec, cell=partial(LSTM, hidden_size=9), head=Point())
    found = []
    for name in ("numba", "plain"):
        with using(Engine(implementation=name)):
            found.append(model.forecast(batch, samples=0).mean)
    torch.testing.assert_close(*found)


# Without the checks that the tests put around every function: torch.compile cannot look through these.
COMPILED_MODEL = """
import logging, sys
from functools import partial
import torch
from recast.nn.cells.gru import GRU
from recast.data.datamodule import ForecastDataModule
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.data.prepare.windows import Windows
from recast.nn.recurrence.engine import Engine, use
from recast.nn.schedules import Linear
from recast.data.sources.autoregressive import AR2

logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
use(Engine(implementation="numba"))
torch.set_num_threads(1)
data = ForecastDataModule(source=AR2(rows=120), windows=Windows(context=6, horizon=4))
cell = partial(GRU, hidden_size=5)
model = EncoderDecoder(spec=data.spec, cell=cell, head=Point(), schedule=Linear(), layers=2).eval()
batch = data.windows_at(data.loader("test").order.items)
expected, found = model(batch), torch.compile(model, backend="eager")(batch)
torch.testing.assert_close(found, expected)
weights = [weight for weight in model.parameters() if weight.requires_grad]
one, other = (torch.autograd.grad(part.square().sum(), weights) for part in (found, expected))
torch.testing.assert_close(one, other)
print(torch._dynamo.utils.counters["frames"]["ok"], "compiled")
"""


@pytest.mark.slow
def test_a_compiled_model_gives_the_same():
    done = subprocess.run([sys.executable, "-c", COMPILED_MODEL], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "recurrence, open loop: numba" in done.stdout
    assert "recurrence, closed loop: numba" in done.stdout
    *_, last = done.stdout.splitlines()
    assert int(last.removesuffix(" compiled")) > 0
