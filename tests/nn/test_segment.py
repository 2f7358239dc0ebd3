"""The network over segments against a plain loop around `torch.nn.GRU`, and what each of its options promises."""

import functools
from functools import partial
from itertools import product
from typing import Any

import pytest
import synthetic
import torch
from synthetic import batch_of, context_inputs, storage_of, with_leaves, with_weights
from torch import Tensor, nn
from torch.nn import functional

from recast.data.sources.autoregressive import AR2
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, NoAnchor
from recast.nn.models.segment import Segment
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose
from recast.runs.configure.folders import conf_folder
from recast.types import Batch, Progress

CELLS = sorted(path.stem for path in (conf_folder() / "model" / "cell").glob("*.yaml"))
HEADS = sorted(path.stem for path in (conf_folder() / "model" / "head").glob("*.yaml"))
HALFWAY = Progress(step=5, total_steps=10, epoch=0, total_epochs=1)
BATCH, CONTEXT, HORIZON, TARGETS, SEGMENT, HIDDEN = 3, 6, 5, 2, 2, 5

every_cell = pytest.mark.parametrize("cell", CELLS)
every_head = pytest.mark.parametrize("head", HEADS)
DECODINGS = ["parallel", "recurrent"]
every_decoding = pytest.mark.parametrize("decoding", DECODINGS)
every_anchor = pytest.mark.parametrize("anchor", [LastAnchor, NoAnchor], ids=["anchored", "free"])
spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@functools.cache
def part(group: str, name: str, *overrides: str) -> Any:
    """What a yaml file of the model group describes."""
    folders.register()
    return build(compose("train", ["model=segment", f"model/{group}={name}", *overrides])["model"][group])


def model_of(cell: str = "gru", head: str = "point", *, spec: SeriesSpec | None = None, **options: Any) -> Segment:
    """A float64 model in evaluation mode, with weights large enough for every path to matter."""
    factory = part("cell", cell, f"model.cell.hidden_size={HIDDEN}")
    options = {"segment": SEGMENT} | options
    return with_weights(Segment(spec=spec or spec_of(), cell=factory, head=part("head", head), **options))


def torch_gru(model: Segment) -> nn.GRU:
    """A GRU of torch whose weights are the model's."""
    cells = model.stack.cells
    gru = nn.GRU(cells[0].input_size, cells[0].hidden_size, num_layers=len(cells), batch_first=True).double()
    for layer, cell in enumerate(cells):
        for kind, weight in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), cell.weights, strict=True):
            setattr(gru, f"{kind}_l{layer}", weight)
    return gru


def reference(model: Segment, batch: Batch, noise: list[Tensor] | None = None) -> Tensor:
    """Window by window, target by target, segment by segment; `noise` is that of the segments fed back."""
    pairs = product(range(len(batch.start)), range(TARGETS))
    forecasts = [reference_of_one(model, batch, window, target, noise) for window, target in pairs]
    return torch.stack(forecasts).unflatten(0, (-1, TARGETS)).transpose(1, 2)


def reference_of_one(model: Segment, batch: Batch, window: int, target: int, noise: list[Tensor] | None) -> Tensor:
    """The forecast of one target of one window."""
    spec, width, gru = model.spec, model.segment, torch_gru(model)
    context, channels = context_inputs(batch)[window], len(spec.names)
    level = context[-1, target] * model.subtract_last
    base = (context[-1, target] - level) * isinstance(model.anchor, LastAnchor)
    known = torch.cat([context[:, channels:], batch.known_ahead[window], context.new_zeros(width, spec.known_reals)])
    known = [known[first : first + width].reshape(-1) for first in range(0, spec.context + spec.horizon, width)]
    count = spec.context // width

    def embed(values: Tensor, number: int, past: Tensor) -> Tensor:
        embedded = model.embedding.values.weight @ values + model.embedding.values.bias
        if model.embedding.covariates is not None:
            embedded += model.embedding.covariates.weight @ torch.cat([past.reshape(-1), known[number + 1]])
        return torch.clamp(embedded, min=0)

    rows = [context[number * width : (number + 1) * width] for number in range(count)]
    inputs = [embed(row[:, target] - level, k, row[:, TARGETS:channels]) for k, row in enumerate(rows)]
    outputs, state = gru(torch.stack(inputs)[None])
    pieces = []
    for number in range(-(-spec.horizon // width)):
        if model.decoding == "parallel":
            x = torch.cat([model.position[number], model.channel[target]])
            x = x if model.ahead is None else x + model.ahead.weight @ known[count + number]
            outputs, _ = gru(x[None, None], state)
        elif number:
            x = embed(pieces[-1][:, 0], count + number - 1, context.new_zeros(0))
            outputs, state = gru(x[None, None], state)
        raw = (model.readout.weight @ outputs[0, -1] + model.readout.bias).reshape(width, -1)
        piece = torch.cat([raw[:, :1] + base, raw[:, 1:]], dim=1)
        if noise is not None:
            drawn = noise[number][window, :, target]
            piece = (piece[:, 0] + (model.head.min_std + functional.softplus(piece[:, 1])) * drawn)[:, None]
        pieces.append(piece)
    forecast = torch.cat(pieces)[: spec.horizon]
    return torch.cat([forecast[:, :1] + level, forecast[:, 1:]], dim=1)


def gradients(model: Segment, outputs: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).reshape(outputs.shape)
    return list(torch.autograd.grad((weights * outputs).sum(), [*model.parameters(), *inputs], materialize_grads=True))


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


# Against the plain loop


@every_decoding
@every_anchor
@pytest.mark.parametrize("subtract_last", [True, False], ids=["subtracted", "plain"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("periods", [0, 1])
def test_values_and_gradients_are_those_of_the_plain_loop(decoding, anchor, subtract_last, layers, periods):
    past = 1 if decoding == "parallel" and layers == 2 else 0
    spec = spec_of(past=past, periods=periods)
    model = model_of(spec=spec, decoding=decoding, anchor=anchor, subtract_last=subtract_last, layers=layers)
    batch, (context, _, ahead) = with_leaves(batch_of(spec))
    inputs = context, ahead
    found, expected = model(batch), reference(model, batch)
    assert_equal(found, expected)
    for one, other in zip(gradients(model, found, *inputs), gradients(model, expected, *inputs), strict=True):
        assert_equal(one, other)


@every_decoding
@pytest.mark.parametrize(
    ("segment", "context", "horizon"), [(3, 6, 6), (6, 6, 4), (2, 2, 1), (1, 4, 3), (4, 8, 5)], ids=str
)
def test_segments_of_any_length(decoding, segment, context, horizon):
    spec = spec_of(context=context, horizon=horizon, periods=1)
    model = model_of(spec=spec, decoding=decoding, segment=segment)
    batch = batch_of(spec)
    assert_equal(model(batch), reference(model, batch))


@pytest.mark.parametrize("subtract_last", [True, False], ids=["subtracted", "plain"])
def test_drawn_segments_are_fed_back(subtract_last):
    samples, seed = 4, 3
    spec = spec_of(periods=1)
    model = model_of(head="gaussian", spec=spec, decoding="recurrent", subtract_last=subtract_last)
    batch = batch_of(spec)
    drawn = model.forecast(batch, samples=samples, seed=seed).samples
    generator = torch.Generator().manual_seed(seed)
    noise = [torch.randn(samples * BATCH, SEGMENT, TARGETS, generator=generator, dtype=torch.float64) for _ in range(3)]
    for sample in range(samples):
        own = [part.unflatten(0, (samples, BATCH))[sample] for part in noise]
        assert_equal(drawn[sample], reference(model, batch, own)[..., 0])


def test_parallel_segments_are_drawn_independently():
    model = model_of(head="gaussian")
    batch = batch_of(model.spec)
    drawn = model.forecast(batch, samples=3, seed=1).samples
    noise = torch.randn(3, *batch.target.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parameters = reference(model, batch)
    assert_equal(drawn, parameters[..., 0] + model.head.std(parameters) * noise)


# What every model keeps


@every_cell
@every_head
def test_shapes(cell, head):
    """Each cell, and each head, with both decodings."""
    decoding = DECODINGS[(CELLS.index(cell) + HEADS.index(head)) % len(DECODINGS)]
    model = model_of(cell, head, decoding=decoding, layers=2)
    batch = batch_of(model.spec)
    shape = (BATCH, HORIZON, TARGETS, model.head.size)
    assert model(batch).shape == shape
    trained = model.training_forecast(batch, HALFWAY)
    assert trained.parameters.shape == shape
    assert trained.target is batch.target
    forecast = model.forecast(batch, samples=7)
    assert forecast.mean.shape == batch.target.shape
    if model.head.stochastic:
        assert forecast.samples.shape == (7, *batch.target.shape)


@every_decoding
@every_anchor
@pytest.mark.parametrize("subtract_last", [True, False], ids=["subtracted", "plain"])
def test_every_lead_sees_all_segments_of_its_own_target_and_no_other_target(decoding, anchor, subtract_last):
    past = 1 if decoding == "parallel" else 0
    spec = spec_of(past=past, periods=1)
    # Many units, so that relu leaves some alive in every segment.
    model = model_of(spec=spec, decoding=decoding, anchor=anchor, subtract_last=subtract_last, embedding=40)
    batch, (context, _, _) = with_leaves(batch_of(spec))
    location = model.head.mean(model(batch))
    for lead, target in product(range(HORIZON), range(TARGETS)):
        (gradient,) = torch.autograd.grad(location[:, lead, target].sum(), context, retain_graph=True)
        own = gradient[:, :, [target, *range(TARGETS, TARGETS + past)]]
        assert (own[:, [0, -1]].abs() > 1e-9).all(), f"lead {lead + 1}, target {target}"
        assert (gradient[:, :, 1 - target] == 0).all()


@every_cell
@every_decoding
def test_every_lead_sees_the_last_value_with_any_cell(cell, decoding):
    model = model_of(cell, decoding=decoding)
    batch, (context, _, _) = with_leaves(batch_of(model.spec))
    location = model.head.mean(model(batch))
    for lead, target in product(range(HORIZON), range(TARGETS)):
        (gradient,) = torch.autograd.grad(location[:, lead, target].sum(), context, retain_graph=True)
        assert (gradient[:, -1, target].abs() > 1e-9).all(), f"lead {lead + 1}, target {target}"


@every_cell
@every_decoding
def test_every_lead_sees_every_segment_through_any_cell(cell, decoding):
    # Nothing leads past the cells, and many units, so that relu leaves some alive in every segment.
    model = model_of(cell, decoding=decoding, anchor=NoAnchor, subtract_last=False, embedding=40)
    batch, (context, _, _) = with_leaves(batch_of(model.spec))
    location = model.head.mean(model(batch))
    for lead, target in product(range(HORIZON), range(TARGETS)):
        (gradient,) = torch.autograd.grad(location[:, lead, target].sum(), context, retain_graph=True)
        assert (gradient[..., target].abs() > 1e-9).all(), f"lead {lead + 1}, target {target}"


@every_head
@every_decoding
def test_the_forecast_never_looks_at_the_truth(head, decoding):
    model = model_of(head=head, decoding=decoding)
    batch = batch_of(model.spec)
    changed = batch._replace(target=torch.full_like(batch.target, torch.nan))
    assert model.forecast(batch, samples=2).mean.equal(model.forecast(changed, samples=2).mean)


@every_decoding
def test_known_inputs_reach_the_leads_of_their_segment(decoding):
    spec = spec_of(periods=1)
    model = model_of(spec=spec, decoding=decoding)
    batch, (_, _, known) = with_leaves(batch_of(spec))
    outputs = model(batch)
    for lead in range(HORIZON):
        (gradient,) = torch.autograd.grad(outputs[:, lead].sum(), known, retain_graph=True)
        end = (lead // SEGMENT + 1) * SEGMENT
        assert (gradient[:, end - SEGMENT : end].abs() > 1e-9).all()
        assert (gradient[:, end:] == 0).all()
        seen_before = gradient[:, SEGMENT : end - SEGMENT].abs()
        assert (seen_before == 0).all() if decoding == "parallel" else (seen_before > 1e-9).all()


# Options


@every_decoding
@every_anchor
def test_subtracting_the_last_value_moves_the_forecast_with_the_level(decoding, anchor):
    model = model_of(decoding=decoding, anchor=anchor)
    batch = batch_of(model.spec)
    level = torch.tensor([3.0, -40.0], dtype=torch.float64)
    assert_equal(model(batch._replace(history=batch.history + level))[..., 0], model(batch)[..., 0] + level)


@every_decoding
def test_without_weights_in_the_readout_it_holds_the_last_value(decoding):
    model = model_of(decoding=decoding)
    nn.init.zeros_(model.readout.weight)
    nn.init.zeros_(model.readout.bias)
    batch = batch_of(model.spec)
    assert_equal(model(batch)[..., 0], batch.history[:, -1:].expand(-1, HORIZON, -1))


def test_the_channel_embedding_alone_tells_targets_apart():
    model = model_of()
    batch = batch_of(model.spec)
    same = batch._replace(history=batch.history[..., :1].expand(-1, -1, TARGETS))
    apart = model(same)
    assert (apart[:, :, 0] - apart[:, :, 1]).abs().min() > 1e-6
    nn.init.zeros_(model.channel)
    alike = model(same)
    assert_equal(alike[:, :, 0], alike[:, :, 1])


def test_an_embedding_is_as_large_as_the_state_unless_stated():
    assert model_of().stack.cells[0].input_size == HIDDEN
    model = model_of(embedding=7)
    assert model.stack.cells[0].input_size == 7
    assert (model.position.shape, model.channel.shape) == ((3, 4), (TARGETS, 3))
    batch = batch_of(model.spec)
    assert_equal(model(batch), reference(model, batch))


@every_decoding
def test_dropout_acts_on_the_readout_in_training_alone(decoding):
    model = model_of(decoding=decoding, dropout=0.5)
    batch = batch_of(model.spec)
    assert_equal(model(batch), reference(model, batch))
    model.train()
    found = [model(batch)[..., 0] for _ in range(2)]
    assert not found[0].equal(found[1])
    nn.init.zeros_(model.readout.weight)
    bias = model.readout.bias.repeat(3)[:HORIZON, None]
    expected = bias + batch.history[:, -1:]
    assert_equal(model(batch)[..., 0], expected)


def test_a_context_of_broken_segments_is_refused():
    with pytest.raises(
        ConfigurationError,
        match=r"Segment: a context of 6 steps is no whole number of segments of 4 steps; choose another segment "
        r"\(2, 3, 6, \.\.\.\) or another context \(data.windows.context=8\)",
    ):
        model_of(segment=4)


def test_a_segment_longer_than_the_context_is_refused():
    with pytest.raises(ConfigurationError, match=r"context of 6 steps .* segments of 48 steps; .*context=48\)"):
        model_of(segment=48)


def test_recurrent_decoding_refuses_past_inputs():
    with pytest.raises(
        ConfigurationError, match=r"decoding=recurrent .*, but the data have past inputs \(c\); use decoding=parallel"
    ):
        model_of(spec=spec_of(past=1), decoding="recurrent")


@pytest.mark.parametrize(("option", "value"), [("segment", 0), ("decoding", "both"), ("dropout", 1.0), ("layers", 0)])
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"Segment: {option}="):
        model_of(**{option: value})


# It learns


@pytest.mark.slow
@every_decoding
def test_it_learns_an_oscillation(decoding):
    values = torch.from_numpy(AR2(rows=200).read().values).float()
    values = (values - values.mean()) / values.std()
    spec = spec_of(context=12, horizon=4)
    both = storage_of(torch.cat([values, -values], dim=1), targets=TARGETS)
    batch = both.windows(torch.arange(len(values) - 15), 12, 4)
    model = Segment(
        spec=spec,
        cell=part("cell", "gru", "model.cell.hidden_size=16"),
        head=part("head", "point"),
        segment=2,
        decoding=decoding,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        loss = model.head.loss(*model.training_forecast(batch, HALFWAY))
        loss.backward()
        optimizer.step()
    naive = (batch.target - batch.history[:, -1:]).square().mean()
    assert loss < 0.5 * naive
