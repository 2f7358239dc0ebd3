"""Carried states: chunks in order, states where they belong and only there, gradients cut, resumed bit for bit."""

import json
import logging
import signal
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import lightning.pytorch as pl
import pytest
import synthetic
import torch
from commands import shared_run
from finding import concrete_classes
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from interrupting import LONG, assert_same_run, interrupt_until_done
from jaxtyping import Float
from resuming import Setting, assert_resumes
from small_data import small_data
from stream_loaders import fit_briefly, ranges_of, streams_of
from synthetic import context_inputs, with_context
from torch import Tensor

import recast.nn.cells
from recast.data.prepare.grid import SplitGrid
from recast.data.prepare.regime import StatefulStreams
from recast.data.prepare.streams import StreamLoader
from recast.data.prepare.windows import Windows
from recast.data.sources.tide import TideSimulator
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.heads.point import Point
from recast.nn.models.carried_states import CarriedStates
from recast.nn.models.direct import Direct
from recast.nn.models.encoder import Encoder
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.models.per_step import PerStep
from recast.nn.models.recursive import Recursive
from recast.nn.models.segment import Segment
from recast.nn.schedules import Linear
from recast.runs import fit
from recast.runs.configure import folders
from recast.runs.configure.compose import compose
from recast.types import Batch, Progress

CELLS = concrete_classes(recast.nn.cells, Cell)
every_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)
START = Progress(step=0, total_steps=10, epoch=0, total_epochs=1)


def starts_of(loader: StreamLoader) -> Tensor:
    """First rows of the chunks of the next epoch, shape (batches, streams)."""
    return torch.stack([batch.start for batch in loader])


settings_of_a_loader = st.fixed_dictionaries(
    {
        "lengths": st.lists(st.integers(1, 60), min_size=1, max_size=6),
        "gap": st.integers(0, 2),
        "horizon": st.integers(1, 5),
        "chunk": st.integers(1, 12),
        "streams": st.integers(1, 4),
        "seed": st.integers(0, 9),
    }
)


def drawn(lengths: list[int], gap: int, **options: int) -> tuple[StreamLoader, list[tuple[int, int]]]:
    """The loader of these settings, and its ranges; those that it refuses are passed over."""
    ranges = ranges_of(lengths, gap)
    try:
        return streams_of(ranges, **options), ranges
    except ConfigurationError:
        reject()


@settings(max_examples=40, deadline=None)
@given(settings_of_a_loader)
def test_chunks_lie_in_one_range_in_order_and_are_used_once(options):
    loader, ranges = drawn(**options)
    horizon = options["horizon"]
    for _ in range(3):
        batches = list(loader)
        assert len(batches) == len(loader) >= 2
        starts = torch.stack([batch.start for batch in batches])
        assert starts.shape == (len(loader), loader.streams)
        for start in starts.flatten().tolist():
            assert any(first <= start and start + loader.context + horizon <= stop for first, stop in ranges)
        assert (starts[1:] >= starts[:-1] + loader.context).all()
        # Nor do streams share a row: read one after the other, their chunks ascend without overlap.
        together = starts.T.flatten()
        assert (together[1:] >= together[:-1] + loader.context).all()


@settings(max_examples=25, deadline=None)
@given(settings_of_a_loader)
def test_carried_is_where_the_stream_goes_on_without_a_gap(options):
    loader, _ = drawn(**options)
    for _ in range(2):
        batches = list(loader)
        assert not batches[0].carried.any()
        for before, after in pairwise(batches):
            assert after.carried.equal(before.start + loader.context == after.start)


@settings(max_examples=25, deadline=None)
@given(settings_of_a_loader)
def test_little_is_left_out(options):
    loader, ranges = drawn(**options)
    for epoch in range(loader.context):
        used = len(loader) * loader.streams
        assert 0 <= len(loader.chunks(epoch)) - used < loader.streams + len(ranges)


def test_a_chunk_and_what_follows_it_are_slices_of_the_storage():
    rows = torch.randn(50, 5)
    storage = synthetic.storage_of(rows, targets=2, past=1, periods=1)
    loader = StreamLoader(storage=storage, ranges=[(4, 45)], horizon=2, chunk=6, streams=2)
    for batch in loader:
        for stream, start in enumerate(batch.start.tolist()):
            ahead = rows[start + 6 : start + 8]
            assert context_inputs(batch)[stream].equal(rows[start : start + 6])
            assert batch.target[stream].equal(ahead[:, :2])
            assert batch.known_ahead[stream].equal(ahead[:, 3:])


def test_one_stream_is_read_from_end_to_end():
    loader = streams_of([(3, 100)], chunk=7, streams=1)
    for _ in range(10):
        rows = torch.cat([batch.history for batch in loader], dim=1)[0, :, 0]
        assert len(rows) == 12 * 7  # at most 7 + 7 of 95 rows are left out
        assert (rows.diff() == 1).all()


@settings(max_examples=20, deadline=None)
@given(settings_of_a_loader)
def test_within_as_many_epochs_as_a_chunk_has_rows_every_row_is_an_origin(options):
    loader, ranges = drawn(**options)
    horizon = options["horizon"]
    epochs = [loader.chunks(epoch).tolist() for epoch in range(loader.context)]
    possible = {start for first, stop in ranges for start in range(first, stop - loader.context - horizon + 1)}
    assert {start for starts in epochs for start in starts} == possible


def test_every_phase_comes_once():
    """A chunk of seven rows has seven phases; a range with room for three phases has three."""
    loader = streams_of([(3, 100), (100, 111)], chunk=7, streams=1)
    epochs = [loader.chunks(epoch).tolist() for epoch in range(14)]
    assert sorted(epoch[0] for epoch in epochs[:7]) == sorted(epoch[0] for epoch in epochs[7:]) == list(range(3, 10))
    assert {epoch[-1] for epoch in epochs} == {100, 101, 102}
    assert [epoch[0] for epoch in epochs[:7]] != [epoch[0] for epoch in epochs[7:]]


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 2))
def test_an_epoch_is_a_function_of_seed_and_epoch(seed):
    one, two, other = (streams_of(ranges_of([90, 80, 61]), chunk=13, streams=3, seed=seed + i) for i in (0, 0, 1))
    torch.manual_seed(seed % 1000)  # of no effect
    epochs = [starts_of(one) for _ in range(5)]
    assert all(epoch.equal(starts_of(two)) for epoch in epochs)
    assert len({tuple(epoch.flatten().tolist()) for epoch in epochs}) == 5
    assert not all(epoch.equal(starts_of(other)) for epoch in epochs)


@settings(max_examples=20)
@given(epochs=st.integers(0, 2), taken=st.integers(0, 6))
def test_a_restored_loader_goes_on_where_the_state_was_taken(epochs, taken):
    def build() -> StreamLoader:
        return streams_of(ranges_of([50, 40]), chunk=4, streams=3, seed=3)

    loader = build()
    assert len(loader) == 6
    for _ in range(epochs):
        list(loader)
    batches = iter(loader)
    for _ in range(taken):
        next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    rest = list(batches) if taken < len(loader) else list(loader)
    restored = build()
    restored.load_state_dict(state)
    found = list(restored)
    assert len(found) == len(rest)
    for one, other in zip(found, rest, strict=True):
        assert all(part.equal(expected) for part, expected in zip(one[:5], other[:5], strict=True))
    assert starts_of(restored).equal(starts_of(loader))


@settings(max_examples=12)
@given(world=st.integers(1, 4), streams=st.integers(1, 3))
def test_processes_have_streams_of_their_own(world, streams):
    ranges = ranges_of([90, 50, 61])
    shares = [streams_of(ranges, chunk=4, streams=streams, rank=rank, world=world) for rank in range(world)]
    whole = streams_of(ranges, chunk=4, streams=streams * world)
    for _ in range(2):
        together = torch.cat([starts_of(share) for share in shares], dim=1)
        assert together.equal(starts_of(whole))


@pytest.mark.parametrize(
    "options", [{"chunk": 40, "streams": 1}, {"chunk": 5, "streams": 6}, {"chunk": 99, "streams": 1}]
)
def test_too_few_chunks_are_refused_with_numbers(options):
    streams_of([(3, 53)], chunk=5, streams=4)
    with pytest.raises(ConfigurationError) as caught:
        streams_of([(3, 53)], **options)
    message = str(caught.value)
    assert f"fewer than two chunks of {options['chunk']} rows for each of {options['streams']} streams" in message
    assert "1 range(s) without a gap, the longest of 50 rows" in message
    assert "a horizon of 2 behind it; give a shorter data.regime.chunk (at most 48 here)" in message


def test_no_chunk_at_all_in_several_processes():
    with pytest.raises(
        ConfigurationError, match=r"of 2 streams in each of 3 processes.* give a shorter .*chunk, fewer"
    ):
        streams_of([(3, 5)], chunk=5, streams=2, world=3)


# The regime in the data module


def test_training_batches_of_the_data_module_keep_to_pieces_and_part(caplog):
    caplog.set_level(logging.INFO)
    data = small_data(
        source=TideSimulator(days=60.0), grid=SplitGrid(), regime=StatefulStreams(chunk=20), batch_size=5, seed=1
    )
    loader, prepared = data.train_dataloader(), data.prepared
    assert len(prepared.panel.pieces) > 3
    assert f"{len(loader.chunks(0))} chunks of 20 steps in 5 streams: {len(loader)} batches an epoch" in caplog.text
    piece = torch.zeros(len(prepared.panel), dtype=torch.int64)
    piece[prepared.panel.starts] = 1
    piece = piece.cumsum(0)
    batches = list(loader)
    for batch in batches:
        last = batch.start + 20 + prepared.spec.horizon - 1
        assert (last < prepared.parts.train[0, 1]).all()
        assert piece[batch.start].equal(piece[last])
    assert 0.5 < torch.stack([batch.carried for batch in batches[1:]]).double().mean() < 1
    assert next(iter(data.val_dataloader())).carried is None
    assert next(iter(small_data().train_dataloader())).carried is None


def test_a_stride_of_training_windows_is_refused():
    windows = Windows(context=6, horizon=4, stride=3)
    data = small_data(windows=windows, regime=StatefulStreams(chunk=6), batch_size=2)
    with pytest.raises(ConfigurationError, match=r"data\.windows\.stride=3, but .*chunk=6 steps apart; give .*=1"):
        data.train_dataloader()


# States


def encoder_of(cell: type[Cell[Any]], *, layers: int = 2, **options: Any) -> Encoder:
    torch.manual_seed(5)
    return Encoder(
        cell=partial(cell, hidden_size=4),
        input_size=2,
        layers=layers,
        dropout=0.0,
        **options,
    ).double()


def rows_of(count: int) -> Tensor:
    """A target and a past input."""
    return torch.randn(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def loader_of(rows: Tensor, ranges: list[tuple[int, int]], **options: Any) -> StreamLoader:
    return StreamLoader(storage=synthetic.storage_of(rows, past=1), ranges=ranges, horizon=2, **options)


def read(encoder: Encoder, batch: Batch) -> tuple[Tensor, list[Any]]:
    return encoder(batch, context_inputs(batch))


@every_cell
def test_chunks_one_after_the_other_are_one_long_pass(cell):
    encoder, rows = encoder_of(cell), rows_of(120)
    loader = loader_of(rows, [(3, 117)], chunk=7, streams=3)
    for _ in range(2):  # the second epoch begins anew
        results = [(batch, *read(encoder, batch)) for batch in loader]
        length = len(loader) * 7
        long = torch.stack([rows[start : start + length] for start in results[0][0].start.tolist()])
        expected, states = encoder.stack(long)
        torch.testing.assert_close(torch.cat([outputs for _, outputs, _ in results], dim=1), expected)
        torch.testing.assert_close(results[-1][2], states)


@every_cell
def test_the_gradient_ends_at_the_start_of_the_chunk(cell):
    """Compared with a plain loop over `step` that detaches the states there."""
    encoder, rows = encoder_of(cell, layers=1), rows_of(60)
    (layer,) = encoder.stack.cells
    state = layer.initial_state(2, rows)
    weights = list(encoder.parameters())
    for batch in loader_of(rows, [(0, 60)], chunk=5, streams=2):
        outputs, _ = read(encoder, batch)
        found = torch.autograd.grad(outputs.square().sum(), weights)
        state = type(state)(*(part.detach() for part in state))
        loss = torch.zeros((), dtype=torch.float64)
        for x in context_inputs(batch).unbind(1):
            state = layer.step(x, state)
            loss = loss + state.hidden.square().sum()
        torch.testing.assert_close(found, torch.autograd.grad(loss, weights))


class LeakyState(NamedTuple):
    hidden: Float[Tensor, "batch hidden"]


class Leaky(Cell[LeakyState]):
    """h' = h / 2 + x w, from a learnt initial state."""

    state_type = LeakyState

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=True)
        self.weight = torch.nn.Parameter(torch.ones(input_size, hidden_size))

    def step(self, x: Tensor, state: LeakyState) -> LeakyState:
        return LeakyState(state.hidden / 2 + x @ self.weight)


def test_windows_that_are_not_carried_begin_from_the_learnt_state():
    encoder = encoder_of(Leaky, layers=1)
    (start,) = encoder.stack.cells[0].initial
    with torch.no_grad():
        start += 3
    first, second = batch_of(rows=[0, 40]), batch_of(rows=[5, 60], carried=[True, False])
    _, (before,) = read(encoder, first)
    outputs, _ = read(encoder, second)
    drive = context_inputs(second)[:, 0].sum(-1, keepdim=True)
    torch.testing.assert_close(outputs[0, 0], before.hidden[0] / 2 + drive[0])
    torch.testing.assert_close(outputs[1, 0], start / 2 + drive[1])
    outputs[0, 0].sum().backward(retain_graph=True)
    assert (start.grad == 0).all()
    outputs[1, 0].sum().backward()
    assert (start.grad == 0.5).all()


def batch_of(rows: list[int], *, carried: list[bool] | None = None, chunk: int = 5, values: Tensor | None = None):
    """The windows that begin at `rows`."""
    loader = loader_of(rows_of(100) if values is None else values, [(0, 100)], chunk=chunk, streams=1)
    return loader.storage.windows(torch.tensor(rows), loader.context, loader.horizon)._replace(
        carried=torch.tensor(carried or [False] * len(rows))
    )


def test_nothing_of_the_piece_before_reaches_the_next_one():
    rows = rows_of(100)
    rows[:50] = torch.nan
    encoder = encoder_of(LSTM)
    loader = loader_of(rows, [(0, 50), (50, 100)], chunk=5, streams=1)
    for _ in range(3):
        seen = {True: 0, False: 0}
        for batch in loader:
            outputs, states = read(encoder, batch)
            poisoned = bool(batch.start < 50)
            seen[poisoned] += 1
            assert outputs.isnan().all() if poisoned else outputs.isfinite().all()
            if not poisoned:
                loss = sum(part.sum() for state in states for part in state)
                gradients = torch.autograd.grad(loss, list(encoder.parameters()))
                assert all(gradient.isfinite().all() for gradient in gradients)
        assert min(seen.values()) > 5


def test_a_new_epoch_begins_anew():
    encoder = encoder_of(GRU)
    loader = loader_of(rows_of(100), [(0, 100)], chunk=5, streams=2)
    for batch in loader:
        read(encoder, batch)
    first = next(iter(loader))
    assert read(encoder, first)[0].equal(encoder.stack(context_inputs(first))[0])


def test_a_state_is_used_only_before_the_row_that_follows_it():
    """Whatever a batch says: a state of another place, such as another process's, is not used."""
    encoder = encoder_of(GRU)
    read(encoder, batch_of([0, 20]))
    after = batch_of([5, 30], carried=[True, True])
    outputs, _ = read(encoder, after)
    fresh, _ = encoder.stack(context_inputs(after))
    assert not outputs[0].isclose(fresh[0]).all()
    assert outputs[1].equal(fresh[1])


def test_a_batch_may_be_read_twice():
    encoder = encoder_of(GRU)
    read(encoder, batch_of([0, 20]))
    batch = batch_of([5, 25], carried=[True, True])
    first, again = read(encoder, batch)[0], read(encoder, batch)[0]
    assert first.equal(again)
    assert not first.equal(encoder.stack(context_inputs(batch))[0])


def test_evaluation_neither_uses_nor_changes_states():
    encoder = encoder_of(GRU)
    read(encoder, batch_of([0, 20]))
    before = encoder.carry.get_extra_state().clone()
    batch = batch_of([5, 25], carried=[True, True])
    encoder.eval()
    assert read(encoder, batch)[0].equal(encoder.stack(context_inputs(batch))[0])
    encoder.train()
    plain = batch._replace(carried=None)
    assert read(encoder, plain)[0].equal(encoder.stack(context_inputs(batch))[0])
    assert encoder.carry.get_extra_state().equal(before)
    assert not read(encoder, batch)[0].equal(encoder.stack(context_inputs(batch))[0])


def test_kept_states_hold_no_graph():
    encoder = encoder_of(GRU)
    read(encoder, batch_of([0, 20]))
    assert not encoder.carry.get_extra_state().requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_travel_in_the_state_dict_of_a_new_encoder(dtype, tmp_path):
    encoder, fresh = encoder_of(LSTM).to(dtype), encoder_of(LSTM).to(dtype)
    values, big = rows_of(100).to(dtype), 2**40 + 1
    first = batch_of([0, 20], values=values)
    read(encoder, first._replace(start=first.start + big))
    torch.save(encoder.state_dict(), tmp_path / "a.pt")
    fresh.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    batch = batch_of([5, 25], carried=[True, True], values=values)
    batch = batch._replace(start=batch.start + big)
    outputs, expected = read(fresh, batch)[0], read(encoder, batch)[0]
    assert outputs.equal(expected)
    assert not outputs.equal(encoder.stack(context_inputs(batch))[0])


def test_states_of_another_number_of_streams_are_left_alone():
    encoder, fresh = encoder_of(GRU), encoder_of(GRU)
    read(encoder, batch_of([0, 20, 40]))
    fresh.load_state_dict(encoder.state_dict())
    batch = batch_of([5, 25])
    assert read(fresh, batch)[0].equal(fresh.stack(context_inputs(batch))[0])
    fresh.load_state_dict(encoder_of(GRU).state_dict())  # that of an encoder that has read nothing


@pytest.mark.parametrize("state", [None, {"a": 1}, torch.zeros(3), torch.zeros(2, 0)])
def test_a_damaged_state_is_refused(state):
    with pytest.raises(ValueError, match="no table of numbers"):
        CarriedStates().set_extra_state(state)


# Models


def model_of(kind: type[ForecastModel], spec: SeriesSpec, **options: Any) -> ForecastModel:
    torch.manual_seed(3)
    if kind is EncoderDecoder:
        options |= {"schedule": Linear(start=0.5, end=0.5)}
    return kind(spec=spec, cell=partial(GRU, hidden_size=4), head=Point(), **options)


@pytest.mark.parametrize("kind", [EncoderDecoder, PerStep, Recursive, Direct])
@pytest.mark.parametrize("chunk", [3, 6, 12])
def test_models_take_chunks_of_any_length(kind, chunk):
    data = small_data(regime=StatefulStreams(chunk=chunk), batch_size=2)
    model = model_of(kind, data.spec)
    for batch in data.train_dataloader():
        parameters, target, observed = model.training_forecast(batch, START)
        assert len(parameters) == len(target)
        model.head.loss(parameters, target, observed).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    kept = model.encoder.carry.get_extra_state()
    assert kept.shape == (2, 5)
    assert kept[:, 0].equal(batch.start.double() + chunk)


def test_forecasts_at_every_step_of_a_stream_are_those_of_one_long_pass():
    data = small_data(regime=StatefulStreams(chunk=5), batch_size=1)
    model = model_of(PerStep, data.spec).double()
    batches = [batch.to_precision(torch.float64) for batch in data.train_dataloader()]
    assert all(batch.carried for batch in batches[1:])
    found = [model.training_forecast(batch, START) for batch in batches]
    fresh = model_of(PerStep, data.spec).double()
    whole = with_context(
        batches[-1]._replace(carried=None), torch.cat([context_inputs(batch) for batch in batches], dim=1)
    )
    expected = fresh.training_forecast(whole, START)
    torch.testing.assert_close(torch.cat([forecast.parameters for forecast in found]), expected.parameters)
    torch.testing.assert_close(torch.cat([forecast.target for forecast in found]), expected.target)


def test_a_model_without_carried_states_is_refused():
    data = small_data(regime=StatefulStreams(chunk=6), batch_size=2)
    model = model_of(Segment, data.spec, segment=3)
    with pytest.raises(
        ConfigurationError, match=r"Segment cannot carry states over .*; use data/regime=shuffled, or a model"
    ):
        fit_briefly(model, data)
    fit_briefly(model, small_data())


def test_reading_backwards_is_refused():
    data = small_data(regime=StatefulStreams(chunk=6), batch_size=2)
    with pytest.raises(
        ConfigurationError, match=r"EncoderDecoder cannot carry states .* no encoder that reads forward"
    ):
        fit_briefly(model_of(EncoderDecoder, data.spec, bidirectional=True), data)


def test_an_anchor_that_reads_more_than_a_chunk_is_refused():
    data = small_data(regime=StatefulStreams(chunk=3), batch_size=2)
    model = model_of(Direct, data.spec)
    model.anchor.reach = 4
    with pytest.raises(ConfigurationError, match=r"reads the last 4 steps, but a training window has 3; .*chunk"):
        fit_briefly(model, data)


class Watch(pl.Callback):
    """Keeps the carried states after each training batch."""

    def __init__(self) -> None:
        self.states: list[Tensor] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        self.states.append(pl_module.model.encoder.carry.get_extra_state())


@pytest.mark.filterwarnings("ignore")
def test_a_validation_in_between_changes_nothing():
    runs = []
    for options in ({}, {"val_check_interval": 1}, {"limit_val_batches": 0}):
        watch = Watch()
        data = small_data(regime=StatefulStreams(chunk=6), batch_size=3)
        fit_briefly(model_of(PerStep, data.spec), data, watch, num_sanity_val_steps=0, **options)
        runs.append(watch.states)
    assert len(runs[0]) == 4
    for states in runs[1:]:
        assert all(one.equal(other) for one, other in zip(runs[0], states, strict=True))


# Resume


def per_step(setting: Setting, spec: SeriesSpec) -> ForecastModel:
    return PerStep(
        spec=spec,
        cell=partial(setting.cell, hidden_size=5),
        head=setting.head(),
        layers=2,
        dropout=0.2,
    )


def stateful(**options: Any) -> Setting:
    """Two epochs of four batches."""
    trainer = {"max_epochs": 2} | options.pop("trainer", {})
    return Setting(regime=StatefulStreams(chunk=6), batch_size=3, trainer=trainer, **options)


RUNS = {
    "GRU": stateful(),
    "LSTM": stateful(cell=LSTM, trainer={"val_check_interval": 2}),  # validated within epochs
    "per step": stateful(build=per_step, trainer={"accumulate_grad_batches": 2}),
}
KILLS = [("on_train_batch_start", 3), ("on_train_batch_start", 6)]


@pytest.mark.parametrize("setting", RUNS.values(), ids=RUNS.keys())
def test_a_stateful_run_killed_in_mid_epoch_resumes_bit_for_bit(setting, tmp_path):
    assert_resumes(setting, tmp_path, KILLS)


@pytest.mark.slow
@pytest.mark.parametrize("setting", RUNS.values(), ids=RUNS.keys())
def test_a_stateful_run_killed_at_any_hook_resumes(setting, tmp_path):
    assert_resumes(setting, tmp_path)


def test_the_comparison_sees_lost_states(tmp_path, monkeypatch):
    monkeypatch.setattr(CarriedStates, "set_extra_state", lambda self, state: None)
    with pytest.raises(AssertionError):
        assert_resumes(RUNS["GRU"], tmp_path, KILLS[:1])  # dies in the fourth batch, goes on from the third


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_stateful_command_killed_and_resumed(cell, tmp_path):
    options = (*LONG, "data/regime=stateful", "data.regime.chunk=5", "data.batch_size=6", f"model/cell={cell}")
    killed = interrupt_until_done(options, tmp_path, number=signal.SIGKILL, seed=len(cell))
    assert_same_run(killed, shared_run(*options))


# Clipping


class Gradients(pl.Callback):
    """Keeps all gradients of each step, before clipping and as the optimiser saw them."""

    def __init__(self) -> None:
        self.before: list[Tensor] = []
        self.after: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.optimizers[0].register_step_post_hook(lambda *_: self.after.append(flat(pl_module)))

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, _: object) -> None:
        self.before.append(flat(pl_module))


def flat(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters()])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_clipping_reaches_the_optimiser_through_the_configuration(algorithm, tmp_path, monkeypatch):
    watch, build_trainer = Gradients(), fit.build_trainer

    def watched(*arguments: Any) -> pl.Trainer:
        trainer = build_trainer(*arguments)
        trainer.callbacks.append(watch)
        return trainer

    monkeypatch.setattr(fit, "build_trainer", watched)
    folders.register()
    limit = 0.02
    overrides = ["data=ar2", "data.source.rows=300", "model.cell.hidden_size=4", "trainer.max_epochs=1"]
    overrides += ["data/regime=stateful", "data.regime.chunk=5", "data.batch_size=5", "baselines=none", "logger=none"]
    overrides += ["callbacks.progress_bar=null", "callbacks.figures=null"]
    overrides += [f"trainer.gradient_clip_val={limit}", f"trainer.gradient_clip_algorithm={algorithm}"]
    fit.run(compose("train", overrides), tmp_path)
    assert len(watch.after) == len(watch.before) > 3
    for before, after in zip(watch.before, watch.after, strict=True):
        assert (before.norm() if algorithm == "norm" else before.abs().max()) > limit
        if algorithm == "norm":
            torch.testing.assert_close(after.norm().item(), limit, rtol=1e-4, atol=0)
            torch.testing.assert_close(after, before * (limit / before.norm()), rtol=1e-4, atol=1e-8)
        else:
            assert after.equal(before.clamp(-limit, limit))
            assert after.abs().max().item() == pytest.approx(limit)
