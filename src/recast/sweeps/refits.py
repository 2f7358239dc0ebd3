"""The dates of a backtest, and how the data are divided at each."""

from dataclasses import dataclass

import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from recast.errors import ConfigurationError


@dataclass(frozen=True)
class Refit:
    """One refit.

    Args:
        date: The first time that is forecast; what lies before is known.
        begin: First time of training and validation; None: that of the data.
        validation: Where validation begins: a share of the rows before `date`, or a date.
        end: Rows from here on are not forecast; None: none.
    """

    date: pd.Timestamp
    begin: pd.Timestamp | None
    validation: float | pd.Timestamp
    end: pd.Timestamp | None

    @property
    def name(self) -> str:
        """Its date, as a folder's name."""
        text = self.date.isoformat()
        return text.removesuffix("T00:00:00").replace(":", "-")

    @property
    def overrides(self) -> list[str]:
        """What divides the data so."""
        parts = {"test": self.date, "begin": self.begin, "validation": self.validation, "end": self.end}
        return [
            "data/split=time",
            *(f"data.split.{name}={_word(value)}" for name, value in parts.items()),
            "data.windows.reach_back=true",
            "keep_forecasts=true",
        ]


def _word(value: float | pd.Timestamp | None) -> str:
    if isinstance(value, pd.Timestamp):
        return f"'{value.isoformat(sep=' ')}'"
    return "null" if value is None else str(value)


def date_of(option: str, text: str) -> pd.Timestamp:
    """The date that an option gives, in UTC if it has a zone; raises ConfigurationError for a text that is none."""
    try:
        found = stamp(pd.Timestamp(text))
    except ValueError as error:
        raise ConfigurationError(f"hydra.sweeper.{option}={text}: no date such as 2017-01-01 ({error})") from error
    return found if found.tzinfo is None else stamp(found.tz_convert("UTC").tz_localize(None))


def stamp(found: object) -> pd.Timestamp:
    """A date that pandas has computed.

    Raises:
        ValueError: if it is none (NaT).
    """
    if isinstance(found, pd.Timestamp):
        return found
    raise ValueError("not a date")


def offset_of(option: str, text: str) -> BaseOffset:
    """The length of time that an option gives; raises ConfigurationError for what is none in pandas' words."""
    try:
        found = to_offset(text)
        forward = found is not None and pd.Timestamp("2020-01-01") + found > pd.Timestamp("2020-01-01")
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"hydra.sweeper.{option}={text}: no length of time such as 7D, 12h or 1MS") from error
    if not forward:
        raise ConfigurationError(f"hydra.sweeper.{option}={text}: expected a positive length of time, such as 7D")
    return found
