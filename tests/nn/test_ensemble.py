"""Several models as one: what is averaged, what is pooled, against NumPy and closed forms."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from synthetic import batch_of, spec_of

from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.cells.gru import GRU
from recast.nn.ensemble.combining import GRID, combined, median
from recast.nn.ensemble.ensemble import Ensemble
from recast.nn.fixed_anchors.ridge import RidgeAnchor
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.head import Head
from recast.nn.heads.point import Point
from recast.nn.heads.quantile import Quantile
from recast.nn.models.direct import Direct
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.models.segment import Segment
from recast.nn.schedules import Never
from recast.types import Forecast

SPEC = spec_of(targets=2, context=8, horizon=4, past=1, categories=("static",))
CELL = partial(GRU, hidden_size=4)
GENERATOR = torch.Generator


def direct(head: Head, **options: object) -> partial[Direct]:
    return partial(Direct, cell=CELL, head=head, **options)


def ensemble_of(*members: partial, combine: str = "mean") -> Ensemble:
    torch.manual_seed(0)
    named = {str(number): member for number, member in enumerate(members)}
    return Ensemble(spec=SPEC, members=named, combine=combine).double().eval()


def anchored() -> partial[Direct]:
    return direct(Point(), anchor=RidgeAnchor)


def with_share(ensemble: Ensemble) -> Ensemble:
    """The first member's correction of its anchor turned down."""
    anchor = ensemble.models[0].anchor
    assert isinstance(anchor, RidgeAnchor)
    anchor.weight.normal_()
    anchor.share.copy_(torch.linspace(0, 1, SPEC.horizon))
    return ensemble


def segment() -> partial[Segment]:
    return partial(Segment, cell=CELL, head=Point(), segment=2)


@pytest.mark.parametrize("combine", ["mean", "median", "weights"])
def test_different_members_forecast_what_theirs_make_together(combine):
    ensemble = with_share(ensemble_of(anchored(), segment(), direct(Point(), anchor=LastAnchor), combine=combine))
    weights = [1 / 3, 1 / 3, 1 / 3]
    if combine == "weights":
        weights = [0.2, 0.5, 0.3]
        ensemble.weights.copy_(torch.tensor(weights))
    batch = batch_of(SPEC)
    members = np.stack([member.forecast(batch, samples=1).mean.numpy() for member in ensemble.models])
    expected = np.median(members, axis=0) if combine == "median" else np.average(members, axis=0, weights=weights)
    forecast = ensemble.forecast(batch, samples=1)
    np.testing.assert_allclose(forecast.mean.numpy(), expected, rtol=1e-6)
    assert forecast.is_point
    # With gradients, too: to every member.
    again = ensemble.head.mean(ensemble(batch))
    torch.testing.assert_close(again.detach(), forecast.mean)
    again.sum().backward()
    for member in ensemble.models:
        assert combine == "median" or any(
            weight.grad is not None and weight.grad.any() for weight in member.parameters()
        )


def test_the_line_is_that_of_the_members_that_have_one():
    batch = batch_of(SPEC)
    ensemble = with_share(ensemble_of(anchored(), segment(), anchored()))
    lines = [ensemble.models[place].base(batch) for place in (0, 2)]
    torch.testing.assert_close(ensemble.base(batch), (lines[0] + lines[1]) / 2)
    assert ensemble.has_line
    without = ensemble_of(segment(), segment())
    assert not without.has_line
    assert not without.base(batch).any()


def test_an_ensemble_has_no_weights_but_its_members():
    ensemble = ensemble_of(direct(Point()), segment())
    assert all(name.startswith("members.") for name, _ in ensemble.named_parameters())
    counts = [sum(weight.numel() for weight in model.parameters()) for model in (ensemble, *ensemble.models)]
    assert counts[0] == sum(counts[1:])


def test_quantiles_are_averaged_level_by_level():
    wide, narrow = Quantile(levels=[0.05, 0.25, 0.5, 0.75, 0.95]), Quantile(levels=[0.1, 0.5, 0.9])
    ensemble = ensemble_of(direct(wide), direct(narrow))
    assert ensemble.head.parts == {"mean", "quantiles"}
    # All levels that both know, whoever comes first.
    assert ensemble.head.levels == ensemble_of(direct(narrow), direct(wide)).head.levels == (0.1, 0.25, 0.5, 0.75, 0.9)
    batch = batch_of(SPEC)
    found = ensemble.forecast(batch, samples=1)
    both = [member.forecast(batch, samples=1).quantiles_at(found.levels) for member in ensemble.models]
    torch.testing.assert_close(found.quantiles, (both[0] + both[1]) / 2)
    assert (found.quantiles.diff(dim=0) > 0).all()


def test_levels_that_differ_in_the_last_digit_are_one():
    heads = [Quantile(levels=levels) for levels in ([1 - 0.9, 0.5, 0.9], [0.1, 0.3, 0.5, 0.9], [0.05, 0.5, 0.95])]
    for members in (heads, heads[::-1]):
        found = ensemble_of(*map(direct, members)).forecast(batch_of(SPEC), samples=1)
        assert found.levels == pytest.approx((0.1, 0.3, 0.5, 0.9), abs=1e-12)


def gaussian(mean: float, std: float, samples: int = 4000) -> Forecast:
    draws = mean + std * torch.randn(samples, 2, 3, 1, dtype=torch.float64, generator=GENERATOR().manual_seed(1))

    def inverse(levels):
        at = torch.tensor(stats.norm.ppf(levels, mean, std), dtype=torch.float64)
        return at.view(-1, 1, 1, 1).expand(-1, 2, 3, 1)

    return Forecast(draws.mean(dim=0), draws, inverse=inverse)


def of(forecasts: list[Forecast], weights: list[float], levels: tuple[float, ...] = ()) -> Forecast:
    shares = torch.tensor(weights, dtype=torch.float64)
    return combined(
        forecasts,
        lambda values: torch.tensordot(shares, values, dims=1),
        weights=shares,
        levels=levels,
        generator=GENERATOR().manual_seed(0),
    )


def test_normal_distributions_average_to_a_normal_one():
    """Of a location-scale family the averaged quantiles have the averaged location and scale (Ratcliff 1979)."""
    found = of([gaussian(0.0, 1.0), gaussian(4.0, 3.0)], [0.25, 0.75])
    levels = [0.05, 0.5, 0.8]
    expected = stats.norm.ppf(levels, 3.0, 2.5)
    np.testing.assert_allclose(found.quantiles_at(levels)[:, 0, 0, 0], expected)
    # The samples are of the same distribution, in each window and lead by themselves.
    assert found.samples.shape == (4000, 2, 3, 1)
    for lead in range(3):
        drawn = found.samples[:, 1, lead, 0].numpy()
        assert stats.kstest(drawn, stats.norm(3.0, 2.5).cdf).pvalue > 1e-3
    pair = np.corrcoef(found.samples[:, 0, 0, 0], found.samples[:, 0, 1, 0])
    assert abs(pair[0, 1]) < 0.08
    assert (found.samples.abs() <= found.inverse([1 - 0.5 / GRID])[0]).all()


def test_samples_that_are_fed_back_are_pooled_by_weight():
    one, other = gaussian(0.0, 1.0)._replace(inverse=None), gaussian(10.0, 1.0)._replace(inverse=None)
    found = of([one, other], [0.2, 0.8])
    low = found.samples < 5
    assert low.double().mean().item() == pytest.approx(0.2, abs=1e-9)
    assert found.inverse is None
    assert found.quantiles is None
    equal = of([one, other], [0.5, 0.5])
    assert equal.samples.equal(torch.cat([one.samples, other.samples]))
    np.testing.assert_allclose(equal.mean, (one.mean + other.mean) / 2)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), min_size=1, max_size=4).filter(
        lambda pools: any(weight for _, weight in pools)
    )
)
def test_pools_of_any_sizes_count_by_weight_alone(pools):
    """A sample tells its member by its whole part, and its place in the pool by the rest."""
    total = sum(weight for _, weight in pools)
    forecasts = []
    for number, (count, _) in enumerate(pools):
        drawn = (number + torch.arange(count, dtype=torch.float64) / count).view(-1, 1, 1, 1)
        forecasts.append(Forecast(drawn.mean(dim=0), drawn))
    found = of(forecasts, [weight / total for _, weight in pools]).samples.flatten()
    counts = [int((found.floor() == number).sum()) for number in range(len(pools))]
    share = max(counts) / max(weight for _, weight in pools)
    for number, (weight, kept) in enumerate(zip((weight for _, weight in pools), counts, strict=True)):
        # To the nearest sample, and none twice.
        assert abs(kept - weight * share) <= 1
        places = (found[found.floor() == number] - number).sort().values
        assert (places.diff() > 0).all()
        # From all of the pool: as many of its first half as of its second.
        assert abs(int((places < 0.5).sum()) - kept / 2) <= 1
    assert any(kept == count for kept, (count, _) in zip(counts, pools, strict=True))


def test_quantiles_and_samples_meet_at_the_levels_of_the_quantiles():
    levels = (0.1, 0.5, 0.9)
    known = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 2, 3, 1)
    quantiles = Forecast(known[1], quantiles=known, levels=levels)
    sampled = gaussian(3.0, 1.0)._replace(inverse=None)
    found = of([quantiles, sampled], [0.5, 0.5], levels)
    torch.testing.assert_close(found.quantiles, (known + sampled.quantiles_at(levels)) / 2)
    few = sampled._replace(samples=sampled.samples[:5])
    with pytest.raises(ConfigurationError, match="from so few samples; draw more"):
        of([quantiles, few], [0.5, 0.5], levels)
    # A point has no band, and so has nothing that holds it.
    assert of([Forecast(known[1]), sampled], [0.5, 0.5]).is_point


@pytest.mark.parametrize(
    ("members", "parts"),
    [
        ((Gaussian(), Gaussian()), {"mean", "samples"}),
        ((Gaussian(), Quantile()), {"mean", "quantiles"}),
        ((Gaussian(), Point()), {"mean"}),
    ],
)
def test_the_head_tells_what_is_forecast(members, parts):
    ensemble = ensemble_of(*map(direct, members))
    assert ensemble.head.parts == parts
    found = ensemble.forecast(batch_of(SPEC), samples=30)
    assert (found.samples is not None) == ("samples" in parts)
    assert (found.quantiles is not None) == ("quantiles" in parts)
    if found.quantiles is not None:
        assert found.levels == ensemble.head.levels


def test_members_that_feed_back_draw_for_themselves_and_repeat_with_the_seed():
    decoder = partial(EncoderDecoder, cell=CELL, head=Gaussian(), schedule=Never())
    ensemble = ensemble_of(decoder, decoder)
    # The same weights: only the draws differ.
    ensemble.models[1].load_state_dict(ensemble.models[0].state_dict())
    batch = batch_of(SPEC)
    one, again, other = (ensemble.forecast(batch, samples=20, seed=seed) for seed in (1, 1, 2))
    assert one.samples.shape[0] == 40
    assert one.samples.equal(again.samples)
    assert not one.samples.equal(other.samples)
    assert not one.samples[:20].equal(one.samples[20:])


def test_an_ensemble_that_feeds_back_counts_as_one_member_of_another():
    decoder = partial(EncoderDecoder, cell=CELL, head=Gaussian(), schedule=Never())
    ensemble = ensemble_of(partial(Ensemble, members={"a": decoder, "b": decoder}), decoder)
    leaves = [*ensemble.models[0].models, ensemble.models[1]]
    for place, leaf in enumerate(leaves):
        leaf.trajectories = lambda batch, samples, generator, place=place: torch.full(
            (samples, len(batch.start), SPEC.horizon, SPEC.targets), float(place), dtype=torch.float64
        )
    found = ensemble.forecast(batch_of(SPEC), samples=20).samples[:, 0, 0, 0]
    assert found.unique(return_counts=True)[1].tolist() == [10, 10, 20]


def test_ensembles_may_be_members():
    inner = partial(Ensemble, members={"a": direct(Quantile()), "b": direct(Quantile())})
    ensemble = ensemble_of(inner, direct(Quantile()))
    assert ensemble.head.parts == {"mean", "quantiles"}
    assert ensemble.forecast(batch_of(SPEC), samples=1).quantiles.shape[0] == len(ensemble.head.levels)
    assert isinstance(ensemble.models[0], ForecastModel)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9))
def test_the_median_is_numpys(values):
    column = torch.tensor(values, dtype=torch.float64)[:, None]
    np.testing.assert_allclose(median(column).numpy(), np.median(values, keepdims=True), rtol=1e-12, atol=1e-12)


def test_an_ensemble_without_members_is_refused():
    with pytest.raises(ConfigurationError, match="members"):
        Ensemble(spec=SPEC, members={})
