"""One measurement of one row, in a process of its own: python -m peers.child JOB.json RESULT.json."""

import importlib
import importlib.metadata
import importlib.util
import json
import resource
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from .rows import ROWS, Row


def main() -> None:
    """Reads the job, writes the result: numbers, or "absent", or the "error"."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    row = ROWS[job["row"]]
    if importlib.util.find_spec(row.needs) is None:
        result: dict[str, Any] = {"absent": row.needs}
    else:
        try:
            result = measure(row, job)
        except Exception as error:  # noqa: BLE001 whatever a library raises is its result
            traceback.print_exc()
            result = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")


def measure(row: Row, job: dict[str, Any]) -> dict[str, Any]:
    """Trains and forecasts.

    Args:
        row: What is measured.
        job: "work", the time at which the process was "started", the "seconds" of training; with "instants" the
            error of the weights at these is measured until it is below the "bar", without them the rate of forecasts.
    """
    import torch

    from .clock import Clock
    from .peer import Peer
    from .work import Work

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    work = Work(**job["work"])
    clock = Clock(job["seconds"], job["instants"])
    peer: Peer = getattr(importlib.import_module(f"{__package__}.{row.module}"), row.peer)(work, clock)
    peer.train()
    if clock.first_step_at is None or clock.network is None:
        raise RuntimeError("no training batch was seen")
    result = {
        "version": importlib.metadata.version(row.distribution),
        "start_up": clock.first_step_at - job["started"],
        "batches": clock.batches,
        "parameters": sum(weights.numel() for weights in clock.network.parameters() if weights.requires_grad),
        "training": clock.rate(),
        "memory_training": memory(),
    }
    if job["instants"]:
        return result | {"quality": quality(peer, job["bar"])}
    return result | {"inference": inference(peer, job["seconds"] / 2), "memory": memory()}


def memory() -> float:
    """Peak of the resident memory of this process, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def inference(peer: Any, enough: float) -> float:
    """Windows forecast a second: median of the calls within `enough` seconds; without the first, if there are more."""
    taken: list[float] = []
    while sum(taken) < enough:
        started = time.perf_counter()
        peer.forecast()
        taken.append(time.perf_counter() - started)
    return len(peer.work.starts) / statistics.median(taken[1:] or taken)


def quality(peer: Any, bar: float) -> dict[str, Any]:
    """The error of the weights at the instants, in turn until it is at or below the bar.

    Returns:
        "curve": pairs of seconds of training and test MSE; "reached": the seconds, or None; "best": the lowest MSE;
        "trained": seconds of the whole training.
    """
    clock = peer.clock
    curve: list[tuple[float, float]] = []
    for elapsed, weights in clock.snapshots:
        clock.network.load_state_dict(weights)
        curve.append((elapsed, peer.work.mse(peer.forecast())))
        if curve[-1][1] <= bar:
            break
    errors = [error for _, error in curve]
    reached = curve[-1][0] if errors[-1] <= bar else None
    return {"curve": curve, "reached": reached, "best": min(errors), "trained": clock.snapshots[-1][0]}


if __name__ == "__main__":
    main()
