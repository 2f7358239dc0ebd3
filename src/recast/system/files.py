"""Atomic file writes: to a temporary file that is then renamed; and paths as people write them."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recast.errors import ConfigurationError

DESCRIPTOR = re.compile(r"/(?:proc/self|dev)/fd/(\d+)")


def user_path(text: str | Path) -> Path:
    """A path in which `~` at the beginning is the home folder, for a shell expands it in few places."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user
        return path


def require_file(path: Path, option: str) -> None:
    """Raises ConfigurationError if no file can be written at a path, as far as that can be told before.

    Args:
        path: Where.
        option: What names it, for the message.
    """
    if path.is_dir():
        raise ConfigurationError(f"{option}={path}: a folder; expected the name of a file, such as {path / 'out.csv'}")
    _require_folder(path.parent, option, path)


def require_folder(path: Path, option: str) -> None:
    """Raises ConfigurationError if a path, which an option names, cannot be a folder."""
    _require_folder(path, option, path)


def _require_folder(folder: Path, option: str, path: Path) -> None:
    for place in (folder, *folder.parents):
        if place.exists():
            if not place.is_dir():
                raise ConfigurationError(f"{option}={path}: {place} is a file; expected a folder there")
            return


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Writes atomically: `write` fills a temporary file next to `path`, which is then renamed.

    A symbolic link stays, and its target is replaced. What is no regular file, such as a pipe, a device or an open file
    of this process (/dev/stdout), is written to as it is.

    Args:
        path: The file; missing parent folders are created.
        write: Called with the path to write to, which has the same suffix.
        durable: Whether to wait for the disk, so that it survives a power failure.

    Raises:
        OSError: if writing fails; no temporary file is left.
    """
    if _is_stream(path):
        _write_stream(path, write)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(aside)
        if durable:
            with aside.open("rb") as file:
                os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        # The error of a full disk does not name the file.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_dir() and (not path.is_file() or _descriptor(path) is not None)


def _write_stream(path: Path, write: Callable[[Path], object]) -> None:
    """Writes to an open file of this process where the path is one, so that what was written there before stays."""
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / f"whole{path.suffix}"
        write(aside)
        content = aside.read_bytes()
    number = _descriptor(path)
    sys.stdout.flush()
    with path.open("wb") if number is None else os.fdopen(os.dup(number), "wb") as file:
        file.write(content)


def _descriptor(path: Path) -> int | None:
    """The number of this process's open file that a path such as /dev/stdout stands for; None for others."""
    for _ in range(10):
        found = DESCRIPTOR.fullmatch(str(path.absolute()))
        if found:
            return int(found[1])
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Writes a text file atomically; see `write_whole`."""
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"), durable=durable)


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Writes a JSON file atomically; NaN is rejected, since JSON has none. See `write_whole`.

    Raises:
        ValueError: if `content` holds NaN or infinity.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n", durable=durable)
