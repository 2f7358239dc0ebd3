"""Checkpoints are data: reading one never runs code contained in it."""

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import recast
from recast.errors import CheckpointError, ConfigurationError
from recast.system.files import user_path
from recast.training.checkpoint_format import FORMAT, KEY, REASON

ALLOWED = ("recast.",)
LONGEST = 500  # characters of what a file says, in a message
READERS = {2: "0.4.x"}
"""The versions of recast that read an older format."""


def read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint file: tensors and plain containers, nothing else.

    Args:
        path: A file written by a recast run.

    Raises:
        CheckpointError: if the file is missing, truncated, holds anything but data, or is not recast's.
    """
    path = user_path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint file")
    try:
        _refuse_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: refused: it holds more than tensors and plain containers, which may run code when read "
            f"({_first_line(error)})"
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle is a damaged program: it fails in any way
        raise CheckpointError(f"{path}: damaged ({_first_line(error)})") from error
    description = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(description, dict) or "state_dict" not in content:
        raise CheckpointError(f"{path}: not written by a recast run: it does not describe its model and data")
    written, version = description.get("format"), description.get("version")
    if written != FORMAT:
        reader = READERS.get(written) if isinstance(written, int) else None
        raise CheckpointError(
            f"{path}: checkpoint format {short(written)}, but recast {recast.__version__} reads format {FORMAT}; it "
            f"was written by recast {short(version)}" + (f": recast {reader} reads it" if reader else "")
        )
    return content


def described(path: str | Path) -> tuple[dict[str, Any], dict[Any, Any]]:
    """The content of a checkpoint file, and the configuration of its parts, which is not checked yet.

    Args:
        path: A file written by a recast run.

    Raises:
        CheckpointError: as `read`; also if it is marked as not restorable.
    """
    content = read(path)
    description = content[KEY]
    if REASON in description:
        raise CheckpointError(f"{path}: it cannot be restored: {short(description[REASON])}")
    config = description.get("config")
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: its parts do not fit each other: it holds no configuration")
    return content, config


@contextmanager
def fitting(path: str | Path) -> Iterator[None]:
    """Context in which parts that cannot be built or do not fit the weights are reported as errors of the checkpoint.

    Raises:
        CheckpointError: for them.
    """
    try:
        yield
    except (ConfigurationError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its parts do not fit each other: {error}") from error


def _refuse_packed(path: Path) -> None:
    """Rejects compressed files.

    Torch stores tensors uncompressed, so that a file that unpacks to more than its size was made to fill the memory.
    """
    with path.open("rb") as file:
        # Torch takes a file that begins otherwise for one of its old format.
        is_zip = file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(file)
    if not is_zip:
        raise CheckpointError(f"{path}: not a checkpoint, or one that was cut short; expected a file written by torch")
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise CheckpointError(f"{path}: refused: it would unpack to {unpacked} bytes; torch does not pack its files")


def short(found: object) -> str:
    """A value from a file, shortened for a message."""
    return (found if isinstance(found, str) else repr(found))[:LONGEST]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
