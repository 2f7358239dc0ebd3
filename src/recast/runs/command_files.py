"""The files that a command reads and writes, checked before any work."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from recast.errors import ConfigurationError
from recast.system.files import require_file, user_path

WRITTEN = ("output", "figure")
"""The options that name files to write."""


def with_files(
    config: Mapping[str, Any], options: Sequence[str], same: Collection[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The configuration with paths as the system has them; nothing that is read, or is written, may be overwritten.

    Args:
        config: A configuration with options "output" and "figure".
        options: Those that name files; None where not given.
        same: Pairs of options that may name one file, the later one first.

    Raises:
        ConfigurationError: if two name the same file, one cannot be written, or the picture has an unknown ending.
    """
    found = dict(config) | {name: str(user_path(config[name])) for name in options if config[name] is not None}
    given: dict[Path, str] = {}
    for option in options:
        if found[option] is None or Path(found[option]).is_char_device():
            continue
        path = Path(found[option]).resolve()
        if path in given and (option, given[path]) not in same:
            raise ConfigurationError(f"{option}={found[option]}: the same file as {given[path]}; give another")
        given[path] = option
    for option in WRITTEN:
        if found[option] is not None:
            require_file(Path(found[option]), option)
    if found["figure"] is not None:
        # Matplotlib is imported for a picture alone.
        from recast.figures.png import format_of

        format_of(Path(found["figure"]))
    return found
