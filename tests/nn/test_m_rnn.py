"""M-RNN against its equations, with every cell, and that no estimate has read the value that it is compared with."""

from functools import partial

import numpy as np
import pytest
import torch
from gappy import gappy
from model_forms import CELLS, part
from synthetic import spec_of, with_weights

from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.models.imputer import observed_of
from recast.nn.models.m_rnn import MRnn

STEPS, TARGETS, HIDDEN = 9, 3, 4
SPEC = spec_of(targets=TARGETS, context=STEPS, horizon=STEPS, masked=True)


def model_of(cell=None, **options) -> MRnn:
    return with_weights(MRnn(spec=SPEC, cell=cell or partial(GRU, hidden_size=HIDDEN), **options)).double().eval()


def elapsed(m: np.ndarray) -> np.ndarray:
    found = np.zeros_like(m)
    for t in range(1, len(m)):
        found[t] = 1 + (1 - m[t - 1]) * found[t - 1]
    return found


def torch_gru(cell: GRU, inputs: np.ndarray) -> np.ndarray:
    theirs = torch.nn.GRU(4, HIDDEN, batch_first=True).double()
    for name, weight in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), cell.weights, strict=True):
        getattr(theirs, f"{name}_l0").data.copy_(weight)
    return theirs(torch.from_numpy(inputs)[None])[0][0].detach().numpy()


def by_hand(model: MRnn, x: np.ndarray, m: np.ndarray, *, shared: bool) -> tuple[np.ndarray, np.ndarray]:
    """One window, equation by equation; the recurrent layers are torch's."""
    since, until = elapsed(m), elapsed(m[::-1])[::-1]
    p = np.zeros_like(x)
    for d in range(TARGETS):
        within = model.within[0 if shared else d]
        read = np.stack([x[:, d], m[:, d], np.log1p(since[:, d]), np.log1p(until[:, d])], axis=1)
        f = torch_gru(within.layer.ahead[0], read)
        g = torch_gru(within.layer.back[0], read[::-1].copy())[::-1]
        for t in range(STEPS):
            before = f[t - 1] if t > 0 else np.zeros(HIDDEN)
            after = g[t + 1] if t + 1 < STEPS else np.zeros(HIDDEN)
            weight, bias = within.readout.weight.detach().numpy()[0], within.readout.bias.item()
            p[t, d] = weight[:HIDDEN] @ before + weight[HIDDEN:] @ after + bias
    a = {name: value.detach().numpy() for name, value in model.across.named_parameters()}
    u = m * x + (1 - m) * p
    inside = u @ (a["values.weight"] - np.diag(np.diag(a["values.weight"]))).T + a["values.bias"]
    h = np.tanh(inside + p @ a["estimates.weight"].T + m @ a["masks.weight"].T)
    return p, a["weight"] * h + a["bias"]


@pytest.mark.parametrize("shared", [False, True])
def test_it_computes_its_equations(shared):
    model, batch = model_of(shared=shared), gappy(SPEC)
    found = model(batch)
    x, m = batch.history.numpy(), batch.observed.history.numpy().astype(float)
    for window in range(len(x)):
        within, across = by_hand(model, x[window], m[window], shared=shared)
        assert found.estimates[0, window].detach().numpy() == pytest.approx(within, abs=1e-12)
        assert found.estimates[1, window].detach().numpy() == pytest.approx(across, abs=1e-12)
    assert torch.equal(found.mean, found.estimates[1])
    assert (found.penalty == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_no_estimate_has_read_the_value_that_it_is_compared_with(cell):
    model, batch = model_of(part("cell", cell)), gappy(SPEC)
    values = batch.history.clone().requires_grad_()
    found = model(batch._replace(history=values))
    for estimate in found.estimates:
        for step, target in ((0, 0), (4, 1), (8, 2)):
            (slopes,) = torch.autograd.grad(estimate[:, step, target].sum(), values, retain_graph=True)
            assert (slopes[:, step, target] == 0).all()
    (slopes,) = torch.autograd.grad(found.mean[:, 4, 0].sum(), values)
    left = observed_of(batch)
    for part_of in (slice(0, 4), slice(5, 9)):
        assert (slopes[:, part_of][left[:, part_of]] != 0).any()
    # Across the columns, at the same step.
    assert (slopes[:, 4, 1:][left[:, 4, 1:]] != 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_every_weight_is_trained_with_every_cell(cell):
    model, batch = model_of(part("cell", cell)), gappy(SPEC)
    (model(batch).estimates - batch.target).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_data_with_inputs_are_refused():
    spec = spec_of(targets=1, past=1, context=5, horizon=5, masked=True)
    with pytest.raises(ConfigurationError, match="MRnn does not read past inputs"):
        MRnn(spec=spec, cell=partial(GRU, hidden_size=4))
