"""Earlier values of the targets that are known at every lead."""

from collections.abc import Sequence
from typing import Annotated, final

import numpy as np
import pandas as pd
from annotated_types import MinLen
from pandas.tseries.offsets import BaseOffset

from recast.data.features.computed_feature import Computed, ComputedFeature
from recast.data.panel import Panel
from recast.data.sources.step import DAY, HOUR, fixed_step, is_civil, parse_step
from recast.errors import ConfigurationError
from recast.options import PositiveInt, checked


@final
class TargetLags(ComputedFeature):
    """The targets some time before each step, such as at the same hour of the day before and a week ago.

    A lag is as long as the horizon or longer, so that the value is known at every lead. Where nothing was observed
    then, as at the beginning of a series, the row is dropped (or is not observed, under data/grid=mask).

    Args:
        lags: How long before, in steps (24) or as a time ("24h", "7D"); days of a time are those of the clocks of
            the source's zone, where it is known.
        targets: Names of the targets; None: all.

    Raises:
        ConfigurationError: if a lag is no length of time, one stands there twice, or one is shorter than the horizon.
    """

    @checked
    def __init__(
        self, *, lags: Annotated[list[PositiveInt | str], MinLen(1)], targets: list[str] | None = None
    ) -> None:
        for lag in lags:
            if isinstance(lag, str):
                _offset(lag)
        if len({str(lag) for lag in lags}) < len(lags):
            raise ConfigurationError(f"TargetLags: lags={lags}: one stands there twice")
        self.lags = lags
        self.targets = targets

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        chosen = [panel.columns[place] for place in self._places(panel)]
        return [
            Computed(f"{column.name} {_text(lag)} before", column.unit, scaling=None)
            for lag in self.lags
            for column in chosen
        ]

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """See the base class."""
        targets = panel.values[:, self._places(panel)]
        before = [self._before(times, panel, lag) for lag in self.lags]
        found = np.full((len(self.lags), len(times), targets.shape[1]), np.nan)
        bounds = np.append(np.searchsorted(panel.items, np.arange(len(panel.ids))), len(panel.items))
        for item in np.unique(items).tolist():
            first, stop = panel.bounds[bounds[item]], panel.bounds[bounds[item + 1]]
            own, clock = np.flatnonzero(items == item), panel.clock[first:stop]
            # Known at every lead: it was observed a horizon before this row, or before the end of the series.
            latest = np.searchsorted(clock, times[own]) - horizon
            latest[times[own] > clock[-1]] = len(clock)
            for number, earlier in enumerate(before):
                place = np.searchsorted(clock, earlier[own])
                there = (place < len(clock)) & (place <= latest)
                there[there] = clock[place[there]] == earlier[own][there]
                found[number, own[there]] = targets[first + place[there]]
        return found.transpose(1, 0, 2).reshape(len(times), -1)

    def check(self, panel: Panel, horizon: int) -> None:
        """See the base class."""
        for lag in self.lags:
            step, shortest = fixed_step(panel.step), self._shortest(panel, lag)
            if isinstance(lag, int):
                short = lag < horizon
            elif step is None or shortest is None:
                raise ConfigurationError(
                    f"TargetLags: lags: {lag!r} beside the calendar step {panel.step!r}: give a number of steps, "
                    f"{horizon} or more"
                )
            else:
                short = shortest < horizon * step
            if short:
                civil = isinstance(lag, str) and is_civil(lag) and panel.zone is not None
                why = " (a day has 23 hours where clocks are turned; give hours)" if civil else ""
                raise ConfigurationError(
                    f"TargetLags: lags: {lag!r} is shorter than the horizon of {horizon} steps of {panel.step}, so "
                    f"that the last leads do not know it{why}; give a longer lag or a shorter horizon"
                )

    def reach(self, panel: Panel) -> np.timedelta64:
        """See the base class."""
        last = panel.clock[-1:]
        return max((last - self._before(last, panel, lag))[0] for lag in self.lags) + DAY

    def _places(self, panel: Panel) -> list[int]:
        places = panel.of("target")
        names = [panel.columns[place].name for place in places]
        for name in self.targets or ():
            if name not in names:
                raise ConfigurationError(f"TargetLags: no target {name!r}; {panel.label} has {', '.join(names)}")
        return places if self.targets is None else [places[names.index(name)] for name in self.targets]

    def _before(self, times: np.ndarray, panel: Panel, lag: int | str) -> np.ndarray:
        """The stamps a lag earlier."""
        offset = parse_step(panel.step) * lag if isinstance(lag, int) else _offset(lag)
        civil = panel.zone is not None and is_civil(panel.step if isinstance(lag, int) else lag)
        stamps = panel.zone.local(times) if civil and panel.zone is not None else times
        earlier = pd.DatetimeIndex(stamps) - offset
        earlier = earlier.to_numpy().astype("datetime64[ns]")
        return panel.zone.utc(earlier) if civil and panel.zone is not None else earlier

    def _shortest(self, panel: Panel, lag: int | str) -> np.timedelta64 | None:
        """The length of a lag given as a time, at its shortest; None where it has none."""
        if isinstance(lag, int):
            return None
        length = fixed_step(lag)
        return length - HOUR if length is not None and is_civil(lag) and panel.zone is not None else length


def _offset(lag: str) -> BaseOffset:
    try:
        return parse_step(lag)
    except ConfigurationError as error:
        raise ConfigurationError(
            f'TargetLags: lags: {lag!r} is no length of time; expected one such as "24h" or "7D", or a number of steps'
        ) from error


def _text(lag: int | str) -> str:
    return f"{lag} steps" if isinstance(lag, int) else lag
