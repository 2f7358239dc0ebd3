"""Schedules: a contract that every one keeps, and the formulas of the papers."""

import inspect
import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import recast.nn.schedules
from recast.errors import ConfigurationError
from recast.nn.schedules import (
    Always,
    Constant,
    Cosine,
    Decay,
    Exponential,
    HorizonCurriculum,
    InverseSigmoid,
    Linear,
    Never,
    Schedule,
)
from recast.types import Progress

SCHEDULES = concrete_classes(recast.nn.schedules, Schedule)
DECAYS = [value for value in SCHEDULES if issubclass(value, Decay)]
COUNTED = [value for value in SCHEDULES if "by" in inspect.signature(value).parameters]
BETWEEN = [value for value in DECAYS if {"start", "end"} <= inspect.signature(value).parameters.keys()]


def each(classes: list[type]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("schedule_class", classes, ids=lambda value: value.__name__)


def at_step(step: int, total: int = 1000) -> Progress:
    return Progress(step=step, total_steps=total, epoch=0, total_epochs=1)


@st.composite
def progresses(draw) -> Progress:
    total_steps, total_epochs = draw(st.integers(1, 10**7)), draw(st.integers(1, 10**4))
    # A run may be continued past its planned end.
    return Progress(
        draw(st.integers(0, 2 * total_steps)), total_steps, draw(st.integers(0, 2 * total_epochs)), total_epochs
    )


def test_schedules_are_found():
    expected = {Never, Always, Constant, Linear, Exponential, InverseSigmoid, Cosine, HorizonCurriculum}
    assert expected <= set(SCHEDULES)
    assert {Linear, Exponential, Cosine} <= set(BETWEEN)


@each(SCHEDULES)
@settings(max_examples=50, deadline=None)
@given(progress=progresses(), horizon=st.integers(1, 200))
def test_probabilities_lie_between_0_and_1_and_average_to_the_probability(schedule_class, progress, horizon):
    schedule = schedule_class()
    probability = schedule.probability(progress)
    leads = schedule.probabilities(progress, horizon)
    assert type(probability) is float
    assert len(leads) == horizon - 1
    assert all(type(value) is float for value in leads)
    assert all(0 <= value <= 1 for value in [probability, *leads])
    if horizon > 1:
        assert np.mean(leads) == pytest.approx(probability, abs=1e-12)


@each(SCHEDULES)
def test_after_the_last_lead_nothing_is_fed(schedule_class):
    assert schedule_class().probabilities(at_step(10), 1) == []


@each(SCHEDULES)
@settings(max_examples=20, deadline=None)
@given(progress=progresses(), horizon=st.integers(1, 20))
def test_a_schedule_depends_on_progress_alone(schedule_class, progress, horizon):
    used = schedule_class()
    for step in (0, 999, 3):
        used.probabilities(at_step(step), horizon)
    resumed = pickle.loads(pickle.dumps(used))
    fresh = schedule_class()
    expected = fresh.probability(progress), fresh.probabilities(progress, horizon)
    for schedule in (used, resumed):
        assert (schedule.probability(progress), schedule.probabilities(progress, horizon)) == expected


@each(SCHEDULES)
def test_the_truth_is_fed_ever_less(schedule_class):
    schedule = schedule_class()
    values = [schedule.probabilities(at_step(step), 5) for step in range(1200)]
    for before, after in pairwise(values):
        assert all(b >= a for b, a in zip(before, after, strict=True))


@each(COUNTED)
def test_progress_is_counted_in_steps_or_in_epochs(schedule_class):
    by_step, by_epoch = schedule_class(by="step"), schedule_class(by="epoch")
    for count in range(12):
        in_steps = Progress(step=count, total_steps=10, epoch=7, total_epochs=77)
        in_epochs = Progress(step=7, total_steps=77, epoch=count, total_epochs=10)
        assert by_step.probabilities(in_steps, 4) == by_epoch.probabilities(in_epochs, 4)
    assert len({by_epoch.probability(Progress(1, 10, epoch, 5)) for epoch in range(5)}) == 5
    assert len({by_epoch.probability(Progress(step, 10, 1, 5)) for step in range(5)}) == 1


@each(COUNTED)
def test_steps_are_the_default(schedule_class):
    for step in range(0, 1000, 100):
        assert schedule_class().probability(at_step(step)) == schedule_class(by="step").probability(at_step(step))


@each(COUNTED)
@pytest.mark.parametrize("by", ["step", "epoch"])
@pytest.mark.parametrize("total", [0, -1])
def test_a_run_without_planned_end_needs_a_length(schedule_class, by, total):
    progress = Progress(step=5, total_steps=total, epoch=5, total_epochs=total)
    with pytest.raises(ConfigurationError, match=f"no planned number of {by}s.*{total}.*give the schedule its length"):
        schedule_class(by=by).probability(progress)
    length = "over" if issubclass(schedule_class, Decay) else "half"
    assert 0 < schedule_class(by=by, **{length: 8}).probability(progress) < 1


@each(DECAYS)
def test_the_end_is_reached_and_kept(schedule_class):
    whole, part = schedule_class(), schedule_class(over=400)
    assert whole.probability(at_step(0)) == whole.start
    assert part.probability(at_step(0)) == part.start
    assert part.probability(at_step(399)) > part.end
    for step in (400, 401, 1000):
        assert part.probability(at_step(step)) == pytest.approx(part.end, abs=1e-15)
    assert whole.probability(at_step(999)) > whole.end
    assert whole.probability(at_step(1000)) == pytest.approx(whole.end, abs=1e-15)
    assert schedule_class(over=1000).probability(at_step(300)) == whole.probability(at_step(300))


@each(BETWEEN)
@settings(max_examples=30, deadline=None)
@given(start=st.floats(1e-6, 1), end=st.floats(1e-6, 1), over=st.integers(1, 50))
def test_any_two_ends_are_joined_by_a_monotone_curve(schedule_class, start, end, over):
    schedule = schedule_class(start=start, end=end, over=over)
    values = [schedule.probability(at_step(step)) for step in range(over + 3)]
    assert values[0] == pytest.approx(start, rel=1e-14)
    assert values[over:] == pytest.approx([end] * 3, rel=1e-9)
    assert all(min(start, end) <= value <= max(start, end) for value in values)
    sign = 1 if end > start else -1
    assert all(sign * (after - before) >= -1e-15 for before, after in pairwise(values))


def test_never_always_and_constant():
    for step in (0, 500, 1000):
        assert Never().probabilities(at_step(step), 3) == [0.0, 0.0]
        assert Always().probabilities(at_step(step), 3) == [1.0, 1.0]
        assert Constant(value=0.3).probabilities(at_step(step), 3) == [0.3, 0.3]


@pytest.mark.parametrize(("start", "end", "over"), [(1.0, 0.0, 100), (0.9, 0.25, 37)])
def test_linear_is_that_of_bengio(start, end, over):
    schedule = Linear(start=start, end=end, over=over)
    slope = (start - end) / over
    for i in range(2 * over):
        assert schedule.probability(at_step(i)) == pytest.approx(max(end, start - slope * i), abs=1e-14)


def test_exponential_is_that_of_bengio():
    k = 0.97
    schedule = Exponential(over=60, end=k**60)
    for i in range(61):
        assert schedule.probability(at_step(i)) == pytest.approx(k**i, rel=1e-13)


def test_exponential_is_halfway_at_the_geometric_mean():
    assert Exponential(start=0.5, end=0.02).probability(at_step(500)) == pytest.approx(math.sqrt(0.5 * 0.02))


@pytest.mark.parametrize("half", [1, 7, 500, 100_000])
def test_inverse_sigmoid_is_that_of_bengio(half):
    k = brentq(lambda k: k * math.log(k) - half, 1, half + 3, xtol=1e-13, rtol=1e-14)
    schedule = InverseSigmoid(half=half)
    for i in {0, 1, half // 2, half, 2 * half, 5 * half}:
        assert schedule.probability(at_step(i)) == pytest.approx(k / (k + math.exp(i / k)), rel=1e-9)
    assert schedule.probability(at_step(half)) == 0.5


def test_inverse_sigmoid_crosses_one_half_in_the_middle_of_the_run():
    assert InverseSigmoid().probability(at_step(500)) == 0.5
    assert InverseSigmoid(by="epoch").probability(Progress(0, 100, 5, 10)) == 0.5


def test_inverse_sigmoid_begins_where_its_docstring_says():
    values = [InverseSigmoid(half=half).probability(at_step(0)) for half in (1, 500, 100_000)]
    assert [round(value, digits) for value, digits in zip(values, (2, 3, 5), strict=True)] == [0.64, 0.991, 0.99991]


def test_inverse_sigmoid_does_not_overflow():
    assert InverseSigmoid(half=1).probability(at_step(10**12)) == 0.0


def test_cosine_is_that_of_loshchilov_and_hutter():
    schedule = Cosine(start=0.8, end=0.2)
    steps = np.arange(1001)
    expected = 0.2 + 0.5 * (0.8 - 0.2) * (1 + np.cos(steps / 1000 * np.pi))
    np.testing.assert_allclose([schedule.probability(at_step(int(i))) for i in steps], expected, rtol=1e-13)


def test_horizon_curriculum_frees_one_lead_after_the_other():
    schedule = HorizonCurriculum(over=4)
    expected = {
        0: [1.0, 1.0, 1.0, 1.0],  # r = 1: lead 1 is forecast from observations, all later ones from the truth
        1: [0.0, 1.0, 1.0, 1.0],  # r = 2: lead 2 is forecast from the forecast of lead 1
        3: [0.0, 0.0, 0.0, 1.0],
        4: [0.0, 0.0, 0.0, 0.0],  # r = 5, the horizon
        9: [0.0, 0.0, 0.0, 0.0],
    }
    for step, leads in expected.items():
        assert schedule.probabilities(at_step(step), 5) == leads


def test_horizon_curriculum_takes_the_lead_between_by_parts():
    assert HorizonCurriculum(over=8).probabilities(at_step(3), 5) == [0.0, 0.5, 1.0, 1.0]


@each(DECAYS)
@pytest.mark.parametrize(("option", "value"), [("over", 0), ("over", 1.5), ("by", "batch")])
def test_common_options_are_checked(schedule_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{schedule_class.__name__}: {option}="):
        schedule_class(**{option: value})


@each(BETWEEN)
@pytest.mark.parametrize("option", ["start", "end"])
@pytest.mark.parametrize("value", [-0.1, 1.1, "1", math.nan])
def test_ends_are_checked(schedule_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{schedule_class.__name__}: {option}="):
        schedule_class(**{option: value})


@pytest.mark.parametrize(
    ("schedule_class", "option", "value"),
    [
        (Constant, "value", 2),
        (Exponential, "start", 0.0),
        (Exponential, "end", 0.0),
        (InverseSigmoid, "half", 0),
        (InverseSigmoid, "by", "batch"),
    ],
)
def test_own_options_are_checked(schedule_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{schedule_class.__name__}: {option}="):
        schedule_class(**{option: value})
