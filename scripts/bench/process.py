"""A function in a process of its own: python -m bench.process MODULE:FUNCTION OPTIONS RESULT.json."""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Read when torch and NumPy are imported."""


def call(function: str, **options: Any) -> Any:
    """What a function returns that runs in a new process, on one thread.

    Args:
        function: "module:function".
        options: Its options; like its result, of what JSON knows.

    Raises:
        RuntimeError: if the process fails; its traceback is on the standard error.
    """
    return call_within(None, ONE_THREAD, function, **options)


def call_within(seconds: float | None, variables: Mapping[str, str], function: str, **options: Any) -> Any:
    """The same within a time, after which the process is killed with all that it has started.

    Args:
        seconds: Its time; None: as long as it takes. [s]
        variables: Of its environment, beside those of this process.
        function: See `call`.
        options: See `call`.

    Raises:
        RuntimeError: see `call`.
        TimeoutError: if it takes longer.
    """
    with tempfile.TemporaryDirectory(prefix="recast-benchmark-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", __name__, function, json.dumps(options), str(result)]
        environment = {**os.environ, **variables, "PYTHONPATH": str(SCRIPTS)}
        with subprocess.Popen(command, env=environment, start_new_session=seconds is not None) as process:
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise TimeoutError(f"{function} took longer than {seconds:g} s") from None
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
