"""The checks of shapes and types that all tests run under: what they refuse, and where."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import beartype
import pytest
import torch
from jaxtyping import Float, TypeCheckError
from shape_checks import checked, jaxtyped, look
from torch import Tensor

from recast.types import Forecast


def check(given):
    return jaxtyped(typechecker=beartype.beartype)(given)


@check
def product(a: Float[Tensor, "rows inner"], b: Float[Tensor, "inner columns"], *, keep: int = 0) -> Tensor:
    return a @ b


@check
def wrong(a: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    return a[1:]


def test_arguments_are_checked_one_by_one_and_against_each_other():
    a, b = torch.ones(2, 3), torch.ones(3, 4)
    assert product(a, b).equal(a @ b)
    assert product(b=b, a=a, keep=1).equal(a @ b)
    for given, named in (((a[0], b), "parameter 'a'"), ((a.int(), b), "parameter 'a'"), ((a, b[:2]), "parameter 'b'")):
        with pytest.raises(TypeCheckError, match=named):
            product(*given)
    with pytest.raises(TypeCheckError, match=r"parameter 'keep'(.|\n)*'one'"):
        product(a, b, keep="one")


def test_an_axis_has_a_size_in_a_call_and_another_in_the_next():
    for inner in (3, 5):
        assert product(torch.ones(2, inner), torch.ones(inner, 4)).shape == (2, 4)


def test_results_are_checked_against_arguments():
    with pytest.raises(TypeCheckError, match=r"test_shape_checks\.wrong: .*rows columns"):
        wrong(torch.ones(2, 3))


def test_what_passed_once_lets_nothing_else_through():
    @check
    def joined(parts: list[Float[Tensor, " rows"]], by: Literal[0, 1]) -> Float[Tensor, "count rows"]:
        return torch.stack(parts, by)

    one, two = torch.ones(2), torch.ones(3)
    for _ in range(2):
        assert joined([one, one], 0).shape == (2, 2)
        for parts, by, named in (([one, two], 0, "parts"), ([one, None], 0, "parts"), ([one, one], 2, "by")):
            # Of a list one part is checked, drawn at random, as long as it has not passed.
            with pytest.raises((TypeCheckError, RuntimeError, TypeError), match=rf"parameter '{named}'|size|Tensor"):
                joined(parts, by)
        # The result has other axes than the arguments give it.
        with pytest.raises(TypeCheckError, match="joined"):
            joined([one, one, one], 1)


def test_what_holds_too_much_to_be_seen_is_checked_each_time():
    assert look([1] * 40) is None
    assert look({"a": [torch.ones(2)]}) == look({"a": [torch.zeros(2)]}) != look({"a": [torch.ones(3)]})
    assert look(1) != look(True)
    assert look({1, 2}) is None
    assert look((torch.ones(2), None)) != look((None, torch.ones(2)))


def test_a_function_defined_at_each_call_is_checked_at_each():
    def outer(factor):
        @check
        def inner(a: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
            return a * factor if factor < 3 else a[:1]

        return inner

    a = torch.ones(2)
    assert [outer(factor)(a).sum().item() for factor in (1, 2)] == [2, 4]
    with pytest.raises(TypeCheckError, match=r"outer\.<locals>\.inner"):
        outer(3)(a)
    with pytest.raises(TypeCheckError, match="parameter 'a'"):
        outer(1)(a.int())


def test_dataclasses_are_checked_as_they_are_made():
    @check
    @dataclass
    class Pair:
        a: Float[Tensor, " rows"]
        b: Float[Tensor, " rows"]

    assert Pair(torch.ones(2), torch.zeros(2)).b.sum() == 0
    with pytest.raises(TypeCheckError, match="parameter 'b'"):
        Pair(torch.ones(2), torch.ones(3))


def test_what_calls_raise_by_themselves_stays():
    def nothing(a: int) -> Iterator[int]:
        yield from range(a)

    counted = checked(nothing, beartype.beartype)
    assert list(counted(2)) == [0, 1]
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        counted()


def test_recast_is_imported_under_them():
    with pytest.raises(TypeCheckError, match=r"recast\.types\.Forecast"):
        Forecast(torch.ones(2, 3, 1)).interval("wide")  # pyright: ignore[reportArgumentType]
