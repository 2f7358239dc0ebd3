"""The categorical distribution: its loss by torch's, its draws by hand."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from recast.errors import ConfigurationError
from recast.nn.heads.categorical import Sampler, cross_entropy, log_probabilities

CHANCES = [0.5, 0.25, 0.15, 0.1]
LOGITS = torch.tensor([CHANCES]).log()


def drawn_with(**options) -> list[float]:
    return Sampler(**options).probabilities(LOGITS)[0].tolist()


def test_the_loss_is_the_mean_of_minus_log_p():
    truth = torch.tensor([[2, 0]])
    logits = LOGITS.expand(1, 2, 4) + 3.0
    assert cross_entropy(logits, truth).item() == pytest.approx(-(math.log(0.15) + math.log(0.5)) / 2)
    assert log_probabilities(logits, truth).tolist()[0] == pytest.approx([math.log(0.15), math.log(0.5)])
    smooth = 0.9 * -math.log(0.15) + 0.1 * -sum(map(math.log, CHANCES)) / 4
    assert cross_entropy(LOGITS, torch.tensor([2]), 0.1).item() == pytest.approx(smooth)


def test_temperature_sharpens_and_flattens():
    assert drawn_with() == pytest.approx(CHANCES, abs=1e-7)
    squares = [chance**2 for chance in CHANCES]
    assert drawn_with(temperature=0.5) == pytest.approx([square / sum(squares) for square in squares], abs=1e-6)
    assert drawn_with(temperature=0.0) == [1.0, 0.0, 0.0, 0.0]


def test_only_the_likeliest_are_drawn():
    assert drawn_with(top_k=2) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert drawn_with(top_k=9) == pytest.approx(CHANCES, abs=1e-7)
    # The nucleus holds the one that passes p.
    assert drawn_with(top_p=0.6) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert drawn_with(top_p=0.0) == [1.0, 0.0, 0.0, 0.0]
    assert drawn_with(top_k=2, top_p=0.6) == [1.0, 0.0, 0.0, 0.0]


def test_a_level_may_be_left_out():
    assert drawn_with(never=0) == pytest.approx([0, 0.5, 0.3, 0.2])
    assert drawn_with(never=0, temperature=0.0) == [0.0, 1.0, 0.0, 0.0]


@example(logits=[0.0, 1.5e-29], temperature=1.0, top_k=None, top_p=0.0)
@given(
    logits=st.lists(st.floats(-50, 50), min_size=2, max_size=6),
    temperature=st.floats(0, 3),
    top_k=st.none() | st.integers(1, 7),
    top_p=st.floats(0, 1),
)
def test_probabilities_add_up_to_one_and_keep_the_likeliest(logits, temperature, top_k, top_p):
    found = Sampler(temperature=temperature, top_k=top_k, top_p=top_p).probabilities(torch.tensor([logits]))[0]
    assert found.sum().item() == pytest.approx(1)
    assert (found >= 0).all()
    # Logits may differ by less than their probabilities can.
    plain = torch.tensor(logits).double().softmax(-1)
    assert found[plain == plain.max()].max() > 0
    if top_k is not None:
        assert int((found > 0).sum()) <= top_k


def test_draws_follow_the_probabilities_and_their_seed():
    many = LOGITS.expand(20000, 4)
    first, again = (Sampler().draw(many, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, Sampler().draw(many, torch.Generator().manual_seed(2)))
    shares = torch.bincount(first, minlength=4) / len(first)
    # Five standard deviations of a share of 20,000 draws.
    assert (shares - LOGITS[0].exp()).abs().max() < 5 * math.sqrt(0.25 / 20000)


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 1.5}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigurationError, match=f"Sampler: {next(iter(options))}"):
        Sampler(**options)
