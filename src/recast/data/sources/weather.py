"""The weather up the coast of a tide gauge, and what it does to the level."""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from recast.data.sources.autoregressive import stationary_path
from recast.options import NonNegativeFloat, PositiveFloat, checked

MEAN_PRESSURE = 1013.0  # hPa
AIR, WATER, GRAVITY = 1.22, 1025.0, 9.81  # kg/m3, kg/m3, m/s2

UNITS = {"wind_east": "m/s", "wind_north": "m/s", "pressure": "hPa"}
"""Columns of the station; winds by where they blow to."""


class Weathered(NamedTuple):
    """What the station reads, and what follows at the gauge."""

    station: Float[np.ndarray, "rows 3"]
    """Columns as in `UNITS`."""
    level: Float[np.ndarray, " rows"]
    """Wind set-up and inverse barometer. [m]"""


@final
class Weather:
    """Wind and pressure at a station up the coast; weather and coastal waves pass it before they reach the gauge.

    Pressure is a field that moves eastward past the station without change; its correlation at the distance r is
    (1 + r/L) exp(-r/L), the second-order autoregressive function of weather analyses (Daley 1991, "Atmospheric Data
    Analysis", section 4.3), and the wind blows along its isobars, as in the southern hemisphere. With T = L / speed and
    k = lag / T, the autocorrelations at the station are

        pressure    (1 + k) exp(-k)
        wind north  (1 - k) exp(-k): in proportion to the rise of the pressure, so that it turns as a low passes
        wind east   exp(-k), independent of both

    Both winds are normal with one spread, so that the speed has a Rayleigh distribution (a Weibull one of shape 2,
    usual at sea). The level follows them:

        stress      tau = 1.22 kg/m3 c |w| w,  c = (0.8 + 0.065 |w|) / 1000  (Wu 1982, J. Geophys. Res. 87, 9704-9706)
        balance     e = fetch tau_along / (1025 kg/m3 9.81 m/s2 depth)  (Pugh 1987, "Tides, Surges and Mean Sea-Level",
                    section 6.4), tau_along the part of the stress toward the gauge
        set-up      s_t = a s_(t-1) + (1 - a) e_t,  a = exp(-step / response_hours)
        barometer   b = -(p - 1013 hPa) / (1025 kg/m3 9.81 m/s2): -1 cm for each hPa

    and reaches the gauge `travel_hours` later, as sea level on the south-east Brazilian shelf follows the wind further
    south (Castro & Lee 1995, J. Geophys. Res. 100, 16045-16056). What the wind does grows with more than its square:
    no straight line from the wind to the level is right. With the defaults, set-up has a standard deviation of 0.11 m,
    the barometer 0.08 m, and the fastest wind of a year is about 25 m/s.

    Args:
        wind_std: Standard deviation of the wind to the east, and of that to the north. [m/s]
        pressure_std: Standard deviation of the pressure. [hPa]
        hours: T, the time that the weather takes over its own length L: 22 for 800 km at 10 m/s. [hours]
        travel_hours: How long after the station the gauge has the weather; rounded to rows. 0: the station is there.
            [hours]
        toward_deg: Where to the wind blows that raises the level most, clockwise from north. [degrees]
        fetch_km: Length of the sea that the wind pushes along. [km]
        depth: Its mean depth. [m]
        response_hours: Time constant with which the level follows the wind. [hours]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self,
        *,
        wind_std: NonNegativeFloat = 6.0,
        pressure_std: PositiveFloat = 8.0,
        hours: PositiveFloat = 22.0,
        travel_hours: NonNegativeFloat = 6.0,
        toward_deg: float = 45.0,
        fetch_km: NonNegativeFloat = 250.0,
        depth: PositiveFloat = 20.0,
        response_hours: PositiveFloat = 6.0,
    ) -> None:
        self.wind_std = wind_std
        self.pressure_std = pressure_std
        self.hours = hours
        self.travel_hours = travel_hours
        self.toward_deg = toward_deg
        self.fetch_km = fetch_km
        self.depth = depth
        self.response_hours = response_hours

    def draw(self, rng: np.random.Generator, rows: int, step_hours: float) -> Weathered:
        """A record.

        Args:
            rng: Source of its random numbers.
            rows: Its length.
            step_hours: Distance between rows. [hours]
        """
        travel = round(self.travel_hours / step_hours)
        # The set-up starts from rest, which is forgotten after ten response times.
        before = travel + int(np.ceil(10 * self.response_hours / step_hours))
        root = float(np.exp(-step_hours / self.hours))
        pressure = stationary_path(rng, before + rows + 1, 2 * root, -(root**2), self.pressure_std)
        east = stationary_path(rng, before + rows, root, 0.0, self.wind_std)
        # The correlation of neighbours is 2 root / (1 + root^2).
        rise = self.pressure_std * np.sqrt(2 * (1 - 2 * root / (1 + root**2)))
        north = self.wind_std * np.diff(pressure) / rise
        pressure = MEAN_PRESSURE + pressure[1:]
        level = self.set_up(east, north, step_hours) + inverse_barometer(pressure)
        station = np.stack([east, north, pressure], axis=1)
        return Weathered(station[before:], level[before - travel : before - travel + rows])

    def set_up(self, east: np.ndarray, north: np.ndarray, step_hours: float) -> np.ndarray:
        """The set-up of the sea level by the wind along the fetch, starting from rest, in m.

        Args:
            east: Wind to the east, shape (rows,). [m/s]
            north: Wind to the north, shape (rows,). [m/s]
            step_hours: Distance between rows. [hours]
        """
        angle = np.deg2rad(self.toward_deg)
        speed = np.hypot(east, north)
        stress = AIR * 1e-3 * (0.8 + 0.065 * speed) * speed * (east * np.sin(angle) + north * np.cos(angle))
        balance = self.fetch_km * 1000 * stress / (WATER * GRAVITY * self.depth)
        rest = float(np.exp(-step_hours / self.response_hours))
        # Half a second to import, and not needed to forecast with a model of this source.
        from scipy.signal import lfilter

        return np.asarray(lfilter([1 - rest], [1.0, -rest], balance))


def inverse_barometer(pressure: np.ndarray) -> np.ndarray:
    """The level under a pressure in hPa, less that under the mean one, in m."""
    return -100 * (pressure - MEAN_PRESSURE) / (WATER * GRAVITY)
