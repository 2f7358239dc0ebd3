"""Ridge regression from the context to the horizon."""

import warnings
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, LinAlgWarning, solve

from recast.errors import ConfigurationError, DataError
from recast.options import NonNegativeFloat, checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.baselines.window_products import window_products
from recast.types import Origins


@final
class Ridge(Baseline):
    """One linear map from the whole context (all targets) to the whole horizon, fitted by penalised least squares.

    With x the flattened context and y the flattened horizon of a window, both minus their mean over the N training
    windows (so that the constant is not penalised),

        W = (X'X + penalty I)^-1 X'Y,    f = mean(y) + (x - mean(x)) W

    Hoerl & Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12. X'X and
    X'Y are summed over runs of windows (see `window_products`): memory grows with (context * targets)^2, not with the
    number of windows.

    Args:
        penalty: Added to the diagonal of X'X, a sum (not a mean) over windows, in the square of the data's unit.

    Raises:
        ConfigurationError: at fit, if the inputs depend on each other and the penalty is too small to settle it.
        DataError: at fit, if there is no training window.
    """

    @checked
    def __init__(self, *, penalty: NonNegativeFloat = 10.0) -> None:
        self.penalty = penalty

    def _fit(self, history: History) -> None:
        count = len(history.starts)
        if count == 0:
            raise DataError(
                f"Ridge: no training window of {history.context} + {history.horizon} steps to fit on; "
                "use a longer training part or shorter windows"
            )
        inputs = history.context * history.values.shape[1]
        # Sums of squares far from zero lose digits when the mean is taken out afterwards; so most of it goes first.
        self._shift = history.values.mean(axis=0)
        products, totals = window_products(
            history.values - self._shift, history.starts, history.context, history.horizon
        )
        products -= np.outer(totals[:inputs], totals / count)
        gram, cross = products[:, :inputs], products[:, inputs:]
        x_sum, y_sum = totals[:inputs], totals[inputs:]
        gram[np.diag_indices(inputs)] += self.penalty
        self._weight = self._solve(gram, cross)
        self._constant = (y_sum - x_sum @ self._weight) / count

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        x = (origins.context - self._shift).reshape(len(origins.context), -1)
        y = (x @ self._weight + self._constant).reshape(len(x), -1, len(self._shift))
        return y + self._shift

    def _solve(self, gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
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
