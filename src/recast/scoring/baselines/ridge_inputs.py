"""The past and known inputs of a window as a regression reads them."""

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError
from recast.scoring.baselines.baseline import History, interpolated
from recast.types import Origins


def has(inputs: np.ndarray | None) -> bool:
    """Whether there are any."""
    return inputs is not None and inputs.shape[-1] > 0


class InputReader:
    """Standardised inputs of windows at some of their steps: past ones up to the origin, known ones beyond it, too.

    Values that were not observed are interpolated linearly within the window.

    Args:
        history: The training part, whose means and deviations standardise; an input that is constant there is 0.
        every: Distance between the steps that are read, forward and backward from the origin. [steps]
        reach: How far back from the origin is read; None: to the beginning of the context. [steps]

    Raises:
        ConfigurationError: if that is further than the context.
    """

    def __init__(self, history: History, *, every: int, reach: int | None) -> None:
        context = history.context
        if reach is not None and reach > context:
            raise ConfigurationError(
                f"Ridge: inputs_reach={reach} steps, but the context has {context}; give fewer, or a longer context"
            )
        past = np.arange(context - 1, context - 1 - (reach or context), -every)[::-1]
        known = np.concatenate([past, np.arange(context - 1 + every, context + history.horizon, every)])
        self._parts = [
            (name, steps, *_location(values))
            for name, steps, values in (("past", past, history.past), ("known", known, history.known))
            if values is not None and has(values)
        ]

    @property
    def size(self) -> int:
        """Numbers of a window."""
        return sum(len(steps) * len(mean) for _, steps, mean, _ in self._parts)

    def __call__(self, origins: Origins) -> Float[np.ndarray, "windows numbers"]:
        """What is read of each window."""
        found = []
        for name, steps, mean, spread in self._parts:
            values = interpolated(getattr(origins, name), mean)[:, steps]
            found.append(((values - mean) / spread).reshape(len(values), -1))
        return np.concatenate(found, axis=1)


def _location(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; infinite for a constant one, whose deviation is rounding."""
    seen = ~np.isnan(values)
    mean = np.where(seen.any(axis=0), np.nanmean(values, axis=0, where=seen), 0.0)
    spread = np.where(seen.any(axis=0), np.nanstd(values, axis=0), 0.0)
    return mean, np.where(spread > 8 * np.finfo(np.float64).eps * np.abs(mean), spread, np.inf)
