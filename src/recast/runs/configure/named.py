"""What the overrides of the configuration that is being composed name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_overrides: ContextVar[Sequence[str] | None] = ContextVar("overrides", default=None)


@contextmanager
def composing(overrides: Sequence[str]) -> Iterator[None]:
    """Within it, a configuration is composed outside of a Hydra application.

    Args:
        overrides: As on the command line.
    """
    token = _overrides.set(overrides)
    try:
        yield
    finally:
        _overrides.reset(token)


def named_baselines() -> list[str]:
    """The baselines that the overrides give or change one by one, as in `baselines.seasonal.hours=24`, in order."""
    keys = (override.lstrip("+").partition("=")[0] for override in _given())
    return sorted({key.split(".")[1] for key in keys if key.startswith("baselines.")})


def _given() -> Sequence[str]:
    overrides = _overrides.get()
    if overrides is not None:
        return overrides
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
