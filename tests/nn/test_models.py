"""The encoder-decoder against a plain loop, and what each cell, head and option promises."""

import functools
from functools import partial
from itertools import product
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import synthetic
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import batch_of, context_inputs, with_leaves, with_weights
from torch import Tensor
from torch.nn import functional

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, NoAnchor
from recast.nn.attention import Luong
from recast.nn.cells.gate_init import ConstantBias
from recast.nn.cells.gru import GRU
from recast.nn.cells.rnn import RNN
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.models import stack
from recast.nn.models.bidirectional_encoder import BidirectionalEncoder
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.stack import Stack
from recast.nn.models.teacher_forcing import TeacherForcingMask
from recast.nn.schedules import Always, Constant, HorizonCurriculum, Never
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose
from recast.runs.configure.folders import conf_folder
from recast.training.learning_rates import OneCycle
from recast.training.task import ForecastTask
from recast.types import Batch, Progress

CELLS = sorted(path.stem for path in (conf_folder() / "model" / "cell").glob("*.yaml"))
HEADS = sorted(path.stem for path in (conf_folder() / "model" / "head").glob("*.yaml"))
FEEDBACK = ("prediction", "constant")
HALFWAY = Progress(step=5, total_steps=10, epoch=0, total_epochs=1)
BATCH, CONTEXT, HORIZON, TARGETS = 3, 6, 4, 2

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "attention": {"attention": Luong},
    "concat": {"attention": partial(Luong, score="concat")},
    "bidirectional": {"bidirectional": True},
    "both": {"attention": Luong, "bidirectional": True},
}
"""Options that change how the decoder learns of the context."""

every_cell = pytest.mark.parametrize("cell", CELLS)
every_head = pytest.mark.parametrize("head", HEADS)
every_anchor = pytest.mark.parametrize("anchor", [LastAnchor, NoAnchor], ids=["anchored", "free"])
every_form = pytest.mark.parametrize("form", FORMS)
every_feedback = pytest.mark.parametrize("feedback", FEEDBACK)
FREE = list(product([LastAnchor, NoAnchor], FEEDBACK))
PAIRED = [(cell, head, *FREE[(i + j) % len(FREE)]) for i, cell in enumerate(CELLS) for j, head in enumerate(HEADS)]
PAIRED += [case for case in product(["gru"], HEADS, [LastAnchor, NoAnchor], FEEDBACK) if case not in PAIRED]
"""Every cell with every head; each of both, and the GRU with each head, with every anchor and feedback."""
every_pair = pytest.mark.parametrize(("cell", "head", "anchor", "feedback"), PAIRED)
spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON, past=1, periods=1)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@functools.cache
def node(group: str, name: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    folders.register()
    return compose("train", [f"model/{group}={name}", *overrides])["model"][group]


def part(group: str, name: str, **options: object) -> Any:
    """What a yaml file of the model group describes."""
    return build(node(group, name, tuple(f"model.{group}.{option}={value}" for option, value in options.items())))


def model_of(
    cell: str = "gru", head: str = "point", *, spec: SeriesSpec | None = None, **options: Any
) -> EncoderDecoder:
    """A float64 model in evaluation mode, with weights large enough for every path to matter."""
    factory = part("cell", cell, hidden_size=5)
    options = {"schedule": Never(), "layers": 2} | options
    return with_weights(EncoderDecoder(spec=spec or spec_of(), cell=factory, head=part("head", head), **options))


def read(model: EncoderDecoder, batch: Batch) -> tuple[list[Tensor], list[Any]]:
    """The encoder as a plain loop over steps and layers: its output at each step, and its states."""
    inputs = context_inputs(batch)
    states = [cell.initial_state(len(inputs), inputs) for cell in model.encoder.stack.cells]
    outputs = []
    for step in range(batch.context):
        x = inputs[:, step]
        for layer, cell in enumerate(model.encoder.stack.cells):
            states[layer] = cell.step(x, states[layer])
            x = states[layer].hidden
        outputs.append(x)
    return outputs, states


def read_in_both_directions(model: EncoderDecoder, batch: Batch) -> tuple[list[Tensor], list[Any]]:
    """The same with a bidirectional encoder, layer by layer."""
    inputs = context_inputs(batch)
    outputs = list(inputs.unbind(1))
    joined = []
    for ahead, back, bridges in zip(model.encoder.ahead, model.encoder.back, model.encoder.bridges, strict=True):
        found = {}
        for cell, steps in ((ahead, range(len(outputs))), (back, reversed(range(len(outputs))))):
            state = cell.initial_state(len(inputs), inputs)
            for step in steps:
                state = cell.step(outputs[step], state)
                found[cell, step] = state
        outputs = [
            torch.cat([found[ahead, step].hidden, found[back, step].hidden], dim=1) for step in range(len(outputs))
        ]
        pairs = zip(bridges, found[ahead, len(outputs) - 1], found[back, 0], strict=True)
        joined.append(type(state)(*(torch.cat(pair, dim=1) @ bridge.weight.T + bridge.bias for bridge, *pair in pairs)))
    return outputs, joined


def attend(attention: Luong, query: Tensor, memory: list[Tensor]) -> Tensor:
    """Attention of one lead to one step after the other."""
    if attention.score == "concat":
        scores = [torch.tanh(attention.query(query) + attention.key(m)) @ attention.direction.weight[0] for m in memory]
    else:
        scores = [(query * attention.key(m)).sum(dim=1) for m in memory]
    weights = torch.stack(scores).softmax(dim=0)
    context = sum(weight[:, None] * m for weight, m in zip(weights, memory, strict=True))
    return torch.tanh(torch.cat([context, query], dim=1) @ attention.combine.weight.T)


def reference(model: EncoderDecoder, batch: Batch, mask: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
    """The decoder as a plain loop over steps and layers; `mask` is true where the truth is fed after a lead."""
    memory, states = (
        read_in_both_directions(model, batch) if isinstance(model.encoder, BidirectionalEncoder) else read(model, batch)
    )
    last = batch.history[:, -1]
    value, outputs = last, []
    for lead in range(batch.target.shape[1]):
        x = torch.cat([value, batch.known_ahead[:, lead]], dim=1)
        for layer, cell in enumerate(model.decoder.stack.cells):
            states[layer] = cell.step(x, states[layer])
            x = states[layer].hidden
        if isinstance(model.decoder.attention, Luong):
            x = attend(model.decoder.attention, x, memory)
        raw = (x @ model.decoder.readout.weight.T + model.decoder.readout.bias).reshape(len(x), model.spec.targets, -1)
        location = raw[..., 0] + (last if isinstance(model.anchor, LastAnchor) else 0)
        outputs.append(torch.cat([location[..., None], raw[..., 1:]], dim=-1))
        fed = location
        if noise is not None:
            fed = location + (model.head.min_std + functional.softplus(raw[..., 1])) * noise[lead]
        fed = fed.detach() if model.decoder.detach_feedback else fed
        value = fed if model.decoder.feedback == "prediction" else last
        if mask is not None and lead < mask.shape[1]:
            value = torch.stack([batch.target[b, lead] if mask[b, lead] else value[b] for b in range(len(mask))])
    return torch.stack(outputs, dim=1)


def unroll(model: EncoderDecoder, batch: Batch, mask: Tensor | None) -> Tensor:
    outputs, states = model.encoder(batch, model.inputs.context(batch))
    start = (
        states,
        model.last(batch),
        model.inputs.ahead(batch),
        model.base(batch),
        model.decoder.attention.memorise(outputs),
    )
    return model.decoder.closed_loop(*start, truth=batch.target, mask=mask).parameters


def gradients(model: EncoderDecoder, outputs: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).reshape(outputs.shape)
    learnt = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    names = list(learnt)
    found = torch.autograd.grad((weights * outputs).sum(), [*learnt.values(), *inputs], allow_unused=True)
    assert any(gradient is not None for gradient in found[: len(names)])
    return [torch.zeros(()) if gradient is None else gradient for gradient in found]


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


# What every model keeps


@every_pair
def test_shapes(cell, head, anchor, feedback):
    model = model_of(cell, head, anchor=anchor, feedback=feedback)
    batch = batch_of(model.spec)
    shape = (BATCH, HORIZON, TARGETS, model.head.size)
    assert model(batch).shape == shape
    assert model.teacher_forced(batch).shape == shape
    assert model.training_forecast(batch, HALFWAY).parameters.shape == shape
    forecast = model.forecast(batch, samples=7)
    assert forecast.mean.shape == (BATCH, HORIZON, TARGETS)
    if model.head.stochastic:
        assert forecast.samples.shape == (7, BATCH, HORIZON, TARGETS)
        assert_equal(forecast.samples.mean(dim=0), forecast.mean)
    else:
        assert forecast.samples is None


@every_pair
def test_every_lead_sees_the_last_input_and_an_early_one(cell, head, anchor, feedback):
    model = model_of(cell, head, anchor=anchor, feedback=feedback)
    batch, (context, _, _) = with_leaves(batch_of(model.spec))
    location = model.head.mean(model(batch))
    for lead, target in product(range(HORIZON), range(TARGETS)):
        (gradient,) = torch.autograd.grad(location[:, lead, target].sum(), context, retain_graph=True)
        assert (gradient[:, [0, -1]].abs() > 1e-12).all(), f"lead {lead + 1}, target {target}"


@every_form
@every_head
def test_every_form_sees_every_step_of_the_context(form, head):
    model = model_of(head=head, **FORMS[form])
    batch, (context, _, _) = with_leaves(batch_of(model.spec))
    for outputs in (model(batch), model.teacher_forced(batch)):
        assert outputs.shape == (BATCH, HORIZON, TARGETS, model.head.size)
        for lead, target in product(range(HORIZON), range(TARGETS)):
            total = model.head.mean(outputs)[:, lead, target].sum()
            (gradient,) = torch.autograd.grad(total, context, retain_graph=True)
            assert (gradient.abs() > 1e-9).all(), f"lead {lead + 1}, target {target}"


@every_form
@every_feedback
def test_no_form_looks_at_the_truth(form, feedback):
    model = model_of(feedback=feedback, **FORMS[form])
    batch = batch_of(model.spec)
    changed = batch._replace(target=torch.full_like(batch.target, torch.nan))
    assert model(batch).equal(model(changed))


@every_form
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_every_form_equals_the_plain_loop(form, cell):
    model = model_of(cell, **FORMS[form])
    batch, inputs = with_leaves(batch_of(model.spec))
    everywhere = torch.ones(BATCH, HORIZON - 1, dtype=torch.bool)
    for mask in (None, torch.rand(BATCH, HORIZON - 1) < 0.5, everywhere):
        found, expected = unroll(model, batch, mask), reference(model, batch, mask)
        assert_equal(found, expected)
        for one, other in zip(gradients(model, found, *inputs), gradients(model, expected, *inputs), strict=True):
            assert_equal(one, other)
    assert_equal(model.teacher_forced(batch), found)
    assert not torch.allclose(model(batch), found)


@every_cell
def test_every_cell_reads_in_both_directions(cell):
    model = model_of(cell, **FORMS["both"])
    batch = batch_of(model.spec)
    assert_equal(model(batch), reference(model, batch))


@every_cell
@every_feedback
def test_the_forecast_never_looks_at_the_truth(cell, feedback):
    model = model_of(cell, feedback=feedback)
    batch = batch_of(model.spec)
    changed = batch._replace(target=torch.full_like(batch.target, torch.nan))
    assert model(batch).equal(model(changed))
    assert model.forecast(batch, samples=1).mean.equal(model.forecast(changed, samples=1).mean)
    batch.target.requires_grad_()
    assert gradients(model, model(batch), batch.target)[-1].abs().max() == 0


def test_the_probabilistic_forecast_never_looks_at_the_truth():
    model = model_of(head="gaussian")
    batch = batch_of(model.spec)
    changed = batch._replace(target=torch.full_like(batch.target, torch.nan))
    assert model.forecast(batch, samples=5).samples.equal(model.forecast(changed, samples=5).samples)


def test_teacher_forcing_sees_the_truth_before_each_lead_and_nothing_later():
    model = model_of(anchor=NoAnchor)
    batch = batch_of(model.spec)
    truth = batch.target.requires_grad_()
    outputs = model.teacher_forced(batch)
    for lead in range(HORIZON):
        (gradient,) = torch.autograd.grad(outputs[:, lead].sum(), truth, retain_graph=True)
        assert (gradient[:, :lead].abs() > 0).all()
        assert (gradient[:, lead:] == 0).all()


@pytest.mark.parametrize("forced", [False, True])
def test_inputs_known_ahead_reach_their_lead_and_later_ones(forced):
    model = model_of()
    batch, (_, _, known) = with_leaves(batch_of(model.spec))
    outputs = model.teacher_forced(batch) if forced else model(batch)
    for lead in range(HORIZON):
        (gradient,) = torch.autograd.grad(outputs[:, lead].sum(), known, retain_graph=True)
        assert (gradient[:, : lead + 1].abs() > 0).all()
        assert (gradient[:, lead + 1 :] == 0).all()


# Against the plain loop


@every_cell
@every_anchor
@every_feedback
@pytest.mark.parametrize("detach", [False, True], ids=["flows", "detached"])
def test_unrolling_with_random_masks_equals_the_plain_loop(cell, anchor, feedback, detach):
    model = model_of(cell, anchor=anchor, feedback=feedback, detach_feedback=detach)
    batch, inputs = with_leaves(batch_of(model.spec))
    for mask in (None, torch.rand(BATCH, HORIZON - 1) < 0.5, torch.rand(BATCH, HORIZON - 1) < 0.5):
        found, expected = unroll(model, batch, mask), reference(model, batch, mask)
        assert_equal(found, expected)
        for one, other in zip(gradients(model, found, *inputs), gradients(model, expected, *inputs), strict=True):
            assert_equal(one, other)


def test_detaching_changes_the_gradient_and_not_the_forecast():
    model = model_of()
    batch = batch_of(model.spec)
    outputs, gradient = [], []
    for detach in (False, True):
        model.decoder.detach_feedback = detach
        outputs.append(model(batch))
        gradient.append(gradients(model, outputs[-1])[0])
    assert outputs[0].equal(outputs[1])
    assert not torch.allclose(gradient[0], gradient[1])


@pytest.mark.parametrize(("cell", "head", "anchor"), list(dict.fromkeys(case[:3] for case in PAIRED)))
def test_the_truth_at_every_step_is_teacher_forcing(cell, head, anchor):
    model = model_of(cell, head, anchor=anchor)
    batch = batch_of(model.spec)
    everywhere = torch.ones(BATCH, HORIZON - 1, dtype=torch.bool)
    forced = model.teacher_forced(batch)
    assert_equal(unroll(model, batch, everywhere), forced)
    assert_equal(reference(model, batch, everywhere), forced)
    assert not torch.allclose(forced, reference(model, batch, ~everywhere))


@every_cell
def test_the_schedule_decides(cell):
    batch = batch_of(spec_of())
    forced, free = (model_of(cell, schedule=schedule) for schedule in (Always(), Never()))
    free.load_state_dict(forced.state_dict())
    assert_equal(forced.training_forecast(batch, HALFWAY).parameters, free.teacher_forced(batch))
    assert_equal(free.training_forecast(batch, HALFWAY).parameters, forced(batch))


@pytest.mark.parametrize("schedule", [Constant(value=0.3), HorizonCurriculum()], ids=["constant", "curriculum"])
def test_masks_are_as_the_schedule_says(schedule):
    model = model_of(schedule=schedule)
    batch = batch_of(model.spec, batch=50)
    generator = torch.Generator()
    generator.set_state(model.teacher_forcing_mask.get_extra_state())
    for _ in range(2):
        mask = torch.rand(50, HORIZON - 1, generator=generator) < torch.tensor(schedule.probabilities(HALFWAY, HORIZON))
        assert 0 < mask.sum() < mask.numel()
        assert_equal(model.training_forecast(batch, HALFWAY).parameters, reference(model, batch, mask))


def test_a_horizon_of_one_has_nothing_to_feed():
    spec = spec_of(horizon=1)
    model = model_of(spec=spec, schedule=Constant(value=0.5))
    batch = batch_of(spec)
    assert_equal(model.training_forecast(batch, HALFWAY).parameters, model(batch))
    assert_equal(model(batch), reference(model, batch))


def test_diagnostics_show_the_probability():
    assert model_of(schedule=Constant(value=0.3)).diagnostics(HALFWAY) == {"teacher_forcing_probability": 0.3}


# Options


@every_head
def test_the_anchor_adds_the_last_value_to_each_lead(head):
    free, anchored = (model_of(head=head, anchor=anchor, feedback="constant") for anchor in (NoAnchor, LastAnchor))
    anchored.load_state_dict(free.state_dict())
    batch = batch_of(free.spec)
    difference = anchored(batch) - free(batch)
    last = batch.history[:, -1:].expand(-1, HORIZON, -1)
    assert_equal(difference[..., 0], last)
    assert_equal(difference[..., 1:], torch.zeros_like(difference[..., 1:]))


def test_an_anchored_model_without_weights_is_persistence():
    model = model_of(anchor=LastAnchor)
    torch.nn.init.zeros_(model.decoder.readout.weight)
    torch.nn.init.zeros_(model.decoder.readout.bias)
    batch = batch_of(model.spec)
    assert_equal(model(batch)[..., 0], batch.history[:, -1:].expand(-1, HORIZON, -1))


def test_constant_feedback_does_not_read_predictions():
    model = model_of(feedback="constant", anchor=NoAnchor)
    batch = batch_of(model.spec)
    first = model.head.mean(model(batch))[:, 0]
    with torch.no_grad():
        model.decoder.readout.weight *= 2
        model.decoder.readout.bias *= 2
    # The readout is linear and what is fed does not depend on it: all leads double.
    assert_equal(model.head.mean(model(batch))[:, 0], 2 * first)
    before = model(batch)
    model.decoder.readout.bias.data += 1
    assert_equal(model(batch), before + 1)


@every_cell
def test_a_decoder_has_no_initial_state_of_its_own(cell):
    """It would never get a gradient, since a decoder starts from the encoder's state."""
    spec = spec_of()
    factory = part("cell", cell, hidden_size=5, learn_initial_state=True)
    model = EncoderDecoder(spec=spec, cell=factory, head=Point(), schedule=Never()).double()
    batch = batch_of(spec)
    model.head.loss(*model.training_forecast(batch, HALFWAY)).backward()
    assert any("initial" in name for name, _ in model.encoder.named_parameters())
    # The decoder takes over the memory of dilated and linear recurrent units, and makes outputs of it by itself.
    unread = set(model.encoder.output_weights())
    assert {weight for weight in model.parameters() if weight.grad is None} == unread
    assert bool(unread) == (cell in {"dilated", "lru"})


def test_tied_models_share_their_weights():
    spec = spec_of(past=0)
    tied, free = (model_of(spec=spec, tied=tied) for tied in (True, False))
    count = {id(parameter) for parameter in tied.encoder.parameters()}
    assert {id(parameter) for parameter in tied.decoder.stack.parameters()} == count
    assert len(list(tied.parameters())) == len(count) + 2
    assert len(list(free.parameters())) == 2 * len(count) + 2
    batch = batch_of(spec)
    assert_equal(tied(batch), reference(tied, batch))


def test_tied_models_are_refused_with_past_inputs():
    with pytest.raises(
        ConfigurationError,
        match=r"tied=True shares .*, but the data have past inputs \(c\); use tied=False",
    ):
        model_of(tied=True)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("layers", 0),
        ("dropout", 1.0),
        ("feedback", "truth"),
        ("mask_unit", "lead"),
        ("anchor", "last"),
        ("dropout", -0.1),
    ],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"EncoderDecoder: {option}={value!r}"):
        model_of(**{option: value})


def test_dropout_lies_between_layers_only(monkeypatch):
    built = Stack(cell=partial(GRU, hidden_size=4), input_size=2, layers=3, dropout=0.3)
    seen = []

    def dropped(values: Tensor, probability: float, training: bool) -> Tensor:
        seen.append((probability, training))
        return torch.zeros_like(values)

    monkeypatch.setattr(stack.functional, "dropout", dropped)
    inputs = torch.randn(5, 7, 2)
    outputs, states = built(inputs)
    assert seen == [(0.3, True)] * 2
    # The first layer reads its inputs whole, the others nothing, and what the last one gives is whole.
    first, state = built.cells[0](inputs)
    torch.testing.assert_close(states[0].hidden, state.hidden)
    expected, _ = built.cells[2](torch.zeros_like(first))
    torch.testing.assert_close(outputs, expected)
    output, new = built.step(inputs[:, 0], states)
    assert new[0].hidden.equal(built.cells[0].step(inputs[:, 0], states[0]).hidden)
    assert output.equal(built.cells[2].step(torch.zeros(5, 4), states[2]).hidden)
    assert len(seen) == 4


def test_dropout_acts_in_training_and_not_in_evaluation():
    model = model_of(dropout=0.5)
    batch = batch_of(model.spec)
    assert model(batch).equal(model(batch))
    model.train()
    assert not model(batch).equal(model(batch))
    single = model_of(dropout=0.5, layers=1).train()
    assert single(batch).equal(single(batch))


# TeacherForcingMask


def mask_of(mask_unit: str, seed: int = 0) -> TeacherForcingMask:
    torch.manual_seed(seed)
    return TeacherForcingMask(mask_unit)


@pytest.mark.parametrize("mask_unit", ["step", "sequence", "batch"])
def test_masks_show_the_truth_as_often_as_they_should(mask_unit):
    mask = mask_of(mask_unit)
    probabilities = [0.1, 0.5, 0.9]
    draws = torch.stack([mask.draw(probabilities, 20) for _ in range(2000)]).double()
    independent = 2000 * (1 if mask_unit == "batch" else 20)
    deviation = np.sqrt(np.array(probabilities) * (1 - np.array(probabilities)) / independent)
    assert (np.abs(draws.mean(dim=(0, 1)).numpy() - probabilities) < 4.5 * deviation).all()


def test_each_step_is_drawn_by_itself():
    mask = mask_of("step").draw([0.5] * 200, 300).double()
    correlation = np.corrcoef(mask.numpy())
    assert np.abs(correlation[~np.eye(300, dtype=bool)]).max() < 0.5
    assert (mask.std(dim=0) > 0).all()


def test_sequences_and_batches_are_drawn_once():
    mask = mask_of("sequence").draw([0.5] * 20, 300)
    assert (mask == mask[:, :1]).all()
    assert 0 < mask[:, 0].sum() < 300
    masks = [mask.draw([0.5] * 20, 300) for mask in [mask_of("batch")] for _ in range(50)]
    assert all((mask == mask[0, 0]).all() for mask in masks)
    assert {bool(mask[0, 0]) for mask in masks} == {True, False}


@given(seed=st.integers(0, 2**32), before=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_the_state_dict_restores_the_next_draw(seed, before):
    mask, other = mask_of("step", seed), mask_of("step", seed + 1)
    for _ in range(before):
        mask.draw([0.5] * 9, 9)
    other.load_state_dict(mask.state_dict())
    torch.manual_seed(99)  # of no effect
    assert mask.draw([0.5] * 9, 9).equal(other.draw([0.5] * 9, 9))


def test_masks_are_seeded_from_the_global_generator():
    assert mask_of("step", 1).draw([0.5] * 64, 1).equal(mask_of("step", 1).draw([0.5] * 64, 1))
    assert not mask_of("step", 1).draw([0.5] * 64, 1).equal(mask_of("step", 2).draw([0.5] * 64, 1))


# Probabilistic forecasts


def test_the_first_lead_is_drawn_from_the_heads_distribution():
    model = model_of(head="gaussian", spec=spec_of(horizon=1))
    batch = batch_of(model.spec)
    parameters = model(batch)
    samples = model.forecast(batch, samples=20_000).samples
    std = model.head.std(parameters)
    assert ((samples.mean(dim=0) - model.head.mean(parameters)).abs() < 5 * std / 20_000**0.5).all()
    assert (samples.std(dim=0) / std - 1).abs().max() < 5 / (2 * 20_000) ** 0.5


@every_form
def test_trajectories_feed_back_what_they_drew(form):
    model = model_of(head="gaussian", **FORMS[form])
    batch = batch_of(model.spec)
    samples = model.trajectories(batch, 4, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    noise = torch.stack(
        [torch.randn(4 * BATCH, TARGETS, generator=generator, dtype=torch.float64) for _ in range(HORIZON)]
    )
    wide = batch.take(torch.arange(BATCH).repeat(4))
    parameters = reference(model, wide, noise=noise)
    drawn = parameters[..., 0] + model.head.std(parameters) * noise.transpose(0, 1)
    assert_equal(samples, drawn.reshape(4, BATCH, HORIZON, TARGETS))


@every_head
def test_what_is_drawn_is_fed_back_and_the_next_lead_drawn_given_it(head):
    model = model_of(head=head)
    if not model.head.stochastic:
        return
    batch = batch_of(model.spec)
    samples = model.trajectories(batch, 4, torch.Generator().manual_seed(3)).flatten(0, 1)
    wide = batch.take(torch.arange(BATCH).repeat(4))._replace(target=samples)
    parameters = model.teacher_forced(wide)
    generator = torch.Generator().manual_seed(3)
    for lead in range(HORIZON):
        assert_equal(model.head.feedback(parameters[:, lead], generator), samples[:, lead])
    forecast = model.forecast(batch, samples=4, seed=3)
    assert_equal(forecast.samples.flatten(0, 1), samples)
    assert forecast.inverse is None


def test_the_same_seed_gives_the_same_trajectories():
    model = model_of(head="gaussian")
    batch = batch_of(model.spec)
    one, two, other = (model.forecast(batch, samples=3, seed=seed).samples for seed in (1, 1, 2))
    assert one.equal(two)
    assert not one.equal(other)
    assert not one[0].equal(one[1])


# Learning


@pytest.mark.slow
@pytest.mark.parametrize("cell", [RNN, partial(GRU, gate_init=ConstantBias(bias=0.0))], ids=["RNN", "GRU"])
def test_a_small_model_learns_the_best_forecast_of_an_autoregression(cell):
    """The best forecast is known; nothing forecasts better but by chance.

    It needs two values back, and a GRU that begins with a long memory is slower to find that out.
    """
    pl.seed_everything(0, verbose=False)
    source = AR2(rows=6000)
    data = ForecastDataModule(source=source, windows=Windows(context=8, horizon=3), batch_size=64)
    model = EncoderDecoder(
        spec=data.spec, cell=partial(cell, hidden_size=16), head=Point(), schedule=Never(), anchor=LastAnchor
    )
    task = ForecastTask(model=model, optimizer=partial(torch.optim.Adam, lr=1e-2), learning_rate=OneCycle())
    trainer = pl.Trainer(
        max_epochs=8,
        accelerator="cpu",
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    found = task.metrics_of("test")["mse"].per_lead().numpy()
    values = data.prepared.panel.values[:, 0]
    origins = data.prepared.starts.test.numpy() + 7
    best = source.best_forecast(values[origins], values[origins - 1], 3)
    truth = np.stack([values[origins + lead] for lead in (1, 2, 3)], axis=1)
    possible = ((best - truth) ** 2).mean(axis=0)
    np.testing.assert_allclose(possible, source.forecast_error_variance(3), rtol=0.15)
    assert (found / possible < 1.12).all()
    assert (found / possible > 0.97).all()


@pytest.mark.slow
def test_gaussian_training_finds_the_spread():
    pl.seed_everything(0, verbose=False)
    model = model_of(head="gaussian", spec=spec_of(horizon=1, past=0, periods=0), anchor=NoAnchor, layers=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(400):
        batch = batch_of(model.spec, batch=64)
        loss = model.head.loss(model.training_forecast(batch, HALFWAY).parameters, batch.target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert isinstance(model.head, Gaussian)
    parameters = model(batch_of(model.spec, batch=500))
    assert model.head.std(parameters).mean().item() == pytest.approx(1, abs=0.1)
    assert model.head.mean(parameters).mean().item() == pytest.approx(0, abs=0.1)
