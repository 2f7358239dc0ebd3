"""Executes notebooks and keeps their outputs: `python scripts/notebooks.py [notebooks/name.ipynb ...]`, all by default.

Each runs in an empty folder of its own, so that it depends on nothing but recast, and is written back whole, or not at
all where a cell fails. What a notebook says of itself (`metadata.recast`) holds the SHA-256 of the code that its
outputs come from: a test tells by it whether somebody has changed a cell since.
"""

import argparse
import asyncio
import base64
import hashlib
import io
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from recast.system.files import write_text

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
SECONDS = 1800
"""The longest that a cell may take. [s]"""
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
"""What is said of the kernel: nothing of the machine."""


def main() -> None:
    """Executes the notebooks that are named; the exit code is 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    failed = False
    for path in parser.parse_args().notebooks:
        begun = time.monotonic()
        try:
            executed = execute(read(path))
        except CellExecutionError as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
            continue
        write_text(path, nbformat.writes(executed) + "\n")
        print(f"{path}: {time.monotonic() - begun:.0f} s, {path.stat().st_size / 1000:.0f} kB")
    sys.exit(failed)


def read(path: Path) -> NotebookNode:
    """A notebook of a file."""
    return nbformat.read(path, as_version=4)


def code_hash(notebook: NotebookNode) -> str:
    """SHA-256 of its code: the text between the cells may change without its being executed again."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def execute(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the outputs of now, executed in an empty folder by this Python.

    Raises:
        CellExecutionError: if a cell raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        # By a socket of files: what is said over TCP could be read by others on the machine.
        connection = {"transport": "ipc", "ip": str(Path(folder) / "kernel")}
        (empty := Path(folder) / "run").mkdir()
        manager = AsyncKernelManager(kernel_name="python3", **connection)
        client = NotebookClient(
            notebook, km=manager, timeout=SECONDS, resources={"metadata": {"path": str(empty)}}, record_timing=False
        )
        asyncio.run(client.async_execute(env=_environment(), cleanup_kc=True))
    notebook.metadata = NotebookNode({**METADATA, "recast": {"code": code_hash(notebook)}})
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
            for output in cell.outputs:
                if "image/png" in output.get("data", ()):
                    output.data["image/png"] = smaller(output.data["image/png"])
    nbformat.validate(notebook)
    return notebook


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs of a cell, its pieces of text of one stream as one: how they come in is chance."""
    found: list[NotebookNode] = []
    for output in outputs:
        if found and output.output_type == "stream" == found[-1].output_type and output.name == found[-1].name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def smaller(picture: str) -> str:
    """A PNG in base64, with at most 256 colours: a third of the size, and to the eye the same."""
    reduced = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as full:
        full.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(reduced, format="png", optimize=True)
    return base64.b64encode(reduced.getvalue()).decode()


def _environment() -> dict[str, Any]:
    """That of this process, with the commands of this Python in front of others."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
