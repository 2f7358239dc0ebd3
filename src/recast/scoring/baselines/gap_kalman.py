"""Gaps filled by a Kalman smoother."""

import warnings
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float64

from recast.data.panel import Panel
from recast.errors import DataError, MisfitError
from recast.options import PositiveInt, checked
from recast.scoring.baselines.baseline import interpolated
from recast.scoring.baselines.gap_baselines import GapBaseline, GapWindows

ORDERS = (None, 1, 2, 3)
"""What the training part chooses from: a random walk (None), and autoregressions of these orders."""
FEWEST_TO_FIT = 20
"""Observations that coefficients and variances are fitted on, at least."""
FEWEST = 3
"""Observations of a window that a level and its noise can be estimated from."""


@final
class FillKalman(GapBaseline):
    """The expected value given all that is left of a window, by a linear Gaussian model of each target.

        y_t = s_t + e_t,    s_t = s_(t-1) + u_t                                           (local level)
                      or    s_t = c + a_1 s_(t-1) + ... + a_p s_(t-p) + u_t,   p = 1 to 3   (autoregression)

    with Gaussian noise e and u. Coefficients and variances are those of the greatest likelihood on the last training
    rows, the model that of the least AIC; with them a window is smoothed, from a diffuse state or a stationary one
    (Durbin & Koopman 2012, "Time series analysis by state space methods", 2nd edition, chapters 4 and 5), by
    statsmodels' `UnobservedComponents` and `SARIMAX`. Across a long gap an autoregression returns to its mean. A window
    with fewer than three observations has the line between them, without any the mean.

    Of several series, or pieces of one, that are fitted on which has the most observations, and its models serve all.

    Args:
        rows: Training rows that the models are fitted on, the last ones; gaps are harmless. [steps]
        most_fits: Fits, four for each target, above which it is left out.
        most_windows: Windows, each counted for each target, above which it is left out.

    Raises:
        MisfitError: before the fit, if there are more.
        DataError: at fit, if a target was observed less than twenty times in these rows, or no model can be fitted.
    """

    @checked
    def __init__(
        self, *, rows: PositiveInt = 500, most_fits: PositiveInt = 100, most_windows: PositiveInt = 20_000
    ) -> None:
        self.rows = rows
        self.most_fits = most_fits
        self.most_windows = most_windows

    def require_affordable(self, windows: int, targets: int) -> None:
        """See the base class."""
        if len(ORDERS) * targets > self.most_fits:
            raise MisfitError(
                f"{targets} targets would need {len(ORDERS)} fits each, more than most_fits={self.most_fits} together; "
                "give a larger number, and time"
            )
        if windows * targets > self.most_windows:
            raise MisfitError(
                f"{windows} windows of {targets} targets would be smoothed one by one, more than "
                f"most_windows={self.most_windows}; give a larger number, and time"
            )

    @property
    def facts(self) -> dict[str, Any]:
        """The model of each target."""
        return {"models": ["local level" if order is None else f"AR({order})" for order in self._orders]}

    def _fit(self, training: Panel) -> None:
        self._orders: list[int | None] = []
        self._parameters: list[Float64[np.ndarray, " parameters"]] = []
        deviation = np.nanstd(training.targets, axis=0)
        self._means, self._scales = np.nanmean(training.targets, axis=0), np.where(deviation > 0, deviation, 1.0)
        for target, column in enumerate(training.columns):
            rows = self._scaled(self._rows(training, target), target)
            fits = [(order, fit) for order in ORDERS if (fit := _fitted(rows, order)) is not None]
            if not fits:
                raise DataError(f"{training.label}: no model of {column.name!r} has a likelihood on its last rows")
            order, fit = min(fits, key=lambda found: found[1].aic)
            self._orders.append(order)
            self._parameters.append(np.asarray(fit.params))

    def _rows(self, training: Panel, target: int) -> Float[np.ndarray, " rows"]:
        """The last rows of the piece with the most observations, from one observation to another."""
        pieces = [training.targets[first:stop, target] for first, stop in training.pieces]
        values = max(pieces, key=lambda piece: np.count_nonzero(~np.isnan(piece)))
        seen = np.flatnonzero(~np.isnan(values))
        recent = seen[seen > seen[-1] - self.rows] if len(seen) else seen
        if len(recent) < FEWEST_TO_FIT:
            raise DataError(
                f"{training.label}: {training.columns[target].name!r} was observed {len(recent)} times in the last "
                f"{self.rows} training rows of the piece with the most, fewer than the {FEWEST_TO_FIT} that a fit takes"
            )
        return values[recent[0] : recent[-1] + 1]

    def _scaled(self, values: np.ndarray, target: int) -> np.ndarray:
        return (values - self._means[target]) / self._scales[target]

    def _fill(self, windows: GapWindows, means: Float64[np.ndarray, " targets"]) -> np.ndarray:
        # The line stands where too little was observed.
        found = interpolated(windows.values, means).astype(np.float64)
        for window, target in np.argwhere(np.isnan(windows.values).any(axis=1)).tolist():
            values = windows.values[window, :, target]
            missing = np.isnan(values)
            if (~missing).sum() >= FEWEST:
                smoothed = self._smoothed(self._scaled(values, target), target)
                found[window, missing, target] = (smoothed * self._scales[target] + self._means[target])[missing]
        return found

    def _smoothed(self, values: Float[np.ndarray, " steps"], target: int) -> Float64[np.ndarray, " steps"]:
        """The signal at each step, without noise."""
        model = _model(values, self._orders[target])
        states = model.smooth(self._parameters[target]).smoother_results.smoothed_state
        return (model.ssm["design"] @ states)[0]


def _model(values: Float[np.ndarray, " rows"], order: int | None) -> Any:
    # statsmodels' own annotations lack the names of models, and what a fit has.
    from statsmodels.tsa.statespace import sarimax, structural

    if order is None:
        structural_model: Any = structural.UnobservedComponents
        return structural_model(values, "local level")
    autoregression: Any = sarimax.SARIMAX
    model = autoregression(values, order=(order, 0, 0), trend="c", measurement_error=True)
    # The first observation, which a random walk begins with, counts for no model, so that AIC compares the same ones.
    model.loglikelihood_burn = 1
    return model


def _fitted(values: Float[np.ndarray, " rows"], order: int | None) -> Any:
    """The fit of a model, the best point found where it has not converged; None where it has no likelihood."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Starting values that are not stationary are replaced by statsmodels, which says so.
        warnings.filterwarnings("ignore", "Non-stationary starting", UserWarning)
        warnings.filterwarnings("ignore", "Too few observations to estimate starting", UserWarning)
        try:
            fit = _model(values, order).fit(disp=False)
        except np.linalg.LinAlgError:
            # The search has come to the edge of what is stationary, where the variance of a state is infinite.
            return None
    return fit if np.isfinite(fit.aic) else None
