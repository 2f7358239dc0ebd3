"""How a command uses the machine: threads, and the implementation of recurrences."""

from typing import Any

import torch

from recast.nn.recurrence.engine import Engine, use
from recast.runs.configure.build import build


def set_up(config: dict[str, Any]) -> None:
    """Sets both for this process.

    Args:
        config: A configuration of any command that has passed the check, in plain containers.

    Raises:
        ConfigurationError: if compiled kernels are to be kept where nothing can be written.
    """
    engine: Engine = build(config["recurrence"])
    torch.set_num_threads(engine.torch_threads)
    use(engine)
