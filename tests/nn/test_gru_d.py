"""GRU-D against its equations, with every cell, and that no estimate has read the value that it is compared with."""

from functools import partial

import numpy as np
import pytest
import torch
from gappy import gappy
from model_forms import CELLS, part
from synthetic import spec_of, with_weights

from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.models.gru_d import Decaying, GruD
from recast.nn.models.imputer import observed_of

STEPS, TARGETS, HIDDEN = 9, 3, 4
SPEC = spec_of(targets=TARGETS, context=STEPS, horizon=STEPS, masked=True)


def model_of(cell=None, **options) -> GruD:
    return with_weights(GruD(spec=SPEC, cell=cell or partial(GRU, hidden_size=HIDDEN), **options)).double().eval()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(model: Decaying, x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """One window, equation by equation (section 2.3), with a GRU as torch writes it out."""
    p = {name: value.detach().numpy() for name, value in model.named_parameters()}
    w_ih, w_hh, b_ih, b_hh = (weight.detach().numpy() for weight in model.cell.weights)
    h, delta, last = np.zeros(HIDDEN), np.zeros(TARGETS), p["mean"].copy()
    found = np.zeros((STEPS, TARGETS))
    for t in range(STEPS):
        if t > 0:
            delta = np.where(m[t - 1] == 1, 1.0, 1.0 + delta)
        of_columns = np.exp(-np.maximum(0, p["column_decay_weight"] * delta + p["column_decay_bias"]))
        h = h * np.exp(-np.maximum(0, p["state_decay.weight"] @ delta + p["state_decay.bias"]))
        found[t] = p["readout.weight"] @ h + p["readout.bias"]
        u = m[t] * x[t] + (1 - m[t]) * (of_columns * last + (1 - of_columns) * p["mean"])
        a, b = w_ih @ np.concatenate([u, m[t]]) + b_ih, w_hh @ h + b_hh
        (ar, az, an), (br, bz, bn) = a.reshape(3, HIDDEN), b.reshape(3, HIDDEN)
        z = sigmoid(az + bz)
        h = (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h
        last = np.where(m[t] == 1, x[t], last)
    return found


@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_computes_the_equations_of_the_paper(bidirectional):
    model, batch = model_of(bidirectional=bidirectional), gappy(SPEC)
    found = model(batch)
    x, m = batch.history.numpy(), batch.observed.history.numpy().astype(float)
    for window in range(len(x)):
        expected = [by_hand(model.directions[0], x[window], m[window])]
        if bidirectional:
            expected.append(by_hand(model.directions[1], x[window, ::-1], m[window, ::-1])[::-1])
        for estimate, hand in zip(found.estimates[:, window], expected, strict=True):
            assert estimate.detach().numpy() == pytest.approx(hand, abs=1e-12)
        assert found.mean[window].detach().numpy() == pytest.approx(np.mean(expected, axis=0), abs=1e-12)
    assert (found.penalty == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_no_estimate_has_read_the_value_that_it_is_compared_with(cell):
    model, batch = model_of(part("cell", cell), bidirectional=True), gappy(SPEC)
    values = batch.history.clone().requires_grad_()
    found = model(batch._replace(history=values))
    for estimate in found.estimates:
        for step, target in ((0, 0), (4, 1), (8, 2)):
            (slopes,) = torch.autograd.grad(estimate[:, step, target].sum(), values, retain_graph=True)
            assert (slopes[:, step] == 0).all()
    (slopes,) = torch.autograd.grad(found.mean[:, 4, 0].sum(), values)
    left = observed_of(batch)
    assert (slopes[:, :4][left[:, :4]] != 0).any()
    assert (slopes[:, 5:][left[:, 5:]] != 0).any()
    assert (slopes[~left] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_every_weight_is_trained_with_every_cell(cell):
    model, batch = model_of(part("cell", cell), bidirectional=True), gappy(SPEC)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Below zero there is no decay, nor a gradient of it.
            if "decay" in name:
                parameter.abs_()
    (model(batch).estimates - batch.target).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_data_with_inputs_are_refused():
    spec = spec_of(targets=1, past=1, context=5, horizon=5, masked=True)
    with pytest.raises(ConfigurationError, match="GruD does not read past inputs"):
        GruD(spec=spec, cell=partial(GRU, hidden_size=4))
