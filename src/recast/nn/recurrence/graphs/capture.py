"""Work that is recorded once, and then played again and again on the same tensors."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

WARM_UPS = 3
"""Runs before a recording, as torch's notes on CUDA graphs ask for: libraries set themselves up in the first ones."""

Work = Callable[[], Sequence[Tensor]]


class Replay(NamedTuple):
    """Recorded work.

    Attributes:
        results: What it gives: always these tensors, written anew each time.
        play: Runs it.
    """

    results: Sequence[Tensor]
    play: Callable[[], None]


Capture = Callable[[Work, torch.device], Replay]
"""Records work on tensors of a device."""


def cuda_graph(work: Work, device: torch.device) -> Replay:
    """Records work as a CUDA graph, which is launched in one go."""
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # thread_local: a thread that pins the memory of the next batch does not spoil the recording.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            results = work()
    return Replay(results, graph.replay)
