"""The language model against torch's own layers, and against itself read in other ways."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from texts import text_spec
from torch import nn
from torch.nn import functional

from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.heads.categorical import Sampler
from recast.nn.models import language_model
from recast.nn.models.language_model import LanguageModel, counted
from recast.types import Batch, Categories

LEVELS = 6
SPEC = text_spec("abcde")


def model_of(hidden=7, cell=LSTM, spec=SPEC, **options) -> LanguageModel:
    torch.manual_seed(0)

    def layer(*, input_size: int) -> nn.Module:
        return cell(input_size=input_size, hidden_size=hidden)

    return LanguageModel(spec=spec, cell=layer, **options)


def batch_of(symbols: torch.Tensor, context: int, **parts) -> Batch:
    size, time = symbols.shape
    none = torch.zeros(size, time, 0, dtype=torch.int64)
    batch = Batch.of(torch.zeros(size, context, 0), torch.zeros(size, time - context, 0))
    levels = Categories(past=none[:, :context], known=none, static=none[:, 0], target=symbols.unsqueeze(-1))
    return batch._replace(categories=levels, **parts)


def symbols_of(size=3, time=9) -> torch.Tensor:
    return torch.randint(LEVELS, (size, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layers", [1, 2])
def test_it_is_embedding_lstm_and_linear_layer_of_torch(layers):
    ours = model_of(layers=layers, embedding=5)
    embedding, lstm, linear = nn.Embedding(LEVELS, 5), nn.LSTM(5, 7, layers, batch_first=True), nn.Linear(7, LEVELS)
    with torch.no_grad():
        embedding.weight.copy_(ours.embedding.weight)
        linear.load_state_dict(ours.readout.state_dict())
        for number, cell in enumerate(ours.encoder.stack.layers):
            for name, weight in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), cell.weights, strict=True):
                getattr(lstm, f"{name}_l{number}").copy_(weight)
    symbols = symbols_of()
    logits = linear(lstm(embedding(symbols[:, :-1]))[0])
    expected = functional.cross_entropy(logits.flatten(0, 1), symbols[:, 1:].flatten())
    found = ours.loss(batch_of(symbols, 8))
    torch.testing.assert_close(found, expected)
    expected.backward()
    found.backward()
    torch.testing.assert_close(ours.embedding.weight.grad, embedding.weight.grad)
    torch.testing.assert_close(ours.readout.weight.grad, linear.weight.grad)
    with torch.no_grad():
        chances = functional.log_softmax(logits, -1).gather(-1, symbols[:, 1:, None]).squeeze(-1)
        torch.testing.assert_close(ours(batch_of(symbols, 3)), chances[:, 2:])


def test_large_vocabularies_are_scored_in_pieces(monkeypatch):
    model, batch = model_of(), batch_of(symbols_of(), 4)
    whole = model(batch)
    monkeypatch.setattr(language_model, "ONCE", LEVELS * 3 * 2)
    torch.testing.assert_close(model(batch), whole)


def test_carried_states_read_a_text_as_a_whole():
    model = model_of(cell=GRU).train()
    symbols = symbols_of(2, 9)
    whole = model.loss(batch_of(symbols, 8))
    start = torch.tensor([0, 100])
    first = batch_of(symbols[:, :5], 4, start=start, carried=torch.zeros(2, dtype=torch.bool))
    second = batch_of(symbols[:, 4:], 4, start=start + 4, carried=torch.ones(2, dtype=torch.bool))
    torch.testing.assert_close((model.loss(first) + model.loss(second)) / 2, whole)
    # Without what was carried it is another loss.
    other = model.loss(second._replace(carried=torch.zeros(2, dtype=torch.bool)))
    assert abs(other - (2 * whole - model.loss(first))) > 1e-4


@pytest.mark.parametrize("layers", [1, 2])
def test_reading_symbol_by_symbol_is_reading_at_once(layers):
    model, symbols = model_of(layers=layers).eval(), symbols_of()
    at_once, _ = model.read(symbols)
    logits, states = model.read(symbols[:, :1])
    for place in range(1, symbols.shape[1]):
        logits, states = model.read(symbols[:, place : place + 1], states)
    torch.testing.assert_close(logits, at_once)
    _, states = model.read(symbols[:, :4])
    rest, _ = model.read(symbols[:, 4:], states)
    torch.testing.assert_close(rest, at_once)


def test_one_hot_inputs_are_an_embedding_by_the_identity():
    one_hot, embedded = model_of(embedding=None), model_of(embedding=LEVELS)
    embedded.load_state_dict({**one_hot.state_dict(), "embedding.weight": torch.eye(LEVELS)})
    batch = batch_of(symbols_of(), 4)
    torch.testing.assert_close(one_hot(batch), embedded(batch))


@pytest.mark.parametrize("embedding", [7, 4])
def test_a_tied_readout_has_the_weights_of_the_embedding(embedding):
    model = model_of(embedding=embedding, tied=True)
    assert model.readout.weight is model.embedding.weight
    names = [name for name, _ in model.named_parameters()]
    assert ("projection.weight" in names) == (embedding != 7)
    before = model.embedding.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model.loss(batch_of(symbols_of(), 8)).backward()
    optimizer.step()
    assert not torch.equal(before, model.embedding.weight)
    other = model_of(embedding=embedding, tied=True)
    other.load_state_dict(model.state_dict())
    assert other.readout.weight is other.embedding.weight
    torch.testing.assert_close(other(batch_of(symbols_of(), 4)), model(batch_of(symbols_of(), 4)))


def test_one_hot_inputs_cannot_be_tied():
    with pytest.raises(ConfigurationError, match=r"tied=true, but one-hot inputs \(embedding=null\)"):
        model_of(embedding=None, tied=True)


def test_dropout_acts_in_training_alone():
    model, batch = model_of(dropout=0.5), batch_of(symbols_of(), 8)
    assert model.train().loss(batch) != model.loss(batch)
    assert model.eval().loss(batch) == model.loss(batch)


def test_a_continuation_takes_the_likeliest_or_follows_its_seed():
    model, prompt = model_of().eval(), torch.tensor([1, 2, 3])
    greedy = list(islice(model.continuation(prompt, Sampler(temperature=0.0), torch.Generator()), 8))
    symbols = prompt.tolist()
    for found in greedy:
        logits, _ = model.read(torch.tensor([symbols]))
        assert int(logits.argmax()) == found
        symbols.append(found)

    def drawn(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return list(islice(model.continuation(prompt, Sampler(), generator), 40))

    assert drawn(0) == drawn(0) != drawn(1)


def lines_of(symbols: torch.Tensor, lengths: list[int]) -> Batch:
    return batch_of(symbols, symbols.shape[1], lengths=torch.tensor(lengths))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_lines_is_that_of_each_by_itself_weighted_by_its_symbols(smoothing):
    model, symbols, lengths = model_of(cell=GRU), symbols_of(), [9, 2, 5]
    alone = [
        model.loss(batch_of(row[None, :length], length - 1), smoothing) * (length - 1)
        for row, length in zip(symbols, lengths, strict=True)
    ]
    expected = torch.stack(alone).sum() / sum(length - 1 for length in lengths)
    found = model.loss(lines_of(symbols, lengths), smoothing)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, model.readout.weight)
    (expected_gradient,) = torch.autograd.grad(expected, model.readout.weight)
    torch.testing.assert_close(gradient, expected_gradient)


def test_lines_are_scored_from_their_second_symbol_to_their_last():
    model, symbols, lengths = model_of(), symbols_of(), [9, 2, 5]
    batch = lines_of(symbols, lengths)
    found = model(batch)[counted(batch)]
    rows = [row[None, :length] for row, length in zip(symbols, lengths, strict=True)]
    expected = torch.cat([model(batch_of(row, 1))[0] for row in rows])
    torch.testing.assert_close(found, expected)


def in_lines() -> LanguageModel:
    model = model_of(spec=replace(text_spec("\nabcd"), lines=True)).eval()
    # Line breaks as likely as not.
    with torch.no_grad():
        model.readout.bias[1] += 1.5
    return model


def test_a_line_is_written_without_what_stands_before_it():
    model = in_lines()
    prompts = ([1, 3, 4], [2, 2, 1, 3, 4], [3, 4])
    written = []
    for prompt in prompts:
        generator = torch.Generator().manual_seed(0)
        written.append(list(islice(model.continuation(torch.tensor(prompt), Sampler(), generator), 30)))
    assert written[0] == written[1] == written[2]
    # Each symbol is drawn given its own line alone.
    generator, line = torch.Generator().manual_seed(0), [1, 3, 4]
    for symbol in written[0]:
        logits, _ = model.read(torch.tensor([line]))
        assert int(Sampler().draw(logits, generator)) == symbol
        line = [1] if symbol == 1 else [*line, symbol]
    assert 1 in written[0][:-1]


def test_a_batch_without_symbols_is_refused():
    with pytest.raises(ValueError, match="without a categorical target"):
        model_of()(Batch.of(torch.zeros(1, 2, 1), torch.zeros(1, 1, 1)))
    with pytest.raises(ValueError, match="a batch without lengths"):
        counted(batch_of(symbols_of(), 4))
