"""Options: which values fit which annotation."""

import math
from typing import Annotated

import pytest
from annotated_types import Ge

from recast.errors import ConfigurationError
from recast.nn.heads.point import Point
from recast.options import (
    AnyFloat,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Probability,
    Seed,
    value_problem,
)

INFINITE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("value", INFINITE)
@pytest.mark.parametrize(
    "hint", [float, PositiveFloat, NonNegativeFloat, Probability, Fraction, float | None, float | str, list[float]]
)
def test_nan_and_infinity_are_no_numbers(hint, value):
    assert "finite number" in value_problem([value] if hint == list[float] else value, hint)


@pytest.mark.parametrize("value", [*INFINITE, 1.0, 3])
def test_nan_and_infinity_can_be_allowed(value):
    assert value_problem(value, AnyFloat) is None
    assert value_problem([value], list[AnyFloat] | None) is None


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("3", int),
        (True, int),
        (3.0, int),
        ("0.5", float),
        (False, float),
        (0, PositiveInt),
        (1.0, Fraction),
        (1.1, Probability),
        (-1, Seed),
        (2**32, Seed),
    ],
)
def test_nothing_is_converted_and_bounds_hold(value, hint):
    assert value_problem(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"), [(3, float), (1, Probability), (0, Fraction), (2**32 - 1, Seed), (None, float | None)]
)
def test_values_that_fit_have_no_problem(value, hint):
    assert value_problem(value, hint) is None


def test_a_part_refuses_nan():
    with pytest.raises(ConfigurationError, match=r"Point: delta=nan: input should be a finite number"):
        Point(delta=math.nan)


def test_unions_that_are_equal_keep_the_order_of_what_they_say():
    one, other = Annotated[int, Ge(1)] | str, str | Annotated[int, Ge(1)]
    assert one == other
    assert value_problem(0.5, one) == "input should be a valid integer or input should be a valid string"
    assert value_problem(0.5, other) == "input should be a valid string or input should be a valid integer"


def test_annotations_without_a_hash_are_checked():
    assert value_problem(3, Annotated[int, ["a remark"]]) is None
    assert value_problem("3", Annotated[int, ["a remark"]]) == "input should be a valid integer"
