"""Writing a graph as a program of torch.export, and running it."""

import io
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr

import numpy as np
import torch
from torch import Tensor

from recast.runs.export.graph import ForecastGraph

FILE = "recast.json"
"""Name of the description inside of the archive."""


def torch_program(graph: ForecastGraph, arrays: Sequence[Tensor], description: str) -> bytes:
    """A graph as the content of a file that `torch.export.load` reads, with a dynamic batch.

    Every step of a recurrence is an operation of its own with a symbolic batch: long contexts take minutes.

    Args:
        graph: The graph, in evaluation mode.
        arrays: Its inputs for at least two windows.
        description: What a program must know; `extra_files={"recast.json": ""}` of `torch.export.load` receives it.
    """
    batch = torch.export.Dim("batch", min=1)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Torch's own, of its layers and of parts that it deprecates in itself.
        warnings.simplefilter("ignore")
        with redirect_stderr(io.StringIO()):
            program = torch.export.export(
                graph, tuple(arrays), dynamic_shapes={"arrays": tuple({0: batch} for _ in arrays)}, strict=False
            )
        torch.export.save(program, buffer, extra_files={FILE: description})
    return buffer.getvalue()


def run_torch_program(content: bytes, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of a program, read again from the content of its file."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.load(io.BytesIO(content)).module()
        return [found.numpy() for found in program(*map(torch.from_numpy, arrays.values()))]
