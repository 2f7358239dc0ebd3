"""A bound on the memory of a model while it is built."""

import os
import re
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
            raise _TooLargeError(f"its sizes describe a model of more than {limit} bytes")

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


REFUSED = re.compile(r"allocat|memory|overflow|too (?:large|big)|exceeds", re.IGNORECASE)
"""What torch says of sizes that no memory holds, in errors that have no class of their own."""


@contextmanager
def fits_into_memory(name: str) -> Iterator[None]:
    """Stops the building of modules whose weights and gradients together exceed the machine's memory.

    Args:
        name: The part that is built, for the message.

    Raises:
        ConfigurationError: if they do.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    told = (
        f"{name}: its sizes ask for more memory than the {memory / 2**30:.3g} GiB of this machine hold; give smaller "
        "ones (model.cell.hidden_size, model.layers)"
    )
    try:
        with no_larger_than(memory // 2):
            yield
    except _TooLargeError as error:
        raise ConfigurationError(told) from error
    except (MemoryError, OverflowError) as error:
        raise ConfigurationError(told) from error
    except (RuntimeError, TypeError) as error:
        if not REFUSED.search(str(error)):
            raise
        raise ConfigurationError(told) from error


class _TooLargeError(ConfigurationError):
    """The weights exceed a bound."""
