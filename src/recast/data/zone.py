"""Local time: days and months begin by the clocks of a place, not by UTC."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Zone:
    """The difference between local time and UTC, which changes at times.

    Args:
        name: Name of a zone in the IANA database ("Europe/Berlin"), which knows every change, past and future. "": the
            differences below hold instead, the first one also before `since`, the last one for ever.
        since: From when on each difference holds, UTC, `datetime64[ns]`, ascending.
        offsets: Local time less UTC, `timedelta64[ns]`, of the same shape.
    """

    name: str = ""
    since: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype="datetime64[ns]"))
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype="timedelta64[ns]"))

    def local(self, times: np.ndarray) -> np.ndarray:
        """Local times without zone, `datetime64[ns]`, of UTC times."""
        if self.name:
            stamps = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(self.name).tz_localize(None)
            return stamps.to_numpy().astype("datetime64[ns]")
        return times + self._offsets(self.since, times)

    def utc(self, times: np.ndarray) -> np.ndarray:
        """UTC times of local times; of an hour that comes twice the first, of one left out its end."""
        if self.name:
            first = np.ones(len(times), dtype=bool)
            stamps = pd.DatetimeIndex(times).tz_localize(self.name, ambiguous=first, nonexistent="shift_forward")
            return stamps.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
        return times - self._offsets(self.since + self.offsets, times)

    def _offsets(self, since: np.ndarray, times: np.ndarray) -> np.ndarray:
        return self.offsets[np.maximum(np.searchsorted(since, times, side="right") - 1, 0)]


def zone_of(times: np.ndarray, offsets: np.ndarray) -> Zone | None:
    """The zone that is known from the offsets of stamps alone; None where all are 0.

    Args:
        times: Ascending stamps, UTC, `datetime64[ns]`, at least one.
        offsets: Local time less UTC of each, `timedelta64[ns]`.
    """
    if not offsets.astype(np.int64).any():
        return None
    begins = np.flatnonzero(np.append(True, offsets[1:] != offsets[:-1]))
    return Zone(since=times[begins], offsets=offsets[begins])
