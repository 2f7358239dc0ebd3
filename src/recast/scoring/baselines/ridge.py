"""Ridge regression from the context to the horizon."""

import warnings
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import LinAlgError, LinAlgWarning, solve

from recast.errors import ConfigurationError, DataError
from recast.options import NonNegativeFloat, PositiveInt, checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.baselines.ridge_inputs import InputReader, has
from recast.types import Origins

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


class Moments(NamedTuple):
    """Sums over windows of products of inputs (gram), of inputs with outputs (cross), of inputs, and of outputs."""

    gram: Float[np.ndarray, "inputs inputs"]
    cross: Float[np.ndarray, "inputs outputs"]
    inputs: Float[np.ndarray, " inputs"]
    outputs: Float[np.ndarray, " outputs"]


def _of_changes(sums: WindowProducts, context: int, channels: int, *, levels: bool) -> Moments:
    """The sums where outputs, and inputs unless they are `levels`, are less the last value of their channel."""
    last = context - 1
    products = sums.products.reshape(context, channels, -1, channels)
    totals = sums.totals.reshape(-1, channels)
    changes = products - products[:, :, last : last + 1]
    steps = context
    if not levels:
        # The last step less itself is no input.
        steps = last
        products = changes = (changes - changes[last])[:last]
        totals = totals - totals[last]
    size = steps * channels
    return Moments(
        gram=products[:, :, :steps].reshape(size, size),
        cross=changes[:, :, context:].reshape(size, totals[context:].size),
        inputs=totals[:steps].ravel(),
        outputs=(totals[context:] - totals[last]).ravel(),
    )


@final
class Ridge(Baseline):
    """A linear map from the context to the changes from its last value, fitted by penalised least squares.

    Where the data have them, past inputs over the context and known ones over context and horizon are read too: what a
    model is given.

    Each target is first standardised by its own mean and standard deviation on the training rows, so that the forecast
    does not depend on units, and no target counts for more than another. With x the context of a window, y its horizon
    less the last value of the context, both minus their mean over the N training windows (so that the constant is not
    penalised),

        W = (X'X + penalty I)^-1 X'Y,    f = last + mean(y) + (x - mean(x)) W

    A target that is constant on the training rows is held at its last value.

    Hoerl & Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12; changes
    from the last value as in NLinear (Zeng et al. 2022, arXiv 2205.13504): a penalty shrinks the forecast to the last
    value. One map is shared by all targets, whose windows are pooled; a joint one reads all targets for each, and
    overfits where they are many. X'X and X'Y are summed over runs of windows (see `window_products`): memory grows with
    context^2, for a joint map with (context * targets)^2, not with the number of windows.

    Args:
        penalty: Added to the diagonal of X'X, a sum (not a mean) over the windows of standardised targets, without
            unit. The default was chosen on validation rows (ETTh1, the gauge of Santos, prices of electricity and of a
            stock, hourly series of M4, the simulators): on long series 0.1 to 10 are alike, on short ones a smaller one
            overfits and a larger one loses what is strictly periodic.
        shared: Whether one map from a target's context to its own horizon serves all targets. Otherwise one maps the
            context of all to the horizon of all.
        levels: Whether the inputs are the values of the context. Otherwise they are their differences from the last
            one, so that the forecast moves with the level: better for random walks, worse for what returns to a mean.
        inputs: Whether past and known inputs are read, where the data have some; each is standardised on the training
            rows, categories are one-hot.
        inputs_every: Steps between those at which they are read, forward and backward from the origin. [steps]
        inputs_reach: How far back from the origin they are read; None: over the whole context. [steps]
        inputs_penalty: In place of `penalty` for them; None: the same.

    Raises:
        ConfigurationError: at fit, if the inputs are collinear and the penalty is too small to regularise them.
        DataError: at fit, if there is no training window.
    """

    @checked
    def __init__(
        self,
        *,
        penalty: NonNegativeFloat = 1.0,
        shared: bool = True,
        levels: bool = True,
        inputs: bool = True,
        inputs_every: PositiveInt = 1,
        inputs_reach: PositiveInt | None = None,
        inputs_penalty: NonNegativeFloat | None = None,
    ) -> None:
        self.penalty = penalty
        self.shared = shared
        self.levels = levels
        self.inputs = inputs
        self.inputs_every = inputs_every
        self.inputs_reach = inputs_reach
        self.inputs_penalty = penalty if inputs_penalty is None else inputs_penalty

    def _fit(self, history: History) -> None:
        if len(history.starts) == 0:
            raise DataError(
                f"Ridge: no training window of {history.context} + {history.horizon} steps to fit on; "
                "use a longer training part or shorter windows"
            )
        # Sums of squares far from zero lose precision if the mean is removed afterwards; so most of it is removed
        # first.
        self._shift, self._spread = history.values.mean(axis=0), _spread(history.values)
        values, starts = self._standardised(history.values), history.starts
        rows, targets = values.shape
        self._channels = 1 if self.shared else targets
        self._read = self._input_reader(history)
        if self._read is not None:
            found, windows = self._with_inputs(history), len(starts) * (targets // self._channels)
        else:
            if self.shared:
                # The targets one after another, as if they were one.
                values = values.T.reshape(-1, 1)
                starts = (np.arange(0, len(values), rows)[:, np.newaxis] + starts).ravel()
            sums, windows = window_products(values, starts, history.context, history.horizon), len(starts)
            found = _of_changes(sums, history.context, self._channels, levels=self.levels)
        gram = found.gram - np.outer(found.inputs, found.inputs / windows)
        own = (history.context if self.levels else history.context - 1) * self._channels
        gram[np.diag_indices(len(gram))] += np.where(np.arange(len(gram)) < own, self.penalty, self.inputs_penalty)
        self._weight = self._solve(gram, found.cross - np.outer(found.inputs, found.outputs / windows))
        self._constant = (found.outputs - found.inputs @ self._weight) / windows

    def _input_reader(self, history: History) -> InputReader | None:
        """What reads past and known inputs; None where there are none, or they are not to be read."""
        if not self.inputs or not (has(history.past) or has(history.known)):
            return None
        return InputReader(history, every=self.inputs_every, reach=self.inputs_reach)

    def _with_inputs(self, history: History) -> Moments:
        """The sums over all windows, of which each is made: inputs are of too many kinds for a recursion."""
        total: Moments | None = None
        for origins, truth in history.windows(WINDOWS):
            design = self._design(origins)
            inputs = design.reshape(-1, design.shape[-1])
            changes = self._by_map(self._standardised(truth) - self._standardised(origins.context[:, -1:]))
            outputs = changes.reshape(len(inputs), -1)
            found = Moments(inputs.T @ inputs, inputs.T @ outputs, inputs.sum(axis=0), outputs.sum(axis=0))
            total = found if total is None else Moments(*map(np.add, total, found))
        if total is None:
            raise DataError("Ridge: no training window to fit on")
        return total

    def _by_map(self, values: Float[np.ndarray, "windows steps targets"]) -> Float[np.ndarray, "windows maps numbers"]:
        """What a map reads or gives: a shared one takes each target for a window of its own."""
        windows, steps, targets = values.shape
        alone = targets // self._channels
        apart = values.reshape(windows, steps, alone, self._channels).transpose(0, 2, 1, 3)
        return apart.reshape(windows, alone, steps * self._channels)

    def _design(self, origins: Origins) -> Float[np.ndarray, "windows maps inputs"]:
        """What each map reads."""
        context = self._standardised(origins.context)
        own = self._by_map(context if self.levels else context[:, :-1] - context[:, -1:])
        if self._read is None:
            return own
        beside = np.broadcast_to(self._read(origins)[:, np.newaxis], (*own.shape[:2], self._read.size))
        return np.concatenate([own, beside], axis=-1)

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        windows, _, targets = origins.context.shape
        changes = self._design(origins) @ self._weight + self._constant
        changes = changes.reshape(windows, targets // self._channels, -1, self._channels).transpose(0, 2, 1, 3)
        return origins.context[:, -1:] + changes.reshape(windows, -1, targets) * self._spread

    def _standardised(self, values: Float[np.ndarray, "*any targets"]) -> Float[np.ndarray, "*any targets"]:
        return (values - self._shift) / np.where(self._spread > 0, self._spread, np.inf)

    def _solve(self, gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
        if not len(gram):
            return cross  # a context of one value has no differences
        with warnings.catch_warnings():
            warnings.simplefilter("error", LinAlgWarning)
            try:
                return solve(gram, cross, assume_a="pos")
            except (LinAlgError, LinAlgWarning) as error:
                raise ConfigurationError(
                    f"Ridge: penalty={self.penalty}: the {len(gram)} inputs depend on each other on the training "
                    "windows (too few windows, or a constant series), so that the map is not unique; "
                    "use a larger penalty"
                ) from error


def _spread(values: Float[np.ndarray, "rows targets"]) -> Float[np.ndarray, " targets"]:
    """The standard deviation of each target; 0 for a constant one, whose deviation is rounding."""
    spread = values.std(axis=0)
    return np.where(spread > 8 * np.finfo(np.float64).eps * np.abs(values[0]), spread, 0.0)
