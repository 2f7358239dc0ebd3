"""Options of a checkpoint's data that a person changes, to read a file otherwise than the training did."""

from collections.abc import Mapping, Sequence
from typing import Any

from recast.errors import ConfigurationError
from recast.runs.checkpoints.checkpoint import ALLOWED
from recast.runs.configure.check import check
from recast.runs.configure.wording import suggestion

READING = ("source", "grid")
"""The parts that decide how a table is read."""


def changed(
    data: Mapping[str, Any], given: Mapping[str, Any], parts: Sequence[str] = READING, *, why: str = ""
) -> dict[str, Any]:
    """The data of a checkpoint with the options that a person gives in place of those of the training.

    Args:
        data: The node of a checkpoint's configuration.
        given: Options by part, as in `{"source": {"missing": [-9999]}, "grid": {"_target_": ...}}`. A part with
            `_target_` replaces that of the checkpoint, any other is merged into it; what is None stays as it was.
        parts: The parts that may be changed.
        why: Added to the message about any other.

    Raises:
        ConfigurationError: if another part is to be changed. Options are not checked.
    """
    result = dict(data)
    for part, node in given.items():
        options = node if node is None or not isinstance(node, Mapping) else _given(node)
        if not options:
            continue
        if part not in parts:
            ends = f": {why}" if why else suggestion(part, list(parts))
            raise ConfigurationError(f"data.{part}: the data of the training stay as they are here{ends}")
        if not isinstance(options, Mapping):
            raise ConfigurationError(f"data.{part}={options}: expected options, as in data.{part}.option=value")
        own = result.get(part)
        result[part] = {**own, **options} if isinstance(own, Mapping) and "_target_" not in options else options
    return result


def is_changed(given: Mapping[str, Any]) -> bool:
    """Whether any option is given."""
    return bool(changed({}, given, tuple(given)))


def checked_changes(parts: dict[str, Any], given: Mapping[str, Any], owner: type) -> dict[str, Any]:
    """Parts of a checkpoint's configuration with the options that a person gives in place of its own, checked.

    Args:
        parts: Those of the checkpoint, `source` and `grid` among them.
        given: See `changed`.
        owner: The class whose options the parts are.

    Raises:
        ConfigurationError: if an option is wrong.
    """
    if not is_changed(given):
        return parts
    parts = changed(parts, given)
    try:
        check(parts, owner, allowed=ALLOWED)
    except ConfigurationError as error:
        raise ConfigurationError("\n".join(f"data.{line}" for line in str(error).splitlines())) from error
    return parts


def _given(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if value is not None}
