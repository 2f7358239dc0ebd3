"""The data of a figure of one forecast."""

from dataclasses import dataclass

import numpy as np

from recast.errors import DataError


@dataclass(frozen=True, eq=False)
class Plot:
    """One forecast: the end of its input, the truth after it, and the forecast.

    All arrays are one-dimensional and in the data's own unit. NaN leaves a gap in the line.

    Args:
        title: Heading of the panel, for example the time of the origin.
        context_times: Times of the input steps, `datetime64` or plain step numbers, shape (context,); the last is
            the origin.
        context: Input values, only the final part to show, shape (context,).
        future_times: Times of the forecast steps, of the same kind as `context_times`, shape (horizon,).
        truth: What was observed at the forecast steps, shape (horizon,); None if not yet known.
        mean: The forecast, shape (horizon,).
        lower: Lower end of the forecast band, shape (horizon,); None without a band.
        upper: Upper end of the forecast band, shape (horizon,); None without a band.
        level: Probability that the band covers, between 0 and 1, for the legend; None if unspecified.

    Raises:
        DataError: if lengths or kinds are inconsistent, or one end of the band is missing.
    """

    title: str
    context_times: np.ndarray
    context: np.ndarray
    future_times: np.ndarray
    truth: np.ndarray | None
    mean: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    level: float | None = None

    def __post_init__(self) -> None:
        self._check_length("context_times", self.context_times, "context", self.context)
        for name in ("mean", "truth", "lower", "upper"):
            values = getattr(self, name)
            if values is not None:
                self._check_length("future_times", self.future_times, name, values)
        if (self.lower is None) != (self.upper is None):
            missing = "lower" if self.lower is None else "upper"
            raise DataError(f"panel '{self.title}': a band needs both ends, {missing} is missing")
        if is_date(self.context_times) != is_date(self.future_times):
            raise DataError(
                f"panel '{self.title}': context_times are {self.context_times.dtype}, "
                f"future_times are {self.future_times.dtype}; both must be dates or both step numbers"
            )
        if self.level is not None and not 0 < self.level < 1:
            raise DataError(f"panel '{self.title}': level={self.level}; a band's level lies between 0 and 1")

    def _check_length(self, times_name: str, times: np.ndarray, name: str, values: np.ndarray) -> None:
        if times.ndim != 1 or not len(times) or times.shape != values.shape:
            raise DataError(
                f"panel '{self.title}': {times_name} has shape {times.shape} and {name} {values.shape}; "
                "both must be one-dimensional, of the same length, and not empty"
            )

    @property
    def dated(self) -> bool:
        """Whether the times are dates; otherwise they are step numbers."""
        return is_date(self.context_times)

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Lower and upper end of the band; None without one."""
        if self.lower is None or self.upper is None:
            return None
        return self.lower, self.upper

    @property
    def band_name(self) -> str:
        """The band's name in a legend, with its level where it is known."""
        return "forecast band" if self.level is None else f"{100 * self.level:g} % band"


def is_date(times: np.ndarray) -> bool:
    """Whether `times` are dates (`datetime64`) rather than step numbers."""
    return bool(np.issubdtype(times.dtype, np.datetime64))
