"""Ridge regression from the context to the horizon."""

from dataclasses import replace
from functools import partial, reduce
from itertools import product
from operator import add
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recast.errors import DataError
from recast.nn.least_squares import PENALTIES, Map, Moments, Penalties, left_out_errors, middle, ridge, separate_blocks
from recast.options import NonNegativeFloat, PositiveInt, checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.baselines.ridge_inputs import InputReader, has
from recast.scoring.baselines.window_products import WINDOWS, window_products
from recast.types import Origins

SMALLEST = 1e-3  # of the mean absolute value: as data/scaler=window has it


def _of_windows(
    values: Float[np.ndarray, "rows channels"], starts: Int[np.ndarray, " windows"], context: int, horizon: int
) -> Moments:
    """Inputs are the values of the context, outputs those of the horizon less the last one of their channel."""
    own = context * values.shape[1]
    last = slice(own - values.shape[1], own)
    found = window_products(values, starts, context, horizon)
    ahead = found.products[:, own:].reshape(own, horizon, -1) - found.products[:, np.newaxis, last]
    outputs = found.totals[own:].reshape(horizon, -1) - found.totals[last]
    sums = found.totals[:own], outputs.ravel(), found.products[:, :own], ahead.reshape(own, -1)
    return Moments(len(starts), *map(torch.from_numpy, sums))


def _of_changes(moments: Moments, own: int, channels: int) -> Moments:
    """The same where the first `own` inputs are less the last one of their channel, which is none then."""

    def less(values: Tensor) -> Tensor:
        steps = values[:own].unflatten(0, (-1, channels))
        return torch.cat([(steps[:-1] - steps[-1:]).flatten(0, 1), values[own:]])

    return replace(moments, inputs=less(moments.inputs), gram=less(less(moments.gram).T).T, cross=less(moments.cross))


class _Candidate(NamedTuple):
    """Values of the options that are chosen."""

    levels: bool
    penalty: float
    inputs_penalty: float | None


@final
class Ridge(Baseline):
    """A linear map from the context to the changes from its last value, fitted by penalised least squares.

    Where the data have them, past inputs over the context and known ones over context and horizon are read too: what a
    model is given.

    Each target is first standardised by its own mean and standard deviation on the training rows, so that the forecast
    does not depend on units, and no target counts for more than another. With x the context of a window, z its other
    inputs, y its horizon less the last value of the context, all minus their mean over the training windows (so that
    the constant is not penalised), s^2 the mean variance of x and D the standard deviations of z,

        [W; V] minimises |y - x W - z V|^2 + penalty s^2 |W|^2 + inputs_penalty |D V|^2, summed over the windows,
        f = last + mean(y) + (x - mean(x)) W + (z - mean(z)) V

    A target that is constant on the training rows is held at its last value.

    Hoerl & Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12; changes
    from the last value as in NLinear (Zeng et al. 2022, arXiv 2205.13504): a penalty shrinks the forecast to the last
    value. One map is shared by all targets, whose windows are pooled; a joint one reads all targets for each, and
    overfits where they are many. Sums of products are taken over runs of windows (see `window_products`): memory grows
    with context^2, for a joint map with (context * targets)^2, not with the number of windows.

    Of several candidates for an option the ones are taken together that have the smallest squared error when each of
    five blocks of the training windows, which share no rows, is forecast by a map fitted on the others; the map is then
    fitted on all. Where the training part is too short for that, it is the middle penalty, on values.

    Args:
        penalty: In place of the sum over windows of the squares of a standardised input, without unit; or candidates.
        shared: Whether one map from a target's context to its own horizon serves all targets. Otherwise one maps the
            context of all to the horizon of all.
        levels: Whether x are the values of the context. Otherwise they are their differences from the last one, so that
            the forecast moves with the level: better for random walks, worse for what returns to a mean. None: both are
            candidates.
        by_window: Whether a target is standardised by mean and standard deviation of each context instead (the latter a
            thousandth of the mean absolute value at least), for series that differ in size. A context that does not
            vary is held.
        inputs: Whether past and known inputs are read, where the data have some; each is standardised on the training
            rows, categories are one-hot.
        inputs_every: Steps between those at which they are read, forward and backward from the origin. [steps]
        inputs_reach: How far back from the origin they are read; None: over the whole context. [steps]
        inputs_penalty: In place of `penalty` for them, or candidates; None: the same.

    Raises:
        ConfigurationError: at fit, if the inputs are collinear and the penalty is too small to regularise them.
        DataError: at fit, if there is no training window.
    """

    @checked
    def __init__(
        self,
        *,
        penalty: NonNegativeFloat | Penalties = PENALTIES,
        shared: bool = True,
        levels: bool | None = None,
        by_window: bool = False,
        inputs: bool = True,
        inputs_every: PositiveInt = 1,
        inputs_reach: PositiveInt | None = None,
        inputs_penalty: NonNegativeFloat | Penalties | None = None,
    ) -> None:
        self.penalty = penalty
        self.shared = shared
        self.levels = levels
        self.by_window = by_window
        self.inputs = inputs
        self.inputs_every = inputs_every
        self.inputs_reach = inputs_reach
        self.inputs_penalty = inputs_penalty

    def _fit(self, history: History) -> None:
        if len(history.starts) == 0:
            raise DataError(
                f"Ridge: no training window of {history.context} + {history.horizon} steps to fit on; "
                "use a longer training part or shorter windows"
            )
        # Sums of squares far from zero lose precision if the mean is removed afterwards; so most of it is removed
        # first.
        self._shift, self._spread = history.values.mean(axis=0), _spread(history.values)[0]
        self._channels = 1 if self.shared else history.values.shape[1]
        self._read = self._input_reader(history)
        self._own = history.context * self._channels
        candidates = self._candidates
        blocks, rest = separate_blocks(history.starts, history.context + history.horizon)
        if len(candidates) == 1 or not blocks:
            best, whole = self._default, self._moments(history)
        else:
            parts = [self._moments(replace(history, starts=block)) for block in blocks]
            errors = left_out_errors(parts, [partial(self._solution, candidate=each) for each in candidates])
            best = candidates[errors.index(min(errors))]
            if len(rest):
                parts.append(self._moments(replace(history, starts=rest)))
            whole = reduce(add, parts)
        weight, constant = self._solution(whole, best)
        self._weight, self._constant = weight.numpy(), constant.numpy()
        self._best = best

    @property
    def facts(self) -> dict[str, Any]:
        """What was chosen."""
        found = {"levels": self._best.levels, "penalty": self._best.penalty}
        if self._read is None:
            return found
        beside = self._best.inputs_penalty
        return found | {"inputs_penalty": self._best.penalty if beside is None else beside}

    @property
    def _candidates(self) -> list[_Candidate]:
        levels = [True, False] if self.levels is None else [self.levels]
        beside = [None] if self.inputs_penalty is None else _listed(self.inputs_penalty)
        return [_Candidate(*each) for each in product(levels, _listed(self.penalty), beside)]

    @property
    def _default(self) -> _Candidate:
        """The one that is taken where there are no blocks."""
        beside = None if self.inputs_penalty is None else middle(_listed(self.inputs_penalty))
        return _Candidate(self.levels is not False, middle(_listed(self.penalty)), beside)

    def _solution(self, moments: Moments, candidate: _Candidate) -> Map:
        """The map from values."""
        solve = partial(ridge, "Ridge", penalty=candidate.penalty, inputs_penalty=candidate.inputs_penalty)
        if candidate.levels:
            return solve(moments, own=self._own)
        changes = self._own - self._channels
        weight, constant = solve(_of_changes(moments, self._own, self._channels), own=changes)
        own = weight[:changes].unflatten(0, (-1, self._channels))
        last = -own.sum(dim=0)
        return torch.cat([weight[:changes], last, weight[changes:]]), constant

    def _input_reader(self, history: History) -> InputReader | None:
        """What reads past and known inputs; None where there are none, or they are not to be read."""
        if not self.inputs or not (has(history.past) or has(history.known)):
            return None
        return InputReader(history, every=self.inputs_every, reach=self.inputs_reach)

    def _moments(self, history: History) -> Moments:
        """The sums over the windows of a training part, where inputs are values."""
        if self._read is None and not self.by_window:
            values, starts = _scaled(history.values, self._shift, self._spread), history.starts
            if self.shared:
                # The targets one after another, as if they were one.
                starts = (np.arange(0, values.size, len(values))[:, np.newaxis] + starts).ravel()
                values = values.T.reshape(-1, 1)
            return _of_windows(values, starts, history.context, history.horizon)
        # Windows of sizes of their own, or with inputs of many kinds, are no shifts of each other: each is made.
        return reduce(add, (self._of_batch(origins, truth) for origins, truth in history.windows(WINDOWS)))

    def _of_batch(self, origins: Origins, truth: np.ndarray) -> Moments:
        design = self._design(origins)
        changes = self._by_map(_scaled(truth - origins.context[:, -1:], 0.0, self._location(origins)[1]))
        inputs = torch.from_numpy(design.reshape(-1, design.shape[-1]))
        return Moments.of(inputs, torch.from_numpy(changes.reshape(len(inputs), -1)))

    def _location(self, origins: Origins) -> tuple[np.ndarray, np.ndarray]:
        """What standardises the targets of windows: means and standard deviations."""
        if not self.by_window:
            return self._shift, self._spread
        spread = _spread(origins.context)
        # A context that is nearly still would outweigh all others.
        least = SMALLEST * np.abs(origins.context).mean(axis=1, keepdims=True)
        return origins.context.mean(axis=1, keepdims=True), np.where(spread > 0, np.maximum(spread, least), 0.0)

    def _by_map(self, values: Float[np.ndarray, "windows steps targets"]) -> Float[np.ndarray, "windows maps numbers"]:
        """What a map reads or gives: a shared one takes each target for a window of its own."""
        windows, steps, targets = values.shape
        alone = targets // self._channels
        apart = values.reshape(windows, steps, alone, self._channels).transpose(0, 2, 1, 3)
        return apart.reshape(windows, alone, steps * self._channels)

    def _design(self, origins: Origins) -> Float[np.ndarray, "windows maps inputs"]:
        """What each map reads."""
        own = self._by_map(_scaled(origins.context, *self._location(origins)))
        if self._read is None:
            return own
        beside = np.broadcast_to(self._read(origins)[:, np.newaxis], (*own.shape[:2], self._read.size))
        return np.concatenate([own, beside], axis=-1)

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        windows, _, targets = origins.context.shape
        changes = self._design(origins) @ self._weight + self._constant
        changes = changes.reshape(windows, targets // self._channels, -1, self._channels).transpose(0, 2, 1, 3)
        return origins.context[:, -1:] + changes.reshape(windows, -1, targets) * self._location(origins)[1]


def _spread(values: Float[np.ndarray, "*any steps targets"]) -> Float[np.ndarray, "*any 1 targets"]:
    """The standard deviation of each target over the steps; 0 for a constant one, whose deviation is rounding."""
    spread = values.std(axis=-2, keepdims=True)
    return np.where(spread > 8 * np.finfo(np.float64).eps * np.abs(values[..., :1, :]), spread, 0.0)


def _scaled(values: np.ndarray, shift: np.ndarray | float, spread: np.ndarray) -> np.ndarray:
    """Standardised; 0 where nothing varies."""
    return (values - shift) / np.where(spread > 0, spread, np.inf)


def _listed(option: float | list[float]) -> list[float]:
    """The candidates of an option."""
    return option if isinstance(option, list) else [option]
