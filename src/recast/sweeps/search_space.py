"""Converts Hydra's sweep syntax to Optuna's search space."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString, RangeSweep, Transformer
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from recast.errors import ConfigurationError

ROUNDING = 1e-9
Space = dict[str, BaseDistribution]


def split(overrides: Sequence[Override]) -> tuple[dict[str, str], Space]:
    """The overrides common to all jobs, and the search space; a later override of the same key wins.

    Searched are `a,b` and `choice(a,b)`, `range(1,9,2)`, `interval(1e-4,1e-2)`, `tag(log,interval(1e-4,1e-2))` and
    `int(interval(4,64))`.

    Args:
        overrides: As Hydra has parsed them.

    Raises:
        ConfigurationError: if a sweep is of another kind.
    """
    fixed: dict[str, str] = {}
    space: Space = {}
    for override in overrides:
        key = override.get_key_element()
        fixed.pop(key, None)
        space.pop(key, None)
        if override.is_sweep_override():
            space[key] = _distribution(override)
        else:
            fixed[key] = override.get_value_element_as_str()
    return fixed, space


def overrides_of(values: Mapping[str, Any]) -> list[str]:
    """Values of a trial as overrides of a job."""
    return [f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()]


def value_as_override(value: Any) -> str:
    """A value, possibly a mapping or list, as written to the right of = in an override."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{value_as_override(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(value_as_override, value)) + "]"
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)
    )


def corners(space: Space) -> list[dict[str, Any]]:
    """Every value or bound of each option, with the other options at their first: checked in advance."""
    ends = {key: _ends(distribution) for key, distribution in space.items()}
    first = {key: values[0] for key, values in ends.items()}
    others = [first | {key: value} for key, values in ends.items() for value in values[1:]]
    return [first, *others]


def whole_numbers(space: Space, refusal: str) -> str:
    """How to search whole numbers, for a refusal of an interval of real ones; empty for any other refusal.

    Args:
        space: What is searched.
        refusal: Why a job with a bound of it was refused.
    """
    given = [
        f"{key}=int(interval({distribution.low:g},{distribution.high:g}))"
        for key, distribution in space.items()
        if isinstance(distribution, FloatDistribution)
        and f"{key}={distribution.low!r}: input should be a valid integer" in refusal
    ]
    return f"; whole numbers are searched by {' '.join(given)}" if given else ""


def _distribution(override: Override) -> BaseDistribution:
    value = override.value()
    if override.is_choice_sweep():
        choices: list[Any] = list(override.sweep_iterator(transformer=Transformer.encode))
        return CategoricalDistribution(choices)
    if isinstance(value, RangeSweep) and not value.shuffle:
        start, stop, step = value.start, value.stop, value.step
        if start is not None and stop is not None and stop > start and step > 0:
            # Hydra's range excludes its end.
            last = start + (math.ceil((stop - start) / step - ROUNDING) - 1) * step
            if isinstance(last, int):
                return IntDistribution(int(start), last, step=int(step))
            return FloatDistribution(float(start), round(last, 12), step=float(step))
    if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
        log = "log" in value.tags
        if isinstance(value.start, int) and isinstance(value.end, int):
            return IntDistribution(value.start, value.end, log=log)
        return FloatDistribution(float(value.start), float(value.end), log=log)
    raise ConfigurationError(
        f"{override.input_line}: cannot be searched; give choice(a,b), range(1,9), "
        "interval(0.1,1), tag(log,interval(1e-4,1e-2)) or int(interval(4,64))"
    )


def _ends(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution | FloatDistribution):
        return [distribution.low, distribution.high]
    raise TypeError(type(distribution).__name__)
