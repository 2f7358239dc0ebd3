from functools import partial
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from commands import QUICK, run
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import small_data
from stream_loaders import fit_briefly
from synthetic import context_inputs, spec_of, storage_of
from torch import Tensor

from recast.data.prepare.order import Order
from recast.data.prepare.regime import MultiOrigin, StatefulStreams
from recast.data.prepare.streams import SegmentLoader, StreamLoader
from recast.data.prepare.windows import Windows
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, LinearAnchor
from recast.nn.attention import Luong
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.min_gru import MinGRU
from recast.nn.cells.rnn import RNN
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.models.origins import seen_from_origins
from recast.nn.models.per_step import PerStep
from recast.nn.models.segment import Segment
from recast.nn.schedules import Always, Constant, Never
from recast.types import Batch, Progress

START = Progress(step=0, total_steps=10, epoch=0, total_epochs=1)
CHANNELS, TARGETS, HORIZON = 3, 2, 4


def data_of(context: int) -> SeriesSpec:
    return spec_of(targets=TARGETS, context=context, horizon=HORIZON, periods=1)


def model_of(kind: type[ForecastModel], cell: Any, *, context: int = 5, **options: Any) -> ForecastModel:
    torch.manual_seed(0)
    if kind is EncoderDecoder:
        options = {"schedule": Never()} | options
    cell = partial(cell, hidden_size=6)
    return kind(spec=data_of(context), cell=cell, head=Point(), layers=2, **options).double()


def rows_of(count: int) -> Tensor:
    """Two targets, and the sine and cosine of a period."""
    return torch.randn(count, TARGETS + 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def loader_of(
    origins: tuple[int, ...], *, rows: int = 80, segments: int = 12, batch_size: int = 5, **options: Any
) -> SegmentLoader:
    storage = storage_of(rows_of(rows), targets=TARGETS, periods=1)
    starts = torch.arange(rows - origins[-1] - HORIZON + 1)
    order = Order(starts, batch_size, shuffle=True, **options)
    return SegmentLoader(storage=storage, order=order, horizon=HORIZON, origins=origins, segments=segments)


def prefix(loader: SegmentLoader, batch: Batch, origin: int) -> Batch:
    """The same segments up to one origin, gathered from the storage as windows of their own."""
    return loader.storage.windows(batch.start, origin, HORIZON)


def loss_and_gradients(model: ForecastModel, forecasts: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    errors = torch.stack([parameters[..., 0] - target for parameters, target in forecasts], dim=1)
    loss = errors.square().mean()
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    return [errors, loss, *torch.autograd.grad(loss, learnt)]


@pytest.mark.parametrize("cell", [RNN, GRU, LSTM, MinGRU])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (EncoderDecoder, {}),
        (EncoderDecoder, {"schedule": Always()}),
        (EncoderDecoder, {"tied": True}),
        (EncoderDecoder, {"anchor": partial(LinearAnchor, window=5)}),
        (Direct, {}),
        (Direct, {"anchor": partial(LinearAnchor, window=3)}),
    ],
    ids=["free", "forced", "tied", "anchored", "direct", "direct-anchored"],
)
def test_forecasts_from_several_origins_are_those_of_as_many_windows_that_begin_together(cell, kind, options):
    model = model_of(kind, cell, **options)
    loader = loader_of((5, 8, 9, 17))
    batch = next(iter(loader))
    found = model.training_forecast(batch, START)
    parameters, target = (part.unflatten(0, (len(batch.start), 4)) for part in found[:2])
    assert found.observed is None
    together = [(parameters[:, place], target[:, place]) for place in range(4)]
    apart = []
    for origin in batch.origins:
        one = prefix(loader, batch, origin)
        forecast = model.training_forecast(one, START)
        assert forecast.target.equal(one.target)
        apart.append((forecast.parameters, forecast.target))
    for one, other in zip(loss_and_gradients(model, together), loss_and_gradients(model, apart), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


def test_each_origin_of_each_window_has_a_mask_of_its_own():
    model = model_of(EncoderDecoder, GRU, schedule=Constant(value=0.5))
    drawn = []
    draw = model.teacher_forcing_mask.draw

    def noted(*args: Any) -> Tensor:
        drawn.append(draw(*args))
        return drawn[-1]

    model.teacher_forcing_mask.draw = noted
    batch = next(iter(loader_of((5, 8, 11))))
    model.training_forecast(batch, START)
    assert drawn[0].shape == (len(batch.start) * 3, HORIZON - 1)
    assert 0 < drawn[0].double().mean() < 1


@given(
    origins=st.lists(st.integers(3, 30), min_size=1, max_size=5, unique=True).map(lambda found: tuple(sorted(found))),
    reach=st.integers(1, 3),
)
@settings(deadline=None, max_examples=30)
def test_what_is_seen_from_an_origin_lies_around_it(origins, reach):
    loader = loader_of(origins)
    batch = next(iter(loader))
    seen = seen_from_origins(batch, reach)
    storage = rows_of(80)
    for number, start in enumerate(batch.start.tolist()):
        for place, origin in enumerate(origins):
            row = number * len(origins) + place
            rows = [storage[start + step] for step in range(origin - reach, origin)]
            assert context_inputs(seen)[row].equal(torch.stack(rows))
            ahead = torch.stack([storage[start + origin + lead] for lead in range(HORIZON)])
            assert seen.target[row].equal(ahead[:, :TARGETS])
            assert seen.known_ahead[row].equal(ahead[:, TARGETS:])
            assert seen.start[row] == start + origin - reach


def test_an_epoch_has_other_segments_and_as_many_forecasts_as_there_are_windows():
    data = small_data(regime=MultiOrigin(origins=5, apart=2))
    loader = data.train_dataloader()
    assert isinstance(loader, SegmentLoader)
    assert loader.origins == (6, 8, 10, 12, 14)
    batches = list(loader)
    assert sum(len(batch.start) for batch in batches) == len(data.prepared.starts.train) // 5 == 15
    first, stop = data.prepared.parts.train[0]
    for batch in batches:
        assert batch.start.min() >= first
        assert batch.start.max() + 14 + 4 <= stop
    again = torch.cat([batch.start for batch in loader])
    assert not again.equal(torch.cat([batch.start for batch in batches]))
    fresh = data.train_dataloader()
    assert torch.cat([batch.start for batch in fresh]).equal(torch.cat([batch.start for batch in batches]))


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_segments_of_each_batch(world):
    whole = loader_of((5, 7), batch_size=4 * world, segments=31)
    parts = [loader_of((5, 7), batch_size=4, segments=31, rank=rank, world=world) for rank in range(world)]
    for one, *others in zip(whole, *parts, strict=True):
        kept = [other.start for other in others if other.share.weight]
        assert torch.cat(kept).equal(one.start)
        seen = [seen_from_origins(other, 1) for other in others]
        assert [part.share.first for part in seen] == [2 * other.share.first for other in others]
        assert {part.share.total for part in seen} == {2 * len(one.start)}


def test_lanes_may_have_several_origins_in_a_chunk():
    regime = StatefulStreams(chunk=10, origins=4)
    assert regime.origins == (2, 5, 7, 10)
    data = small_data(regime=regime, batch_size=2, windows=Windows(context=6, horizon=4))
    model = Direct(spec=data.spec, cell=partial(GRU, hidden_size=4), head=Point()).double()
    batches = [batch.to_precision(torch.float64) for batch in data.train_dataloader()]
    assert batches[1].carried.any()
    for batch in batches:
        forecast = model.training_forecast(batch, START)
        assert len(forecast.target) == 4 * len(batch.start)
        assert forecast.target.unflatten(0, (-1, 4))[:, -1].equal(batch.target)
    with pytest.raises(ConfigurationError, match=r"origins=11, but a chunk has 10 steps"):
        StatefulStreams(chunk=10, origins=11)


def test_the_state_that_is_carried_is_that_of_the_last_origin():
    whole, cut = (model_of(Direct, LSTM, context=6, anchor=LastAnchor).train() for _ in range(2))
    storage = storage_of(rows_of(40), targets=TARGETS, periods=1)
    streams = [
        StreamLoader(storage=storage, ranges=[(0, 40)], horizon=HORIZON, chunk=6, streams=1, origins=origins)
        for origins in (None, (2, 3, 6))
    ]
    for one, several in zip(*streams, strict=True):
        expected = whole.training_forecast(one, START).parameters
        found = cut.training_forecast(several, START).parameters
        torch.testing.assert_close(found[-1:], expected, rtol=1e-12, atol=1e-12)


def test_an_origin_before_what_the_anchor_reads_is_refused():
    batch = next(iter(loader_of((3, 8))))
    with pytest.raises(ConfigurationError, match=r"reads the last 5 steps, but the first forecast origin lies after 3"):
        seen_from_origins(batch, 5)


def test_a_segment_longer_than_the_data_is_refused():
    data = small_data(regime=MultiOrigin(origins=50, apart=10))
    with pytest.raises(
        ConfigurationError, match=r"50 origins 10 steps apart takes 500 rows, but the longest range .* has"
    ):
        data.train_dataloader()


@pytest.mark.parametrize(
    "model",
    [
        partial(PerStep, cell=partial(GRU, hidden_size=4), head=Point()),
        partial(Segment, cell=partial(GRU, hidden_size=4), head=Point(), segment=3),
        partial(EncoderDecoder, cell=partial(GRU, hidden_size=4), head=Point(), schedule=Never(), attention=Luong),
        partial(EncoderDecoder, cell=partial(GRU, hidden_size=4), head=Point(), schedule=Never(), bidirectional=True),
    ],
    ids=["per_step", "segment", "attention", "bidirectional"],
)
def test_models_that_cannot_are_refused(model):
    data = small_data(regime=MultiOrigin(origins=3, apart=2))
    with pytest.raises(ConfigurationError, match=r"cannot forecast from several origins"):
        fit_briefly(model(spec=data.spec), data)


def test_it_trains_through_lightning_and_learns():
    data = small_data(regime=MultiOrigin(origins=3, apart=2), batch_size=5)
    pl.seed_everything(0, verbose=False)
    model = Direct(spec=data.spec, cell=partial(GRU, hidden_size=4), head=Point())
    before = [weight.clone() for weight in model.parameters()]
    fit_briefly(model, data)
    assert all(not one.equal(other) for one, other in zip(before, model.parameters(), strict=True))


@pytest.mark.slow
def test_by_command(tmp_path):
    done = run(
        "recast-train", *QUICK, "data/regime=multi_origin", "data.regime.origins=4", "data.regime.apart=3", cwd=tmp_path
    )
    assert done.code == 0, done.err
