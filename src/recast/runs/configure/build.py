"""Builds the parts that a checked configuration names."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from recast.runs.configure.targets import ALLOWED, resolve

_HOW = ("_target_", "_partial_", "_convert_")


def build(node: Mapping[str, Any], allowed: Sequence[str] = ALLOWED, /, **given: Any) -> Any:
    """The object that a node with `_target_` describes, its nested parts built first.

    Only classes found by `recast.runs.configure.targets.resolve` are ever called. Lists and mappings are plain ones.

    Args:
        node: A node that `recast.runs.configure.check.check` accepts, in plain containers.
        allowed: What `_target_` may name.
        given: Options that the program supplies to this node; they win over those of the node.

    Returns:
        An instance of the class; with `_partial_: true`, the class waiting for the rest of its options.

    Raises:
        ConfigurationError: if a class may not be named, or finds its options wrong.
    """
    target = resolve(node["_target_"], allowed)
    options = {name: _value(value, allowed) for name, value in node.items() if name not in _HOW} | given
    return partial(target, **options) if node.get("_partial_", False) else target(**options)


def build_each(nodes: Mapping[str, Any] | None, allowed: Sequence[str] = ALLOWED) -> dict[str, Any]:
    """The objects that nodes describe, by their names; None where one is none.

    Raises:
        ConfigurationError: as `build`.
    """
    return {name: _value(node, allowed) for name, node in (nodes or {}).items()}


def _value(value: Any, allowed: Sequence[str]) -> Any:
    if isinstance(value, Mapping):
        if "_target_" in value:
            return build(value, allowed)
        return {name: _value(item, allowed) for name, item in value.items()}
    if isinstance(value, list):
        return [_value(item, allowed) for item in value]
    return value
