"""Checkpoints are data: reading one never runs what a stranger put into it."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

import recast
from recast.errors import CheckpointError, ConfigurationError
from recast.runs.checkpoints.size import no_larger_than
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.options import CheckpointOptions
from recast.runs.tasks.find import plug_of
from recast.runs.tasks.task_plug import RestoredTask
from recast.training.provenance import FORMAT, KEY, REASON

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
    path = Path(path)
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
            f"{path}: checkpoint format {_short(written)}, but recast {recast.__version__} reads format {FORMAT}; it "
            f"was written by recast {_short(version)}" + (f": recast {reader} reads it" if reader else "")
        )
    return content


def restore(path: str | Path) -> RestoredTask[Any, Any, Any]:
    """The trained task of a checkpoint, with the data module it was trained with.

    The configuration that it holds is checked like one from the command line, and may name classes of recast alone, and
    of packages that are trusted.

    Args:
        path: A file written by a recast run.

    Raises:
        CheckpointError: if the file cannot be read safely, or its parts do not fit each other.
    """
    content = read(path)
    description = content[KEY]
    if REASON in description:
        raise CheckpointError(f"{path}: it cannot be restored: {_short(description[REASON])}")
    config = description.get("config")
    try:
        if not isinstance(config, dict):
            raise ConfigurationError("it holds no configuration")
        check(config, CheckpointOptions, allowed=ALLOWED)
        plug = plug_of(config, ALLOWED)
        spec = plug.checked_spec(description.get("spec"))
        # The weights lie in the file as they are, at least in half precision.
        with no_larger_than(2 * Path(path).stat().st_size):
            model = build(config["model"], ALLOWED)(spec=spec)
        metrics = {name: build(node, ALLOWED) for name, node in config["metrics"].items()}
        task = build(config["task"], ALLOWED)(model=model, metrics=metrics)
        data = build(config["data"], ALLOWED)
        task.load_state_dict(content["state_dict"])
    except (ConfigurationError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its parts do not fit each other: {error}") from error
    return RestoredTask(plug, task.eval(), data, spec, str(description.get("fingerprint")), config)


def _refuse_packed(path: Path) -> None:
    """Torch stores its tensors as they are; what unpacks to more than its size was made to fill the memory."""
    with path.open("rb") as file:
        # Torch takes a file that begins otherwise for one of its old format.
        is_zip = file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(file)
    if not is_zip:
        raise CheckpointError(f"{path}: not a checkpoint, or one that was cut short; expected a file written by torch")
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise CheckpointError(f"{path}: refused: it would unpack to {unpacked} bytes; torch does not pack its files")


def _short(found: object) -> str:
    return (found if isinstance(found, str) else repr(found))[:LONGEST]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
