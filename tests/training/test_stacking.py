"""Weights of an ensemble, against scipy's solvers and closed forms."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from small_data import small_data

from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.ensemble.ensemble import Ensemble
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.training import stacking
from recast.training.stacking import fit_weights, simplex_weights


@given(seed=st.integers(0, 10_000), members=st.integers(1, 6), scale=st.sampled_from([1e-6, 1.0, 1e5]))
def test_weights_are_the_minimum_on_the_simplex(seed, members, scale):
    random = np.random.default_rng(seed)
    errors = scale * (random.normal(size=(40, members)) + random.normal(size=(40, 1)) * random.uniform(0, 3, members))
    gram = errors.T @ errors
    found = simplex_weights(gram)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    best = minimize(
        lambda w: w @ gram @ w / np.trace(gram),
        np.full(members, 1 / members),
        jac=lambda w: 2 * gram @ w / np.trace(gram),
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found @ gram @ found <= best.fun * np.trace(gram) * (1 + 1e-6)


def test_two_independent_members_weigh_as_the_inverse_of_their_variances():
    """Bates & Granger 1969, equation 1 without correlation."""
    np.testing.assert_allclose(simplex_weights(np.diag([1.0, 4.0])), [0.8, 0.2])
    np.testing.assert_allclose(simplex_weights(np.diag([9.0, 1.0, 9.0])), [1 / 11, 9 / 11, 1 / 11])


def test_weights_where_errors_say_nothing():
    np.testing.assert_allclose(simplex_weights(np.zeros((3, 3))), 1 / 3)
    # Members alike, in any way that adds up.
    alike = simplex_weights(np.ones((2, 2)))
    assert alike.sum() == pytest.approx(1)
    # One without error has all.
    np.testing.assert_allclose(simplex_weights(np.diag([0.0, 1.0])), [1.0, 0.0], atol=1e-12)


def test_weights_are_fitted_on_the_errors_of_the_members():
    torch.manual_seed(0)
    data = small_data()
    member = partial(Direct, cell=partial(GRU, hidden_size=3), head=Point())
    ensemble = Ensemble(spec=data.spec, members={"a": member, "b": member, "c": member}, combine="weights").eval()
    batches = list(data.loader("train"))
    fitted = fit_weights(ensemble, batches, samples=1)
    errors = np.stack(
        [
            np.concatenate([(one.forecast(batch, samples=1).mean - batch.target).numpy() for batch in batches]).ravel()
            for one in ensemble.models
        ]
    ).astype(np.float64)
    np.testing.assert_allclose(fitted.numpy(), simplex_weights(errors @ errors.T), atol=1e-5)
    assert fitted is ensemble.weights
    with pytest.raises(ConfigurationError, match="combine by mean or median"):
        fit_weights(ensemble, [], samples=1)


def test_a_member_whose_forecasts_are_not_finite_is_named():
    torch.manual_seed(0)
    data = small_data()
    member = partial(Direct, cell=partial(GRU, hidden_size=3), head=Point())
    ensemble = Ensemble(spec=data.spec, members={"a": member, "b": member, "c": member}, combine="weights").eval()
    batches = list(data.loader("train"))
    before = ensemble.weights.clone()
    for value in (torch.nan, torch.inf):
        with torch.no_grad():
            ensemble.models[1].readout.output.bias.fill_(value)
        for names, message in ((None, "b"), (["runs/1", "runs/2", "runs/3"], "runs/2")):
            with pytest.raises(ConfigurationError, match=rf"^{message}: forecasts .* are not finite.*; leave it out"):
                fit_weights(ensemble, batches, samples=1, names=names)
    assert ensemble.weights.equal(before)


def test_many_members_that_depend_on_each_other_have_weights(monkeypatch):
    """They take scipy's solver more steps than its default; the conditions of Karush, Kuhn and Tucker hold."""
    random = np.random.default_rng(380)
    members = int(random.integers(2, 30))
    errors = random.normal(size=(random.integers(1, 40), members)) * 10 ** random.uniform(-6, 6, members)
    errors += random.normal(size=(1, members)) * 10 ** random.uniform(-3, 3)
    gram = errors.T @ errors
    found = simplex_weights(gram)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    slope, size = gram @ found, np.trace(gram) / members
    assert (slope - found @ slope >= -1e-9 * size).all()
    # Three suffice or not by the rounding of the processor.
    monkeypatch.setattr(stacking, "ITERATIONS", 1)
    with pytest.raises(ConfigurationError, match=rf"of {members} members were not found .*\(--combine mean\)"):
        simplex_weights(gram)
