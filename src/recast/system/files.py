"""Atomic file writes: to a temporary file that is then renamed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Writes atomically: `write` fills a temporary file next to `path`, which is then renamed.

    Args:
        path: The file; missing parent folders are created.
        write: Called with the path to write to, which has the same suffix.
        durable: Whether to wait for the disk, so that it survives a power failure.

    Raises:
        OSError: if writing fails; no temporary file is left.
    """
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


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Writes a text file atomically; see `write_whole`."""
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"), durable=durable)


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Writes a JSON file atomically; NaN is rejected, since JSON has none. See `write_whole`.

    Raises:
        ValueError: if `content` holds NaN or infinity.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n", durable=durable)
