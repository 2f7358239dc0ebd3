"""Options in plain words: values, types and suggestions as messages and tables show them."""

import inspect
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen

# Strings that may be typed as they are; any other is quoted, so that '3' is not taken for 3.
_BARE = re.compile(r"(?!(?:null|none|true|false|yes|no|on|off|nan|inf)$)[a-z_/.~][\w./:+%-]*|\?\?\?", re.IGNORECASE)

# Homes of classes that are values, not parts; torch is that of Tensor, which its optimisers take for numbers.
_PLAIN = ("builtins", "collections.abc", "datetime", "pathlib", "torch")

_NAMES: dict[Any, str] = {
    Any: "anything",
    bool: "true or false",
    float: "number",
    int: "integer",
    str: "text",
    type(None): "none",
}


def suggestion(name: object, names: Collection[str]) -> str:
    """The end of a message about an unknown `name`: the nearest of `names`, then all of them."""
    if not names:
        return "; it has none"
    folded: dict[str, str] = {}
    for known in names:
        folded.setdefault(known.casefold(), known)
    near = get_close_matches(str(name).casefold(), folded, n=1)
    everything = ", ".join(names)
    return f"; did you mean {folded[near[0]]}? It has: {everything}" if near else f"; it has: {everything}"


def value_text(value: object) -> str:
    """A value as one would type it on the command line; a part is shown as the path of its class."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else repr(value)
    if isinstance(value, Mapping):
        if "_target_" in value:
            return value_text(value["_target_"])
        return "{" + ", ".join(f"{key}: {value_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return f"{value.__module__}.{value.__qualname__}" if inspect.isclass(value) else repr(value)


def alternatives(hint: Any) -> list[Any]:
    """The members of a union, however nested, without their bounds; `hint` alone where it is no union."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for part in get_args(hint) for member in alternatives(part)]
    return [hint]


def is_part(hint: Any) -> bool:
    """Whether `hint` (no union) stands for a part: an object built from a node with `_target_`."""
    if hint is Callable or get_origin(hint) is Callable:
        return True
    kind = get_origin(hint) or hint
    return inspect.isclass(kind) and kind.__module__ not in _PLAIN


def type_text(hint: Any) -> str:
    """An annotation in words: "integer >= 1", "number in [0, 1]", "one of: a, b", "list of text", "a Cell"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_text(arguments[0]) + _bounds_text(list(_flat(arguments[1:])))
    if origin in (Union, types.UnionType):
        return _union_text(arguments)
    if origin is Literal:
        return "one of: " + ", ".join(map(value_text, arguments))
    if hint is Callable or origin is Callable:
        # The program calls it to complete the part: for the reader it is the part.
        return type_text(arguments[-1]) if arguments else "a class"
    return _class_text(hint, arguments)


def _union_text(members: tuple[Any, ...]) -> str:
    words = [value for member in members if get_origin(member) is Literal for value in get_args(member)]
    choice = [Literal[tuple(words)]] if words else []
    others = [member for member in members if get_origin(member) is not Literal]
    return " or ".join(dict.fromkeys(type_text(member) for member in (*choice, *others)))


def _class_text(hint: Any, arguments: tuple[Any, ...]) -> str:
    kind = get_origin(hint) or hint
    if inspect.isclass(kind) and issubclass(kind, Mapping):
        return f"mapping of name to {type_text(arguments[1])}" if arguments else "mapping"
    if kind in (list, tuple, set, frozenset) or getattr(kind, "__module__", "") == "collections.abc":
        return f"list of {_item_text(arguments)}" if arguments else "list"
    if hint in _NAMES:
        return _NAMES[hint]
    name = getattr(kind, "__name__", str(kind))
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"


def _item_text(arguments: tuple[Any, ...]) -> str:
    return " or ".join(dict.fromkeys(type_text(item) for item in arguments if item is not Ellipsis))


def _flat(metadata: tuple[Any, ...]) -> Iterator[BaseMetadata]:
    for item in metadata:
        if isinstance(item, GroupedMetadata):
            yield from _flat(tuple(item))
        elif isinstance(item, BaseMetadata):
            yield item


def _bounds_text(bounds: list[BaseMetadata]) -> str:
    low = next((bound for bound in bounds if isinstance(bound, Ge | Gt)), None)
    high = next((bound for bound in bounds if isinstance(bound, Le | Lt)), None)
    lowest = None if low is None else low.ge if isinstance(low, Ge) else low.gt
    highest = None if high is None else high.le if isinstance(high, Le) else high.lt
    text = ""
    if low is not None and high is not None:
        text = f" in {'[' if isinstance(low, Ge) else '('}{lowest}, {highest}{']' if isinstance(high, Le) else ')'}"
    elif low is not None:
        text = f" {'>=' if isinstance(low, Ge) else '>'} {lowest}"
    elif high is not None:
        text = f" {'<=' if isinstance(high, Le) else '<'} {highest}"
    for bound in bounds:
        if isinstance(bound, MinLen):
            text += f", at least {bound.min_length}"
        elif isinstance(bound, MaxLen):
            text += f", at most {bound.max_length}"
    return text
