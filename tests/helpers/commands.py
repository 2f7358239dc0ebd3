"""Running the commands as a user does: a process of its own, in a folder of its own, one thread.

Starting Python with torch and Lightning takes seconds. A server that has imported them once forks a process for each
command; `shell` starts one from nothing, for what depends on that.
"""

import atexit
import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch

BIN = Path(sys.executable).parent
COMMANDS = (
    "recast-train",
    "recast-backtest",
    "recast-ensemble",
    "recast-evaluate",
    "recast-export",
    "recast-forecast",
    "recast-generate",
    "recast-gradients",
    "recast-importance",
    "recast-impute",
    "recast-options",
    "recast-status",
)
MODULES = {name: f"recast.cli.{name.removeprefix('recast-')}" for name in COMMANDS}

# A hundred steps of a network of eight hidden units in half a second.
QUICK = (
    "data=ar2",
    "data.source.rows=400",
    "model.cell.hidden_size=8",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=5",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "logger=none",
)
# The default data, baselines and callbacks, on ten days.
TIDE = (
    "data=tide",
    "data.source.days=10",
    "data.source.gaps=false",
    "data.windows.context=150",
    "data.windows.horizon=12",
    "data.split.validation=0.2",
    "data.batch_size=128",
    "model.cell.hidden_size=8",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=1",
    "callbacks.progress_bar=null",
)


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]


class Running:
    """A command in work."""

    def __init__(self, process: BaseProcess, folder: Path) -> None:
        self.process = process
        self.folder = folder

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def wait(self, seconds: float = 280) -> Done:
        """Waits to its end; a process ended by a signal has the negative of its number as code."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            raise AssertionError(f"still running: {self.output()}")
        return Done(self.process.exitcode, self.output(), (self.folder / "err").read_text())

    def output(self) -> str:
        return (self.folder / "out").read_text()

    def wait_for(self, true: Callable[[], Any], seconds: float = 60) -> None:
        """Waits until `true()`, or until the command has ended."""
        limit = time.monotonic() + seconds
        while not true() and self.process.is_alive():
            if time.monotonic() > limit:
                self.process.kill()
                raise AssertionError(f"still waiting: {self.output()}")
            time.sleep(0.004)


@functools.cache
def scratch() -> Path:
    """A folder that is removed when the tests are done."""
    folder = Path(tempfile.mkdtemp(prefix="recast-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _server() -> Any:
    # Read by OpenMP when torch is imported, so before the server starts.
    os.environ["OMP_NUM_THREADS"] = "1"
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["warm_commands"])
    # The fork server of Python 3.11 does not get the path of the program that starts it.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    return server


def _child(
    main: Callable[[], Any], argv: list[str], cwd: str, streams: str, environment: dict[str, str], leads: bool
) -> None:
    if leads:
        os.setsid()
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(Path(streams) / name, os.O_WRONLY), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = argv
    main()


def _main(command: str) -> None:
    importlib.import_module(MODULES[command]).main()


def start(command: str, *arguments: object, cwd: Path, leads: bool = False, **environment: str) -> Running:
    """Starts a command in the folder `cwd`; one that `leads` may start itself again, in a process group of its own."""
    argv = [str(BIN / command) if leads else command, *map(str, arguments)]
    return _begun(functools.partial(_main, command), argv, cwd, environment, leads=leads)


def python(program: str, *arguments: object, cwd: Path) -> Done:
    """Runs a program that imports recast, without the checks of shapes and types, in the folder `cwd` to its end."""
    return _begun(functools.partial(exec, program, {}), ["-c", *map(str, arguments)], cwd, {}).wait()


def _begun(
    main: Callable[[], Any], argv: list[str], cwd: Path, environment: dict[str, str], *, leads: bool = False
) -> Running:
    cwd.mkdir(parents=True, exist_ok=True)
    streams = Path(tempfile.mkdtemp(dir=scratch(), prefix="streams-"))
    for name in ("out", "err"):
        (streams / name).touch()
    process = _server().Process(target=_child, args=(main, argv, str(cwd), str(streams), environment, leads))
    process.start()
    return Running(process, streams)


def run(command: str, *arguments: object, cwd: Path, **environment: str) -> Done:
    """Runs a command in the folder `cwd` to its end."""
    return start(command, *arguments, cwd=cwd, **environment).wait()


def shell(*words: object, cwd: Path, limit: float = 200, **environment: str) -> Done:
    """Runs a command line in a new process from nothing; a first word without a slash is looked up beside Python."""
    first, *rest = map(str, words)
    cwd.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [first if "/" in first else str(BIN / first), *rest],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def trained(*options: object, cwd: Path) -> Path:
    """The run folder of a recast-train that must succeed."""
    done = run("recast-train", *options, cwd=cwd)
    assert done.code == 0, done
    return cwd / done.last_line


@functools.cache
def shared_run(*options: str) -> Path:
    """A finished run of these options; equal options share one. Tests read it and leave it as it is."""
    return trained(*options, cwd=Path(tempfile.mkdtemp(dir=scratch(), prefix="run-")))


def strict_json(path: Path) -> Any:
    """A JSON file's content; NaN and Infinity, which are no JSON, are refused."""

    def refuse(word: str) -> None:
        raise ValueError(f"{path}: {word} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def metrics_of(folder: Path) -> dict[str, Any]:
    """metrics.json of a run without what differs from run to run by nature."""
    return {name: value for name, value in strict_json(folder / "metrics.json").items() if name != "seconds"}


def load(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint, weights_only=True)


def assert_same_weights(first: Path, second: Path) -> None:
    """Bit for bit, generators included."""
    ours, theirs = load(first)["state_dict"], load(second)["state_dict"]
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
