"""The anchor that is chosen among several."""

from functools import partial

import pytest
import torch
from synthetic import batch_of, spec_of

from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, LinearAnchor, NoAnchor
from recast.nn.fixed_anchors.auto import CANDIDATES as CLASS_CANDIDATES
from recast.nn.fixed_anchors.auto import AutoAnchor
from recast.nn.fixed_anchors.known import KnownAnchor
from recast.nn.fixed_anchors.ridge import RidgeAnchor
from recast.nn.fixed_anchors.seasonal import SeasonalAnchor
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose
from recast.runs.configure.signature import options_of

HORIZON = 3
CANDIDATES = {
    "none": NoAnchor,
    "last": LastAnchor,
    "seasonal": partial(SeasonalAnchor, lags=[4]),
    "ridge": partial(RidgeAnchor, penalty=[1.0]),
}


def auto(**candidates) -> AutoAnchor:
    torch.manual_seed(0)
    spec = spec_of(targets=2, context=6, horizon=HORIZON)
    return AutoAnchor(spec=spec, leads=HORIZON, candidates=CANDIDATES | candidates).double()


def test_the_smallest_error_is_taken_and_everything_is_as_of_that_anchor():
    anchor, batch = auto(), batch_of(spec_of(targets=2, context=6, horizon=HORIZON), 50)
    anchor.solve([], [batch])
    alone = RidgeAnchor(spec=spec_of(targets=2, context=6, horizon=HORIZON), leads=HORIZON, penalty=[1.0]).double()
    alone.solve([], [batch])
    errors = dict(zip(CANDIDATES, [0.4, 0.3, 0.2, 0.1], strict=True))
    anchor.choose(lambda: errors[anchor.names[int(anchor.best)]])
    assert anchor.facts == {"chosen": "ridge", "validation_mse": errors, "penalty": 1.0}
    assert anchor.interpolates
    torch.testing.assert_close(anchor(batch.history), alone(batch.history))
    errors["last"] = 0.05
    anchor.choose(lambda: errors[anchor.names[int(anchor.best)]])
    assert (anchor.is_last, anchor.is_zero, anchor.interpolates) == (True, False, False)
    assert (anchor(batch.history) == batch.history[:, -1:]).all()
    errors["none"] = 0.01
    anchor.choose(lambda: errors[anchor.names[int(anchor.best)]])
    assert anchor.is_zero


def test_before_the_choice_what_any_reads_counts():
    """A model that cannot have a candidate is refused before training, not after the choice."""
    assert auto().interpolates
    assert not auto(ridge=None).interpolates
    anchor = auto()
    anchor.choose(lambda: float(anchor.best))
    assert anchor.is_zero
    assert not anchor.interpolates


def test_the_choice_is_part_of_the_state():
    anchor, batch = auto(), batch_of(spec_of(targets=2, context=6, horizon=HORIZON), 50)
    anchor.solve([], [batch])
    anchor.choose(lambda: -float(anchor.best))
    restored = auto()
    restored.load_state_dict(anchor.state_dict())
    assert restored.facts == anchor.facts
    assert restored(batch.history).equal(anchor(batch.history))


def test_what_does_not_fit_the_data_is_left_out():
    anchor = auto(long=partial(SeasonalAnchor, lags=[7]), harmonic=partial(KnownAnchor, course="tide"), last=None)
    assert anchor.names == ["none", "seasonal", "ridge"]
    with pytest.raises(ConfigurationError, match="none of them fits the data"):
        auto(none=None, last=None, ridge=None, seasonal=partial(SeasonalAnchor, lags=[7]))


def test_what_is_trained_with_the_network_is_no_candidate():
    with pytest.raises(ConfigurationError, match=r"candidates\.linear: LinearAnchor is trained with the network"):
        auto(linear=partial(LinearAnchor, window=3))


def test_the_configured_candidates_are_those_of_the_class():
    folders.register()
    configured = build(compose("train", ["model/anchor=auto"])["model"]["anchor"]).keywords["candidates"]
    assert list(configured) == list(CLASS_CANDIDATES)
    for name, candidate in CLASS_CANDIDATES.items():
        plain = candidate if isinstance(candidate, partial) else partial(candidate)
        assert configured[name].func is plain.func
        defaults = {key: option.default for key, option in options_of(plain.func).items()}
        found = {key: value for key, value in configured[name].keywords.items() if value != defaults[key]}
        assert found == plain.keywords
