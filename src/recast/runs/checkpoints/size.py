"""A bound on the memory of a model while it is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.utils.deterministic
from torch.nn.modules.module import register_module_parameter_registration_hook

from recast.errors import ConfigurationError


@contextmanager
def no_larger_than(limit: int) -> Iterator[None]:
    """Stops the building of modules at the first weight beyond `limit`, before the weight is filled.

    A checkpoint of unknown origin may state any size: a billion layers would be built one by one.

    Args:
        limit: Sum over the weights of all modules built inside. [bytes]

    Raises:
        ConfigurationError: where a module's weight exceeds it.
    """
    total = 0

    def count(_module: Any, _name: str, weight: Any) -> None:
        nonlocal total
        total += 0 if weight is None else weight.numel() * weight.element_size()
        if total > limit:
            raise ConfigurationError(f"its sizes describe a model of more than {limit} bytes")

    hook = register_module_parameter_registration_hook(count)
    # Deterministic algorithms fill empty tensors, and so would take the memory before the hook sees the weight.
    deterministic: Any = torch.utils.deterministic
    fills = deterministic.fill_uninitialized_memory
    deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        deterministic.fill_uninitialized_memory = fills
        hook.remove()
