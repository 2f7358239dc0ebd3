"""Writing a graph as an ONNX file, and running it."""

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from recast.runs.export.contract import KEY
from recast.runs.export.graph import ForecastGraph
from recast.runs.export.onnx_operations import OPSET, further_operations
from recast.system.distribution import naming_extras

STANDARD_OUTPUT = 1
"""Its descriptor."""


def onnx_file(graph: ForecastGraph, arrays: Sequence[Tensor], outputs: Sequence[str], description: str) -> bytes:
    """A graph as the content of an ONNX file.

    The graph is traced, by torch's exporter of TorchScript: each of torch's layers becomes one node GRU, LSTM or RNN,
    however long the context; what feeds back is unrolled over the horizon, and cells of other kinds over the context.
    The newer exporter (torch.export) computes every step of a layer with a symbolic batch: of a GRU over 800 steps it
    takes minutes.

    Args:
        graph: The graph, in evaluation mode.
        arrays: Its inputs for at least two windows.
        outputs: Names of its outputs.
        description: What a program must know, for the file's metadata.

    Raises:
        MissingPackageError: if ONNX is not installed.
    """
    with naming_extras():
        import onnx
    buffer = io.BytesIO()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        # A trace says of each shape that it is a constant, and the exporter that there is a newer one.
        warnings.simplefilter("ignore")
        # Of a graph that it cannot write it prints all of its operations.
        stack.enter_context(_without_standard_output())
        stack.enter_context(further_operations(graph.model.spec.context + graph.model.spec.horizon))
        stack.enter_context(torch.no_grad())
        torch.onnx.export(
            graph,
            tuple(arrays),
            cast("Any", buffer),
            dynamo=False,
            opset_version=OPSET,
            input_names=graph.names,
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*graph.names, *outputs)},
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {KEY: description})
    return model.SerializeToString()


@contextmanager
def _without_standard_output() -> Iterator[None]:
    """Drops what is printed meanwhile, by compiled code too, which knows nothing of `sys.stdout`."""
    sys.stdout.flush()
    kept = os.dup(STANDARD_OUTPUT)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), STANDARD_OUTPUT)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, STANDARD_OUTPUT)
        os.close(kept)


def run_onnx(content: bytes, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of an ONNX file's content, on one core of the CPU.

    Raises:
        MissingPackageError: if ONNX Runtime is not installed.
    """
    with naming_extras():
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [np.asarray(found) for found in session.run(None, arrays)]
