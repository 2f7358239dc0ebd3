"""A function in a process of its own: python -m bench.process MODULE:FUNCTION OPTIONS RESULT.json."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Read when torch and NumPy are imported."""


def call(function: str, **options: Any) -> Any:
    """What a function returns that runs in a new process.

    Args:
        function: "module:function".
        options: Its options; like its result, of what JSON knows.

    Raises:
        RuntimeError: if the process fails; its traceback is on the standard error.
    """
    with tempfile.TemporaryDirectory(prefix="recast-benchmark-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", __name__, function, json.dumps(options), str(result)]
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(SCRIPTS)}
        code = subprocess.run(command, env=environment, check=False).returncode
        if code:
            raise RuntimeError(f"{function} ended with {code}")
        return json.loads(result.read_text(encoding="utf-8"))


def main() -> None:
    """Runs it, and writes the result."""
    module, _, name = sys.argv[1].partition(":")
    found = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
