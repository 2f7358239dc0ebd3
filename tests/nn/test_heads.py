"""Heads: losses against independent implementations, sampling, and the shift by an anchor."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import torch
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panel_of
from synthetic import spec_of
from torch.nn import functional

import recast.nn.heads
from recast.data.local_scaling import LocalScaling
from recast.data.prepare.scale import Rescale
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.head import Head
from recast.nn.heads.implicit_quantile import ImplicitQuantile
from recast.nn.heads.mixture import Mixture
from recast.nn.heads.negative_binomial import NegativeBinomial
from recast.nn.heads.point import Point
from recast.nn.heads.quantile import Quantile
from recast.nn.heads.student_t import StudentT
from recast.options import LEVELS

CLASSES = concrete_classes(recast.nn.heads, Head)
HEADS = [
    *(pytest.param(head_class().double().eval(), id=head_class.__name__) for head_class in CLASSES),
    pytest.param(Point(loss="mae"), id="Point mae"),
    pytest.param(Point(loss="huber", delta=0.5), id="Point huber"),
    pytest.param(Gaussian(min_std=0.5), id="Gaussian min_std"),
    pytest.param(Quantile(levels=[0.5]), id="Quantile median"),
    pytest.param(Quantile(levels=[0.1, 0.2, 0.5]), id="Quantile lower half"),
    pytest.param(StudentT(min_scale=0.1, min_df=1.0), id="StudentT heavy"),
    pytest.param(Mixture(components=2), id="Mixture of two"),
    pytest.param(ImplicitQuantile(features=3, cosines=8, draws=2).double().eval(), id="ImplicitQuantile small"),
]
SKEWED = (Mixture, ImplicitQuantile, NegativeBinomial)
"""Their mean is not the first parameter."""
every_head = pytest.mark.parametrize("head", HEADS)
seeds = st.integers(0, 2**32 - 1)


def draw(head: Head, *shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw parameters and a truth, float64."""
    generator = torch.Generator().manual_seed(seed)
    parameters = torch.randn(*shape, head.size, generator=generator, dtype=torch.float64) * 2
    target = torch.randn(*shape, generator=generator, dtype=torch.float64) * 2
    return parameters, target.abs().floor() if head.counts else target


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_heads_are_found():
    assert {Point, Gaussian, Quantile, StudentT, Mixture, NegativeBinomial, ImplicitQuantile} <= set(CLASSES)


@every_head
def test_only_the_network_of_the_level_has_weights(head):
    assert bool(list(head.parameters())) == isinstance(head, ImplicitQuantile)
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
    assert torch.equal(head.mean(parameters), parameters[..., 0]) is not isinstance(head, SKEWED)


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
    if isinstance(head, SKEWED):
        return
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
    if head.counts:
        assert torch.equal(shifted[..., 0], parameters[..., 0] + anchor)
        return
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
    if head.counts:
        # A count has no derivative: that of the mean stands for it.
        (of_mean,) = torch.autograd.grad(head.mean(parameters).sum(), parameters)
        assert torch.equal(gradient, of_mean)
        return
    torch.testing.assert_close(gradient[..., 0], torch.ones(4, 3, 2, dtype=torch.float64))
    # What is drawn depends on the spread, too.
    others = gradient[..., 1:].flatten(0, 2).any(dim=0)
    assert others.all() == head.stochastic or head.size == 1


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
    head = deepcopy(head).float()
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
@every_head
def test_feedback_and_quantiles_are_the_same_on_cuda(head):
    parameters, _ = draw(head, 4, 3, 2)
    moved = deepcopy(head).cuda()
    fed = moved.feedback(parameters.cuda(), seeded(0))
    torch.testing.assert_close(fed.cpu(), head.feedback(parameters, seeded(0)), rtol=1e-9, atol=1e-9)
    levels = (0.1, 0.5, 0.9)
    found, expected = moved.quantiles(parameters.cuda(), levels), head.quantiles(parameters, levels)
    assert (found is None) == (expected is None)
    if found is not None:
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("head_class", "option", "value"),
    [
        (Point, "loss", "rmse"),
        (Point, "delta", 0),
        (Point, "delta", -1.0),
        (Gaussian, "min_std", 0.0),
        (Gaussian, "min_std", "small"),
        (StudentT, "min_scale", 0.0),
        (StudentT, "min_df", 0.5),
        (Mixture, "components", 0),
        (NegativeBinomial, "min_mean", 0.0),
        (ImplicitQuantile, "draws", 0),
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


# Distributions against scipy's, and derivatives against differences


def with_scale(*scale: float) -> NegativeBinomial:
    head = NegativeBinomial(min_mean=0.05)
    head.target_scale = scale
    return head


DISTRIBUTIONS = [Gaussian(), StudentT(min_scale=0.2), Mixture(), with_scale(4.0), ImplicitQuantile().double().eval()]
each_distribution = pytest.mark.parametrize("head", DISTRIBUTIONS, ids=lambda head: type(head).__name__)
PARTS = (0.001, 0.05, 0.3, 0.5, 0.9, 0.9999)


def frozen(head: Head, parameters: torch.Tensor) -> object:
    """Scipy's distribution, of a head whose values are scaled by 4 where it forecasts counts."""
    raw = parameters.numpy()
    if isinstance(head, StudentT):
        return scipy.stats.t(2 + np.logaddexp(0, raw[..., 2]), raw[..., 0], 0.2 + np.logaddexp(0, raw[..., 1]))
    mean, dispersion = 4 * (0.05 + np.logaddexp(0, raw[..., 0])), np.logaddexp(0, raw[..., 1])
    return scipy.stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))


def mixture_of(head: Mixture, raw: np.ndarray) -> list[tuple[float, scipy.stats.norm]]:
    """Weights and distributions of a mixture of three."""
    weights = scipy.special.softmax(raw[6:])
    places = raw[0] + np.array([0.0, raw[1], raw[2]])
    return [
        (weight, scipy.stats.norm(place, head.min_std + np.logaddexp(0, spread)))
        for weight, place, spread in zip(weights, places, raw[3:6], strict=True)
    ]


@each_distribution
def test_gradients_equal_differences(head):
    parameters, target = draw(head, 2, 2, 1)
    parameters.requires_grad_()
    assert torch.autograd.gradcheck(lambda raw: head.losses(raw, target), parameters)
    assert torch.autograd.gradcheck(head.mean, parameters)


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])
def test_student_t_equals_scipys(size):
    head = StudentT(min_scale=0.2)
    parameters, target = draw(head, 40, 3, 2)
    parameters = parameters * size
    known = frozen(head, parameters)
    np.testing.assert_allclose(head.losses(parameters, target), -known.logpdf(target.numpy()), rtol=1e-10, atol=1e-10)
    found = head.quantiles(parameters, PARTS)
    for level, cut in zip(PARTS, found, strict=True):
        np.testing.assert_allclose(cut, known.ppf(level), rtol=1e-8, atol=1e-10)
    single = head.losses(parameters.float(), target.float())
    np.testing.assert_allclose(single, -known.logpdf(target.numpy()), rtol=1e-4, atol=1e-4)


def test_a_student_t_of_many_degrees_of_freedom_is_normal():
    parameters = torch.tensor([0.5, 1.0, 1e9]).expand(4, 3, 2, 3)
    target = torch.randn(4, 3, 2, generator=seeded(0))
    normal = Gaussian().losses(parameters[..., :2], target)
    torch.testing.assert_close(StudentT().losses(parameters, target), normal, rtol=1e-5, atol=1e-5)


def test_student_t_samples_follow_the_distribution_and_so_do_their_derivatives():
    head = StudentT(min_scale=0.2)
    raw = torch.tensor([1.5, 0.3, 0.4], dtype=torch.float64)
    sample = head.feedback(raw.expand(20_000, 1, 3), seeded(0)).flatten().numpy()
    assert scipy.stats.kstest(sample, frozen(head, raw).cdf).pvalue > 0.01
    assert scipy.stats.kstest(sample, scipy.stats.norm(1.5, sample.std()).cdf).pvalue < 0.01
    parameters, _ = draw(head, 4, 3, 2)
    assert torch.autograd.gradcheck(lambda raw: head.feedback(raw, seeded(3)), parameters.requires_grad_())


def test_a_mixture_equals_the_sum_of_scipys():
    head = Mixture()
    parameters, target = draw(head, 20, 3, 2)
    losses, mean, cuts = head.losses(parameters, target), head.mean(parameters), head.quantiles(parameters, PARTS)
    for place in np.ndindex(20, 3, 2):
        parts = mixture_of(head, parameters[place].numpy())
        density = sum(weight * one.pdf(target[place].item()) for weight, one in parts)
        assert math.exp(-losses[place]) == pytest.approx(density, rel=1e-9)
        assert mean[place].item() == pytest.approx(sum(weight * one.mean() for weight, one in parts), abs=1e-12)
        for level, cut in zip(PARTS, cuts, strict=True):
            reached = sum(weight * one.cdf(cut[place].item()) for weight, one in parts)
            assert reached == pytest.approx(level, abs=1e-9)


def test_mixture_samples_follow_the_distribution_and_so_do_their_derivatives():
    head = Mixture()
    raw = torch.tensor([0.0, 4.0, -3.0, 0.2, -0.5, 0.4, 0.1, 0.5, -0.3], dtype=torch.float64)
    parts = mixture_of(head, raw.numpy())
    sample = head.feedback(raw.expand(20_000, 1, 9), seeded(1)).flatten()
    assert scipy.stats.kstest(sample, lambda x: sum(weight * one.cdf(x) for weight, one in parts)).pvalue > 0.01
    # A sample is the inverse of the distribution function at a fixed level.
    one = raw.clone().requires_grad_()
    value = head.feedback(one.expand(1, 1, 9), seeded(7))
    (gradient,) = torch.autograd.grad(value.sum(), one)
    level = sum(weight * part.cdf(value.item()) for weight, part in parts)
    for place in range(9):
        step = torch.zeros_like(raw)
        step[place] = 1e-5
        more, less = (head.quantiles((raw + sign * step).expand(1, 1, 9), [level]).item() for sign in (1, -1))
        assert gradient[place].item() == pytest.approx((more - less) / 2e-5, rel=1e-5, abs=1e-8)


def test_a_mixture_of_one_is_normal():
    parameters, target = draw(Gaussian(), 4, 3, 2)
    single = torch.nn.functional.pad(parameters, (0, 1))
    torch.testing.assert_close(Mixture(components=1).losses(single, target), Gaussian().losses(parameters, target))
    torch.testing.assert_close(
        Mixture(components=1).quantiles(single, PARTS), Gaussian().quantiles(parameters, PARTS), rtol=1e-9, atol=1e-9
    )


def test_counts_equal_scipys_whatever_they_were_divided_by():
    head = with_scale(4.0)
    parameters, _ = draw(head, 40, 3, 2)
    counts = torch.randint(0, 60, (40, 3, 2), generator=seeded(1)).double()
    known = frozen(head, parameters)
    np.testing.assert_allclose(head.losses(parameters, counts / 4), -known.logpmf(counts.numpy()), rtol=1e-9)
    # What was divided in single precision is the same count.
    np.testing.assert_allclose(
        head.losses(parameters.float(), (counts / 4).float()), -known.logpmf(counts.numpy()), rtol=1e-5
    )
    np.testing.assert_allclose(4 * head.mean(parameters), known.mean(), rtol=1e-12)
    for level, cut in zip(PARTS, head.quantiles(parameters, PARTS), strict=True):
        np.testing.assert_allclose(4 * cut, known.ppf(level))


@settings(max_examples=30, deadline=None)
@given(mean=st.floats(0.01, 1e5), seed=seeds)
def test_a_count_is_the_same_after_scaling_and_back(mean, seed):
    """In single precision too: the ends of a band are counts."""
    counts = np.random.default_rng(seed).poisson(mean, (50, 2)).astype(float) + 1
    offset, scale = Rescale().fit(counts, ("a", "b"))
    assert offset == (0.0, 0.0)
    head = NegativeBinomial()
    head.adapt(spec(scale=scale))
    assert (np.abs(np.log2(counts.mean(axis=0) / scale)) < 1).all()
    raw = torch.randn(4, 2, 2, 2, generator=seeded(seed))
    cuts = head.quantiles(raw, (0.1, 0.5, 0.9)).double() * torch.tensor(scale)
    assert torch.equal(cuts, cuts.round())
    assert np.array_equal((counts / scale).astype(np.float32).astype(float) * scale, counts)


def test_counts_of_no_dispersion_are_poissons():
    parameters = torch.tensor([2.0, -1e9], dtype=torch.float64).expand(30, 1, 1, 2)
    counts = torch.arange(30.0, dtype=torch.float64).reshape(30, 1, 1)
    expected = -scipy.stats.poisson(1e-3 + np.logaddexp(0, 2)).logpmf(np.arange(30.0))
    np.testing.assert_allclose(NegativeBinomial().losses(parameters, counts).flatten(), expected, rtol=1e-4)


def test_drawn_counts_follow_the_distribution():
    head = with_scale(4.0)
    raw = torch.tensor([0.3, -0.4], dtype=torch.float64)
    counts = 4 * head.feedback(raw.expand(20_000, 1, 2), seeded(0)).flatten().numpy()
    assert np.array_equal(counts, counts.round())
    known = frozen(head, raw)
    seen = np.bincount(counts.astype(int), minlength=20)[:20]
    expected = 20_000 * known.pmf(np.arange(20))
    assert scipy.stats.chi2(20).sf((np.square(seen - expected) / expected).sum()) > 0.01


def spec(**options: object) -> SeriesSpec:
    return replace(spec_of(targets=2, context=4, horizon=2), **options)


def test_counts_that_are_shifted_or_scaled_one_by_one_are_refused():
    head = NegativeBinomial()
    head.adapt(spec(scale=(4.0, 0.5)))
    assert head.target_scale == (4.0, 0.5)
    with pytest.raises(ConfigurationError, match=r"^NegativeBinomial: the scaling divides b by 5, no power.*rescale"):
        head.adapt(spec(scale=(4.0, 5.0)))
    with pytest.raises(ConfigurationError, match=r"^NegativeBinomial: the scaling subtracts 2\.5 from b.*rescale"):
        head.adapt(spec(offset=(0.0, 2.5)))
    with pytest.raises(ConfigurationError, match=r"^NegativeBinomial: .*item by item or window by window.*none"):
        head.adapt(spec(local=LocalScaling(statistic="mean")))


@pytest.mark.parametrize(("value", "told"), [(2.5, "2.5"), (-1.0, "-1")])
def test_values_that_are_no_counts_are_refused(value, told):
    panel = replace(panel_of([[4]]), values=np.zeros((4, 6)))
    panel.values[:, 1] = [0, 3, np.nan, 4]
    NegativeBinomial().check_values(panel)
    panel.values[3, 1] = value
    Gaussian().check_values(panel)
    with pytest.raises(DataError, match=f"gauges: b is {told} at 2020-01-01 03.*counts.*model/head=gaussian"):
        NegativeBinomial().check_values(panel)


def test_the_implicit_loss_is_the_pinball_loss_at_drawn_levels():
    head = ImplicitQuantile(draws=4).double()
    parameters, target = draw(head, 40, 3, 2)
    levels = (0.125, 0.375, 0.625, 0.875)
    found = [head.quantile(parameters, torch.full((40, 3, 2), level, dtype=torch.float64)) for level in levels]
    expected = [
        sklearn.metrics.mean_pinball_loss(target.numpy().ravel(), cut.detach().numpy().ravel(), alpha=level)
        for level, cut in zip(levels, found, strict=True)
    ]
    assert head.eval().loss(parameters, target).item() == pytest.approx(np.mean(expected), rel=1e-12)
    head.train()
    state = head.drawing.generator.get_state()
    first, second = head.losses(parameters, target), head.losses(parameters, target)
    head.drawing.generator.set_state(state)
    assert torch.equal(head.losses(parameters, target), first)
    assert not torch.equal(first, second)


def test_the_implicit_quantile_function_is_one_function():
    """Of level, mean, samples and quantiles alike; and what is asked for together never crosses."""
    head = ImplicitQuantile().double().eval()
    parameters, _ = draw(head, 2, 1)
    found = head.quantiles(parameters, PARTS)
    assert (found.diff(dim=0) >= 0).all()
    assert torch.equal(head.quantiles(parameters, PARTS[::-1]), found.flip(0))

    def at(level: float) -> float:
        return head.quantile(parameters[:1], torch.full((1, 1), level, dtype=torch.float64)).item()

    grid = [at(level) for level in (np.arange(2000) + 0.5) / 2000]
    assert head.mean(parameters)[0].item() == pytest.approx(np.mean(grid), abs=0.01)
    with torch.no_grad():
        drawn = head.feedback(parameters[:1].expand(20_000, -1, -1), seeded(0)).flatten()
    with_gradient = head.feedback(parameters[:1].expand(20_000, -1, -1), seeded(0)).flatten()
    torch.testing.assert_close(drawn, with_gradient, rtol=1e-12, atol=1e-12)
    assert scipy.stats.ks_2samp(drawn, grid).pvalue > 0.01


def test_a_learned_implicit_head_finds_the_quantiles_of_its_data():
    torch.manual_seed(0)
    head = ImplicitQuantile(cosines=16, draws=4).double()
    truth = torch.randn(1024, 1, 1, dtype=torch.float64).exp()
    raw = torch.zeros(1, 1, 1, head.size, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([raw, *head.parameters()], lr=0.02)
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 300)
        optimizer.zero_grad()
        head.loss(raw.expand(len(truth), -1, -1, -1), truth).backward()
        optimizer.step()
    found = head.quantiles(raw.detach(), (0.1, 0.5, 0.9)).flatten().detach().numpy()
    np.testing.assert_allclose(found, np.quantile(truth.numpy(), (0.1, 0.5, 0.9)), rtol=0.08)
