"""Exponential smoothing against its equations and statsmodels, and the network on top of it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.holtwinters import ExponentialSmoothing
from synthetic import batch_of, spec_of, with_weights

from recast.data.panel import ITEM, Column
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.es_rnn import EsRnn
from recast.nn.models.smoothing import smoothed
from recast.types import Batch, Categories

CONTEXT, HORIZON, TARGETS = 24, 7, 2
SPEC = spec_of(targets=TARGETS, context=CONTEXT, horizon=HORIZON)


def model_of(spec: SeriesSpec = SPEC, **options) -> EsRnn:
    options = {"seasons": [4, 12], "segment": 6} | options
    return with_weights(EsRnn(spec=spec, cell=partial(GRU, hidden_size=4), head=Point(), **options))


def by_hand(y: np.ndarray, seen: np.ndarray, rates: list[float], seasons: list[int], leads: int):
    """Taylor's equations with levels and seasons, one series; where nothing was observed, what was expected stands."""
    begin, (alpha, *gammas) = seasons[-1], rates
    level = y[:begin][seen[:begin]].mean()
    left, states = y[:begin] - level, []
    for length in seasons:
        own = [left[phase::length][seen[:begin][phase::length]] for phase in range(length)]
        states.append([part.mean() if len(part) else 0.0 for part in own])
        left = left - np.array([states[-1][step % length] for step in range(begin)])
    expected = []
    for step in range(len(y)):
        now = [state[step % length] for state, length in zip(states, seasons, strict=True)]
        expected.append(sum(now))
        if step < begin:
            continue
        value, before = (y[step] if seen[step] else level + sum(now)), level
        level = alpha * (value - sum(now)) + (1 - alpha) * before
        for place, (length, gamma) in enumerate(zip(seasons, gammas, strict=True)):
            others = sum(now) - now[place]
            states[place][step % length] = gamma * (value - level - others) + (1 - gamma) * now[place]
    return (
        level,
        expected,
        [
            sum(state[step % length] for state, length in zip(states, seasons, strict=True))
            for step in range(len(y), len(y) + leads)
        ],
    )


@given(
    seed=st.integers(0, 99),
    seasons=st.sampled_from([[4], [1, 12], [4, 12], [3, 7]]),
    rates=st.tuples(*[st.floats(0.01, 0.99)] * 3),
    share=st.sampled_from([0.0, 0.3]),
)
def test_it_computes_the_equations_of_the_paper(seed, seasons, rates, share):
    draws = np.random.default_rng(seed)
    y, seen = draws.normal(3, 2, (2, CONTEXT, 1)), draws.random((2, CONTEXT, 1)) >= share
    seen[:, 0] = True
    own = torch.tensor(rates[: 1 + len(seasons)], dtype=torch.float64).reshape(1, -1, 1)
    given_values = torch.from_numpy(np.where(seen, y, np.nan))
    found = smoothed(given_values, torch.from_numpy(seen), own, seasons, HORIZON)
    for window in range(2):
        level, expected, ahead = by_hand(y[window, :, 0], seen[window, :, 0], own.flatten().tolist(), seasons, HORIZON)
        assert found.level[window, 0, 0].item() == pytest.approx(level, abs=1e-10)
        np.testing.assert_allclose(found.seasonal[window, :, 0], expected, atol=1e-10)
        np.testing.assert_allclose(found.ahead[window, :, 0], ahead, atol=1e-10)


def test_one_season_is_that_of_statsmodels():
    y, length, (alpha, gamma) = np.random.default_rng(0).normal(5, 1, 24), 6, (0.3, 0.2)
    rates = torch.tensor([alpha, gamma], dtype=torch.float64).reshape(1, 2, 1)
    values = torch.from_numpy(y).reshape(1, -1, 1)
    found = smoothed(values, torch.ones_like(values, dtype=torch.bool), rates, [length], HORIZON)
    start = {"initial_level": y[:length].mean(), "initial_seasonal": y[:length] - y[:length].mean()}
    theirs = ExponentialSmoothing(
        y[length:], seasonal="add", seasonal_periods=length, initialization_method="known", **start
    )
    # Theirs is a share of what the level before leaves, Taylor's of what the new one does.
    fitted = theirs.fit(smoothing_level=alpha, smoothing_seasonal=gamma * (1 - alpha), optimized=False)
    # Its forecast does not take over what the very last step says of its season, which comes again after a whole one.
    ours, others = (found.level + found.ahead).flatten()[: length - 1], fitted.forecast(length - 1)
    np.testing.assert_allclose(ours, others, rtol=1e-10)


def test_a_silent_network_forecasts_what_smoothing_does():
    model = model_of()
    torch.nn.init.zeros_(model.readout.weight)
    torch.nn.init.zeros_(model.readout.bias)
    batch = batch_of(SPEC)
    rates = model.rates.sigmoid().unsqueeze(-1)
    found = smoothed(batch.history, torch.ones_like(batch.history, dtype=torch.bool), rates, [4, 12], HORIZON)
    torch.testing.assert_close(model(batch)[..., 0], found.level + found.ahead)


def test_a_level_added_to_a_window_is_added_to_its_forecast():
    model, batch = model_of(), batch_of(SPEC)
    moved = batch._replace(history=batch.history + 100.0)
    torch.testing.assert_close(model(moved), model(batch) + 100.0)


def item_spec() -> SeriesSpec:
    column = Column(ITEM, role="static", levels=("a", "b", "c"))
    return replace(SPEC, static=(column,), static_offset=(0.0,), static_scale=(1.0,))


def of_items(batch: Batch, *items: int) -> Batch:
    none = torch.empty(len(batch.start), 0, dtype=torch.int64)
    steps = none.unsqueeze(1)
    return batch._replace(
        categories=Categories(
            past=steps.expand(-1, CONTEXT, -1),
            known=steps.expand(-1, CONTEXT + HORIZON, -1),
            static=torch.tensor(items).unsqueeze(1),
        )
    )


def test_each_series_has_its_own_rates_and_another_one_their_mean():
    model, batch = model_of(item_spec(), by_item=True), batch_of(SPEC)
    assert model.rates.shape == (3, 3)
    model(of_items(batch, 0, 2, 2)).square().sum().backward()
    assert (model.rates.grad.abs().amax(dim=1) > 0).tolist() == [True, False, True]
    rates = model._rates(of_items(batch, 0, 1, 3))
    torch.testing.assert_close(rates[:, :, 0].logit(), torch.stack([*model.rates[:2], model.rates.mean(dim=0)]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by_item": True}, r"by_item=true needs the item as a category.*data\.item_category=true"),
        ({"seasons": [12, 4]}, r"seasons=\[12, 4\].*ascending"),
        ({"seasons": [13]}, r"at most half of the context \(data\.windows\.context=26"),
        ({"seasons": []}, "seasons"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        model_of(**options)
