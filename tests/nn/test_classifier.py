"""The classifier: padding and neighbours change nothing, both routes agree, torch's own modules give the same."""

import logging
import math
from functools import partial
from typing import get_args

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from classifiers import CELLS, CLASSES, batch_of, model_of, spec_of
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import sequences_of
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from ts_files import write_turning

import recast.nn.cells
from recast.data.sequence_datamodule import SequenceDataModule
from recast.data.sources.ts_file import TsSource
from recast.data.spec import SequenceSpec
from recast.errors import ConfigurationError, NonFiniteLossError
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.cells.torch_cell import TorchCell
from recast.nn.models.classifier import Classifier, Pooling
from recast.nn.models.front import Front
from recast.training.classification_task import ClassificationTask
from recast.training.learning_rates import OneCycle
from recast.types import Batch

POOLINGS = get_args(Pooling)


def results_of(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Scores and the gradients of the loss."""
    model.zero_grad()
    scores = model(batch)
    nn.functional.cross_entropy(scores, batch.label).backward()
    return [scores.detach(), *(parameter.grad.clone() for parameter in model.parameters())]


def assert_close(ours, theirs, tolerance: float = 1e-10) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


cells = st.sampled_from(sorted(CELLS))
poolings = st.sampled_from(POOLINGS)
routes = st.sampled_from(["padded", "packed"])
all_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=6)
seeds = st.integers(0, 1000)
strides = st.sampled_from([None, 1, 2, 3, 4, 6])


@settings(max_examples=40, deadline=None)
@given(
    cell=cells,
    pooling=poolings,
    route=routes,
    layers=st.integers(1, 3),
    stride=strides,
    lengths=all_lengths,
    extra=st.integers(1, 7),
)
def test_more_padding_and_what_stands_in_it_change_nothing(cell, pooling, route, layers, stride, lengths, extra):
    model = model_of(cell, pooling=pooling, route=route, layers=layers, stride=stride)
    expected = results_of(model, batch_of(lengths))
    padded = batch_of(lengths, extra=1 + extra % 7)
    assert_close(results_of(model, padded), expected)
    for row, length in enumerate(lengths):
        padded.past[row, length:] = [math.nan, math.inf, -1e300][row % 3]
    assert_close(results_of(model, padded), expected)


@settings(max_examples=40, deadline=None)
@given(cell=cells, pooling=poolings, route=routes, stride=strides, lengths=all_lengths, data=st.data())
def test_a_sequence_has_its_scores_in_any_company_and_order(cell, pooling, route, stride, lengths, data):
    model = model_of(cell, pooling=pooling, route=route, layers=2, stride=stride)
    batch = batch_of(lengths)
    scores = model(batch)
    order = data.draw(st.permutations(range(len(lengths))))
    some = torch.tensor(order[: data.draw(st.integers(1, len(order)))])
    torch.testing.assert_close(model(batch.take(some)), scores[some], rtol=1e-10, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(cell=cells, pooling=poolings, layers=st.integers(1, 3), stride=strides, lengths=all_lengths, seed=seeds)
def test_both_routes_give_the_same_values_and_gradients(cell, pooling, layers, stride, lengths, seed):
    padded, packed = (
        model_of(cell, pooling=pooling, layers=layers, stride=stride, seed=seed, route=route)
        for route in ("padded", "packed")
    )
    assert_close(results_of(padded, batch_of(lengths, seed=seed)), results_of(packed, batch_of(lengths, seed=seed)))


@settings(max_examples=30, deadline=None)
@given(cell=cells, layers=st.integers(1, 3), lengths=all_lengths, route=routes, seed=seeds)
def test_it_is_torchs_module_on_packed_sequences_and_a_linear_map(cell, layers, lengths, route, seed):
    model = model_of(cell, layers=layers, seed=seed, route=route)
    reference = getattr(nn, cell.upper())(3, 5, num_layers=layers, batch_first=True).double()
    ours = [weight for layer in model.stack.cells for weight in layer.weights]
    with torch.no_grad():
        for theirs, weight in zip(reference.parameters(), ours, strict=True):
            theirs.copy_(weight)
    batch = batch_of(lengths, seed=seed)
    packed = pack_padded_sequence(batch.past, batch.lengths, batch_first=True, enforce_sorted=False)
    _, state = reference(packed)
    hidden = state[0] if isinstance(state, tuple) else state
    scores = nn.functional.linear(hidden[-1], model.linear.weight, model.linear.bias)
    loss = nn.functional.cross_entropy(scores, batch.label)
    found = results_of(model, batch)
    torch.testing.assert_close(found[0], scores, rtol=1e-10, atol=1e-10)
    gradients = torch.autograd.grad(loss, list(reference.parameters()))
    model.zero_grad()
    results_of(model, batch)
    assert_close([weight.grad for weight in ours], gradients)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_is_over_the_steps_of_each_sequence(pooling):
    model = model_of(pooling=pooling)
    batch = batch_of([3, 7])
    for row, length in enumerate((3, 7)):
        outputs, _ = model.stack(batch.past[row : row + 1, :length])
        parts = {"last": outputs[:, -1], "mean": outputs.mean(1), "max": outputs.max(1).values}
        pooled = torch.cat([parts[name] for name in pooling.split("+")], dim=1)
        torch.testing.assert_close(model(batch)[row], model.linear(pooled)[0])


@pytest.mark.parametrize(("stride", "factors"), [(1, []), (2, [2]), (7, [7]), (12, [2, 2, 3])])
@pytest.mark.parametrize("length", [1, 2, 11, 24])
def test_the_front_is_a_convolution_with_a_stride_for_each_prime_factor(stride, factors, length):
    torch.manual_seed(0)
    front = Front(inputs=2, stride=stride, filters=4).double()
    sequence = torch.randn(1, length, 2).double()
    padded = torch.cat([sequence, torch.zeros(1, 5, 2).double()], dim=1)
    found, lengths = front(padded, torch.tensor([length]))
    expected = sequence[0]
    for factor, convolution, norm in zip(factors, front.convolutions, front.norms, strict=True):
        before = 3 * factor // 2
        steps = []
        for start in range(-before, len(expected) - before, factor):
            rows = [
                expected[t] if 0 <= t < len(expected) else expected[0] * 0 for t in range(start, start + 3 * factor + 1)
            ]
            step = torch.einsum("ti,oit->o", torch.stack(rows), convolution.weight) + convolution.bias
            steps.append(norm(step).clamp(min=0))
        expected = torch.stack(steps)
    assert lengths.tolist() == [math.ceil(length / stride)] == [len(expected)]
    torch.testing.assert_close(found[0, : len(expected)], expected)
    assert not found[0, len(expected) :].any()


def sequence_spec(longest: int) -> SequenceSpec:
    return SequenceSpec(**vars(spec_of(2)), longest=longest)


@pytest.mark.parametrize(
    ("longest", "stride", "pooling"),
    [
        *((0, 1, "last"), (29, 1, "last"), (200, 1, "last"), (201, 2, "mean+max"), (400, 2, "mean+max")),
        *((401, 4, "mean+max"), (1344, 8, "mean+max"), (100_000, 512, "mean+max")),
    ],
)
def test_what_is_left_open_follows_the_length_and_is_said(longest, stride, pooling, caplog):
    caplog.set_level(logging.INFO, "recast")
    model = Classifier(spec=sequence_spec(longest), cell=partial(GRU, hidden_size=3))
    assert (model.stride, model.pooling) == (stride, pooling)
    (line,) = [record.getMessage() for record in caplog.records if "stride" in record.getMessage()]
    assert f"stride={stride}, pooling={pooling} for sequences of up to {longest} steps" in line
    given = Classifier(spec=sequence_spec(longest), cell=partial(GRU, hidden_size=3), stride=3, pooling="mean")
    assert (given.stride, given.pooling) == (3, "mean")


def test_without_a_front_a_classifier_has_the_weights_of_older_checkpoints():
    names = set(Classifier(spec=sequence_spec(29), cell=partial(GRU, hidden_size=3)).state_dict())
    assert {name.split(".")[0] for name in names} == {"stack", "linear"}


EVERY_CELL = [
    found for found in concrete_classes(recast.nn.cells, Cell) if found.__module__ != "recast.nn.cells.torch_cell"
]


@pytest.mark.parametrize("cell", EVERY_CELL, ids=lambda cell: cell.__name__)
@pytest.mark.parametrize("pooling", ["last", "mean+max"])
def test_every_cell_classifies_whatever_the_padding(cell, pooling):
    model = model_of(cell, pooling=pooling, layers=2)
    lengths = [1, 6, 3]
    expected = results_of(model, batch_of(lengths))
    assert expected[0].shape == (3, CLASSES)
    padded = batch_of(lengths, extra=4)
    padded.past[0, 1:] = math.nan
    assert_close(results_of(model, padded), expected)
    assert any(gradient.abs().max() > 0 for gradient in expected[1:])


def test_only_cells_of_torch_run_packed():
    others = [cell for cell in EVERY_CELL if not issubclass(cell, TorchCell)]
    assert {RNN, GRU, LSTM} == set(EVERY_CELL) - set(others)
    for cell in others:
        with pytest.raises(ConfigurationError, match=f"route=packed .* {cell.__name__} is not; use route=padded"):
            model_of(cell, route="packed")


@pytest.mark.parametrize("route", ["padded", "packed"])
def test_dropout_and_noise_act_in_training_alone(route):
    model = model_of(layers=2, dropout=0.5, noise=0.3, route=route)
    batch = batch_of([4, 2, 9])
    model.eval()
    assert torch.equal(model(batch), model(batch))
    plain = model_of(layers=2, route=route)
    torch.testing.assert_close(model(batch), plain(batch))
    model.train()
    assert not torch.equal(model(batch), model(batch))


@pytest.mark.parametrize("route", ["padded", "packed"])
def test_the_noise_has_the_size_asked_for(route):
    """A relu cell that passes its input on, one step: the scores' noise is the input's."""
    model = model_of("rnn", channels=1, hidden=1, noise=0.2, route=route, seed=0)
    with torch.no_grad():
        for weight, value in zip(model.stack.cells[0].weights, (1e-3, 0.0, 0.0, 0.0), strict=True):
            weight.fill_(value)
        model.linear.weight.fill_(1e3)
        model.linear.bias.zero_()
    count = 4000
    batch = sequences_of(torch.ones(count, 1, 1).double(), torch.ones(count).long(), torch.zeros(count).long())
    scores = model(batch)[:, 0]
    assert scores.mean().item() == pytest.approx(1, abs=0.02)
    assert scores.std().item() == pytest.approx(0.2, rel=0.06)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("layers", 0),
        ("dropout", 1.0),
        ("noise", -1.0),
        ("pooling", "middle"),
        ("stride", 0),
        ("filters", 0),
        ("route", "sorted"),
        ("spec", 3),
    ],
)
def test_impossible_options_are_refused(option, value):
    options = {"spec": spec_of(2), "cell": partial(GRU, hidden_size=2), option: value}
    with pytest.raises(ConfigurationError, match=option):
        Classifier(**options)


# Training


@pytest.fixture
def data(tmp_path) -> SequenceDataModule:
    train, test = write_turning(tmp_path)
    return SequenceDataModule(source=TsSource(path=str(train), test_path=str(test)), batch_size=16)


def trainer_of(**options) -> pl.Trainer:
    defaults = {"accelerator": "cpu", "max_epochs": 15, "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
    return pl.Trainer(**(defaults | quiet | options))


def task_of(data: SequenceDataModule, **options) -> ClassificationTask:
    pl.seed_everything(0, verbose=False)
    model = Classifier(spec=data.spec, cell=partial(GRU, hidden_size=16))
    return ClassificationTask(
        model=model, optimizer=partial(torch.optim.Adam, lr=0.02), learning_rate=OneCycle(), **options
    )


@pytest.mark.parametrize(("batch_size", "accumulate"), [(16, 2), (16, 4), (20, 4)])
def test_accumulated_batches_step_as_one_large_batch_of_them(data, batch_size, accumulate):
    """48 sequences: groups and batches that are not full."""

    def weights(batch_size: int, **options) -> dict[str, torch.Tensor]:
        data.batch_size = batch_size
        task = task_of(data, label_smoothing=0.1)
        trainer_of(max_epochs=2, precision="64-true", limit_val_batches=0, **options).fit(task, data)
        return task.model.state_dict()

    found, expected = weights(batch_size, accumulate_grad_batches=accumulate), weights(batch_size * accumulate)
    for name, value in expected.items():
        # Adam divides small gradients by their own size.
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-8, msg=name)


def test_it_learns_and_scores_longer_sequences(data):
    task, trainer = task_of(data), trainer_of(max_epochs=25)
    trainer.fit(task, data)
    assert trainer.callback_metrics["accuracy/validation"] > 0.9
    assert data.prepared.part("test").lengths.max() > data.prepared.part("train").lengths.max()
    (scores,) = trainer.test(task, data, verbose=False)
    assert scores["accuracy/test"] > 0.9
    assert set(scores) == {"loss/test", "accuracy/test", "macro_f1/test"}


def test_the_loss_logged_is_the_cross_entropy_over_all_sequences(data):
    data.evaluation_batch_size = 7
    task = task_of(data, label_smoothing=0.3)
    (scores,) = trainer_of().test(task, data, verbose=False)
    (batch,) = SequenceDataModule(source=data.source).loader("test")
    expected = nn.functional.cross_entropy(task.eval().model(batch), batch.label).item()
    assert scores["loss/test"] == pytest.approx(expected, rel=1e-5)


def test_smoothing_is_that_of_the_formula(data, monkeypatch):
    task = task_of(data, label_smoothing=0.3)
    monkeypatch.setattr("recast.training.classification_task.is_due", lambda trainer: False)
    task.trainer = trainer_of()
    (batch,) = list(data.loader("test"))
    logs = task.model(batch).log_softmax(1)
    weights = nn.functional.one_hot(batch.label, 3) * 0.7 + 0.3 / 3
    assert task.training_step(batch, 0).item() == pytest.approx(-(weights * logs).sum(1).mean().item(), rel=1e-5)


def test_a_loss_that_is_not_finite_ends_training(data):
    task = task_of(data)
    with torch.no_grad():
        task.model.linear.weight[0, 0] = np.nan
    with pytest.raises(NonFiniteLossError, match=r"the training loss is nan at step 0.*lower optimizer\.lr"):
        trainer_of().fit(task, data)


def test_curves_that_may_be_watched_are_logged(data):
    task, trainer = task_of(data), trainer_of(max_epochs=1)
    trainer.fit(task, data)
    assert set(task.validation_curves) <= set(trainer.callback_metrics)


@pytest.mark.parametrize("smoothing", [1.0, -0.1])
def test_impossible_smoothing_is_refused(data, smoothing):
    with pytest.raises(ConfigurationError, match="label_smoothing"):
        task_of(data, label_smoothing=smoothing)
