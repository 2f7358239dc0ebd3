"""Allocates the cores and GPUs of one machine to jobs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Share:
    """The resources allocated to a job.

    Args:
        cores: Number of cores. [cores]
        gpus: Numbers of the GPUs, as CUDA counts those that this process may see; none: it needs none.
    """

    cores: int
    gpus: tuple[str, ...] = ()

    def environment(self, threads: int) -> dict[str, str]:
        """Environment variables that limit a job to its share.

        Args:
            threads: Threads of torch in each of its processes. [threads]
        """
        held = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        return held | ({"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {})


@dataclass
class Slots:
    """The free resources of this machine.

    Args:
        cores: Cores free. [cores]
        gpus: Free GPUs; one that may hold several jobs is listed several times.
    """

    cores: int
    gpus: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._all_cores, self._all_gpus = self.cores, len(set(self.gpus))

    def take(self, config: Mapping[str, Any]) -> Share | None:
        """The share of a job; None if too little is free. A job that needs more than the machine has gets everything.

        Args:
            config: The job's configuration.
        """
        cores = min(processes(config) * config["threads"], self._all_cores)
        wanted = min(processes(config), self._all_gpus) if self._wants_gpu(config) else 0
        gpus = tuple(dict.fromkeys(self.gpus))[:wanted]
        if cores > self.cores or len(gpus) < wanted:
            return None
        self.cores -= cores
        for gpu in gpus:
            self.gpus.remove(gpu)
        return Share(cores, gpus)

    def give_back(self, share: Share) -> None:
        """Returns the share of a finished job."""
        self.cores += share.cores
        # At the end: the GPU free for longest, with the fewest jobs, is taken next.
        self.gpus.extend(share.gpus)

    def _wants_gpu(self, config: Mapping[str, Any]) -> bool:
        return bool(self._all_gpus) and config["trainer"].get("accelerator", "auto") in ("gpu", "cuda", "auto")


def processes(config: Mapping[str, Any]) -> int:
    """How many processes train together in a job: `trainer.devices`."""
    devices = config["trainer"].get("devices", 1)
    return len(devices) if isinstance(devices, list) else devices if isinstance(devices, int) and devices > 0 else 1


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else []
    return names or [str(number) for number in range(torch.cuda.device_count())]
