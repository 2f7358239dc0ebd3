"""Ridge with past and known inputs against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge

from recast.errors import ConfigurationError, MisfitError
from recast.scoring.baselines.baseline import History
from recast.scoring.baselines.harmonic import Harmonic
from recast.scoring.baselines.naive import LastValue
from recast.scoring.baselines.ridge import Ridge

CONTEXT, HORIZON, ROWS = 6, 3, 400


def history_of(targets: int = 1, *, past: int = 2, known: int = 2, seed: int = 0) -> History:
    """Targets that follow what was known three steps before, and an input of the step before."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(ROWS, past)).cumsum(axis=0) if past else np.empty((ROWS, 0))
    plans = random.normal(size=(ROWS, known))
    values = random.normal(size=(ROWS, targets)) * 0.1 + plans.sum(axis=1, keepdims=True)
    if past:
        values[1:] += inputs[:-1, :1]
    return History(
        values=values * np.arange(1, targets + 1),
        hours=np.arange(ROWS, dtype=float),
        starts=np.arange(ROWS - CONTEXT - HORIZON + 1),
        context=CONTEXT,
        horizon=HORIZON,
        past=inputs if past else None,
        known=plans if known else None,
    )


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("past", "known"), [(2, 2), (0, 1), (1, 0)])
def test_forecasts_are_those_of_scikit_learn(shared, past, known):
    history = history_of(2, past=past, known=known)
    baseline = Ridge(penalty=3.0, shared=shared, levels=True)
    baseline.fit(history)
    ((origins, _),) = history.windows(ROWS)
    found = baseline.forecast(origins)

    y = standardised(history.values)
    beside = [standardised(part) for part in (history.past, history.known) if part is not None]
    ends = [CONTEXT if place == 0 and past else CONTEXT + HORIZON for place in range(len(beside))]
    windows = [
        np.concatenate([part[start : start + end].ravel() for part, end in zip(beside, ends, strict=True)])
        for start in history.starts
    ]
    groups = [[0], [1]] if shared else [[0, 1]]
    x = [
        [np.r_[y[s : s + CONTEXT, g].ravel(), w] for s, w in zip(history.starts, windows, strict=True)] for g in groups
    ]
    future = [y[history.starts[:, None] + np.arange(CONTEXT, CONTEXT + HORIZON)][:, :, g] for g in groups]
    last = [y[history.starts + CONTEXT - 1][:, None, g] for g in groups]
    change = [(f - one).reshape(len(history.starts), -1) for f, one in zip(future, last, strict=True)]
    every = np.concatenate(x)
    # Own values by their mean variance, other inputs by that of each.
    own, spread = CONTEXT * len(groups[0]), every.std(axis=0)
    spread[:own] = np.sqrt(every[:, :own].var(axis=0).mean())
    model = SklearnRidge(alpha=3.0, solver="cholesky").fit(every / spread, np.concatenate(change))
    for group, inputs, base in zip(groups, x, last, strict=True):
        expected = model.predict(np.asarray(inputs) / spread).reshape(len(inputs), HORIZON, -1) + base
        scale, offset = history.values.std(axis=0)[group], history.values.mean(axis=0)[group]
        assert found[..., group] == pytest.approx(expected * scale + offset, abs=1e-8)


def test_inputs_that_decide_are_worth_reading_and_can_be_left_out():
    history = history_of()
    ((origins, truth),) = history.windows(ROWS)
    errors = {}
    for inputs in (True, False):
        baseline = Ridge(inputs=inputs)
        baseline.fit(history)
        errors[inputs] = np.mean((baseline.forecast(origins) - truth) ** 2)
    assert errors[True] < 0.5 * errors[False]
    without = Ridge()
    without.fit(history_of(past=0, known=0))
    plain = Ridge(inputs=False)
    plain.fit(history)
    alone = History(history.values, history.hours, history.starts, CONTEXT, HORIZON)
    reference = Ridge()
    reference.fit(alone)
    assert np.array_equal(plain.forecast(origins), reference.forecast(origins))


def test_steps_that_are_not_read_do_not_matter():
    history = history_of()
    baseline = Ridge(inputs_every=2, inputs_reach=3, inputs_penalty=0.5)
    baseline.fit(history)
    ((origins, _),) = history.windows(ROWS)
    before = baseline.forecast(origins)
    assert origins.past is not None
    assert origins.known is not None
    # Read are the steps 3 and 5 of the context, and of the horizon 7, counted from 0.
    for part, steps in ((origins.past, [0, 1, 2, 4]), (origins.known, [0, 1, 2, 4, 6, 8])):
        part[:, steps] += 100
    assert np.array_equal(baseline.forecast(origins), before)
    origins.known[:, 7] += 100
    assert not np.allclose(baseline.forecast(origins), before)


def test_gaps_of_inputs_are_interpolated_inside_a_window():
    history = history_of()
    baseline = Ridge()
    baseline.fit(history)
    ((origins, _),) = history.windows(ROWS)
    assert origins.past is not None
    origins.past[:, 2] = np.nan
    holes = baseline.forecast(origins)
    origins.past[:, 2] = (origins.past[:, 1] + origins.past[:, 3]) / 2
    assert holes == pytest.approx(baseline.forecast(origins))


def test_the_ridge_on_a_residual_reads_them_too():
    history = history_of(past=1, known=1)
    residual = Harmonic(constituents=["M2"], residual=Ridge())
    residual.fit(history)
    held = Harmonic(constituents=["M2"], residual=LastValue())
    held.fit(history)
    ((origins, truth),) = history.windows(ROWS)
    better, worse = (np.mean((found.forecast(origins) - truth) ** 2) for found in (residual, held))
    assert better < 0.5 * worse


def test_a_reach_beyond_the_context_is_refused():
    with pytest.raises((ConfigurationError, MisfitError), match=r"inputs_reach=7 steps, but the context has 6"):
        Ridge(inputs_reach=7).fit(history_of())
