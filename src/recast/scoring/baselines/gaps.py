"""Values that were not observed, put on lines between those that were."""

import numpy as np
from jaxtyping import Float


def interpolated(
    values: Float[np.ndarray, "*windows steps targets"], otherwise: Float[np.ndarray, " targets"]
) -> Float[np.ndarray, "*windows steps targets"]:
    """NaN replaced by straight lines over the steps; the first and the last value are held beyond them.

    Args:
        values: One or many runs of steps, each by itself.
        otherwise: What stands for a target of which nothing was observed in a run.
    """
    if not np.isnan(values).any():
        return values
    runs = values.reshape(-1, *values.shape[-2:]).copy()
    steps = np.arange(runs.shape[1])
    for window, target in np.argwhere(np.isnan(runs).any(axis=1)):
        run = runs[window, :, target]
        seen = ~np.isnan(run)
        run[~seen] = np.interp(steps[~seen], steps[seen], run[seen]) if seen.any() else otherwise[target]
    return runs.reshape(values.shape)
