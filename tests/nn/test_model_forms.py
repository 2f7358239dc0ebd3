"""What every forecasting model promises, and each form of forecasting against a plain loop."""

from functools import partial
from itertools import cycle, pairwise, product
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from model_forms import (
    ANCHORS,
    BATCH,
    CELLS,
    CONTEXT,
    HALFWAY,
    HEADS,
    HORIZON,
    MODELS,
    TARGETS,
    model_of,
    part,
    spec_of,
)
from small_data import small_counts, small_data
from synthetic import batch_of, context_inputs, with_context, with_leaves, with_weights
from torch import Tensor, nn

from recast.data.prepare.scale import Rescale
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, LinearAnchor, NoAnchor
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.implicit_quantile import ImplicitQuantile
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.nn.models.model import ForecastModel
from recast.nn.models.origins import rolling
from recast.nn.models.per_step import PerStep
from recast.nn.models.recursive import Recursive
from recast.nn.models.vector_to_sequence import VectorToSequence
from recast.nn.recurrence.engine import Engine, using
from recast.nn.schedules import Always, Never
from recast.training.task import ForecastTask
from recast.types import Batch

every_model = pytest.mark.parametrize("model", MODELS)
every_cell = pytest.mark.parametrize("cell", CELLS)
every_head = pytest.mark.parametrize("head", HEADS)


def shared_out(cases: list[Any], cell: str) -> list[Any]:
    """All cases for the GRU, every other one for each of the other cells, so that half of these share each case."""
    return cases if cell == "gru" else cases[CELLS.index(cell) % 2 :: 2]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def blinded(batch: Batch) -> Batch:
    return batch._replace(target=torch.full_like(batch.target, torch.nan))


def loss_of(model: ForecastModel, batch: Batch) -> Tensor:
    return model.head.loss(*model.training_forecast(batch, HALFWAY))


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


# What every model keeps


def test_models_are_found():
    assert {"direct", "encoder_decoder", "per_step", "recursive", "vector_to_sequence"} <= set(MODELS)


@every_model
@every_cell
def test_shapes(model, cell):
    pairs = list(zip(cycle(HEADS), ANCHORS, strict=False))
    if cell == "gru":
        pairs += [*product(HEADS, ["last", "harmonic_ridge"]), *product(["point", "gaussian"], ANCHORS)]
    for head, anchor in shared_out(pairs, cell):
        built = model_of(model, cell, head, anchor)
        batch = batch_of(built.spec)
        shape = (BATCH, HORIZON, TARGETS, built.head.size)
        assert built(batch).shape == shape
        forced = built.teacher_forced(batch)
        assert forced is None or forced.shape == shape
        parameters, target, observed = built.training_forecast(batch, HALFWAY)
        assert parameters.shape == (*target.shape, shape[-1])
        assert target.shape[-1] == TARGETS
        assert observed is None
        forecast = built.forecast(batch, samples=5)
        assert forecast.mean.shape == shape[:-1]
        assert forecast.samples is None if not built.head.stochastic else forecast.samples.shape == (5, *shape[:-1])
        if "quantiles" in built.head.parts:
            assert forecast.quantiles.shape == (len(built.head.levels), *shape[:-1])
            assert (forecast.quantiles.diff(dim=0) > 0).all()
        else:
            assert forecast.quantiles is None


@every_model
@every_cell
def test_every_lead_sees_the_last_input_an_early_one_and_its_known_inputs(model, cell):
    built = model_of(model, cell)
    batch, (context, _, ahead) = with_leaves(batch_of(built.spec))
    inputs = context, ahead
    location = built.head.mean(built(batch))
    for lead, target in product(range(HORIZON), range(TARGETS)):
        seen, known = torch.autograd.grad(location[:, lead, target].sum(), inputs, retain_graph=True)
        where = f"lead {lead + 1}, target {target}"
        assert seen[:, -1, target].abs().max() > 1e-9, where
        assert seen[:, :3, target].abs().max() > 1e-12, where
        assert known[:, lead].abs().max() > 1e-9, where


@every_model
@every_cell
def test_the_forecast_never_looks_at_the_truth(model, cell):
    for head in shared_out(HEADS, cell):
        built = model_of(model, cell, head, "last")
        batch = batch_of(built.spec)
        one, other = (built.forecast(given, samples=3, seed=1) for given in (batch, blinded(batch)))
        assert one.mean.equal(other.mean)
        assert one.mean.isfinite().all()
        batch.target.requires_grad_()
        (gradient,) = torch.autograd.grad(built(batch).sum(), batch.target, allow_unused=True)
        assert gradient is None or not gradient.any()


@every_model
@every_cell
def test_training_has_a_finite_loss_and_a_gradient_for_every_parameter(model, cell):
    built = model_of(model, cell, anchor="linear").train()
    batch = batch_of(built.spec)
    loss = loss_of(built, batch)
    loss.backward()
    assert loss.isfinite()
    # The decoder takes over the memory, and makes outputs of it by itself.
    unread = set(built.encoder.output_weights()) if model == "encoder_decoder" else set()
    for name, parameter in built.named_parameters():
        if parameter in unread:
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@every_model
@every_head
def test_a_tiny_batch_is_learnt(model, head):
    built = model_of(model, head=head)
    slope = torch.tensor([[0.1, -0.1], [-0.1, 0.05], [0.02, 0.1]], dtype=torch.float64).unsqueeze(1)
    line = slope * torch.arange(-CONTEXT, HORIZON, dtype=torch.float64).reshape(1, -1, 1)
    batch = batch_of(built.spec)
    if built.head.counts:
        line = (20 * line.abs()).round()
    batch = batch._replace(history=line[:, :CONTEXT], target=line[:, CONTEXT:])
    optimizer = torch.optim.Adam(built.parameters(), lr=0.03)
    losses = []
    for _ in range(30):
        loss = loss_of(built.train(), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if built.head.stochastic and not isinstance(built.head, ImplicitQuantile):
        # A logarithm.
        assert losses[-1] < losses[0] - 0.5
    else:
        # The loss of a point is quadratic in the error, that of quantiles linear.
        assert losses[-1] < (0.2 if built.head.is_value else 0.2**0.5) * losses[0]


@every_model
@every_cell
def test_windows_do_not_touch_each_other(model, cell):
    built = model_of(model, cell, anchor="last")
    batch = batch_of(built.spec)
    together = built(batch)
    order = torch.tensor([2, 0])
    alone = built(batch.take(order))
    close(alone, together[order])


@every_model
@every_cell
def test_the_state_dict_is_the_whole_model(model, cell):
    one, other = (model_of(model, cell, "gaussian", "linear") for _ in range(2))
    batch = batch_of(one.spec)
    before = one.forecast(batch, samples=2, seed=3).mean
    assert not before.equal(other.forecast(batch, samples=2, seed=3).mean)
    other.load_state_dict(one.state_dict())
    assert before.equal(other.forecast(batch, samples=2, seed=3).mean)


@every_model
def test_past_inputs_are_read_or_refused(model):
    try:
        built = model_of(model, spec=spec_of(past=1))
    except ConfigurationError:
        with pytest.raises(ConfigurationError, match=r"past inputs \(c\)"):
            model_of(model, spec=spec_of(past=1))
        return
    batch, (context, _, _) = with_leaves(batch_of(built.spec))
    (gradient,) = torch.autograd.grad(built(batch).sum(), context)
    assert gradient[:, -1, TARGETS].abs().min() > 0


@every_model
def test_a_series_without_known_inputs_and_a_horizon_of_one_will_do(model):
    built = model_of(model, spec=spec_of(periods=0, horizon=1)).train()
    batch = batch_of(built.spec)
    assert built(batch).shape == (BATCH, 1, TARGETS, 1)
    assert loss_of(built, batch).isfinite()
    forced = built.teacher_forced(batch)
    if forced is not None:
        close(forced, built(batch))


@every_model
@every_cell
def test_carried_states_make_two_batches_one_window(model, cell):
    built = model_of(model, cell, anchor="last")
    if not built.carries_states:
        pytest.skip("it carries no states")
    batch = batch_of(built.spec)
    expected = built(batch)
    built.train()
    half = CONTEXT // 2
    context = context_inputs(batch)
    first = with_context(batch, context[:, :half])._replace(carried=torch.zeros(BATCH, dtype=torch.bool))
    second = with_context(batch, context[:, half:])._replace(
        start=batch.start + half, carried=torch.ones(BATCH, dtype=torch.bool)
    )
    assert loss_of(built, first).isfinite()
    close(built(second), expected)


@every_model
@every_head
def test_quantiles_are_those_of_the_head_where_nothing_is_fed_back(model, head):
    built = model_of(model, head=head)
    if not built.head.stochastic:
        return
    batch = batch_of(built.spec)
    forecast = built.forecast(batch, samples=9)
    assert (forecast.inverse is None) == built.feeds_back
    low, high = forecast.interval(0.8)
    if not built.feeds_back:
        exact = built.head.quantiles(built(batch).detach(), (0.1, 0.9))
        close(low, exact[0])
        close(high, exact[1])
        wide = forecast.interval(0.9999)
        assert ((wide[0] <= low) & (high <= wide[1])).all()
        in_unit = forecast.in_unit(torch.full((TARGETS,), 5.0), torch.full((TARGETS,), 2.0)).interval(0.8)
        close(in_unit[0], 2 * low + 5)


@every_model
@every_head
def test_the_task_trains_and_scores_it(model, head):
    data = small_data(source=AR2(rows=200), windows=Windows(context=CONTEXT, horizon=HORIZON))
    if part("head", head).counts:
        data = small_counts(windows=Windows(context=CONTEXT, horizon=HORIZON), scaler=Rescale())
    built = model_of(model, head=head, anchor="last", spec=data.spec).float().train()
    task = ForecastTask(model=built, validation_samples=3)
    trainer = pl.Trainer(
        max_epochs=1,
        limit_train_batches=1,
        limit_val_batches=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(task, data)
    found = trainer.callback_metrics
    assert found["mse/validation"].isfinite()
    feeds_back = task.model.teacher_forced(next(iter(data.val_dataloader()))) is not None
    assert ("exposure_bias" in found) == feeds_back


# Direct


CELL_OF_TORCH = {"RNN": (RNN, nn.RNN), "GRU": (GRU, nn.GRU), "LSTM": (LSTM, nn.LSTM)}


def copy_layers(cells: nn.ModuleList, reference: nn.RNNBase) -> None:
    for layer, cell in enumerate(cells):
        for name, values in cell.rnn.named_parameters():
            getattr(reference, name.replace("l0", f"l{layer}")).data.copy_(values)


@pytest.mark.parametrize("cell", CELL_OF_TORCH)
@pytest.mark.parametrize("periods", [0, 1], ids=["observed", "known"])
def test_direct_is_a_network_of_torch(cell, periods):
    ours, theirs = CELL_OF_TORCH[cell]
    spec = spec_of(past=1, periods=periods)
    model = Direct(spec=spec, cell=partial(ours, hidden_size=5), head=Gaussian(), layers=2, anchor=LastAnchor)
    model = with_weights(model)
    network = theirs(model.inputs.context_size, 5, num_layers=2, batch_first=True).double()
    copy_layers(model.encoder.stack.cells, network)
    batch = batch_of(spec)
    last = network(context_inputs(batch))[0][:, -1]
    for lead in range(HORIZON):
        rows = slice(lead * TARGETS * 2, (lead + 1) * TARGETS * 2)
        weight, inputs = model.readout.output.weight[rows], last
        if periods:
            weight = torch.cat([weight, model.readout.known[lead].flatten(1).T], dim=1)
            inputs = torch.cat([last, batch.known_ahead[:, lead]], dim=1)
        expected = nn.functional.linear(inputs, weight, model.readout.output.bias[rows]).reshape(BATCH, TARGETS, 2)
        expected[..., 0] += batch.history[:, -1]
        close(model(batch)[:, lead], expected)


def test_direct_starts_as_torch_does():
    """Weights are spread over ±1/sqrt(fan-in)."""
    spec = spec_of()
    model = Direct(spec=spec, cell=partial(GRU, hidden_size=98), head=Point())
    for values, bound in ((model.readout.output.weight, 98**-0.5), (model.readout.known, 0.1)):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.7 * bound


def chain(model: Direct, *sizes: int) -> list[nn.RNN]:
    """Layers of torch, one module each, with the weights of the model's cells."""
    networks = []
    for cell, read, given in zip(model.encoder.stack.cells, sizes, sizes[1:], strict=False):
        networks.append(nn.RNN(read, given, batch_first=True).double())
        copy_layers(nn.ModuleList([cell]), networks[-1])
    return networks


@pytest.mark.parametrize("sizes", [(1, 20, 20, 1), (1, 1)], ids=["three layers", "one unit"])
def test_a_recurrent_readout_is_one_more_layer_of_torch(sizes):
    spec = spec_of(targets=1, periods=0, horizon=1)
    cell = partial(RNN, hidden_size=20)
    model = Direct(spec=spec, cell=cell, head=Point(), layers=len(sizes) - 2, readout="recurrent", anchor=NoAnchor)
    model = with_weights(model)
    batch = batch_of(spec)
    outputs = context_inputs(batch)
    networks = chain(model, *sizes)
    for network in networks:
        outputs, _ = network(outputs)
    close(model(batch).reshape(BATCH, 1), outputs[:, -1])
    count = sum(read * given + given**2 + 2 * given for read, given in pairwise(sizes))
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize("cell", [RNN, GRU, LSTM])
def test_a_recurrent_readout_gives_all_leads_targets_and_parameters(cell):
    spec = spec_of(periods=0, past=1)
    model = Direct(spec=spec, cell=partial(cell, hidden_size=3), head=Gaussian(), readout="recurrent")
    model = with_weights(model)
    batch = batch_of(spec)
    outputs, _ = model.encoder.stack(context_inputs(batch))
    expected = outputs[:, -1].reshape(BATCH, HORIZON, TARGETS, 2).clone()
    expected[..., 0] += batch.history[:, -1:]
    close(model(batch), expected)
    assert (model(batch)[..., 0] - batch.history[:, -1:]).abs().max() < 1


def test_direct_without_any_recurrence_is_refused():
    with pytest.raises(ConfigurationError, match=r"layers=0 with readout=linear .* use layers=1 or more, or readout"):
        Direct(spec=spec_of(), cell=GRU, head=Point(), layers=0)


def test_a_recurrent_readout_is_refused_where_inputs_are_known_ahead():
    with pytest.raises(
        ConfigurationError,
        match=r"readout=recurrent .*, but the data have .* \(a period of 24 h\); use readout=linear",
    ):
        Direct(spec=spec_of(), cell=GRU, head=Point(), readout="recurrent")


# Per step


def per_step_of(spec: SeriesSpec, **options: Any) -> PerStep:
    options = {"head": Point(), "anchor": partial(LinearAnchor, window=3)} | options
    return with_weights(PerStep(spec=spec, cell=partial(GRU, hidden_size=5), layers=2, **options))


def forecast_from(model: PerStep | Recursive, rows: Tensor, known: Tensor) -> Tensor:
    """Head parameters of all leads of the readout from the last of the rows, which are read from the first on."""
    outputs, _ = model.encoder.stack(rows)
    recent = rows[:, :, : model.spec.targets]
    while recent.shape[1] < model.anchor.reach:
        recent = torch.cat([rows[:, :1, : model.spec.targets], recent], dim=1)
    raw = model.readout.output(outputs[:, -1]).reshape(len(rows), known.shape[1], model.spec.targets, -1).clone()
    for lead in range(known.shape[1]):
        for number in range(known.shape[2]):
            raw[:, lead] += known[:, lead, number, None, None] * model.readout.known[lead, number]
    raw[..., 0] += model.anchor(recent[:, recent.shape[1] - model.anchor.reach :])
    return raw


@pytest.mark.parametrize("origins", [None, 1, 4, CONTEXT])
@pytest.mark.parametrize("head", [Point(), Gaussian()], ids=["point", "gaussian"])
def test_per_step_is_a_loop_over_the_steps(origins, head):
    spec = spec_of(past=1)
    model = per_step_of(spec, origins=origins, head=head)
    batch = batch_of(spec)
    truth = torch.cat([batch.history, batch.target], dim=1)
    known, context = batch.known, context_inputs(batch)
    steps = range(CONTEXT)[-(origins or CONTEXT) :]
    parameters = [
        forecast_from(model, context[:, : step + 1], known[:, step + 1 : step + 1 + HORIZON]) for step in steps
    ]
    targets = [truth[:, step + 1 : step + 1 + HORIZON] for step in steps]
    found = model.training_forecast(batch, HALFWAY)
    close(found.parameters, torch.stack(parameters, dim=1).flatten(0, 1))
    close(found.target, torch.stack(targets, dim=1).flatten(0, 1))
    close(model(batch), parameters[-1])


def test_per_step_takes_training_windows_shorter_than_the_context():
    spec = spec_of()
    model = per_step_of(spec, origins=7)
    batch = batch_of(spec)
    short = with_context(batch, context_inputs(batch)[:, -5:])
    found = model.training_forecast(short, HALFWAY)
    assert found.target.shape == (BATCH * 5, HORIZON, TARGETS)
    close(found.parameters.unflatten(0, (BATCH, 5))[:, -1], model(short))


def test_per_step_refuses_more_origins_than_there_are_steps():
    with pytest.raises(ConfigurationError, match="origins=11, but the context has 10 steps"):
        per_step_of(spec_of(), origins=CONTEXT + 1)


def test_rolling_repeats_the_first_value():
    values = torch.arange(4.0).reshape(1, 4, 1)
    assert rolling(values, 3)[0, :, :, 0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert rolling(values, 1)[0, :, :, 0].tolist() == [[0], [1], [2], [3]]
    assert rolling(values, 1).untyped_storage().data_ptr() == values.untyped_storage().data_ptr()


# Recursive


def recursive_of(spec: SeriesSpec, **options: Any) -> Recursive:
    options = {"head": Point(), "anchor": partial(LinearAnchor, window=3)} | options
    return with_weights(Recursive(spec=spec, cell=partial(LSTM, hidden_size=5), layers=2, **options))


every_anchor = pytest.mark.parametrize(
    "anchor", [partial(LinearAnchor, window=3), LastAnchor, NoAnchor], ids=["linear", "last", "none"]
)


@every_anchor
@pytest.mark.parametrize("horizon", [1, HORIZON])
def test_recursive_reads_the_growing_sequence_anew_for_each_lead(horizon, anchor):
    spec = spec_of(horizon=horizon)
    model = recursive_of(spec, anchor=anchor)
    batch = batch_of(spec)
    rows, parameters = context_inputs(batch), []
    for lead in range(horizon):
        parameters.append(forecast_from(model, rows, batch.known_ahead[:, lead : lead + 1])[:, 0])
        fed = torch.cat([parameters[-1][..., 0], batch.known_ahead[:, lead]], dim=1)
        rows = torch.cat([rows, fed.unsqueeze(1)], dim=1)
    close(model(batch), torch.stack(parameters, dim=1))


@every_anchor
@pytest.mark.parametrize("periods", [0, 1])
@pytest.mark.parametrize("implementation", ["auto", "autograd"])
def test_recursive_forecasts_are_those_of_the_definition_whatever_runs_them(anchor, periods, implementation):
    """Values and gradients, over more leads than torch's own calls are faster for."""
    spec = spec_of(horizon=12, periods=periods)
    model = recursive_of(spec, anchor=anchor)
    batch, (context, _, ahead) = with_leaves(batch_of(spec))
    leaves = [*model.parameters(), context, ahead]
    found = []
    for name in ("plain", implementation):
        with using(Engine(implementation=name)):
            values = model(batch)
        gradients = torch.autograd.grad(values.square().sum(), leaves, materialize_grads=True)
        found.append([values, *gradients])
    for one, other in zip(*found, strict=True):
        close(one, other)


@pytest.mark.parametrize("horizon", [1, HORIZON])
def test_recursive_training_is_a_loop_of_one_step_forecasts_from_true_values(horizon):
    spec = spec_of(horizon=horizon)
    model = recursive_of(spec, head=Gaussian())
    batch = batch_of(spec)
    rows = torch.cat([context_inputs(batch), torch.cat([batch.target, batch.known_ahead], dim=2)], dim=1)
    ends = range(1, CONTEXT + horizon)
    loop = [forecast_from(model, rows[:, :end], rows[:, end : end + 1, TARGETS:]) for end in ends]
    found = model.training_forecast(batch, HALFWAY)
    close(found.parameters, torch.stack(loop, dim=1).flatten(0, 1))
    close(found.target.unflatten(0, (BATCH, -1))[:, :, 0], rows[:, 1:, :TARGETS])
    close(model.teacher_forced(batch), torch.cat(loop, dim=1)[:, -horizon:])
    model.origins = "last"
    found = model.training_forecast(batch, HALFWAY)
    close(found.parameters, loop[CONTEXT - 1])
    close(found.target, batch.target[:, :1])


def test_recursive_teacher_forcing_sees_the_truth_before_each_lead_and_nothing_later():
    model = recursive_of(spec_of(), anchor=NoAnchor)
    batch = batch_of(model.spec)
    truth = batch.target.requires_grad_()
    outputs = model.teacher_forced(batch)
    for lead in range(HORIZON):
        (gradient,) = torch.autograd.grad(outputs[:, lead].sum(), truth, retain_graph=True)
        assert (gradient[:, :lead].abs() > 0).all()
        assert (gradient[:, lead:] == 0).all()


def test_recursive_trajectories_feed_back_what_they_drew():
    model = recursive_of(spec_of(), head=Gaussian())
    batch = batch_of(model.spec)
    samples = model.trajectories(batch, 4, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    rows, known = context_inputs(batch).repeat(4, 1, 1), batch.known_ahead.repeat(4, 1, 1)
    for lead in range(HORIZON):
        parameters = forecast_from(model, rows, known[:, lead : lead + 1])[:, 0]
        drawn = model.head.feedback(parameters, generator)
        close(samples[:, :, lead].flatten(0, 1), drawn)
        rows = torch.cat([rows, torch.cat([drawn, known[:, lead]], dim=1).unsqueeze(1)], dim=1)
    one, other = (model.forecast(batch, samples=3, seed=seed).samples for seed in (1, 2))
    assert not one.equal(other)
    assert one.equal(model.forecast(batch, samples=3, seed=1).samples)


def test_recursive_is_refused_with_past_inputs():
    with pytest.raises(
        ConfigurationError, match=r"does not forecast others, but the data have past inputs \(c\); make them targets"
    ):
        recursive_of(spec_of(past=1))


# Vector to sequence


def vector_to_sequence_of(spec: SeriesSpec, cell: Any, **options: Any) -> VectorToSequence:
    options = {"head": Point(), "schedule": Never(), "anchor": NoAnchor} | options
    return with_weights(VectorToSequence(spec=spec, cell=cell, **options))


@pytest.mark.parametrize("feedback", ["prediction", "constant"])
def test_vector_to_sequence_can_be_a_linear_recurrence(feedback):
    """y_t = 1.58 y_(t-1) - 0.9025 y_(t-2) from two values, exactly, by units that hold max(s, 0) and max(-s, 0)."""
    spec = spec_of(targets=1, periods=0, context=2, horizon=12)
    cell = partial(RNN, hidden_size=4, nonlinearity="relu")
    model = vector_to_sequence_of(spec, cell, bound="none", feedback=feedback)
    motion = torch.tensor([[1.58, -0.9025], [1.0, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.encoder.map.weight[:2] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # the context is oldest first
        model.decoder.stack.cells[0].rnn.weight_hh_l0.copy_(
            torch.cat([torch.cat([motion, -motion], dim=1), torch.cat([-motion, motion], dim=1)])
        )
        model.decoder.readout.weight.copy_(torch.tensor([[1.0, 0.0, -1.0, 0.0]]))
    batch = batch_of(spec)
    start = batch.history[:, :, 0].flip(1).numpy()
    expected = [start @ np.linalg.matrix_power(motion.numpy(), lead).T[:, 0] for lead in range(1, 13)]
    np.testing.assert_allclose(model(batch)[..., 0, 0].detach().numpy(), np.stack(expected, axis=1), atol=1e-12)


@every_cell
def test_the_vector_sets_every_number_of_the_state(cell):
    model = vector_to_sequence_of(spec_of(), part("cell", cell), layers=2)
    batch = batch_of(model.spec)
    states, _ = model.start(batch)
    for state, layer in zip(states, model.decoder.stack.cells, strict=True):
        assert type(state) is layer.state_type
        assert [values.shape for values in state] == [(BATCH, size) for size in layer.state_sizes]
        assert all(values.abs().max() < 1 for values in state)
    model(batch).sum().backward()
    # All are read but an output that follows from the rest of the state.
    read = [
        torch.full((size,), layer.reads_hidden or field != "hidden")
        for layer in model.decoder.stack.cells
        for field, size in zip(layer.state_type._fields, layer.state_sizes, strict=True)
    ]
    assert (model.encoder.map.weight.grad.abs().sum(dim=1) > 0).equal(torch.cat(read))


def test_vector_to_sequence_is_its_decoder_unrolled():
    model = vector_to_sequence_of(spec_of(past=1), partial(LSTM, hidden_size=5), layers=2)
    batch = batch_of(model.spec)
    numbers = torch.tanh(context_inputs(batch).reshape(BATCH, -1) @ model.encoder.map.weight.T + model.encoder.map.bias)
    hidden, memory = [numbers[:, 0:5], numbers[:, 10:15]], [numbers[:, 5:10], numbers[:, 15:20]]
    value = batch.history[:, -1]
    for lead in range(HORIZON):
        x = torch.cat([value, batch.known_ahead[:, lead]], dim=1)
        for layer, cell in enumerate(model.decoder.stack.cells):
            x, memory[layer] = torch.lstm_cell(x, (hidden[layer], memory[layer]), *cell.weights)
            hidden[layer] = x
        value = x @ model.decoder.readout.weight.T + model.decoder.readout.bias
        close(model(batch)[:, lead, :, 0], value)


def test_vector_to_sequence_learns_under_a_schedule():
    spec, cell = spec_of(), partial(GRU, hidden_size=5)
    forced = vector_to_sequence_of(spec, cell, schedule=Always())
    free = vector_to_sequence_of(spec, cell)
    free.load_state_dict(forced.state_dict())
    batch = batch_of(spec)
    close(forced.training_forecast(batch, HALFWAY).parameters, free.teacher_forced(batch))
    close(free.training_forecast(batch, HALFWAY).parameters, forced(batch))
    assert forced.diagnostics(HALFWAY) == {"teacher_forcing_probability": 1.0}


# Options


@pytest.mark.parametrize(
    ("model", "option", "value"),
    [
        (Direct, "layers", -1),
        (Direct, "readout", "dense"),
        (PerStep, "layers", 0),
        (PerStep, "origins", 0),
        (Recursive, "origins", "some"),
        (Recursive, "dropout", 1.0),
    ],
)
def test_options_out_of_range_are_refused(model, option, value):
    with pytest.raises(ConfigurationError, match=f"{model.__name__}: {option}={value!r}"):
        model(spec=spec_of(), cell=GRU, head=Point(), **{option: value})


@pytest.mark.parametrize(("option", "value"), [("bound", "relu"), ("feedback", "truth"), ("layers", 0)])
def test_options_of_vector_to_sequence_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"VectorToSequence: {option}={value!r}"):
        vector_to_sequence_of(spec_of(), GRU, **{option: value})
