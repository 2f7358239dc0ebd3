"""Types of options: what a configured class may be given, checked when it is built.

A class's keyword-only signature is the truth about its options. `Annotated` bounds in it are enforced by `checked`
for whoever builds the object, and read by the configuration check before anything is built.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from operator import lt
from typing import Annotated, Any, ParamSpec, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.types import AllowInfNan

from recast.errors import ConfigurationError

P = ParamSpec("P")
_GIVEN = "_options_given"

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]
Fraction = Annotated[float, Ge(0), Lt(1)]


def _ascending(levels: list[float]) -> list[float]:
    if not all(map(lt, levels, levels[1:])):
        raise ValueError("they do not ascend")
    return levels


Levels = Annotated[list[Annotated[float, Gt(0), Lt(1)]], MinLen(1), AfterValidator(_ascending)]
"""Levels of quantiles, ascending."""
LEVELS: list[float] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
"""Those that are used unless others are asked for."""
AnyFloat = Annotated[float, AllowInfNan(True)]
"""A number that may also be NaN or infinite; a plain `float` may not."""


def option_hints(target: Callable[..., Any]) -> dict[str, Any]:
    """The annotation of each option of `target` (a class or a function), bounds included.

    Args:
        target: A class, whose `__init__` is read, or a function.
    """
    function = target.__init__ if inspect.isclass(target) else target
    hints = get_type_hints(function, include_extras=True)
    return {name: hints.get(name, Any) for name in inspect.signature(target).parameters if name != "self"}


def value_problem(value: object, hint: Any) -> str | None:
    """What is wrong with `value` for the annotation `hint`; None if nothing is.

    No conversion takes place: "3" is not an integer, True is not a number. An integer is accepted as a float; NaN
    and infinity are not, except for `AnyFloat`.
    """
    try:
        # Unions of the same types in another order are equal, but not in what they say.
        adapter = _kept_adapter(hint, repr(hint))
    except TypeError:  # an annotation that has no hash
        adapter = _adapter(hint)
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        messages = dict.fromkeys(detail["msg"] for detail in error.errors())
        return " or ".join(message[0].lower() + message[1:] for message in messages)
    return None


def _adapter(hint: Any) -> Any:
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False))
    except PydanticUserError:  # a BaseModel or dataclass brings its own configuration
        return TypeAdapter(hint)


@functools.lru_cache(maxsize=1024)
def _kept_adapter(hint: Any, _: str) -> Any:
    """Making one takes a hundred times as long as checking a value: with all options, a tenth of a small run."""
    return _adapter(hint)


def check_values(owner: str, values: Mapping[str, object], hints: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for the first of `values` that does not fit its annotation."""
    for name, value in values.items():
        problem = value_problem(value, hints[name])
        if problem is not None:
            raise ConfigurationError(f"{owner}: {name}={value!r}: {problem}")


def checked(init: Callable[P, None]) -> Callable[P, None]:
    """Decorates `__init__`: arguments are checked against their annotations before the body runs, and remembered.

    Raises:
        ConfigurationError: when called, if a value has the wrong type or lies out of range.
    """

    @functools.cache
    def hints_of_all() -> dict[str, Any]:
        return get_type_hints(init, include_extras=True)

    @functools.wraps(init)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        hints = hints_of_all()
        owner = init.__qualname__.removesuffix(".__init__")
        check_values(owner, {name: value for name, value in kwargs.items() if name in hints}, hints)
        # The base's `__init__` is called by that of a class, whose options are others.
        if type(args[0]).__init__ is wrapper:
            object.__setattr__(args[0], _GIVEN, kwargs)
        init(*args, **kwargs)

    return wrapper


def options_given(part: object) -> dict[str, Any] | None:
    """The options that an object was built with; None if its class does not remember them.

    Args:
        part: An object of a class whose `__init__` is `checked`, or takes nothing.
    """
    given = getattr(part, _GIVEN, None)
    if given is not None:
        return given
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        parameters = inspect.signature(type(part)).parameters
    except ValueError:  # a class written in C that does not say
        return None
    return {} if all(parameter.kind in kinds for parameter in parameters.values()) else None
