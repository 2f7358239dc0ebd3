"""Anchors that are solved: ridge against the baseline and against the definition, gaps, inputs, the share."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import synthetic
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_forms import ANCHORED, HALFWAY, HEADS, MODELS, ONE_STEP, model_of
from panels import panel_of
from synthetic import batch_of
from torch import Tensor

from recast.data.prepare.scale import WindowScaler
from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.fixed_anchors.filling import interpolated
from recast.nn.fixed_anchors.known import KnownAnchor
from recast.nn.fixed_anchors.ridge import RidgeAnchor
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.nn.models.per_step import PerStep
from recast.scoring.baselines.baseline import History
from recast.scoring.baselines.ridge import Ridge
from recast.training.guard import fit_share
from recast.types import Batch, Origins

TARGETS, CONTEXT, HORIZON, WINDOWS = 2, 6, 3, 200
spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON)
EVERY_KIND = {"past": 1, "known": 1, "categories": ("past", "known"), "course": "tide"}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def close(one: Tensor, other: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def solved(anchor: RidgeAnchor, batch: Batch) -> RidgeAnchor:
    anchor = anchor.double()
    anchor.solve([], [batch])
    return anchor


def base_of(anchor: RidgeAnchor | KnownAnchor, batch: Batch) -> Tensor:
    """As a model forms it."""
    recent = batch.history
    if batch.observed is not None:
        recent = interpolated(recent, batch.observed.history)
    return anchor(recent[:, -anchor.reach :]) + anchor.beside(batch)


# Interpolation


@settings(max_examples=50, deadline=None)
@given(mask=st.lists(st.booleans(), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_gaps_are_filled_as_numpy_does(mask, seed):
    values, observed = np.random.default_rng(seed).normal(size=len(mask)), np.array(mask)
    steps = np.arange(len(mask))
    expected = np.interp(steps, steps[observed], values[observed]) if observed.any() else np.zeros(len(mask))
    hidden = torch.tensor(np.where(observed, values, np.nan)).view(1, -1, 1)
    found = interpolated(hidden, torch.tensor(observed).view(1, -1, 1))
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-12)


# Ridge


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "joint"])
@pytest.mark.parametrize("levels", [True, False], ids=["levels", "changes"])
def test_without_a_penalty_ridge_is_the_baseline(shared, levels):
    """The baseline sums over runs of rows in NumPy, standardises otherwise, and is unregularised as well."""
    values = np.random.default_rng(0).normal(size=(150, TARGETS)).cumsum(axis=0) * 0.2
    # As the baseline has them, so that a map that is shared has the same constant.
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    starts = np.arange(150 - CONTEXT - HORIZON + 1)
    batch = synthetic.storage_of(torch.tensor(values), targets=TARGETS).windows(torch.tensor(starts), CONTEXT, HORIZON)
    batch = batch.to_precision(torch.float64)
    anchor = solved(RidgeAnchor(spec=spec_of(), leads=HORIZON, penalty=[1e-9], shared=shared, levels=levels), batch)
    baseline = Ridge(penalty=1e-9, shared=shared, levels=levels)
    hours = np.arange(150.0)
    baseline.fit(History(values, hours, starts, CONTEXT, HORIZON))
    rows = starts[:, None] + np.arange(CONTEXT + HORIZON)
    origins = Origins(values[rows[:, :CONTEXT]], hours[rows[:, :CONTEXT]], hours[rows[:, CONTEXT:]])
    close(base_of(anchor, batch), torch.from_numpy(baseline.forecast(origins)), 1e-4)


@pytest.mark.parametrize("inputs_penalty", [None, 7.0])
def test_ridge_minimises_what_it_says(inputs_penalty):
    """Of all maps of every input: the objective in the docstring, by augmented least squares."""
    spec = spec_of(**EVERY_KIND)
    batch = batch_of(spec, WINDOWS)
    given_penalty = None if inputs_penalty is None else [inputs_penalty]
    anchor = RidgeAnchor(spec=spec, leads=HORIZON, penalty=[3.0], inputs_penalty=given_penalty, course="tide")
    anchor = solved(anchor, batch)
    course = batch.known[..., anchor.course.places]
    left = torch.cat([batch.history, batch.target], dim=1) - course
    own, ahead = left[:, :CONTEXT], left[:, CONTEXT:]
    levels = [place.unsqueeze(-1) == torch.arange(3) for place in (batch.categories.past, batch.categories.known)]
    beside = torch.cat(
        [
            batch.past.flatten(1),
            levels[0].flatten(1),
            batch.known[..., anchor._known].flatten(1),
            levels[1].flatten(1),
        ],
        dim=1,
    ).double()
    design, truth = [], []
    for target in range(TARGETS):
        design.append(torch.cat([own[..., target], beside], dim=1))
        truth.append(ahead[..., target] - own[:, -1:, target])
    x, y = torch.cat(design).numpy(), torch.cat(truth).numpy()
    x, mean_x, mean_y = x - x.mean(0), x.mean(0), y.mean(0)
    deviation, penalties = x.var(0), np.full(x.shape[1], 3.0 if inputs_penalty is None else inputs_penalty)
    deviation[:CONTEXT], penalties[:CONTEXT] = deviation[:CONTEXT].mean(), 3.0
    rows = np.concatenate([x, np.diag(np.sqrt(penalties * deviation))])
    weight, *_ = np.linalg.lstsq(rows, np.concatenate([y - mean_y, np.zeros((x.shape[1], HORIZON))]), rcond=None)
    expected = np.stack([block.numpy() @ weight + mean_y - mean_x @ weight for block in design], axis=-1)
    expected = torch.from_numpy(expected) + own[:, -1:] + course[:, CONTEXT:]
    close(base_of(anchor, batch), expected)
    assert anchor.facts["penalty"] == 3.0


def test_the_penalty_is_chosen_by_leaving_out_blocks():
    spec = spec_of(known=1)
    blocks = [batch_of(spec, 30) for _ in range(4)]
    rest = batch_of(spec, 5)
    grid, inputs_grid = [0.1, 10.0, 1000.0], [1.0, 100.0]
    anchor = RidgeAnchor(spec=spec, leads=HORIZON, penalty=grid, inputs_penalty=inputs_grid).double()
    anchor.solve([[block] for block in blocks], [rest])
    errors = {}
    for penalty in grid:
        for inputs_penalty in inputs_grid:
            error = 0.0
            for left_out in range(4):
                others = [block for number, block in enumerate(blocks) if number != left_out]
                one = RidgeAnchor(spec=spec, leads=HORIZON, penalty=[penalty], inputs_penalty=[inputs_penalty]).double()
                one.solve([[block] for block in others], [])
                error += (base_of(one, blocks[left_out]) - blocks[left_out].target).square().sum().item()
            errors[penalty, inputs_penalty] = error
    best = min(errors, key=errors.__getitem__)
    assert tuple(anchor.facts.values()) == pytest.approx(best)
    again = RidgeAnchor(spec=spec, leads=HORIZON, penalty=[best[0]], inputs_penalty=[best[1]]).double()
    again.solve([], [*blocks, rest])
    close(anchor.weight, again.weight)


def test_a_constant_input_has_no_weight():
    spec = spec_of(past=1)
    batch = batch_of(spec, WINDOWS)
    still = batch._replace(past=torch.full_like(batch.past, 0.3))
    anchor, without = (
        solved(RidgeAnchor(spec=spec, leads=HORIZON, penalty=[0.0], inputs=inputs), still) for inputs in (True, False)
    )
    assert not anchor.inputs_weight.any()
    close(anchor.weight, without.weight)


def test_inputs_that_depend_on_each_other_take_a_penalty():
    batch = batch_of(spec_of(), 2)
    with pytest.raises(ConfigurationError, match=r"penalty=0: the 6 inputs depend on each other.*larger penalty"):
        solved(RidgeAnchor(spec=spec_of(), leads=HORIZON, penalty=[0.0]), batch)


def test_what_was_not_observed_changes_nothing():
    spec = spec_of(masked=True, **EVERY_KIND)
    batch = batch_of(spec, WINDOWS)

    def hidden(value: float) -> Batch:
        seen = batch.observed
        return batch._replace(
            history=batch.history.where(seen.history, value),
            past=batch.past.where(seen.past, value),
            target=batch.target.where(seen.target, value),
        )

    one, other = (solved(RidgeAnchor(spec=spec, leads=HORIZON, course="tide"), hidden(value)) for value in (0.0, 1e3))
    close(base_of(one, hidden(0.0)), base_of(other, hidden(1e3)))


def test_inputs_are_read_at_their_steps_alone():
    spec = spec_of(past=1, known=1)
    anchor = RidgeAnchor(spec=spec, leads=HORIZON, window=2, inputs_every=2, inputs_reach=4)
    anchor = solved(anchor, batch_of(spec, WINDOWS))
    batch = batch_of(spec)
    past, known = batch.past.requires_grad_(), batch.known.requires_grad_()
    base_of(anchor, batch).sum().backward()
    assert past.grad[0, :, 0].nonzero().flatten().tolist() == [3, 5]
    assert known.grad[0, :, 0].nonzero().flatten().tolist() == [3, 5, 7]


# A known course


def test_the_harmonic_anchor_holds_the_departure():
    spec = spec_of(course="tide")
    batch = batch_of(spec)
    tide = batch.known
    held = KnownAnchor(spec=spec, leads=HORIZON).double()
    last = batch.history[:, -1:] - tide[:, CONTEXT - 1 : CONTEXT]
    close(base_of(held, batch), tide[:, CONTEXT:] + last)
    alone = KnownAnchor(spec=spec, leads=HORIZON, hold=False).double()
    close(base_of(alone, batch), tide[:, CONTEXT:])


@pytest.mark.parametrize("anchor", [KnownAnchor, partial(RidgeAnchor, course="tide")], ids=["known", "ridge"])
def test_a_course_that_the_data_lack_is_told(anchor):
    with pytest.raises(ConfigurationError, match=r"course=tide: the data have no column tide\.a .*fitted_tide"):
        anchor(spec=spec_of(), leads=HORIZON)


def test_a_course_is_not_for_targets_that_are_scaled_by_themselves():
    spec = replace(spec_of(course="tide"), local=WindowScaler().local_to(panel_of([[3]]), np.array([[0, 3]])))
    with pytest.raises(ConfigurationError, match=r"scaled item by item or window by window.*data\.scaler\.by=together"):
        KnownAnchor(spec=spec, leads=HORIZON)


# In every form of model


@pytest.mark.parametrize("anchor", ["ridge", "harmonic", "harmonic_ridge"])
@pytest.mark.parametrize("model", [name for name in ANCHORED if name not in ONE_STEP])
def test_a_model_whose_network_is_silent_forecasts_its_anchor(model, anchor):
    built = model_of(model, anchor=anchor)
    for weight in built.last_layer.parameters():
        torch.nn.init.zeros_(weight)
    batch = batch_of(built.spec)
    close(built.forecast(batch, samples=1).mean, built.base(batch))
    # Not the last value.
    assert (built.base(batch) - batch.history[:, -1:]).abs().max() > 1e-3


@pytest.mark.parametrize("anchor", ["ridge", "harmonic", "harmonic_ridge"])
@pytest.mark.parametrize("model", ONE_STEP)
def test_a_silent_recursive_model_iterates_its_anchor(model, anchor):
    built = model_of(model, anchor=anchor)
    for weight in built.last_layer.parameters():
        torch.nn.init.zeros_(weight)
    batch = batch_of(built.spec)
    context, horizon = built.spec.context, built.spec.horizon
    values = batch.history
    for lead in range(horizon):
        known = batch.known[:, lead : context + lead + 1]
        step = Batch.of(values[:, lead:], values[:, :1], known=known)
        values = torch.cat(
            [values, built.anchor(step.history[:, -built.anchor.reach :]) + built.anchor.beside(step)], 1
        )
    close(built.forecast(batch, samples=1).mean, values[:, context:])
    forced = built.teacher_forced(batch)
    close(forced[:, 0, :, 0], values[:, context])


def test_the_last_origin_of_every_step_has_the_base_of_the_window():
    built = model_of("per_step", anchor="harmonic_ridge")
    for weight in built.last_layer.parameters():
        torch.nn.init.zeros_(weight)
    batch = batch_of(built.spec)
    trained = built.training_forecast(batch, HALFWAY).parameters[..., 0]
    close(trained.unflatten(0, (len(batch.start), -1))[:, -1], built.base(batch))


@pytest.mark.parametrize("model", MODELS)
def test_every_form_stands_on_the_tide_of_data_with_gaps(model):
    spec = synthetic.spec_of(targets=2, context=10, horizon=4, masked=True, course="tide")
    built = model_of(model, anchor="harmonic", spec=spec)
    batch = batch_of(spec)
    assert built.forecast(batch, samples=1).mean.isfinite().all()
    assert built.head.loss(*built.training_forecast(batch, HALFWAY)).isfinite()


def test_gaps_are_not_interpolated_from_beyond_an_origin():
    with pytest.raises(ConfigurationError, match=r"RidgeAnchor interpolates.*PerStep.*another anchor"):
        PerStep(spec=spec_of(masked=True), cell=partial(GRU, hidden_size=3), head=Point(), anchor=RidgeAnchor)


# The share of the network


def direct(head: str = "point", **options: int) -> Direct:
    return model_of("direct", head=head, anchor="ridge", **options)


def test_the_share_is_that_of_the_smallest_error():
    model = direct()
    batch = batch_of(model.spec, 50)
    base = model.base(batch)
    change = model.forecast(batch, samples=1).mean - base
    wanted = torch.tensor([0.25, -0.5, 3.0, 1.0]).double().view(-1, 1)
    truth = base + wanted * change
    share = fit_share(model, [part._replace() for part in (batch._replace(target=truth),)], samples=1)
    close(share, torch.tensor([0.25, 0.0, 1.0, 1.0]).double())
    close(model.forecast(batch, samples=1).mean, base + share.view(-1, 1) * change)


def test_a_share_that_differs_between_blocks_is_less_its_standard_error():
    """Five blocks of eight windows, their errors told from the anchor's by a share of each block, in two batches."""
    model = direct()
    batch = batch_of(model.spec, 40)
    base = model.base(batch)
    change = model.forecast(batch, samples=1).mean - base
    own = torch.tensor([0.9, 0.5, 0.8, 0.7, 0.6]).double().repeat_interleave(8).view(-1, 1, 1)
    truth = base + own * change
    share = fit_share(
        model, [batch._replace(target=truth).take(some) for some in torch.arange(40).split(25)], samples=1
    )
    agreement, square = ((change * other).sum(dim=2).numpy() for other in (truth - base, change))
    whole, found = agreement.sum(axis=0) / square.sum(axis=0), []
    for block in np.arange(40).reshape(5, 8):
        others = np.setdiff1d(np.arange(40), block)
        found.append(agreement[others].sum(axis=0) / square[others].sum(axis=0))
    error = np.sqrt(4 / 5 * ((np.stack(found) - np.mean(found, axis=0)) ** 2).sum(axis=0))
    assert share.numpy() == pytest.approx(np.clip(whole - error, 0, 1))
    assert (share.numpy() < whole).all()


def test_the_share_counts_observed_truths_alone():
    model = model_of("direct", anchor="ridge", spec=synthetic.spec_of(targets=2, context=10, horizon=4, masked=True))
    batch = batch_of(model.spec, 50)
    shares = [
        fit_share(model, [batch._replace(target=batch.target.where(batch.observed.target, hidden))], samples=1).clone()
        for hidden in (0.0, 1e3)
    ]
    assert shares[0].equal(shares[1])


@pytest.mark.parametrize("model", ["direct", "encoder_decoder"])
def test_the_share_does_not_suffer_from_the_noise_of_draws(model):
    """Of a network that is right, sampled a few times, whether its draws are fed back or not."""
    built = model_of(model, head="gaussian", anchor="seasonal")
    batch = batch_of(built.spec, 400)
    drawn = built.trajectories(batch, 400, torch.Generator().manual_seed(1))
    right = batch._replace(target=built.base(batch) + 0.6 * (drawn.mean(dim=0) - built.base(batch)))
    share = fit_share(built, [right], samples=16)
    torch.testing.assert_close(share, torch.full_like(share, 0.6), rtol=0, atol=0.08)


def test_counts_are_not_shared_out():
    model = model_of("direct", head="negative_binomial", anchor="seasonal")
    assert fit_share(model, [batch_of(model.spec)], samples=2) is None
    assert (model.anchor.share == 1).all()


@pytest.mark.parametrize("head", HEADS)
def test_the_share_moves_the_whole_forecast(head):
    model = direct(head)
    batch = batch_of(model.spec)
    whole = model.forecast(batch, samples=7, seed=1)
    model.anchor.share.fill_(0.0)
    guarded = model.forecast(batch, samples=7, seed=1)
    close(guarded.mean, model.base(batch))
    for one, other in ((whole.quantiles, guarded.quantiles), (whole.samples, guarded.samples)):
        assert (one is None) == (other is None)
        if one is not None:
            close(one - whole.mean, other - guarded.mean)


def test_a_model_starts_at_its_anchor():
    model = direct()
    before = model.last_layer.output.weight.clone()
    model.start_at_anchor()
    close(model.last_layer.output.weight, 0.1 * before)
