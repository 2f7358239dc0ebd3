"""The options of a class, read from its signature."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple

from recast.options import option_hints

REQUIRED: Any = inspect.Parameter.empty


class Option(NamedTuple):
    """An option of a class: its annotation (Any where there is none) and its default, or REQUIRED."""

    hint: Any
    default: Any


def options_of(target: type) -> dict[str, Option]:
    """The options of `target` in the order of its signature.

    What is taken as `*args` or `**kwargs` is no option. A class of another library may have annotations that only
    its type checker can read; its options are then known by name alone.
    """
    try:
        parameters = inspect.signature(target).parameters
    except ValueError:  # a class written in C that does not say; it can be given nothing
        return {}
    try:
        hints = option_hints(target)
    except NameError:
        hints = {}
    return {
        name: Option(hints.get(name, Any), _default(target, parameter))
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def class_path(target: type) -> str:
    """Where `target` is defined, as a dotted path."""
    return f"{target.__module__}.{target.__qualname__}"


def _default(target: type, parameter: inspect.Parameter) -> Any:
    factories: dict[str, Callable[[], Any]] = {}
    if is_dataclass(target):
        factories = {
            field.name: field.default_factory for field in fields(target) if field.default_factory is not MISSING
        }
    return factories[parameter.name]() if parameter.name in factories else parameter.default
