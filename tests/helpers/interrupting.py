"""Runs that are interrupted, and what must be the same afterwards."""

import random
import signal
import time
from pathlib import Path

from commands import (
    QUICK,
    Running,
    assert_same_weights,
    load,
    metrics_of,
    start,
    trained,
)

# Three epochs of 35 steps, a state every 4 of them.
LONG = (
    *QUICK,
    "data.source.rows=1600",
    "trainer.max_epochs=3",
    "callbacks.last_checkpoint.every_n_steps=4",
)


def last_checkpoints(cwd: Path) -> list[Path]:
    return sorted(cwd.glob("outputs/*/*/checkpoints/last.ckpt"))


def in_training(running: Running, cwd: Path) -> None:
    """Waits until a state newer than those that lie there has been saved, or the command is done."""
    before = {path: path.stat().st_mtime_ns for path in last_checkpoints(cwd)}
    running.wait_for(lambda: {path: path.stat().st_mtime_ns for path in last_checkpoints(cwd)} != before)


def interrupt_until_done(options: tuple[str, ...], cwd: Path, *, number: int, seed: int, times: int = 3) -> Path:
    """Sends the signal at random moments, `times` times, each time followed by resume=true; the run folder."""
    rng = random.Random(seed)
    stopped = 0
    for attempt in range(times):
        running = start("recast-train", *options, *(["resume=true"] if attempt else []), cwd=cwd)
        # Counted in states, of which LONG saves 26: seconds would be too long on a fast machine.
        for _ in range(rng.randint(1, 6)):
            in_training(running, cwd)
        time.sleep(rng.uniform(0, 0.02))
        running.signal(number)
        done = running.wait()
        if list(cwd.glob("outputs/*/*/metrics.json")):
            break  # it was faster than the signal
        stopped += 1
        if number == signal.SIGKILL:
            assert done.code == -signal.SIGKILL, done
        else:
            assert done.code in (143, -number), done
            assert done.code == -number or done.err.endswith("; the same command with resume=true goes on\n")
        assert load(last_checkpoints(cwd)[-1])["global_step"] > 0
    assert stopped
    if not list(cwd.glob("outputs/*/*/metrics.json")):
        trained(*options, "resume=true", cwd=cwd)
    (folder,) = cwd.glob("outputs/*/*")  # resume=true found its folder
    return folder


def assert_same_run(first: Path, second: Path) -> None:
    assert metrics_of(first) == metrics_of(second)
    for name in ("best.ckpt", "last.ckpt"):
        assert_same_weights(first / "checkpoints" / name, second / "checkpoints" / name)
    assert (first / "per_horizon.csv").read_bytes() == (second / "per_horizon.csv").read_bytes()
