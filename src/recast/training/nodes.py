"""Recovers the configuration node that builds an object."""

import functools
import inspect
from collections.abc import Collection, Mapping
from typing import Any

from recast.errors import ConfigurationError
from recast.options import options_given

REMEDY = "give a class, or functools.partial of a class with its options by name"


def node_of(part: object, *, key: str, without: Collection[str] = ()) -> dict[str, Any]:
    """The node of a part, in plain containers: `_target_`, and every option with its value or its default.

    Args:
        part: An object of a class whose `__init__` is `recast.options.checked` or takes no options; or a class, or
            functools.partial of one, that the program completes. Changes made to an object since it was built are
            ignored.
        key: Its name in messages.
        without: Options that the program sets when rebuilding it; the node omits them.

    Raises:
        ConfigurationError: if there is no such node.
    """
    if inspect.isclass(part):
        return _node(part, {}, key=key, partial=True, without=without)
    if isinstance(part, functools.partial):
        if part.args or not inspect.isclass(part.func):
            raise ConfigurationError(f"{key}: {part} does not build a class from options by name; {REMEDY}")
        return _node(part.func, part.keywords, key=key, partial=True, without=without)
    if inspect.isroutine(part):
        raise ConfigurationError(f"{key}: {part.__qualname__} is a function, which no file can hold; {REMEDY}")
    given = options_given(part)
    if given is None:
        raise ConfigurationError(
            f"{key}: {type(part).__name__} does not remember its options; its __init__ must be recast.options.checked"
        )
    return _node(type(part), given, key=key, partial=bool(without), without=without)


def _node(
    target: type, given: Mapping[str, Any], *, key: str, partial: bool, without: Collection[str]
) -> dict[str, Any]:
    if target.__module__ == "__main__" or "." in target.__qualname__:
        raise ConfigurationError(
            f"{key}: {target.__qualname__} is defined in {target.__module__}, where no other program finds it; define "
            "it at the top of a module that can be imported"
        )
    node: dict[str, Any] = {"_target_": f"{target.__module__}.{target.__name__}"}
    if partial:
        node["_partial_"] = True
    for name, parameter in inspect.signature(target).parameters.items():
        value = given.get(name, parameter.default)
        if name not in without and value is not parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            node[name] = _value(value, f"{key}.{name}")
    return node


def _value(value: Any, key: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for plain in (int, float, str):
        if isinstance(value, plain):
            return plain(value)  # NumPy's float is one too
    if isinstance(value, Mapping):
        return {str(name): _value(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, f"{key}[{index}]") for index, item in enumerate(value)]
    return node_of(value, key=key)
