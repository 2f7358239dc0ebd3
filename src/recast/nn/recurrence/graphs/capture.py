"""Captures work once, to be replayed on the same tensors."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

WARM_UPS = 3
"""Warm-up runs before capture, as torch's notes on CUDA graphs require: libraries initialise themselves lazily."""

Work = Callable[[], Sequence[Tensor]]


class Replay(NamedTuple):
    """Recorded work.

    Attributes:
        results: Its results: always the same tensors, overwritten by each replay.
        play: Replays it.
    """

    results: Sequence[Tensor]
    play: Callable[[], None]


Capture = Callable[[Work, torch.device], Replay]
"""Captures work on tensors of a device."""


def cuda_graph(work: Work, device: torch.device) -> Replay:
    """Captures work as a CUDA graph."""
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # thread_local: a thread that pins the memory of the next batch does not invalidate the capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            results = work()
    return Replay(results, graph.replay)
