"""The contracts of parts, as functions that anybody's tests can call: each raises AssertionError where one is broken.

    from recast.testing import check_cell
    def test_my_cell(): check_cell(MyCell, hidden_size=5)

A part is any class that inherits from an abstract base of recast, in whatever package. Its options are keyword-only
arguments of an `__init__` decorated by `recast.options.checked`, annotated and explained in an `Args:` section, so that
configurations are checked against them and checkpoints remember them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from recast.data.panel import columns_of
from recast.data.sources.fingerprint import fingerprint
from recast.data.sources.source import Source
from recast.data.spec import SeriesSpec
from recast.nn.cells.cell import Cell
from recast.nn.heads.head import Head
from recast.nn.schedules import Schedule
from recast.options import options_given
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast, Origins, Progress

BATCH, STEPS, INPUTS, HORIZON, TARGETS = 3, 7, 2, 4, 2


def check_cell(build: Callable[..., Cell[Any]], **options: Any) -> None:
    """The rules of a recurrent cell.

    - `step` defines it: `forward` gives the same outputs, final state and gradients, in float64.
    - A sequence may be cut in two: the second half continues from the state after the first.
    - The state before the first step is `initial_state`, of shape (batch, size) for each field of `state_type`.
    - Values of gates lie between 0 and 1.
    - Gradients of a step agree with finite differences.
    - Its options are remembered, so that a checkpoint can describe it.

    Args:
        build: The class, or functools.partial of it.
        options: Its options, `hidden_size` among them.

    Raises:
        AssertionError: if one is broken.
    """
    torch.manual_seed(0)
    cell = build(input_size=INPUTS, **options).double()
    inputs = torch.randn(BATCH, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(BATCH, inputs)
    assert type(state) is cell.state_type, f"initial_state gives a {type(state).__name__}, not the state_type"
    for name, value, size in zip(cell.state_type._fields, tuple(state), cell.state_sizes, strict=True):
        assert value.shape == (BATCH, size), f"initial_state.{name} has the shape {tuple(value.shape)}"
    outputs, last = cell(inputs)
    stepped = []
    for x in inputs.unbind(1):
        state = cell.step(x, state)
        stepped.append(state.hidden)
    _close(outputs, torch.stack(stepped, dim=1), "outputs of forward and of step")
    for name, ours, theirs in zip(cell.state_type._fields, tuple(last), tuple(state), strict=True):
        _close(ours, theirs, f"{name} after forward and after step")
    _close(_gradients(outputs, cell, inputs), _gradients(stepped, cell, inputs), "gradients of forward and of step")
    first, between = cell(inputs[:, :3])
    second, _ = cell(inputs[:, 3:], between)
    _close(torch.cat([first, second], dim=1), outputs, "outputs of a sequence and of its two halves")
    for name, gate in cell.gates(inputs[:, 0], cell.initial_state(BATCH, inputs)).items():
        assert ((gate >= 0) & (gate <= 1)).all(), f"the gate {name} leaves [0, 1]"

    def step(x: Tensor, *fields: Tensor) -> tuple[Tensor, ...]:
        return tuple(cell.step(x, cell.state_type(*fields)))

    fields = [torch.randn(BATCH, size, dtype=torch.float64, requires_grad=True) for size in cell.state_sizes]
    assert torch.autograd.gradcheck(step, (inputs[:, 0].detach().requires_grad_(), *fields))
    _assert_remembers(cell)


def check_head(head: Head) -> None:
    """The rules of a head.

    - The loss is a finite scalar, lower where the location moves to the truth along its gradient, and in evaluation
      mode the same again.
    - Where a mask says that nothing was observed, the truth changes nothing, be it NaN, and has no gradient.
    - Forecast mean and what is fed back have the shape of the targets; quantiles ascend with their levels.
    - `feedback` draws from the generator that it is given, and from nothing else; not at all if not `stochastic`.
    - `shift` moves the mean by what it is given; of counts it raises or lowers it.

    Args:
        head: The head; it is put into evaluation mode and float64.

    Raises:
        AssertionError: if one is broken.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (BATCH, HORIZON, TARGETS)
    parameters = torch.randn(*shape, head.size, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randn(shape, generator=generator, dtype=torch.float64)
    if head.counts:
        target = (3 * target.abs()).floor()
    head = head.double().eval()
    loss = head.loss(parameters, target)
    assert loss.equal(head.loss(parameters, target)), "in evaluation mode the loss draws at random"
    assert loss.shape == (), f"the loss has the shape {tuple(loss.shape)}; expected a scalar"
    assert torch.isfinite(loss), "the loss is not finite"
    (gradient,) = torch.autograd.grad(loss, parameters)
    assert head.loss(parameters - 1e-4 * gradient, target) < loss, "a small step along the gradient raises the loss"
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[:, ::2] = True
    masked = [
        torch.autograd.grad(head.loss(parameters, target.masked_fill(~mask, value), mask), parameters)[0]
        for value in (0.0, float("nan"))
    ]
    _close(masked[0], masked[1], "gradients with and without a value where nothing was observed")
    assert (masked[1][~mask] == 0).all(), "what was not observed has a gradient"
    parameters = parameters.detach()
    forecast = head.forecast(parameters)
    assert forecast.mean.shape == shape, f"the mean has the shape {tuple(forecast.mean.shape)}"
    if forecast.quantiles is not None:
        assert forecast.quantiles.shape == (len(forecast.levels), *shape), "quantiles do not fit their levels"
        assert (forecast.quantiles.diff(dim=0) >= 0).all(), "quantiles cross"
    fed = [head.feedback(parameters, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert fed[0].shape == shape, f"what is fed back has the shape {tuple(fed[0].shape)}"
    assert fed[0].equal(fed[1]), "feedback draws from something else than its generator"
    assert fed[0].equal(fed[2]) != head.stochastic, "feedback draws at random exactly where it is stochastic"
    by = torch.tensor([1.5, -2.0], dtype=torch.float64)
    mean, shifted = head.mean(parameters), head.mean(head.shift(parameters, by))
    if head.counts:
        assert ((shifted - mean).sign() == by.sign()).all(), "a shift moves the mean the other way"
    else:
        _close(shifted, mean + by, "the mean of what was shifted")
    _assert_remembers(head)


def check_schedule(schedule: Schedule) -> None:
    """The rules of a teacher-forcing schedule.

    - Probabilities lie in [0, 1], horizon - 1 of them, at any progress.
    - It is a function of the progress alone: asked again, and in another order, it says the same.

    Args:
        schedule: The schedule.

    Raises:
        AssertionError: if one is broken.
    """
    steps = [Progress(step, 100, step // 10, 10) for step in (0, 1, 50, 99, 100)]
    found = [schedule.probabilities(progress, HORIZON) for progress in steps]
    for progress, probabilities in zip(steps, found, strict=True):
        assert len(probabilities) == HORIZON - 1, f"{len(probabilities)} probabilities for {HORIZON} leads"
        for value in (*probabilities, schedule.probability(progress)):
            assert 0 <= value <= 1, f"the probability {value} at {progress}"
    again = [schedule.probabilities(progress, HORIZON) for progress in reversed(steps)]
    assert again[::-1] == found, "the probabilities depend on more than the progress"
    _assert_remembers(schedule)


def check_source(source: Source) -> None:
    """The rules of a source.

    - Reading twice gives the same series.
    - Values are finite, or NaN where nothing was observed; each target is observed somewhere.
    - Stamps ascend within each piece; columns have different names.

    Args:
        source: The source.

    Raises:
        AssertionError: if one is broken.
    """
    panel = source.read()
    assert fingerprint(panel) == fingerprint(source.read()), "reading twice gives different series"
    assert panel.values.shape == (len(panel), len(panel.columns)), "values do not fit the columns"
    assert len(set(panel.names)) == len(panel.names), "two columns have one name"
    assert not np.isinf(panel.values).any(), "a value is infinite"
    assert not np.isnan(panel.targets).all(axis=0).any(), "a target is never observed"
    for first, stop in panel.pieces:
        assert (np.diff(panel.clock[first:stop]) > np.timedelta64(0)).all(), "stamps do not ascend"
    _assert_remembers(source)


def check_baseline(baseline: Baseline) -> None:
    """The rules of a baseline.

    - Forecasts are finite, of shape (windows, horizon, targets), and a window's does not depend on its neighbours.
    - Fitted again on the same history, it forecasts the same.
    - Missing values in a context give finite forecasts.

    Args:
        baseline: The baseline; its options must fit hourly windows of 30 steps and 4 to forecast.

    Raises:
        AssertionError: if one is broken.
    """
    generator = np.random.default_rng(0)
    rows, context = 400, 30
    hours = np.arange(float(rows))
    waves = np.sin(2 * np.pi * hours[:, None] / [12.42, 24.0])
    values = 3 + waves + 0.1 * generator.normal(size=(rows, TARGETS))
    history = History(values[:300], hours[:300], np.arange(300 - context - HORIZON), context, HORIZON)
    starts = np.array([300, 320, 360])[:, None]
    future = starts + np.arange(context, context + HORIZON)
    origins = Origins(values[starts + np.arange(context)], hours[starts + np.arange(context)], hours[future])
    baseline.fit(history)
    found = baseline.forecast(origins)
    assert found.shape == (3, HORIZON, TARGETS), f"the forecast has the shape {found.shape}"
    assert np.isfinite(found).all(), "a forecast is not finite"
    alone = [
        Origins(*(part[[n]] for part in (origins.context, origins.context_hours, origins.future_hours)))
        for n in range(3)
    ]
    np.testing.assert_allclose(np.concatenate([baseline.forecast(one) for one in alone]), found, rtol=1e-9, atol=1e-9)
    baseline.fit(history)
    np.testing.assert_array_equal(baseline.forecast(origins), found, err_msg="a second fit forecasts otherwise")
    holes = origins.context.copy()
    holes[:, 5:9] = np.nan
    gaps = baseline.forecast(Origins(holes, origins.context_hours, origins.future_hours))
    assert np.isfinite(gaps).all(), "a gap in the context makes the forecast NaN"
    _assert_remembers(baseline)


def check_metric(build: Callable[..., LeadMetric], **options: Any) -> None:
    """The rules of a metric.

    - However windows are cut into batches, the value is the same; so it is for each lead and target.
    - What was not observed changes nothing, be it NaN.
    - The value of a perfect forecast is `perfect`, and no other one is better, where there is a better.
    - After `reset` the count begins anew.

    Args:
        build: The class, or functools.partial of it.
        options: Its options.

    Raises:
        AssertionError: if one is broken.
    """
    spec = SeriesSpec(
        columns=columns_of(targets=["a", "b"]),
        offset=(0.0,) * TARGETS,
        scale=(1.0,) * TARGETS,
        static=(),
        static_offset=(),
        static_scale=(),
        masked=True,
        step="h",
        context=STEPS,
        horizon=HORIZON,
        naive_error=(1.0,) * TARGETS,
        periods=(),
        timezone=None,
    )
    generator = torch.Generator().manual_seed(0)
    truth = 5 + torch.randn(20, HORIZON, TARGETS, generator=generator, dtype=torch.float64)
    noise = torch.randn(50, *truth.shape, generator=generator, dtype=torch.float64)
    mask = torch.rand(truth.shape, generator=generator) > 0.2

    def about(middle: Tensor, spread: float) -> Forecast:
        levels = tuple(np.linspace(0.02, 0.98, 49).tolist())
        cuts = middle + spread * torch.tensor(levels, dtype=torch.float64).sub(0.5).reshape(-1, 1, 1, 1)
        return Forecast(middle, middle + spread * noise, cuts, levels)

    def score(forecast: Forecast, truth: Tensor, cuts: Sequence[int], mask: Tensor | None = None) -> LeadMetric:
        metric = build(spec=spec, **options)
        for first, stop in zip((0, *cuts), (*cuts, len(truth)), strict=True):
            part = Forecast(*(_rows(value, truth.ndim, first, stop) for value in forecast))
            metric.update(part, truth[first:stop], None if mask is None else mask[first:stop])
        return metric

    forecast = about(truth + noise[0], 1.0)
    whole, pieces = score(forecast, truth, ()), score(forecast, truth, (3, 11))
    for name in ("compute", "per_lead", "per_target"):
        _close(getattr(whole, name)(), getattr(pieces, name)(), f"{name} of all windows and of batches of them")
    unseen = score(forecast, truth.masked_fill(~mask, float("nan")), (), mask).compute()
    _close(unseen, score(forecast, truth, (), mask).compute(), "values with and without a truth that was not observed")
    best, found = score(about(truth, 0.0), truth, ()).compute(), whole.compute()
    if whole.higher_is_better is not None:
        _close(best, torch.full_like(best, whole.perfect), "the value of a perfect forecast and `perfect`")
        assert (found < best) == whole.higher_is_better, "an erring forecast is better than a perfect one"
    whole.reset()
    whole.update(forecast, truth)
    _close(whole.compute(), found, "values before and after reset")
    assert isinstance(whole.describe("m").unit, str), "the unit is no text"


def _rows(value: Any, axes: int, first: int, stop: int) -> Any:
    """Some windows of a part of a forecast."""
    if not isinstance(value, Tensor):
        return value
    return value[first:stop] if value.ndim == axes else value[:, first:stop]


def _gradients(outputs: Tensor | list[Tensor], cell: Cell[Any], inputs: Tensor) -> list[Tensor]:
    found = outputs if isinstance(outputs, Tensor) else torch.stack(outputs, dim=1)
    weights = torch.linspace(0.5, 1.5, found.numel(), dtype=found.dtype).reshape(found.shape)
    wanted = [inputs, *cell.parameters()]
    gradients = torch.autograd.grad((found * weights).sum(), wanted, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(of) if got is None else got for got, of in zip(gradients, wanted, strict=True)]


def _close(found: Any, expected: Any, what: str) -> None:
    assert_close(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True, msg=lambda text: f"{what} differ: {text}")


def _assert_remembers(part: object) -> None:
    assert options_given(part) is not None, (
        f"{type(part).__name__} does not remember its options; its __init__ must be recast.options.checked"
    )
