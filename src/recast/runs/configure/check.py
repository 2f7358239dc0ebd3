"""Checks a configuration against the signatures of the classes it names, before anything is built."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Union, get_args, get_origin

from pydantic import PydanticUserError

from recast.errors import ConfigurationError
from recast.options import value_problem
from recast.runs.configure.folders import choices_of
from recast.runs.configure.signature import REQUIRED, options_of
from recast.runs.configure.targets import ALLOWED, resolve, trusting
from recast.runs.configure.wording import alternatives, is_part, suggestion, type_text, value_text
from recast.runs.configure.words import group_choice

MISSING = "???"
_REFUSED_KEYS = {
    "_args_": "options are given by name",
    "_recursive_": "nested parts are always built",
}


def check(config: Mapping[str, Any], owner: type, *, allowed: Sequence[str] = ALLOWED) -> None:
    """Raises one error that lists all that is wrong with a configuration, a line for each.

    The configuration is a tree of nodes. A node with `_target_` gives the options of the class it names; the root
    gives those of `owner`. The signature of the class says which options there are and what each takes: a plain
    value; a part, when annotated with its class (a node with `_target_`, of that class or a subclass); a part that
    the program completes, when annotated `Callable[..., Class]` (such a node has `_partial_: true`, and need not give
    every required option); or lists and mappings of these.

    Classes are imported, if `allowed`, but none is called.

    Args:
        config: Plain containers, interpolations resolved; "???" is a value that must be given.
        owner: Class whose options the root gives.
        allowed: What `_target_` may name; see `recast.runs.configure.targets.resolve`.

    Raises:
        ConfigurationError: if an option is unknown, missing, of the wrong type or kind, or out of range, or if a
            class may not be named. Each line begins with the option's key as on the command line.
    """
    try:
        problems = list(_Check(allowed).options(config, owner, key="", name=""))
    except RecursionError:  # a checkpoint can hold a mapping that contains itself
        raise ConfigurationError("the configuration is nested too deeply") from None
    if problems:
        raise ConfigurationError("\n".join(problems))


@contextmanager
def accepted(config: Mapping[str, Any], owner: type) -> Iterator[None]:
    """Checks a command's configuration; within it, the packages of its option `trust` are trusted.

    Args:
        config: The configuration of a person who runs recast; one from a stranger has no say in what is trusted.
        owner: Class whose options the root gives.

    Raises:
        ConfigurationError: as `check`; also if a package cannot be found.
    """
    packages = config.get("trust")
    if value_problem(packages, list[str]):
        packages = []  # none, or what `check` refuses
    with trusting(*packages or ()):
        check(config, owner)
        yield


class _Check:
    """The walk through a configuration; every method yields the problems of what it is given."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = allowed

    def options(self, node: Mapping[str, Any], owner: type, *, key: str, name: str) -> Iterator[str]:
        """The options that a node gives to the class `owner`, which messages call `name`."""
        known = options_of(owner)
        prefix = f"{key}." if key else ""
        for option, value in node.items():
            if name and option in ("_target_", "_partial_", "_convert_"):
                continue
            if option in _REFUSED_KEYS:
                yield f"{prefix}{option}: cannot be used; {_REFUSED_KEYS[option]}"
            elif option not in known:
                place = f" of {name}" if name else ""
                yield f"{prefix}{value_text(option)}: no such option{place}{suggestion(option, list(known))}"
            else:
                yield from self.value(value, known[option].hint, key=f"{prefix}{option}")
        if node.get("_partial_") is not True:
            for option, (_, default) in known.items():
                if default is REQUIRED and option not in node:
                    yield f"{prefix}{option}: must be given: add +{prefix}{option}=..."

    def value(self, value: object, hint: Any, *, key: str) -> Iterator[str]:
        """One value for an annotation."""
        if _is_missing(value):
            yield f"{key}: must be given: add {key}=..."
        elif isinstance(value, Mapping) and "_target_" in value:
            yield from self.part(value, hint, key=key)
        elif _is_open(value):
            yield from self.items(value, hint, key=key)
        elif problem := _plain_problem(value, hint):
            if any(map(is_part, alternatives(hint))):
                problem = f"expected {type_text(hint)}, named by _target_"
            yield f"{key}={value_text(value)}: {problem}{_remedy(key, value, hint)}"

    def items(self, value: Any, hint: Any, *, key: str) -> Iterator[str]:
        """A list or mapping in which there are parts or missing values."""
        item_hint = _item_hint(hint, type(value))
        if item_hint is None:
            found = "a list" if isinstance(value, list) else "a mapping"
            yield f"{key}={value_text(value)}: expected {type_text(hint)}, found {found}"
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.value(item, item_hint, key=f"{key}[{index}]")
        else:
            for name, item in value.items():
                yield from self.value(item, item_hint, key=f"{key}.{value_text(name)}")

    def part(self, node: Mapping[str, Any], hint: Any, *, key: str) -> Iterator[str]:
        """A node with `_target_`: its class, the keys that say how it is built, its options."""
        if _is_missing(node["_target_"]):
            yield f"{key}._target_: must be given: add {key}._target_=..."
            return
        try:
            found = resolve(node["_target_"], self.allowed)
        except ConfigurationError as error:
            yield f"{key}._target_: {error}"
            return
        name = value_text(node)
        if not any(_is_of_kind(found, member) for member in alternatives(hint)):
            yield f"{key}._target_={name}: expected {type_text(hint)}"
            return
        if inspect.isabstract(found):
            yield f"{key}._target_={name}: is abstract; name a class that inherits from it"
            return
        partial = node.get("_partial_", False)
        if not isinstance(partial, bool):
            yield f"{key}._partial_={value_text(partial)}: expected true or false"
        elif not any(_is_of_kind(found, member) and partial in _partial(member) for member in alternatives(hint)):
            remedy = (
                "must not be set; nothing completes this part"
                if partial
                else "must be true; the program completes this part"
            )
            yield f"{key}._partial_: {remedy}"
        if node.get("_convert_", "all") != "all":
            yield f"{key}._convert_={value_text(node['_convert_'])}: can only be all; parts get plain containers"
        yield from self.options(node, found, key=key, name=name)


def _remedy(key: str, value: object, hint: Any) -> str:
    """What to type, where that can be told from what was given."""
    members = alternatives(hint)
    named = isinstance(value, str) and any(map(is_part, members))
    choices = choices_of(key.replace(".", "/")) if named else []
    if choices:
        return f"; {group_choice(key, value, choices)}"
    if not any(get_origin(member) in (list, tuple) for member in members):
        return ""
    if isinstance(value, list):
        meant = [str(item) for item in value]
    elif isinstance(value, str | int | float) and not set("[]{},") & set(str(value)):
        meant = [value]
    else:
        return ""
    text = f"{key}={value_text(meant)}"
    # A shell takes quotes away unless they are quoted.
    return "" if _plain_problem(meant, hint) else f'; type "{text}"' if "'" in text else f"; type {text}"


def _is_missing(value: object) -> bool:
    # A checkpoint may hold anything, also arrays, whose comparison is no truth value.
    return isinstance(value, str) and value == MISSING


def _is_open(value: object) -> bool:
    """Whether parts or missing values lie inside a list or mapping."""
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(
        _is_missing(item) or (isinstance(item, Mapping) and "_target_" in item) or _is_open(item) for item in items
    )


def _plain_problem(value: object, hint: Any) -> str | None:
    try:
        problem = value_problem(value, hint)
        if problem is not None and isinstance(value, list) and any(get_origin(m) is tuple for m in alternatives(hint)):
            # Yaml has no tuples; the classes of other libraries that ask for one take a list as well.
            problem = value_problem(tuple(value), hint)
    except PydanticUserError:  # an annotation of another library that cannot be checked
        return None
    return problem


def _item_hint(hint: Any, container: type) -> Any:
    """The annotation of the items of a list or mapping; None where `hint` has no place for one."""
    found = []
    for member in alternatives(hint):
        kind = get_origin(member) or member
        if kind is Any:
            found.append(Any)
        elif inspect.isclass(kind) and issubclass(container, Mapping) and issubclass(kind, Mapping):
            found.append(get_args(member)[1] if get_args(member) else Any)
        elif (
            inspect.isclass(kind)
            and container is list
            and kind is not object
            and (issubclass(list, kind) or kind is tuple)
        ):
            found.append(get_args(member)[0] if get_args(member) else Any)
    return Union[tuple(found)] if found else None  # noqa: UP007 - a union of members known at run time


def _is_of_kind(found: type, member: Any) -> bool:
    """Whether the class fits an annotation (no union), as the part itself or as one to be completed."""
    if member is Any or member is Callable:
        return True
    if get_origin(member) is Callable:
        return any(_is_of_kind(found, result) for result in alternatives(get_args(member)[-1]))
    kind = get_origin(member) or member
    return inspect.isclass(kind) and issubclass(found, kind)


def _partial(member: Any) -> tuple[bool, ...]:
    """Values of `_partial_` that fit an annotation (no union)."""
    if member is Any:
        return (False, True)
    return (member is Callable or get_origin(member) is Callable,)
