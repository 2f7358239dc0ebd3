"""Sums over windows, blocks of them, and the penalty that they choose."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from recast.errors import ConfigurationError
from recast.nn.least_squares import BLOCKS, Moments, left_out_errors, ridge, separate_blocks


def test_moments_give_the_error_of_any_map_less_that_of_none():
    x, y, weight, constant = (torch.randn(*shape).double() for shape in ((20, 4), (20, 3), (4, 3), (3,)))
    moments = Moments.of(x[:8], y[:8]) + Moments.of(x[8:], y[8:])
    assert moments.error(weight, constant) == pytest.approx(
        ((y - constant - x @ weight).square().sum() - y.square().sum()).item()
    )


@pytest.mark.parametrize(("windows", "stride"), [(200, 1), (50, 7), (1000, 3)])
def test_blocks_share_no_row(windows, stride):
    starts, length = np.arange(windows) * stride, 20
    blocks, rest = separate_blocks(starts, length)
    assert len(blocks) == BLOCKS
    assert np.array_equal(np.sort(np.concatenate([*blocks, rest])), starts)
    for one, other in pairwise(blocks):
        assert one[-1] + length <= other[0]


def test_a_short_part_has_no_blocks():
    starts = np.arange(30)
    blocks, rest = separate_blocks(starts, 20)
    assert not blocks
    assert np.array_equal(rest, starts)


def test_a_way_that_fails_on_some_blocks_is_never_the_best():
    torch.manual_seed(0)
    x = torch.randn(40, 3).double()
    y = x @ torch.randn(3, 2).double()
    x[:20, 2] = x[:20, 1]
    parts = [Moments.of(x[:20], y[:20]), Moments.of(x[20:], y[20:])]
    fits = [lambda moments, penalty=penalty: ridge("It", moments, 3, penalty, None) for penalty in (0.0, 1.0)]
    with pytest.raises(ConfigurationError, match="It: penalty=0: the 3 inputs depend on each other"):
        fits[0](parts[0])
    without, penalised = left_out_errors(parts, fits)
    assert without == np.inf
    assert np.isfinite(penalised)
