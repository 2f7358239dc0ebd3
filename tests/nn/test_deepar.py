"""Lags of a recurrent network that forecasts one step ahead, against a loop over torch's LSTM."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import batch_of, spec_of, with_weights
from torch import Tensor, nn

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, LinearAnchor, NoAnchor
from recast.nn.cells.lstm import LSTM
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.head import Head
from recast.nn.heads.point import Point
from recast.nn.models.deepar import DeepAR
from recast.nn.models.recursive import Recursive
from recast.training.task import ForecastTask
from recast.types import Batch, Progress

CONTEXT, HORIZON, TARGETS, UNITS = 8, 4, 2, 3
HALFWAY = Progress(step=5, total_steps=10, epoch=0, total_epochs=1)
SPEC = spec_of(targets=TARGETS, context=CONTEXT, horizon=HORIZON, known=1, static=1)
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-11)
some_lags = st.lists(st.integers(2, CONTEXT), min_size=1, max_size=4, unique=True)
some_anchor = st.sampled_from([NoAnchor, LastAnchor, partial(LinearAnchor, window=3)])
some_seed = st.integers(0, 99)
some = settings(max_examples=40)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def model_of(lags: list[int], head: Head | None = None, spec: SeriesSpec = SPEC, **options: Any) -> DeepAR:
    return with_weights(
        DeepAR(spec=spec, cell=partial(LSTM, hidden_size=UNITS), head=head or Point(), lags=lags, **options)
    )


class Loop:
    """The definition, value by value: rows of single numbers, and torch's LSTM over all of them for each forecast."""

    def __init__(self, model: DeepAR, batch: Batch) -> None:
        self.model, self.batch = model, batch
        self.network = nn.LSTM(model.inputs.context_size + TARGETS * len(model.lags), UNITS, 2, batch_first=True)
        self.network = self.network.double()
        for layer, cell in enumerate(model.encoder.stack.cells):
            for name, values in cell.rnn.named_parameters():
                getattr(self.network, name.replace("l0", f"l{layer}")).data.copy_(values)

    def after(self, values: Tensor) -> Tensor:
        """Head parameters of the value after the last of `values`."""
        rows, known = [], self.batch.known
        for step in range(max(self.model.lags) - 1, values.shape[1]):
            parts = [values[:, step], known[:, step], self.batch.static]
            parts += [values[:, step + 1 - lag] for lag in self.model.lags]
            rows.append(torch.cat(parts, dim=1))
        outputs, _ = self.network(torch.stack(rows, dim=1))
        ahead = torch.cat([known[:, values.shape[1]], self.batch.static], dim=1)
        raw = self.model.readout.output(outputs[:, -1]).unflatten(-1, (TARGETS, -1))
        raw = raw + torch.einsum("nc,ctp->ntp", ahead, self.model.readout.known[0])
        recent = values[:, -self.model.anchor.reach :]
        recent = torch.cat([recent[:, :1]] * (self.model.anchor.reach - recent.shape[1]) + [recent], dim=1)
        return self.model.head.shift(raw, self.model.anchor(recent)[:, 0])


def unrolled(loop: Loop, history: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Head parameters and values of all leads, each value fed to the next."""
    values, parameters = history, []
    for _ in range(HORIZON):
        parameters.append(loop.after(values))
        fed = loop.model.head.feedback(parameters[-1], generator)
        values = torch.cat([values, fed.unsqueeze(1)], dim=1)
    return torch.stack(parameters, dim=1), values[:, CONTEXT:]


@some
@given(lags=some_lags, anchor=some_anchor, seed=some_seed)
def test_the_forecast_is_a_loop_that_feeds_its_values_to_all_lags(lags, anchor, seed):
    torch.manual_seed(seed)
    model, batch = model_of(lags, anchor=anchor), batch_of(SPEC)
    parameters, values = unrolled(Loop(model, batch), batch.history)
    close(model(batch), parameters)
    close(model.forecast(batch, samples=1).mean, values)


@some
@given(lags=some_lags, anchor=some_anchor, seed=some_seed)
def test_each_trajectory_reads_its_own_draws(lags, anchor, seed):
    torch.manual_seed(seed)
    model, batch = model_of(lags, Gaussian(), anchor=anchor), batch_of(SPEC)
    found = model.trajectories(batch, 3, torch.Generator().manual_seed(seed))
    tripled = batch.take(torch.arange(3).repeat(3))
    _, values = unrolled(Loop(model, tripled), tripled.history, torch.Generator().manual_seed(seed))
    close(found, values.unflatten(0, (3, -1)))
    assert found.std(dim=0).min() > 0


@some
@given(lags=some_lags, anchor=some_anchor, seed=some_seed)
def test_training_scores_every_step_that_has_its_lags(lags, anchor, seed):
    torch.manual_seed(seed)
    model, batch = model_of(lags, Gaussian(), anchor=anchor), batch_of(SPEC)
    truth, loop, first = torch.cat([batch.history, batch.target], dim=1), Loop(model, batch), max(lags)
    expected = torch.stack([loop.after(truth[:, :end]) for end in range(first, CONTEXT + HORIZON)], dim=1)
    found = model.training_forecast(batch, HALFWAY)
    close(found.parameters, expected.flatten(0, 1).unsqueeze(1))
    close(found.target, truth[:, first:].flatten(0, 1).unsqueeze(1))
    close(model.teacher_forced(batch), expected[:, -HORIZON:])
    model.origins = "last"
    found = model.training_forecast(batch, HALFWAY)
    close(found.parameters[:, 0], loop.after(batch.history))
    close(found.target, batch.target[:, :1])


@some
@given(lags=some_lags, seed=some_seed)
def test_no_forecast_sees_a_truth_after_its_origin(lags, seed):
    torch.manual_seed(seed)
    model, batch = model_of(lags), batch_of(SPEC)
    history, target = batch.history.requires_grad_(), batch.target.requires_grad_()
    parameters = model.training_forecast(batch, HALFWAY).parameters.unflatten(0, (len(history), -1))
    for place in range(parameters.shape[1]):
        end = max(lags) + place
        seen = torch.cat(
            torch.autograd.grad(
                parameters[:, place].sum(), (history, target), retain_graph=True, materialize_grads=True
            ),
            dim=1,
        )
        assert seen[:, end - 1].abs().min() > 0
        assert not seen[:, end:].any()
    (gradient,) = torch.autograd.grad(model(batch).sum(), target, allow_unused=True)
    assert gradient is None


@contextmanager
def inputs_of_steps(model: Recursive) -> Iterator[list[Tensor]]:
    """What the lowest layer reads at each step of a closed loop."""
    cell = model.encoder.stack.layers[0]
    step, seen = cell.step, []

    def noted(x: Tensor, state: Any) -> Any:
        seen.append(x)
        return step(x, state)

    cell.step = noted
    try:
        yield seen
    finally:
        del cell.step


@pytest.mark.parametrize(("lag", "own"), [(2, 2), (HORIZON - 1, 1), (HORIZON, 0), (CONTEXT, 0)])
def test_a_lag_shorter_than_the_horizon_reads_what_was_drawn_and_a_longer_one_the_context(lag, own):
    model, batch = model_of([lag], Gaussian()), batch_of(SPEC)
    with inputs_of_steps(model) as seen:
        drawn = model.trajectories(batch, 1, torch.Generator().manual_seed(0))[0]
    assert len(seen) == HORIZON - 1
    read = [x[:, -TARGETS:] for x in seen]
    for lead, values in enumerate(read, start=2):
        place = lead - lag
        assert values.equal(batch.history[:, CONTEXT + place - 1] if place < 1 else drawn[:, place - 1])
    assert sum(lead - lag >= 1 for lead in range(2, HORIZON + 1)) == own


def test_the_last_observation_stands_for_one_that_a_lag_lacks():
    spec = spec_of(targets=TARGETS, context=CONTEXT, horizon=HORIZON, masked=True)
    model, batch = model_of([2, 4], spec=spec), batch_of(spec)
    assert batch.observed is not None
    read, size = model._context(batch), model.inputs.context_size
    for step in range(CONTEXT - 3):
        for place, lag in enumerate([2, 4]):
            for window, target in torch.cartesian_prod(torch.arange(3), torch.arange(TARGETS)).tolist():
                seen = batch.observed.history[window, : step + 3 + 1 - lag + 1, target].nonzero().flatten()
                value = batch.history[window, seen[-1], target] if len(seen) else 0.0
                assert read[window, step, size + place * TARGETS + target].item() == float(value)


def test_lags_that_never_lie_in_the_context_are_refused():
    with pytest.raises(ConfigurationError, match=r"DeepAR: lags: 9 steps .* of 8; .*data\.windows\.context=9"):
        model_of([2, 9])
    with pytest.raises(ConfigurationError, match=r"DeepAR: lags=\[1, 2\]: .* greater than or equal to 2"):
        model_of([1, 2])


def test_states_are_not_carried_beside_lags():
    lagged, plain = (
        Recursive(spec=SPEC, cell=partial(LSTM, hidden_size=UNITS), head=Point(), lags=lags) for lags in ([2], None)
    )
    assert plain.carries_states
    batch = batch_of(SPEC)._replace(carried=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ConfigurationError, match=r"Recursive cannot carry states .* reads lags .*shuffled"):
        ForecastTask(model=lagged).training_step(batch, 0)
