"""Measurements in turn, so that whatever else the machine does meets all that is compared."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from measuring.spread import spread


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls a second, over at least one call and at least so many seconds."""
    calls, started = 0, time.perf_counter()
    while True:
        work()
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return calls / elapsed


def on_torch_threads(work: Callable[[], object]) -> Callable[[int], Callable[[], object]]:
    """A work for which the number of threads is that of torch's."""

    def ready(count: int) -> Callable[[], object]:
        torch.set_num_threads(count)
        return work

    return ready


def rates(
    works: Mapping[str, Callable[[int], Callable[[], object]]], *, threads: Sequence[int], rounds: int, seconds: float
) -> dict[int, dict[str, list[float]]]:
    """Calls a second of each work, for each number of threads, in each round.

    Args:
        works: What is measured, by name; given the number of threads, it is made ready to be called.
        threads: Numbers of threads.
        rounds: How often each is measured; the order is turned round in every second one.
        seconds: That a measurement lasts at least. [s]
    """
    found: dict[int, dict[str, list[float]]] = {count: {name: [] for name in works} for count in threads}
    for number in range(rounds + 1):
        for count in threads:
            for name in list(works)[:: 1 if number % 2 else -1]:
                # The first round warms up, by one call.
                measured = rate(works[name](count), seconds if number else 0.0)
                if number:
                    found[count][name].append(measured)
    torch.set_num_threads(1)
    return found


def compared(found: Mapping[str, Sequence[float]], reference: str, factor: float = 1.0) -> dict[str, Any]:
    """Median and range of what each name has ("value"), and of its "ratio" to the reference in the same round.

    Args:
        found: Rates or sizes by name, one a round.
        reference: The name whose ratio is 1.
        factor: What the values are multiplied by, as windows a call.
    """
    return {
        name: {
            "value": spread([factor * value for value in values]),
            "ratio": spread([value / other for value, other in zip(values, found[reference], strict=True)]),
        }
        for name, values in found.items()
    }
