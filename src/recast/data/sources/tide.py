"""A tide gauge, simulated."""

from typing import final

import numpy as np

from recast.data.panel import Panel, columns_of
from recast.data.sources.autoregressive import stationary_path
from recast.data.sources.frame import FrameSource
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.sources.weather import UNITS as STATION
from recast.data.sources.weather import Weather
from recast.errors import ConfigurationError
from recast.options import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, checked

CONSTITUENTS = {
    "M2": (12.4206012, 0.356, 170.1),
    "S2": (12.0, 0.228, 177.6),
    "O1": (25.81933871, 0.112, 111.9),
    "K2": (11.96723606, 0.069, 186.9),
    "K1": (23.93447213, 0.063, 191.4),
    "N2": (12.65834751, 0.055, 232.2),
    "M3": (8.2804008, 0.043, 350.9),
    "Q1": (26.868350, 0.028, 86.0),
    "P1": (24.06588766, 0.024, 189.5),
    "MS4": (6.1033393, 0.019, 308.9),
    "M4": (6.2103006, 0.016, 155.3),
    "NU2": (12.6260, 0.004, 241.6),
}
"""Period [hours], amplitude [m] and phase [degrees] of each harmonic constituent of the tide at Santos, Brazil."""

START = np.datetime64("2020-01-01", "ns")
RECORD = 26_208
"""Stamps of the real record, and below the number missing or moved, which `gaps` imitates in proportion."""
LONG_GAP, SINGLES, MOVED = 576, 19, 12

CRITICAL = 2.1461932206205826
"""Root of (1 + x) exp(-x) = 1 / e: e-folding time of the surge in units of its two equal time constants."""


@final
class TideSimulator(Source):
    """Sea level as the gauge at Santos, Brazil, records it: tide, weather surge, local wind, instrument, and gaps.

    The tide is a sum of 12 cosines, a cos(2 pi t / period - phase), with the amplitudes and Greenwich phases measured
    at Santos; t counts from the first row, 2020-01-01 00:00 UTC, so that the phases are relative to it (a real tide
    table would add the astronomical argument of that moment).

    The surge is second-order red noise with two equal time constants (a first-order process driven by another): its
    autocorrelation (1 + k) exp(-k), k = lag / time constant, is smooth at short lags. The local part is a first-order
    process. With the defaults, level minus tide has a standard deviation of 0.206 m, and autocorrelations of .994 at 10
    minutes and .67 at 1000 minutes; the real residual has 0.212 m, .994 and .685. The real autocorrelation falls faster
    after a day, and below 0 after two. Values are rounded to 0.01 m.

    Gaps, in proportion to those of the real record of 182 days: one of 4 days, 19 single rows missing, and 12 rows off
    the grid, a whole number of minutes late. Other rows are unchanged. The channel is named "ssh".

    With `weather`, what wind and pressure do is added to the level, the surge and the local part are what has other
    causes, and the readings of a weather station are inputs up to the origin: "wind_east", "wind_north" (rounded to 0.1
    m/s) and "pressure" (to 0.1 hPa).

    Args:
        days: Length of the record. [days]
        step_minutes: Distance between rows. [minutes]
        mean_level: Mean of the level. [m]
        surge_std: Standard deviation of the surge. [m]
        surge_hours: Time after which the surge's autocorrelation has fallen to 1/e. [hours]
        local_std: Standard deviation of the local part. [m]
        local_hours: Time after which the local part's autocorrelation has fallen to 1/e. [hours]
        noise_std: Standard deviation of the instrument's white noise. [m]
        gaps: Whether rows are missing and off the grid.
        weather: Weather that moves the level, with a station that records it. None: surge and local part alone, which
            are linear in random numbers, so that no forecast is better than the best straight line.
        seed: Of the random numbers; equal seeds give equal records.

    Raises:
        ConfigurationError: if the record has fewer than two rows.
    """

    @checked
    def __init__(
        self,
        *,
        days: PositiveFloat = 182.0,
        step_minutes: PositiveInt = 10,
        mean_level: float = 0.84,
        surge_std: NonNegativeFloat = 0.2,
        surge_hours: PositiveFloat = 34.0,
        local_std: NonNegativeFloat = 0.05,
        local_hours: PositiveFloat = 3.0,
        noise_std: NonNegativeFloat = 0.01,
        gaps: bool = True,
        weather: Weather | None = None,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.rows = round(days * 1440 / step_minutes)
        if self.rows < 2:
            raise ConfigurationError(
                f"TideSimulator: days={days} is {self.rows} row(s) of {step_minutes} minutes; expected two at least"
            )
        self.step_minutes = step_minutes
        self.mean_level = mean_level
        self.surge_std = surge_std
        self.surge_hours = surge_hours
        self.local_std = local_std
        self.local_hours = local_hours
        self.noise_std = noise_std
        self.gaps = gaps
        self.weather = weather
        self.seed = seed

    @property
    def step(self) -> str:
        """Distance between rows as a pandas alias."""
        return f"{self.step_minutes}min"

    def read(self) -> Panel:
        """The record, one channel and the weather's, as one piece; with gaps, its rows are not regular."""
        rng = np.random.default_rng(self.seed)
        level = self.mean_level + self.tide(np.arange(self.rows) * self.step_minutes / 60)
        level += self._red_noise(rng, self.surge_std, self.surge_hours / CRITICAL, order=2)
        level += self._red_noise(rng, self.local_std, self.local_hours, order=1)
        noise = self.noise_std * rng.standard_normal(self.rows)
        kept = np.arange(self.rows)
        late = np.zeros(self.rows)
        if self.gaps:
            kept, late = self._draw_gaps(rng)
        station = np.empty((self.rows, 0))
        if self.weather is not None:
            # Of a stream of its own: the rest of the record is as it is without weather.
            station, driven = self.weather.draw(rng.spawn(1)[0], self.rows, self.step_minutes / 60)
            level += driven
        grid = np.arange(self.rows) * 60 * self.step_minutes
        seconds = grid + late
        level = np.interp(seconds, grid, level) + noise
        station = [np.round(np.interp(seconds, grid, column), 1) for column in station.T]
        return Panel(
            times=(START + seconds.astype("timedelta64[s]")).astype("datetime64[ns]")[kept],
            values=np.stack([np.round(level, 2), *station], axis=1)[kept],
            columns=columns_of(targets=["ssh"], past=self._past, units=self._units),
            step=self.step,
            starts=np.zeros(1, dtype=np.int64),
            label=f"TideSimulator(seed={self.seed})",
            timezone="UTC",
        )

    def for_table(self, table: Table) -> Source:
        """The source that reads the columns "datetime", "ssh" and those of the weather from a table."""
        past = self._past or None
        source = FrameSource(time="datetime", targets=["ssh"], past=past, units=self._units, step=self.step)
        return source.for_table(table)

    @property
    def _past(self) -> list[str]:
        return [] if self.weather is None else list(STATION)

    @property
    def _units(self) -> dict[str, str]:
        return {"ssh": "m"} | {name: STATION[name] for name in self._past}

    @staticmethod
    def tide(hours: np.ndarray) -> np.ndarray:
        """The tide alone, in metres about zero.

        Args:
            hours: Time since 2020-01-01 00:00 UTC, any shape. [hours]
        """
        total = np.zeros(np.shape(hours))
        for period, amplitude, phase in CONSTITUENTS.values():
            total += amplitude * np.cos(2 * np.pi * hours / period - np.deg2rad(phase))
        return total

    def _red_noise(self, rng: np.random.Generator, std: float, hours: float, order: int) -> np.ndarray:
        """Red noise with one or two equal time constants `hours`: a single or double root at exp(-step / hours)."""
        root = float(np.exp(-self.step_minutes / 60 / hours))
        phi1, phi2 = (root, 0.0) if order == 1 else (2 * root, -(root**2))
        return stationary_path(rng, self.rows, phi1, phi2, std)

    def _draw_gaps(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The rows kept, and by how many seconds each row is late."""
        long, singles, moved = (round(count * self.rows / RECORD) for count in (LONG_GAP, SINGLES, MOVED))
        first = int(rng.integers(1, self.rows - long)) if long else self.rows
        lost = np.zeros(self.rows, dtype=bool)
        lost[first : first + long] = True
        late = np.zeros(self.rows)
        # Not the ends, so that the record keeps its length; nor next to the long gap, so that it keeps its own.
        apart = np.ones(self.rows, dtype=bool)
        apart[[0, -1]] = False
        apart[max(first - 1, 0) : first + long + 1] = False
        chosen = rng.choice(np.flatnonzero(apart), size=singles + moved, replace=False)
        lost[chosen[:singles]] = True
        minutes = rng.integers(1, self.step_minutes, size=moved) if self.step_minutes > 1 else np.full(moved, 0.5)
        late[chosen[singles:]] = 60 * minutes
        return np.flatnonzero(~lost), late
