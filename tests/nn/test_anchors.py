"""Anchors: their shapes, the linear one against a plain loop and least squares. A new anchor is tested by existing."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import synthetic
import torch
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import recast.nn
from recast.errors import ConfigurationError
from recast.nn.anchors import Anchor, LastAnchor, LinearAnchor, NoAnchor
from recast.nn.cells.gru import GRU
from recast.nn.fixed_anchors.persistence import PersistenceAnchor
from recast.nn.fixed_anchors.seasonal import SeasonalAnchor
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.types import Progress

ANCHORS = concrete_classes(recast.nn, Anchor)
every_anchor = pytest.mark.parametrize("anchor_class", ANCHORS, ids=lambda value: value.__name__)
shared_or_not = pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
TARGETS, LEADS = 2, 3


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def randomised(anchor: Anchor) -> Anchor:
    anchor = anchor.double()
    with torch.no_grad():
        for weight in (*anchor.parameters(), *anchor.buffers()):
            if weight.is_floating_point():
                weight.normal_()
    return anchor


def recent_of(anchor: Anchor, *leading: int) -> Tensor:
    return torch.randn(*leading, anchor.reach, anchor.targets, dtype=torch.float64)


spec_of = partial(synthetic.spec_of, targets=TARGETS, context=6, horizon=LEADS)


# What every anchor keeps


def test_anchors_are_found():
    assert {LastAnchor, LinearAnchor, NoAnchor} <= set(ANCHORS)


@every_anchor
@settings(max_examples=15, deadline=None)
@given(targets=st.integers(1, 3), leads=st.integers(1, 4), leading=st.lists(st.integers(1, 3), max_size=3))
def test_any_leading_axes_give_one_forecast_for_each(anchor_class, targets, leads, leading):
    anchor = randomised(
        anchor_class(spec=synthetic.spec_of(targets=targets, context=200, horizon=leads, course="tide"), leads=leads)
    )
    recent = recent_of(anchor, *leading)
    base = anchor(recent)
    assert base.shape == (*leading, leads, targets)
    one_by_one = [anchor(window) for window in recent.reshape(-1, anchor.reach, targets)]
    torch.testing.assert_close(base.reshape(-1, leads, targets), torch.stack(one_by_one), rtol=1e-12, atol=1e-12)


@every_anchor
def test_no_leads_are_refused(anchor_class):
    with pytest.raises(ConfigurationError, match="leads=0: input should be greater"):
        anchor_class(spec=spec_of(course="tide"), leads=0)


def test_the_last_value_is_repeated():
    recent = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    expected = torch.tensor([[[1.0, 2.0]] * LEADS, [[3.0, 4.0]] * LEADS])
    assert LastAnchor(spec=spec_of(), leads=LEADS)(recent).equal(expected)


def test_no_anchor_is_zero():
    assert NoAnchor(spec=spec_of(), leads=LEADS)(torch.ones(4, 1, 2)).equal(torch.zeros(4, LEADS, 2))


# The linear anchor


@shared_or_not
@pytest.mark.parametrize("window", [1, 5])
def test_linear_equals_a_plain_loop(shared, window):
    anchor = randomised(LinearAnchor(spec=spec_of(), leads=LEADS, window=window, shared=shared))
    recent = recent_of(anchor, 4).requires_grad_()
    base = anchor(recent)
    expected = torch.zeros_like(base)
    for sample, lead, target in product(range(4), range(LEADS), range(TARGETS)):
        weight = anchor.weight[lead] if shared else anchor.weight[target, lead]
        bias = anchor.bias[lead] if shared else anchor.bias[target, lead]
        last = recent[sample, -1, target]
        value = last + weight[-1] * last + bias
        for back in range(1, window):
            value = value + weight[-1 - back] * (recent[sample, -1 - back, target] - last)
        expected[sample, lead, target] = value
    torch.testing.assert_close(base, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(base)
    for one, other in zip(
        torch.autograd.grad((upstream * base).sum(), [recent, *anchor.parameters()]),
        torch.autograd.grad((upstream * expected).sum(), [recent, *anchor.parameters()]),
        strict=True,
    ):
        assert (one != 0).all()  # every weight does something
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@shared_or_not
def test_linear_starts_as_persistence(shared):
    anchor = LinearAnchor(spec=spec_of(), leads=LEADS, window=5, shared=shared).double()
    recent = recent_of(anchor, 4)
    assert anchor(recent).equal(LastAnchor(spec=spec_of(), leads=LEADS)(recent[:, -1:]))


def test_targets_share_one_map_unless_told():
    sizes = {
        shared: sum(
            part.numel()
            for part in LinearAnchor(
                spec=synthetic.spec_of(targets=4, context=6, horizon=LEADS), leads=LEADS, window=5, shared=shared
            ).parameters()
        )
        for shared in (True, False)
    }
    assert sizes == {True: LEADS * (5 + 1), False: 4 * LEADS * (5 + 1)}


@shared_or_not
def test_a_trained_model_without_recurrent_output_is_least_squares(shared):
    spec = spec_of()
    anchor = partial(LinearAnchor, window=4, shared=shared)
    model = EncoderDecoder(
        spec=spec, cell=partial(GRU, hidden_size=3), head=Point(), schedule=Never(), anchor=anchor
    ).double()
    torch.nn.init.zeros_(model.decoder.readout.weight)
    torch.nn.init.zeros_(model.decoder.readout.bias)
    series = torch.randn(60, TARGETS, dtype=torch.float64).cumsum(dim=0) * 0.3 + torch.tensor([1.0, -2.0]).double()
    starts = torch.arange(60 - 6 - LEADS + 1)
    windows = torch.stack([series[start : start + 6 + LEADS] for start in starts])
    batch = synthetic.storage_of(series, targets=TARGETS).windows(starts, 6, LEADS)
    optimiser = torch.optim.LBFGS(
        model.anchor.parameters(),
        max_iter=2000,
        max_eval=4000,
        tolerance_grad=1e-12,
        tolerance_change=1e-16,
        history_size=50,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        forecast = model.training_forecast(batch, Progress(0, 1, 0, 1))
        loss = model.head.loss(forecast.parameters, forecast.target)
        loss.backward()
        return loss

    optimiser.step(closure)
    found = model.forecast(batch, samples=1).mean.numpy()
    inputs = np.concatenate([windows[:, 2:6].numpy(), np.ones((len(starts), 1, TARGETS))], axis=1)  # (windows, 5, t)
    groups = [[0, 1]] if shared else [[0], [1]]
    for targets in groups:
        design = np.concatenate([inputs[:, :, target] for target in targets])
        truth = np.concatenate([batch.target[:, :, target].numpy() for target in targets])
        solution, *_ = np.linalg.lstsq(design, truth, rcond=None)
        best = np.split(design @ solution, len(targets))
        for target, expected in zip(targets, best, strict=True):
            np.testing.assert_allclose(found[:, :, target], expected, rtol=0, atol=1e-6)


def test_more_than_the_context_is_refused():
    with pytest.raises(ConfigurationError, match=r"LinearAnchor reads the last 7 steps, but the context has 6"):
        EncoderDecoder(spec=spec_of(), cell=GRU, head=Point(), schedule=Never(), anchor=partial(LinearAnchor, window=7))


@pytest.mark.parametrize(("option", "value"), [("window", 0), ("window", 2.5), ("shared", 1)])
def test_linear_options_out_of_range_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"LinearAnchor: {option}={value}"):
        LinearAnchor(spec=spec_of(), leads=1, **{option: value})


@pytest.mark.parametrize("lags", [[3], [2, 5], [LEADS + 3, 1]])
def test_the_seasonal_anchor_repeats_the_last_seasons(lags: list[int]):
    anchor = SeasonalAnchor(spec=spec_of(), leads=LEADS, lags=lags)
    recent = torch.randn(2, 3, anchor.reach, TARGETS)
    expected = torch.zeros(2, 3, LEADS, TARGETS)
    for lead in range(1, LEADS + 1):
        for lag in lags:
            seasons = -(-lead // lag)
            expected[:, :, lead - 1] += recent[:, :, anchor.reach - 1 + lead - seasons * lag] / len(lags)
    torch.testing.assert_close(anchor(recent), expected)
    assert set(anchor.state_dict()) == {"share"}


def test_persistence_is_the_last_value_with_a_share():
    anchor, last = (made(spec=spec_of(), leads=LEADS) for made in (PersistenceAnchor, LastAnchor))
    recent = torch.randn(2, 3, 1, TARGETS)
    assert torch.equal(anchor(recent), last(recent))
    assert torch.equal(anchor.share, torch.ones(LEADS))
