"""Worker processes: one per job, so that memory is released, with torch imported only once."""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path

#: What a job imports in any case; a server that has done so forks a process for each job.
PRELOAD = ("recast.runs.fit", "recast.runs.pictures", "recast.runs.configure.check")


def start(folder: Path, output: Path, environment: Mapping[str, str]) -> BaseProcess:
    """Starts `python -m recast.cli.job FOLDER` in its own session.

    Args:
        folder: The job's folder.
        output: File that its output is appended to.
        environment: Variables set for it.

    Returns:
        The process; ended by a signal, its exit code is the negative of the signal's number.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(list(PRELOAD))
    # An interrupt at the terminal reaches the fork server too, which handles it only after its imports. It inherits the
    # block, and so do the jobs, until they handle signals; here the interrupt is handled at the end of the block.
    resource_tracker.ensure_running()  # started by the fork server otherwise, it would end the block
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
    process = server.Process(target=_work, args=(str(folder), str(output), dict(environment)))
    process.start()
    return process


def _work(folder: str, output: str, environment: dict[str, str]) -> None:
    # Terminal signals reach the launcher, which forwards them.
    os.setsid()
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(written, number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False, buffering=1) for number in (1, 2))  # noqa: SIM115
    os.environ.update(environment)
    sys.argv = ["recast-job", folder]
    # By name: it belongs to a higher layer, and Lightning starts further processes by the same name.
    runpy.run_module("recast.cli.job", run_name="__main__", alter_sys=True)
