"""Baselines that are fitted at each origin, on its context alone: exponential smoothing and the Theta method."""

import warnings
from abc import abstractmethod
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError, MisfitError
from recast.options import PositiveFloat, PositiveInt, checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins

CYCLES = 2  # of a season: what its indices need


class LocalBaseline(Baseline):
    """A statistical model of one series, fitted by statsmodels on the context of each origin, for each target.

    For panels whose items are forecast once or a few times, as in the M competitions. The value of a context that does
    not vary is held.

    Args:
        season_hours: Length of the season, rounded to steps of the data; None: `data.season`. [hours]
        most_fits: Forecasts of a target above which it is left out: each is a fit of its own.

    Raises:
        ConfigurationError: at fit, if the context is shorter than two seasons, or the season than two steps.
        MisfitError: before the fit, if more forecasts are asked for.
    """

    def __init__(self, *, season_hours: float | None, most_fits: int) -> None:
        self.season_hours = season_hours
        self.most_fits = most_fits

    def require_affordable(self, forecasts: int) -> None:
        """See the base class."""
        if forecasts > self.most_fits:
            raise MisfitError(
                f"{forecasts} forecasts would each need a fit, more than most_fits={self.most_fits}; give a larger "
                "number, and time"
            )

    def _fit(self, history: History) -> None:
        name, step = type(self).__name__, history.step_hours
        self._period = history.season
        if self.season_hours is not None:
            self._period = round(self.season_hours / step)
            if self._period < 2:
                raise ConfigurationError(
                    f"{name}: season_hours={self.season_hours:g} is less than two steps of {step:g} hours; use a "
                    "longer season, or null for that of the data (data.season)"
                )
        shortest = max(CYCLES * self._period, self._fewest)
        if history.context < shortest:
            raise ConfigurationError(
                f"{name}: the context of {history.context} steps is shorter than the {shortest} that a fit takes "
                f"(a season has {self._period}); use a longer context, or another season"
            )

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        windows, _, targets = origins.context.shape
        horizon = origins.future_hours.shape[1]
        found = np.empty((windows, horizon, targets))
        for window in range(windows):
            for target in range(targets):
                context = origins.context[window, :, target]
                found[window, :, target] = self._own(context, horizon) if np.ptp(context) else context[-1]
        return found

    @property
    @abstractmethod
    def _fewest(self) -> int:
        """Steps that a fit takes, apart from seasons."""

    @abstractmethod
    def _own(self, context: Float[np.ndarray, " steps"], horizon: int) -> Float[np.ndarray, " horizon"]:
        """The forecast of one series, which varies."""


@final
class Theta(LocalBaseline):
    """The Theta method: simple exponential smoothing with half the slope of the linear trend as drift.

    Values are first deseasonalised, by ratios to a moving average where all are positive and by differences from it
    otherwise. Assimakopoulos & Nikolopoulos (2000), "The theta model: a decomposition approach to forecasting",
    International Journal of Forecasting 16, which won the M3 competition; as simplified by Hyndman & Billah (2003),
    "Unmasking the Theta method", there 19.

    Args:
        season_hours: See `LocalBaseline`. [hours]
        most_fits: See `LocalBaseline`.
    """

    @checked
    def __init__(self, *, season_hours: PositiveFloat | None = None, most_fits: PositiveInt = 2000) -> None:
        super().__init__(season_hours=season_hours, most_fits=most_fits)

    @property
    def _fewest(self) -> int:
        return 4

    def _own(self, context: np.ndarray, horizon: int) -> np.ndarray:
        from statsmodels.tsa.forecasting.theta import ThetaModel

        method = "multiplicative" if (context > 0).all() else "additive"
        seasonal = self._period > 1
        model = ThetaModel(context, period=self._period, deseasonalize=seasonal, use_test=False, method=method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a search stopped early: its best point is used
            fitted = model.fit(use_mle=False)
        return np.asarray(fitted.forecast(horizon))


@final
class ExponentialSmoothing(LocalBaseline):
    """Exponential smoothing with additive errors, ETS(A, trend, season), by maximum likelihood.

    Hyndman, Koehler, Ord & Snyder (2008), "Forecasting with exponential smoothing: the state space approach"; the first
    states by the heuristic of section 2.6.1 there.

    Args:
        season_hours: See `LocalBaseline`; the season is additive. [hours]
        trend: "damped", "additive" or "none".
        most_fits: See `LocalBaseline`.
    """

    @checked
    def __init__(
        self,
        *,
        season_hours: PositiveFloat | None = None,
        trend: Literal["damped", "additive", "none"] = "damped",
        most_fits: PositiveInt = 2000,
    ) -> None:
        super().__init__(season_hours=season_hours, most_fits=most_fits)
        self.trend = trend

    @property
    def _fewest(self) -> int:
        # What the heuristic first states of statsmodels take.
        return 10 + (2 * (self._period // 2) if self._period > 1 else 0)

    def _own(self, context: np.ndarray, horizon: int) -> np.ndarray:
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        model = ETSModel(
            context,
            error="add",
            trend=None if self.trend == "none" else "add",
            damped_trend=self.trend == "damped",
            seasonal="add" if self._period > 1 else None,
            seasonal_periods=self._period if self._period > 1 else None,
            initialization_method="heuristic",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a search stopped early: its best point is used
            fitted: Any = model.fit(disp=False, maxiter=200)
        return np.asarray(fitted.forecast(horizon))
