"""BRITS against its equations, with every cell, and that no estimate has read the value that it is compared with."""

from functools import partial

import numpy as np
import pytest
import torch
from gappy import gappy
from model_forms import CELLS, part
from synthetic import batch_of, spec_of, with_weights

from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.models.brits import Brits, Rits
from recast.nn.models.imputer import elapsed_steps, observed_of

STEPS, TARGETS = 9, 3
SPEC = spec_of(targets=TARGETS, context=STEPS, horizon=STEPS, masked=True)


def model_of(cell=None, **options) -> Brits:
    return with_weights(Brits(spec=SPEC, cell=cell or partial(LSTM, hidden_size=4), **options)).double().eval()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def rits_by_hand(model: Rits, x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """One window, equation by equation (section 4.2), with the cell of equation 11 written out as an LSTM."""
    p = {name: value.detach().numpy() for name, value in model.named_parameters()}
    w_ih, w_hh, b_ih, b_hh = (weight.detach().numpy() for weight in model.cell.weights)
    size = model.cell.hidden_size
    h, c = np.zeros(size), np.zeros(size)
    delta = np.zeros(TARGETS)
    found = np.zeros((3, STEPS, TARGETS))
    for t in range(STEPS):
        if t > 0:
            delta = np.where(m[t - 1] == 1, 1.0, 1.0 + delta)
        h = h * np.exp(-np.maximum(0, p["state_decay.weight"] @ delta + p["state_decay.bias"]))
        x_hat = p["past.weight"] @ h + p["past.bias"]
        x_c = m[t] * x[t] + (1 - m[t]) * x_hat
        z = np.zeros(TARGETS)
        for d in range(TARGETS):
            z[d] = p["columns.bias"][d] + sum(p["columns.weight"][d, e] * x_c[e] for e in range(TARGETS) if e != d)
        gamma = np.exp(-np.maximum(0, p["column_decay_weight"] * delta + p["column_decay_bias"]))
        beta = sigmoid(p["share.weight"] @ np.concatenate([gamma, m[t]]) + p["share.bias"])
        c_hat = beta * z + (1 - beta) * x_hat
        u = np.concatenate([m[t] * x[t] + (1 - m[t]) * c_hat, m[t]])
        gates = w_ih @ u + b_ih + w_hh @ h + b_hh
        i, f, g, o = gates.reshape(4, size)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found[:, t] = x_hat, z, c_hat
    return found


def test_it_computes_the_equations_of_the_paper():
    model, batch = model_of(consistency=0.3), gappy(SPEC)
    found = model(batch)
    x, m = batch.history.numpy(), batch.observed.history.numpy().astype(float)
    for window in range(len(x)):
        ahead = rits_by_hand(model.forward_direction, x[window], m[window])
        back = rits_by_hand(model.backward_direction, x[window, ::-1], m[window, ::-1])[:, ::-1]
        for estimates, expected in ((found.estimates[:3], ahead), (found.estimates[3:], back)):
            assert estimates[:, window].detach().numpy() == pytest.approx(expected, abs=1e-12)
        assert found.mean[window].detach().numpy() == pytest.approx((ahead[2] + back[2]) / 2, abs=1e-12)
        assert found.penalty[window].item() == pytest.approx(0.3 * np.abs(ahead[2] - back[2]).mean(), abs=1e-12)


def test_elapsed_steps_are_those_of_the_definition():
    observed = torch.rand(5, 20, 3) < 0.3
    found = elapsed_steps(observed)
    for t in range(20):
        expected = torch.zeros(5, 3) if t == 0 else torch.where(observed[:, t - 1], 1.0, 1.0 + found[:, t - 1])
        assert torch.equal(found[:, t], expected)


@pytest.mark.parametrize("cell", CELLS)
def test_no_estimate_has_read_the_value_that_it_is_compared_with(cell):
    model, batch = model_of(part("cell", cell)), gappy(SPEC)
    values = batch.history.clone().requires_grad_()
    found = model(batch._replace(history=values))
    for estimate in found.estimates:
        for step, target in ((0, 0), (4, 1), (8, 2)):
            (slopes,) = torch.autograd.grad(estimate[:, step, target].sum(), values, retain_graph=True)
            assert (slopes[:, step, target] == 0).all()
    # What is filled reads both sides.
    (slopes,) = torch.autograd.grad(found.mean[:, 4, 0].sum(), values)
    left = observed_of(batch)
    assert (slopes[:, :4][left[:, :4]] != 0).any()
    assert (slopes[:, 5:][left[:, 5:]] != 0).any()


def test_what_is_missing_and_what_is_true_change_nothing():
    model, batch = model_of(), gappy(SPEC)
    missing = ~batch.observed.history
    other = batch._replace(
        history=batch.history.where(~missing, 7.0), target=torch.randn_like(batch.target), known=batch.known + 1
    )
    for one, same in zip(model(batch), model(other), strict=True):
        torch.testing.assert_close(one, same, rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_every_weight_is_trained_with_every_cell(cell):
    model, batch = model_of(part("cell", cell)), gappy(SPEC)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Below zero there is no decay, nor a gradient of it.
            if "decay" in name:
                parameter.abs_()
    found = model(batch)
    ((found.estimates - batch.target).square().mean() + found.penalty.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    # The diagonal of the regression on other columns is never read.
    assert (model.forward_direction.columns.weight.grad.diagonal() == 0).all()


@pytest.mark.slow
def test_it_learns_to_fill_a_sine():
    torch.manual_seed(0)
    spec = spec_of(targets=2, context=16, horizon=16, masked=True)
    model = Brits(spec=spec, cell=partial(GRU, hidden_size=8))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    phases = torch.rand(32, 1, 1) * 6.28
    values = torch.sin(phases + torch.arange(16.0).reshape(1, -1, 1) * 0.5 + torch.tensor([0.0, 1.0]))
    batch = batch_of(spec, 32, 16).to_precision(torch.float32)
    for _ in range(70):
        left = torch.rand(values.shape) < 0.7
        shown = batch._replace(history=values.where(left, 0.0), observed=batch.observed._replace(history=left))
        loss = (model(shown).estimates - values).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = model(shown).mean
    errors = (found - values).abs()[~left]
    assert errors.mean().item() < 0.25


def test_data_with_inputs_are_refused():
    with pytest.raises(ConfigurationError, match="Brits does not read past inputs"):
        Brits(spec=spec_of(targets=1, past=1, context=5, horizon=5, masked=True), cell=partial(GRU, hidden_size=4))


def test_a_batch_without_masks_is_all_there():
    model, batch = model_of(), gappy(SPEC)
    seen = batch.observed._replace(history=torch.ones_like(batch.history, dtype=torch.bool))
    for one, same in zip(model(batch._replace(observed=None)), model(batch._replace(observed=seen)), strict=True):
        assert torch.equal(one, same)
