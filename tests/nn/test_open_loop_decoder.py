"""The decoder over what is known of the horizon: a network of torch, and what each lead reads."""

from functools import partial

import pytest
import synthetic
import torch
from model_forms import BATCH, CONTEXT, HALFWAY, HORIZON, TARGETS
from synthetic import batch_of, with_weights
from torch import nn

from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.cells.gru import GRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.models.open_loop_decoder import OpenLoopDecoder
from recast.nn.recurrence.engine import Engine, using

UNITS = 5
spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def model_of(**options: object) -> OpenLoopDecoder:
    parts = {"spec": spec_of(past=1, known=2), "cell": partial(GRU, hidden_size=UNITS), "head": Point()}
    return with_weights(OpenLoopDecoder(**(parts | options)))  # pyright: ignore[reportArgumentType]


def copied(cells: list[nn.Module], network: nn.Module) -> None:
    """The weights of cells, forward and backward by turns where there are both."""
    directions = 2 if network.bidirectional else 1
    for place, cell in enumerate(cells):
        ending = f"l{place // directions}{'_reverse' if place % directions else ''}"
        for name, values in cell.rnn.named_parameters():
            getattr(network, name.replace("l0", ending)).data.copy_(values)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("subtract_last", [True, False])
@pytest.mark.parametrize("lags", [(), (HORIZON, HORIZON + 2, CONTEXT)])
def test_it_is_a_network_of_torch(bidirectional, subtract_last, lags):
    options = {"layers": 2, "bidirectional": bidirectional, "readout_size": 7, "subtract_last": subtract_last}
    options["lags"] = list(lags)
    model = model_of(**options, head=Gaussian(), anchor=LastAnchor)
    batch = batch_of(model.spec)
    last = batch.history[:, -1]
    encoder = nn.GRU(TARGETS + 3, UNITS, num_layers=2, batch_first=True).double()
    copied(list(model.encoder.stack.cells), encoder)
    history = batch.history - last[:, None] if subtract_last else batch.history
    _, states = encoder(torch.cat([history, batch.past, batch.known_before], dim=-1))

    numbers = torch.tanh(model.start.map(states[-1])).unflatten(-1, (-1, UNITS)).transpose(0, 1)
    both = [cells for pair in zip(model.ahead, model.back or [None] * 2, strict=True) for cells in pair]
    # Ours: the states of all forward cells, then of all backward ones; torch's: layer by layer.
    order = [0, 2, 1, 3] if bidirectional else [0, 1]
    size = TARGETS * (1 - subtract_last + len(lags)) + 3
    decoder = nn.GRU(size, UNITS, num_layers=2, batch_first=True, bidirectional=bidirectional).double()
    copied([cell for cell in both if cell is not None], decoder)
    lead = (torch.arange(1.0, HORIZON + 1).double() / HORIZON).expand(BATCH, -1).unsqueeze(-1)
    earlier = [history[:, [CONTEXT + ahead - lag for ahead in range(HORIZON)]] for lag in lags]
    level = [] if subtract_last else [last[:, None].expand(-1, HORIZON, -1)]
    inputs = torch.cat([batch.known_ahead, *level, *earlier, lead], dim=-1)
    outputs, _ = decoder(inputs, numbers[order].contiguous())
    expected = model.readout(model.hidden(outputs).relu()).unflatten(-1, (TARGETS, 2))
    expected[..., 0] += last[:, None]
    assert torch.allclose(model(batch), expected, atol=1e-10)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_what_is_known_later_matters_earlier_where_both_directions_are_read(bidirectional):
    model = model_of(bidirectional=bidirectional)
    batch = batch_of(model.spec)
    changed = batch.known.clone()
    changed[:, -1] += 1
    difference = (model(batch) - model(batch._replace(known=changed))).detach().abs().amax(dim=(0, 2, 3))
    assert difference[-1] > 0
    assert (difference[:-1] > 0).all() == bidirectional
    assert bidirectional or not difference[:-1].any()


@pytest.mark.parametrize("lag", [HORIZON - 1, CONTEXT + 1])
def test_lags_outside_the_context_are_refused(lag):
    with pytest.raises(ConfigurationError, match=rf"lags: {lag} steps before each lead are not always in the context"):
        model_of(lags=[lag])


def test_the_level_moves_the_forecast_alone_where_the_last_value_is_subtracted():
    model = model_of(subtract_last=True, lags=[HORIZON], anchor=LastAnchor)
    batch = batch_of(model.spec)
    higher = batch._replace(history=batch.history + 7)
    assert torch.allclose(model(higher), model(batch) + 7)


def test_leads_differ_though_nothing_is_known_of_them():
    model = model_of(spec=spec_of(), bidirectional=False)
    found = model(batch_of(model.spec))
    assert (found.diff(dim=1).abs() > 1e-6).any()


def test_another_horizon_counts_leads_as_the_training_did():
    model, longer = (
        model_of(bidirectional=False),
        model_of(spec=spec_of(past=1, known=2, horizon=HORIZON + 3), bidirectional=False),
    )
    longer.load_state_dict(model.state_dict())
    batch = batch_of(longer.spec)
    shorter = batch._replace(known=batch.known[:, :-3], target=batch.target[:, :-3])
    assert torch.allclose(longer(batch)[:, :HORIZON], model(shorter))


def test_several_origins_give_the_forecast_of_each():
    model = model_of()
    batch = batch_of(model.spec)
    origins = (CONTEXT - 2, CONTEXT)
    found = model.training_forecast(batch._replace(origins=origins), HALFWAY).parameters.unflatten(0, (BATCH, 2))
    assert torch.allclose(found[:, 1], model(batch))
    sooner = batch._replace(
        history=batch.history[:, :-2],
        past=batch.past[:, :-2],
        known=batch.known[:, :-2],
        target=torch.cat([batch.history[:, -2:], batch.target[:, :-2]], dim=1),
    )
    assert torch.allclose(found[:, 0], model(sooner))
    assert not model_of(subtract_last=True).forecasts_from_origins


@pytest.mark.parametrize("implementation", ["autograd", "numba"])
def test_every_implementation_gives_the_same_values_and_gradients(implementation):
    pytest.importorskip("numba")
    model = model_of(subtract_last=True)
    batch = batch_of(model.spec)
    results = []
    for engine in ("plain", implementation):
        model.zero_grad()
        with using(Engine(implementation=engine)):
            found = model(batch)
            found.square().mean().backward()
        results.append([found.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    assert all(torch.allclose(one, other, atol=1e-9) for one, other in zip(*results, strict=True))
