"""The bidirectional encoder against torch.nn, its bridge, and what it refuses. What models do with it: test_models."""

from functools import partial
from typing import Any

import pytest
import torch
from synthetic import batch_of, spec_of
from torch import Tensor, nn

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.heads.point import Point
from recast.nn.models import bidirectional_layers
from recast.nn.models.bidirectional_encoder import BidirectionalEncoder
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never

TWINS = [
    pytest.param(RNN, nn.RNN, id="RNN"),
    pytest.param(GRU, nn.GRU, id="GRU"),
    pytest.param(LSTM, nn.LSTM, id="LSTM"),
]
BATCH, CONTEXT, INPUTS, HIDDEN = 3, 6, 2, 4
SPEC = spec_of(targets=1, context=CONTEXT, horizon=2)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def encoder_of(cell: type[Cell] = GRU, layers: int = 1, dropout: float = 0.0) -> BidirectionalEncoder:
    fields = len(cell.state_type._fields)
    encoder = BidirectionalEncoder(
        cell=partial(cell, hidden_size=HIDDEN),
        input_size=INPUTS,
        layers=layers,
        dropout=dropout,
        state_sizes=[(HIDDEN,) * fields] * layers,
    )
    return encoder.double()


def inputs_of() -> Tensor:
    return torch.randn(BATCH, CONTEXT, INPUTS, dtype=torch.float64)


def read(encoder: BidirectionalEncoder, inputs: Tensor) -> tuple[Tensor, list[Any]]:
    return encoder(batch_of(SPEC), inputs)


def set_bridges(encoder: BidirectionalEncoder, ahead: float, back: float) -> None:
    """The state becomes this combination of those of the two directions."""
    eye = torch.eye(HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        for bridge in (bridge for bridges in encoder.bridges for bridge in bridges):
            bridge.weight.copy_(torch.cat([ahead * eye, back * eye], dim=1))
            bridge.bias.zero_()


def joined(states: list[Any]) -> list[Tensor]:
    return [part for state in states for part in state]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("cell", "twin_class"), TWINS)
def test_equal_to_torch_with_copied_weights(cell, twin_class, layers):
    encoder = encoder_of(cell, layers)
    twin = twin_class(INPUTS, HIDDEN, layers, batch_first=True, bidirectional=True, dtype=torch.float64)
    pairs = []
    for layer in range(layers):
        for suffix, cells in (("", encoder.ahead), ("_reverse", encoder.back)):
            for name, parameter in cells[layer].rnn.named_parameters():
                pairs.append((parameter, twin.get_parameter(name.replace("l0", f"l{layer}") + suffix)))
    with torch.no_grad():
        for parameter, other in pairs:
            other.copy_(parameter)
    inputs = torch.randn(BATCH, CONTEXT, INPUTS, dtype=torch.float64, requires_grad=True)
    expected, last = twin(inputs)
    fields = last if isinstance(last, tuple) else (last,)
    # (layers * 2, batch, hidden), the directions of a layer one after the other
    by_layer = [[field[2 * layer + back] for layer in range(layers) for field in fields] for back in (0, 1)]
    for back, weights in enumerate([(1.0, 0.0), (0.0, 1.0)]):
        set_bridges(encoder, *weights)
        outputs, states = read(encoder, inputs)
        found = [outputs, *joined(states)]
        wanted = [expected, *by_layer[back]]
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
        upstream = [torch.randn_like(part) for part in found]
        ours = torch.autograd.grad(found, [inputs, *(one for one, _ in pairs)], upstream)
        theirs = torch.autograd.grad(wanted, [inputs, *(one for _, one in pairs)], upstream, retain_graph=True)
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_reading_backwards_with_swapped_cells_mirrors_the_outputs(layers):
    one, other = encoder_of(layers=layers), encoder_of(layers=layers)
    with torch.no_grad():
        for layer in range(layers):
            other.ahead[layer].load_state_dict(one.back[layer].state_dict())
            other.back[layer].load_state_dict(one.ahead[layer].state_dict())
            if layer:  # reads the two halves the other way round
                for cell in (other.ahead[layer], other.back[layer]):
                    weight = cell.rnn.weight_ih_l0
                    weight.copy_(torch.cat([weight[:, HIDDEN:], weight[:, :HIDDEN]], dim=1))
    context = torch.randn(BATCH, CONTEXT, INPUTS, dtype=torch.float64)
    outputs, _ = read(one, context)
    mirrored, _ = read(other, context.flip(1))
    swapped = torch.cat([mirrored[..., HIDDEN:], mirrored[..., :HIDDEN]], dim=-1).flip(1)
    torch.testing.assert_close(outputs, swapped, rtol=1e-12, atol=1e-12)


def test_the_bridge_starts_as_the_forward_direction_and_learns_both():
    encoder = encoder_of(LSTM, layers=2)
    inputs = inputs_of()
    outputs, states = read(encoder, inputs)
    _, state = encoder.ahead[0](inputs)
    assert outputs.shape == (BATCH, CONTEXT, 2 * HIDDEN)
    assert encoder.hidden_size == 2 * HIDDEN
    torch.testing.assert_close(joined([state]), list(states[0]))
    upstream = torch.randn(BATCH, HIDDEN, dtype=torch.float64)
    sum((upstream * part).sum() for part in joined(states)).backward()
    for bridge in (bridge for bridges in encoder.bridges for bridge in bridges):
        assert (bridge.weight.grad != 0).all()
        assert (bridge.bias.grad != 0).all()


def test_bridges_are_linear_maps_of_both_states():
    encoder = encoder_of(LSTM)
    for parameter in encoder.bridges.parameters():
        nn.init.normal_(parameter)
    inputs = inputs_of()
    _, (state,) = read(encoder, inputs)
    _, ahead = encoder.ahead[0](inputs)
    _, back = encoder.back[0](inputs.flip(1))
    for field, bridge in enumerate(encoder.bridges[0]):
        expected = ahead[field] @ bridge.weight[:, :HIDDEN].T + back[field] @ bridge.weight[:, HIDDEN:].T + bridge.bias
        torch.testing.assert_close(state[field], expected, rtol=1e-12, atol=1e-12)


def test_states_take_the_sizes_of_the_decoder():
    encoder = BidirectionalEncoder(
        cell=partial(LSTM, hidden_size=HIDDEN), input_size=INPUTS, layers=1, dropout=0.0, state_sizes=[(3, 7)]
    )
    _, (state,) = read(encoder, torch.randn(BATCH, CONTEXT, INPUTS))
    assert [part.shape for part in state] == [(BATCH, 3), (BATCH, 7)]


def test_every_output_sees_every_step():
    encoder = encoder_of()
    context = torch.randn(BATCH, CONTEXT, INPUTS, dtype=torch.float64, requires_grad=True)
    outputs, _ = read(encoder, context)
    for step in range(CONTEXT):
        (gradient,) = torch.autograd.grad(outputs[:, step].sum(), context, retain_graph=True)
        assert (gradient.abs() > 0).all()


def test_dropout_lies_between_layers_in_training(monkeypatch):
    encoder = encoder_of(layers=3, dropout=0.3)
    seen = []

    def dropped(values: Tensor, probability: float, training: bool) -> Tensor:
        seen.append((values.shape[-1], probability, training))
        return values

    monkeypatch.setattr(bidirectional_layers.functional, "dropout", dropped)
    read(encoder, inputs_of())
    read(encoder.eval(), inputs_of())
    assert seen == [(2 * HIDDEN, 0.3, True)] * 2 + [(2 * HIDDEN, 0.3, False)] * 2


def test_carried_states_are_refused():
    batch = batch_of(SPEC)._replace(carried=torch.ones(BATCH, dtype=torch.bool))
    with pytest.raises(ConfigurationError, match=r"bidirectional=True cannot carry states.*use bidirectional=False"):
        encoder_of()(batch, inputs_of())


def test_tied_and_bidirectional_are_refused_together():
    with pytest.raises(ConfigurationError, match=r"tied=True shares one stack.*use tied=False or bidirectional=False"):
        EncoderDecoder(spec=SPEC, cell=GRU, head=Point(), schedule=Never(), tied=True, bidirectional=True)


def test_a_bidirectional_model_says_that_it_carries_no_states():
    models = [
        EncoderDecoder(spec=SPEC, cell=GRU, head=Point(), schedule=Never(), bidirectional=bidirectional)
        for bidirectional in (False, True)
    ]
    assert [model.carries_states for model in models] == [True, False]
