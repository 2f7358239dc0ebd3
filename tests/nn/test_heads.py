"""Heads: losses against independent implementations, sampling, and the shift by an anchor."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import torch
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import recast.nn.heads
from recast.errors import ConfigurationError
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.head import Head
from recast.nn.heads.point import Point
from recast.nn.heads.quantile import Quantile
from recast.options import LEVELS

CLASSES = concrete_classes(recast.nn.heads, Head)
HEADS = [
    *(pytest.param(head_class(), id=head_class.__name__) for head_class in CLASSES),
    pytest.param(Point(loss="mae"), id="Point mae"),
    pytest.param(Point(loss="huber", delta=0.5), id="Point huber"),
    pytest.param(Gaussian(min_std=0.5), id="Gaussian min_std"),
    pytest.param(Quantile(levels=[0.5]), id="Quantile median"),
    pytest.param(Quantile(levels=[0.1, 0.2, 0.5]), id="Quantile lower half"),
]
every_head = pytest.mark.parametrize("head", HEADS)
seeds = st.integers(0, 2**32 - 1)


def draw(head: Head, *shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw parameters and a truth, float64."""
    generator = torch.Generator().manual_seed(seed)
    parameters = torch.randn(*shape, head.size, generator=generator, dtype=torch.float64) * 2
    return parameters, torch.randn(*shape, generator=generator, dtype=torch.float64) * 2


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_heads_are_found():
    assert {Point, Gaussian, Quantile} <= set(CLASSES)


@every_head
def test_a_head_has_no_weights(head):
    assert list(head.parameters()) == []
    assert list(head.buffers()) == []


@every_head
@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 2), (2,)])
def test_shapes_of_mean_and_feedback(head, shape):
    parameters, _ = draw(head, *shape)
    assert head.mean(parameters).shape == shape
    assert head.feedback(parameters, seeded(0)).shape == shape


@every_head
def test_the_first_parameter_is_the_location(head):
    parameters, _ = draw(head, 4, 3, 2)
    assert torch.equal(head.mean(parameters), parameters[..., 0])


@every_head
def test_the_loss_is_a_mean_over_all_axes(head):
    parameters, target = draw(head, 4, 3, 2)
    whole = head.loss(parameters, target)
    assert whole.shape == ()
    parts = [
        head.loss(parameters[b : b + 1, h : h + 1, t : t + 1], target[b : b + 1, h : h + 1, t : t + 1])
        for b in range(4)
        for h in range(3)
        for t in range(2)
    ]
    torch.testing.assert_close(whole, torch.stack(parts).mean(), rtol=1e-13, atol=1e-13)


@every_head
def test_the_loss_is_smallest_where_the_location_is_the_truth(head):
    parameters, target = draw(head, 4, 3, 2)
    exact = parameters.clone()
    exact[..., 0] = target
    for by in (-0.1, 0.1):
        assert head.loss(exact, target) < head.loss(head.shift(exact, torch.full_like(target, by)), target)


@every_head
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_shift_forecasts_the_difference_from_the_anchor(head, seed):
    parameters, target = draw(head, 4, 3, 2, seed=seed)
    anchor = target[:, :1] + 0.25
    shifted = head.shift(parameters, anchor)
    assert shifted.shape == parameters.shape
    assert torch.equal(shifted[..., 1:], parameters[..., 1:])
    torch.testing.assert_close(
        head.loss(shifted, target), head.loss(parameters, target - anchor), rtol=1e-10, atol=1e-12
    )
    torch.testing.assert_close(head.mean(shifted), head.mean(parameters) + anchor, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(
        head.feedback(shifted, seeded(1)), head.feedback(parameters, seeded(1)) + anchor, rtol=1e-13, atol=1e-13
    )


@every_head
def test_feedback_is_random_only_where_it_says_so(head):
    parameters, _ = draw(head, 4, 3, 2)
    generator = seeded(0)
    first, second = head.feedback(parameters, generator), head.feedback(parameters, generator)
    untouched = torch.equal(generator.get_state(), seeded(0).get_state())
    assert torch.equal(first, second) is not head.stochastic
    assert untouched is not head.stochastic
    assert torch.equal(first, head.feedback(parameters, seeded(0)))
    torch.manual_seed(3)
    globally = head.feedback(parameters, None)
    assert torch.equal(globally, head.feedback(parameters, seeded(3)))


@every_head
def test_gradients_flow_through_feedback(head):
    parameters, _ = draw(head, 4, 3, 2)
    parameters.requires_grad_()
    (gradient,) = torch.autograd.grad(head.feedback(parameters, seeded(0)).sum(), parameters)
    assert torch.equal(gradient[..., 0], torch.ones(4, 3, 2, dtype=torch.float64))
    # What is drawn depends on the spread, too.
    assert gradient[..., 1:].all() == head.stochastic or head.size == 1


@every_head
def test_with_every_truth_observed_a_mask_changes_nothing(head):
    parameters, target = draw(head, 4, 3, 2)
    parameters.requires_grad_()
    everything = torch.ones(4, 3, 2, dtype=torch.bool)
    losses = head.losses(parameters, target)
    assert losses.shape == target.shape
    whole, masked = head.loss(parameters, target), head.loss(parameters, target, everything)
    torch.testing.assert_close(masked, whole, rtol=1e-14, atol=0)
    torch.testing.assert_close(losses.mean(), whole, rtol=1e-14, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(masked, parameters), torch.autograd.grad(whole, parameters), rtol=1e-13, atol=1e-16
    )


@every_head
def test_the_loss_counts_observed_truths_alone(head):
    parameters, target = draw(head, 4, 3, 2)
    parameters.requires_grad_()
    mask = torch.rand(4, 3, 2, generator=seeded(1)) < 0.6
    loss = head.loss(parameters, target.where(mask, math.nan), mask)
    expected = head.losses(parameters, target)[mask].mean()
    torch.testing.assert_close(loss, expected, rtol=1e-13, atol=0)
    (gradient,) = torch.autograd.grad(loss, parameters)
    (wanted,) = torch.autograd.grad(expected, parameters)
    torch.testing.assert_close(gradient, wanted, rtol=1e-13, atol=1e-16)
    assert not gradient[~mask].any()


@every_head
def test_without_any_truth_the_loss_is_zero_and_so_is_its_gradient(head):
    parameters, target = draw(head, 4, 3, 2)
    parameters.requires_grad_()
    nothing = torch.zeros(4, 3, 2, dtype=torch.bool)
    loss = head.loss(parameters, torch.full_like(target, math.nan), nothing)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, parameters)
    assert torch.equal(gradient, torch.zeros_like(gradient))


@every_head
def test_a_forecast_holds_the_parts_that_the_head_names(head):
    parameters, _ = draw(head, 4, 3, 2)
    forecast = head.forecast(parameters)
    assert torch.equal(forecast.mean, head.mean(parameters))
    assert (forecast.quantiles is not None) == ("quantiles" in head.parts)
    assert ("samples" in head.parts) == head.stochastic
    assert forecast.levels == head.levels
    if forecast.quantiles is not None:
        assert forecast.quantiles.shape == (len(head.levels), 4, 3, 2)


def test_a_point_has_no_quantiles():
    parameters, _ = draw(Point(), 4, 3, 2)
    forecast = Point().forecast(parameters, levels=(0.1, 0.9))
    assert forecast.quantiles is None
    assert forecast.levels == ()
    assert forecast.interval(0.8) is None


def test_gaussian_quantiles_equal_another_library():
    head = Gaussian(min_std=0.1)
    parameters, _ = draw(head, 4, 3, 2)
    levels = (0.001, 0.05, 0.5, 0.975)
    forecast = head.forecast(parameters, levels)
    mean, std = parameters[..., 0].numpy(), head.std(parameters).numpy()
    assert forecast.levels == levels
    assert forecast.quantiles is not None
    for level, found in zip(levels, forecast.quantiles, strict=True):
        np.testing.assert_allclose(found.numpy(), scipy.stats.norm.ppf(level, mean, std), rtol=1e-12)
    by = torch.full((4, 1, 2), 3.5, dtype=torch.float64)
    moved = head.quantiles(head.shift(parameters, by), levels)
    torch.testing.assert_close(moved, forecast.quantiles + by, rtol=1e-13, atol=1e-13)


@every_head
@pytest.mark.parametrize("location", [-1e9, 0.0, 1e9])
@pytest.mark.parametrize("other", [-1e30, -100.0, 0.0, 100.0, 1e30])
def test_finite_for_huge_raw_values(head, location, other):
    parameters = torch.full((2, 3, 1, head.size), other)
    parameters[..., 0] = location
    parameters.requires_grad_()
    loss = head.loss(parameters, torch.zeros(2, 3, 1))
    (gradient,) = torch.autograd.grad(loss, parameters)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert head.feedback(parameters, seeded(0)).isfinite().all()


def test_point_losses_equal_other_libraries():
    parameters, target = draw(Point(), 40, 3, 2)
    forecast, truth = parameters.numpy().reshape(40, 6), target.numpy().reshape(40, 6)
    expected = {
        "mse": sklearn.metrics.mean_squared_error(truth, forecast),
        "mae": sklearn.metrics.mean_absolute_error(truth, forecast),
        "huber": scipy.special.huber(0.7, forecast - truth).mean(),
    }
    for name, value in expected.items():
        assert Point(loss=name, delta=0.7).loss(parameters, target).item() == pytest.approx(value, rel=1e-13)


def test_point_defaults_to_the_squared_error():
    parameters, target = draw(Point(), 4, 3, 2)
    assert torch.equal(Point().loss(parameters, target), Point(loss="mse").loss(parameters, target))


@pytest.mark.parametrize("min_std", [1e-3, 0.4])
def test_gaussian_loss_equals_other_libraries(min_std):
    head = Gaussian(min_std=min_std)
    parameters, target = draw(head, 40, 3, 2)
    loc, std = parameters[..., 0], min_std + torch.log1p(parameters[..., 1].exp())
    loss = head.loss(parameters, target).item()
    torch.testing.assert_close(head.std(parameters), std, rtol=1e-13, atol=0)
    assert loss == pytest.approx(-torch.distributions.Normal(loc, std).log_prob(target).mean().item(), rel=1e-12)
    assert loss == pytest.approx(-scipy.stats.norm.logpdf(target.numpy(), loc.numpy(), std.numpy()).mean(), rel=1e-12)
    assert loss == pytest.approx(functional.gaussian_nll_loss(loc, target, std**2, full=True).item(), rel=1e-12)


def test_gaussian_loss_of_the_standard_normal_at_its_mean():
    head = Gaussian(min_std=1.0)
    parameters = torch.tensor([0.0, -1e30], dtype=torch.float64).reshape(1, 1, 1, 2)
    assert head.loss(parameters, torch.zeros(1, 1, 1, dtype=torch.float64)).item() == math.log(2 * math.pi) / 2


@given(raw=st.floats(-1e6, 1e6), min_std=st.floats(1e-6, 1e3))
@settings(max_examples=30, deadline=None)
def test_gaussian_std_never_falls_below_its_floor(raw, min_std):
    std = Gaussian(min_std=min_std).std(torch.tensor([[0.0, raw]], dtype=torch.float64)).item()
    assert std >= min_std
    assert std == pytest.approx(min_std + np.logaddexp(0, raw), rel=1e-8)


def test_gaussian_feedback_is_a_reparameterised_sample():
    head = Gaussian()
    parameters, _ = draw(head, 4, 3, 2)
    parameters.requires_grad_()
    noise = torch.randn(4, 3, 2, generator=seeded(5), dtype=torch.float64)
    sample = head.feedback(parameters, seeded(5))
    torch.testing.assert_close(sample, parameters[..., 0] + head.std(parameters) * noise, rtol=1e-14, atol=1e-14)
    (gradient,) = torch.autograd.grad(sample.sum(), parameters)
    expected = torch.sigmoid(parameters[..., 1]) * noise  # softplus' = sigmoid
    torch.testing.assert_close(gradient[..., 1], expected, rtol=1e-13, atol=1e-13)


def test_gaussian_samples_follow_the_distribution():
    head = Gaussian()
    parameters = torch.tensor([1.5, 0.3], dtype=torch.float64).expand(20_000, 1, 2)
    sample = head.feedback(parameters, seeded(0)).flatten().numpy()
    std = 1e-3 + math.log1p(math.exp(0.3))
    assert scipy.stats.kstest(sample, scipy.stats.norm(1.5, std).cdf).pvalue > 0.01
    assert scipy.stats.kstest(sample, scipy.stats.norm(1.5, 1.05 * std).cdf).pvalue < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gaussian_feedback_draws_the_same_numbers_on_cuda():
    head = Gaussian()
    parameters, _ = draw(head, 4, 3, 2)
    moved = head.feedback(parameters.cuda(), seeded(0))
    torch.testing.assert_close(moved.cpu(), head.feedback(parameters, seeded(0)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("head_class", "option", "value"),
    [
        (Point, "loss", "rmse"),
        (Point, "delta", 0),
        (Point, "delta", -1.0),
        (Gaussian, "min_std", 0.0),
        (Gaussian, "min_std", "small"),
        (Quantile, "levels", [0.5, 0.1]),
        (Quantile, "levels", [0.1, 0.9]),
        (Quantile, "levels", [0.0, 0.5]),
        (Quantile, "levels", []),
    ],
)
def test_options_are_checked(head_class, option, value):
    with pytest.raises(ConfigurationError, match=f"^{head_class.__name__}: {option}="):
        head_class(**{option: value})


# Quantiles


def test_quantile_parameters_are_median_and_steps():
    head = Quantile(levels=[0.1, 0.3, 0.5, 0.8])
    parameters = torch.tensor([2.0, 0.3, -1.0, 0.7], dtype=torch.float64).reshape(1, 1, 1, 4)
    near, far, up = (math.log1p(math.exp(raw)) for raw in (0.3, -1.0, 0.7))
    expected = [2.0 - near - far, 2.0 - near, 2.0, 2.0 + up]
    np.testing.assert_allclose(head.known_quantiles(parameters).flatten().numpy(), expected, rtol=1e-14)


@st.composite
def ascending(draw_from: st.DrawFn) -> list[float]:
    others = draw_from(st.lists(st.floats(0.01, 0.99).filter(lambda level: abs(level - 0.5) > 1e-3), max_size=9))
    return sorted({*(round(level, 3) for level in others), 0.5})


@settings(max_examples=80, deadline=None)
@given(levels=ascending(), seed=seeds, size=st.sampled_from([1e-3, 1.0, 30.0, 1e4]), dtype=st.sampled_from([32, 64]))
def test_quantiles_never_cross(levels, seed, size, dtype):
    head = Quantile(levels=levels)
    parameters = draw(head, 4, 3, 2, seed=seed)[0].to(getattr(torch, f"float{dtype}")) * size
    found = head.forecast(parameters).quantiles
    assert found.shape == (len(levels), 4, 3, 2)
    assert (found.diff(dim=0) >= 0).all()
    assert torch.equal(found[levels.index(0.5)], head.mean(parameters))
    by = torch.full((2,), 1.5, dtype=parameters.dtype)
    torch.testing.assert_close(head.forecast(head.shift(parameters, by)).quantiles, found + 1.5)


@pytest.mark.parametrize("levels", [list(LEVELS), [0.2, 0.5]])
def test_quantile_loss_equals_sklearns(levels):
    head = Quantile(levels=levels)
    parameters, target = draw(head, 40, 3, 2)
    quantiles = head.quantiles(parameters, levels).numpy().reshape(len(levels), -1)
    expected = [
        sklearn.metrics.mean_pinball_loss(target.numpy().ravel(), found, alpha=level)
        for level, found in zip(levels, quantiles, strict=True)
    ]
    assert head.loss(parameters, target).item() == pytest.approx(np.mean(expected), rel=1e-12)


def test_quantile_gradient_equals_differences():
    head = Quantile()
    parameters, target = draw(head, 2, 2, 1)
    parameters.requires_grad_()
    assert torch.autograd.gradcheck(lambda raw: head.losses(raw, target), parameters)


def test_a_learned_quantile_head_finds_the_quantiles_of_its_data():
    head, torch_seed = Quantile(), seeded(0)
    truth = torch.randn(20_000, 1, 1, generator=torch_seed, dtype=torch.float64).exp()
    raw = torch.zeros(1, 1, 1, head.size, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = head.loss(raw.expand(len(truth), -1, -1, -1), truth)
        loss.backward()
        return loss

    optimizer.step(closure)
    found = head.known_quantiles(raw.detach()).flatten().numpy()
    np.testing.assert_allclose(found, np.quantile(truth.numpy(), LEVELS), rtol=0.02)


def test_quantiles_between_levels_are_joined_and_beyond_unknown():
    head = Quantile(levels=[0.1, 0.5, 0.9])
    parameters, _ = draw(head, 4, 3, 2)
    low, middle, high = head.quantiles(parameters, (0.1, 0.5, 0.9))
    torch.testing.assert_close(head.quantiles(parameters, [0.2])[0], 0.75 * low + 0.25 * middle)
    torch.testing.assert_close(head.quantiles(parameters, [0.8])[0], 0.75 * high + 0.25 * middle)
    assert head.quantiles(parameters, [0.5, 0.95]) is None
    forecast = head.forecast(parameters)
    assert forecast.interval(0.9) is None
    assert forecast.widest == pytest.approx(0.8)
