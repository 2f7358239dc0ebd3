"""The bidirectional imputer against torch.nn's LSTM over the same inputs, and where it begins."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from gappy import gappy
from model_forms import CELLS, part
from synthetic import spec_of, with_weights
from torch import nn

from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.models.bidirectional_imputer import BidirectionalImputer
from recast.types import Batch

STEPS, TARGETS, HIDDEN = 9, 3, 4
SPEC = spec_of(targets=TARGETS, context=STEPS, horizon=STEPS, masked=True)


def model_of(cell=None, **options) -> BidirectionalImputer:
    cell = cell or partial(LSTM, hidden_size=HIDDEN)
    return with_weights(BidirectionalImputer(spec=SPEC, cell=cell, **options)).double().eval()


def line_of(batch: Batch) -> torch.Tensor:
    """The line across the gaps of each window by pandas; 0 for a column that was never observed."""
    shown = batch.history.where(batch.observed.history, torch.nan).numpy()
    filled = [pd.DataFrame(window).interpolate(limit_direction="both").fillna(0.0).to_numpy() for window in shown]
    return torch.from_numpy(np.stack(filled))


def since_last(observed: np.ndarray) -> np.ndarray:
    found = np.zeros(observed.shape)
    for t in range(1, len(found)):
        found[t] = np.where(observed[t - 1], 1, found[t - 1] + 1)
    return found


@pytest.mark.parametrize("line", [True, False])
def test_it_is_a_bidirectional_lstm_on_top_of_the_line(line):
    model, batch = model_of(layers=2, line=line), gappy(SPEC)
    twin = nn.LSTM(4 * TARGETS, HIDDEN, num_layers=2, bidirectional=True, batch_first=True).double()
    for layer in range(2):
        for cells, suffix in ((model.layers.ahead, ""), (model.layers.back, "_reverse")):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            for name, weight in zip(names, cells[layer].weights, strict=True):
                getattr(twin, f"{name}_l{layer}{suffix}").data.copy_(weight)
    observed = batch.observed.history
    elapsed = np.stack([since_last(window) for window in observed.numpy()])
    until = np.stack([since_last(window[::-1])[::-1] for window in observed.numpy()])
    steps = [torch.from_numpy(found).log1p() for found in (elapsed, until)]
    inputs = [line_of(batch), observed.double(), *steps]
    outputs, _ = twin(torch.cat(inputs, dim=-1))
    corrections = outputs @ model.readout.weight.T + model.readout.bias
    expected = (line_of(batch) if line else 0) + corrections
    missing = ~observed
    found = model(batch)
    torch.testing.assert_close(found.mean[missing], expected[missing], rtol=0, atol=1e-12)
    assert torch.equal(found.mean[observed], batch.history[observed])
    assert torch.equal(found.estimates, found.mean.unsqueeze(0))
    assert (found.penalty == 0).all()


def test_it_begins_near_the_line():
    torch.manual_seed(0)
    batch = gappy(SPEC)
    near = BidirectionalImputer(spec=SPEC, cell=partial(LSTM, hidden_size=64)).double()
    assert (near(batch).mean - line_of(batch)).abs().max().item() < 0.03


@pytest.mark.parametrize("cell", CELLS)
def test_every_weight_is_trained_with_every_cell(cell):
    model, batch = model_of(part("cell", cell), layers=2), gappy(SPEC)
    (model(batch).mean - batch.target).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_what_is_missing_and_what_is_true_change_nothing():
    model, batch = model_of(), gappy(SPEC)
    missing = ~batch.observed.history
    other = batch._replace(
        history=batch.history.where(~missing, 7.0), target=torch.randn_like(batch.target), known=batch.known + 1
    )
    assert torch.equal(model(batch).mean, model(other).mean)


def test_a_gap_is_filled_from_both_sides_and_from_other_columns():
    model, batch = model_of(), gappy(SPEC)
    observed = batch.observed.history
    values = batch.history.clone().requires_grad_()
    observed[:, 3:6, 0] = False
    found = model(batch._replace(history=values)).mean
    (slopes,) = torch.autograd.grad(found[:, 4, 0].sum(), values)
    for where in (slopes[:, :3], slopes[:, 6:], slopes[:, 4, 1:]):
        assert (where != 0).any()
    assert (slopes[~observed] == 0).all()


def test_dropout_acts_in_training_alone():
    model, batch = model_of(dropout=0.5, layers=2), gappy(SPEC)
    assert torch.equal(model(batch).mean, model(batch).mean)
    model.train()
    assert not torch.equal(model(batch).mean, model(batch).mean)


RICH = spec_of(
    targets=2,
    past=1,
    known=1,
    static=1,
    categories=("past", "known", "static"),
    context=STEPS,
    horizon=STEPS,
    masked=True,
)


def test_every_input_is_read():
    torch.manual_seed(0)
    model = with_weights(BidirectionalImputer(spec=RICH, cell=partial(GRU, hidden_size=4))).double().eval()
    batch = gappy(RICH)
    for name in ("past", "known", "static"):
        values = getattr(batch, name).clone().requires_grad_()
        (slopes,) = torch.autograd.grad(model(batch._replace(**{name: values})).mean.sum(), values)
        assert (slopes[:, :STEPS] != 0).any(), name
    for role in ("past", "known", "static"):
        changed = batch.categories._replace(**{role: (getattr(batch.categories, role) + 1) % 3})
        assert not torch.equal(model(batch._replace(categories=changed)).mean, model(batch).mean), role


def test_a_course_with_a_line_on_top_of_it_is_where_it_begins():
    spec = spec_of(targets=TARGETS, context=STEPS, horizon=STEPS, masked=True, course="tide")
    model = BidirectionalImputer(spec=spec, cell=partial(GRU, hidden_size=4), course="tide").double().eval()
    with torch.no_grad():
        for weight in model.readout.parameters():
            weight.zero_()
    batch = gappy(spec)
    places = model.course.places
    course = batch.known[:, :STEPS, places]
    slope = torch.linspace(0, 2, STEPS).reshape(1, -1, 1).double()
    observed = torch.ones_like(batch.observed.history)
    observed[:, 2:7] = False
    whole = course + 3 + slope
    shown = batch._replace(
        history=whole.where(observed, 0.0), observed=batch.observed._replace(history=observed, target=~observed)
    )
    torch.testing.assert_close(model(shown).mean, whole, rtol=0, atol=1e-12)
    assert torch.equal(model(shown).mean[observed], whole[observed])


def test_a_course_that_the_data_lack_is_refused():
    with pytest.raises(ConfigurationError, match=r"course=tide: the data have no column tide\.a known ahead"):
        BidirectionalImputer(spec=SPEC, cell=partial(GRU, hidden_size=4), course="tide")
