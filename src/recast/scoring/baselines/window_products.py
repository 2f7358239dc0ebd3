"""Sums of products of the values of windows, faster than window by window."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

ROWS = 16384  # of a run that are correlated at a time: they stay in the cache
WINDOWS = 1024  # in memory at a time


class WindowProducts(NamedTuple):
    """Sums over windows x of `context` + `horizon` steps, flattened step by step, channels of a step adjacent.

    products: of x_i x_j, i a value of the context, shape (context * channels, (context + horizon) * channels);
    totals: of x_j, shape ((context + horizon) * channels,).
    """

    products: Float[np.ndarray, "inputs all"]
    totals: Float[np.ndarray, " all"]


def window_products(
    values: Float[np.ndarray, "rows channels"], starts: Int[np.ndarray, " windows"], context: int, horizon: int
) -> WindowProducts:
    """The sums over the windows that begin at the rows `starts`.

    With P[i, j] = sum_s v[s + i] v[s + j] over a run of windows s = a ... b that begin at consecutive rows,

        P[i + 1, j + 1] = P[i, j] - v[a + i] v[a + j] + v[b + 1 + i] v[b + 1 + j]

    so that all follow from P[0, j], a correlation: the covariance method of linear prediction (Makhoul 1975, "Linear
    prediction: a tutorial review", Proceedings of the IEEE 63, section II). A run of n windows costs n
    (context + horizon) products instead of n context (context + horizon). Windows in shorter runs are multiplied one by
    one.

    Args:
        values: Rows, centred near zero: otherwise sums of squares lose precision.
        starts: First row of each window, ascending.
        context: Steps of a window before its origin. [steps]
        horizon: Steps after it. [steps]
    """
    channels, length = values.shape[1], context + horizon
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(starts) != 1) + 1, [len(starts)]])
    counts = np.diff(bounds)
    long = counts >= context
    ends = starts[bounds[1:][long] - 1] + length
    runs = [values[first:end] for first, end in zip(starts[bounds[:-1][long]], ends, strict=True)]
    products, totals = _of_runs(runs, context, length, channels)
    single, steps = starts[np.repeat(~long, counts)], np.arange(length)
    for first in range(0, len(single), WINDOWS):
        windows = values[single[first : first + WINDOWS, np.newaxis] + steps].reshape(-1, length * channels)
        products += windows[:, : context * channels].T @ windows
        totals += windows.sum(axis=0)
    return WindowProducts(products, totals)


def _of_runs(runs: list[np.ndarray], context: int, length: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """The sums over all windows that lie in the rows of any of the runs."""
    products = np.zeros((context, channels, length, channels))
    totals = np.zeros((length, channels))
    for rows in runs:
        products[0] += _correlation(rows, length)
        totals[0] += rows[: len(rows) - length + 1].sum(axis=0)
    # The change from one step to the next, for all runs together.
    for first in range(0, len(runs), WINDOWS):
        some = runs[first : first + WINDOWS]
        for sign, ends in ((1, [rows[1 - length :] for rows in some]), (-1, [rows[: length - 1] for rows in some])):
            flat = np.stack(ends).reshape(len(some), -1)
            changes = sign * flat[:, : (context - 1) * channels].T @ flat
            products[1:, :, 1:] += changes.reshape(context - 1, channels, length - 1, channels)
            totals[1:] += sign * np.sum(ends, axis=0)
    for step in range(1, context):
        products[step, :, 1:] += products[step - 1, :, :-1]
        products[step, :, 0] = products[0, :, step].T
    return products.reshape(context * channels, length * channels), totals.cumsum(axis=0).ravel()


def _correlation(rows: np.ndarray, length: int) -> np.ndarray:
    """Sums over all windows of the products of their first step with each step, (channel, step, channel)."""
    columns = np.ascontiguousarray(rows.T)
    windows = len(rows) - length + 1
    result = np.zeros((len(columns), length, len(columns)))
    for first in range(0, windows, ROWS):
        stop = min(first + ROWS, windows)
        for one, column in enumerate(columns):
            for other, seen in enumerate(columns):
                result[one, :, other] += np.correlate(seen[first : stop + length - 1], column[first:stop], mode="valid")
    return result
