"""Columns of another table, brought to the clock of a panel."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, NamedTuple, final

import numpy as np
import pandas as pd

from recast.data.joins.as_of import NANOSECOND, last_known, mean_over
from recast.data.panel import Column, Panel, Role
from recast.data.sources.source import Source
from recast.data.sources.stamps import stamp_text
from recast.data.sources.step import fixed_step
from recast.data.sources.table import Table
from recast.errors import ConfigurationError, DataError
from recast.options import checked

How = Literal["last", "mean"]
Missing = Literal["error", "drop", "mask"]
ZERO = np.timedelta64(0, "ns")


class Joined(NamedTuple):
    """A column that a join adds: what it is in the panel, and its rows in the table."""

    column: Column
    times: np.ndarray
    values: np.ndarray


@final
class Join:
    """Inputs from a table with a step, gaps and a zone of its own: weather beside a gauge, a plan beside prices.

    At each stamp of the panel, an input observed up to the origin is what was known then: the last value, or the mean
    over a span that ends there; never anything later. Columns known ahead are known at their own stamp, and hold for a
    step of the table. A table of several series gives one set of columns for each ("pressure Rio Grande"). Categories
    remain categories.

    Args:
        source: The table. Its targets and past columns become inputs observed up to the origin, its known columns
            inputs known ahead.
        known: Names of targets of the source that are known ahead; None: none but its known columns.
        how: "last": the last value known; "mean": the mean over `span`.
        span: Length of time that a mean ends with ("6h"); None: for "last".
        delay: How long after its stamp a value is known ("1h"), for inputs observed up to the origin; None: at once.
        hold: How long the last value is held after it became known ("3h"); None: until the next one, and of a column
            known ahead for one step of the table.
        missing: What becomes of rows of the panel for which there is no value: "error" refuses them, "drop" leaves them
            out, so that a piece ends there, "mask" keeps them, the value as not observed, for models that read masks.
        winds: Speeds with the direction that they come from [degrees]: {speed: direction}. Both are replaced by the
            components toward east and north, -speed sin(direction) and -speed cos(direction), which can be averaged.
            None: none.

    Raises:
        ConfigurationError: if a length of time is none, or `span` and `hold` do not fit `how`.
    """

    @checked
    def __init__(
        self,
        *,
        source: Source,
        known: list[str] | None = None,
        how: How = "last",
        span: str | None = None,
        delay: str | None = None,
        hold: str | None = None,
        missing: Missing = "error",
        winds: dict[str, str] | None = None,
    ) -> None:
        if (span is None) == (how == "mean"):
            raise ConfigurationError(
                f"Join: how={how}, span={span}: a mean needs the span that it is taken over, as in span=6h; the last "
                "value has none"
            )
        if hold is not None and how == "mean":
            raise ConfigurationError(f"Join: hold={hold}: a mean is not held; leave it out, or use how=last")
        self.source = source
        self.known = known or []
        self.how: How = how
        self.span = _length("span", span)
        self.delay = _length("delay", delay) or ZERO
        self.hold = _length("hold", hold)
        self.missing: Missing = missing
        self.winds = winds or {}

    def for_table(self, table: Table) -> "Join":
        """The join that reads another table of the same kind."""
        twin = copy.copy(self)
        twin.source = self.source.for_table(table)
        vars(twin).pop("table", None)
        return twin

    @cached_property
    def table(self) -> Panel:
        """What the source holds, read once.

        Raises:
            DataError: if it cannot be read.
        """
        return self.source.read()

    def read_again(self) -> None:
        """Forgets what was read."""
        vars(self).pop("table", None)

    def columns(self, name: str, panel: Panel) -> list[Column]:
        """What it adds to a panel.

        Args:
            name: Its name, which begins those of the columns.
            panel: The panel.

        Raises:
            ConfigurationError: if the columns cannot be joined.
            DataError: if the table cannot be read, or its stamps have a zone and the panel's have none, or the reverse.
        """
        return [joined.column for joined in self._joined(name, panel)]

    def at(self, name: str, panel: Panel, times: np.ndarray, roles: Sequence[Role] = ("past", "known")) -> np.ndarray:
        """The columns at stamps, NaN where there is no value, shape (times, columns).

        Args:
            name: See `columns`.
            panel: See `columns`.
            times: Stamps, `datetime64[ns]`.
            roles: Which columns.

        Raises:
            DataError: if a value is missing and `missing` is "error".
        """
        wanted, place = np.unique(times, return_inverse=True)
        joined = [one for one in self._joined(name, panel) if one.column.role in roles]
        found = np.column_stack([self._values(one, wanted) for one in joined]) if joined else np.empty((len(wanted), 0))
        self._refuse_missing(found, joined, wanted)
        return found[place]

    def _values(self, joined: Joined, wanted: np.ndarray) -> np.ndarray:
        ahead = joined.column.role == "known"
        delay = ZERO if ahead else self.delay
        if self.span is not None:
            return mean_over(joined.times, joined.values, wanted, delay=delay, span=self.span)
        step = fixed_step(self.table.step) if ahead and self.hold is None and self.table.step else None
        hold = self.hold if step is None else step - NANOSECOND
        return last_known(joined.times, joined.values, wanted, delay=delay, hold=hold)

    def _refuse_missing(self, found: np.ndarray, joined: Sequence[Joined], wanted: np.ndarray) -> None:
        lacking = np.isnan(found)
        if self.missing != "error" or not lacking.any():
            return
        row = int(lacking.any(axis=1).argmax())
        column = joined[int(lacking[row].argmax())].column.name
        raise DataError(
            f"{self.table.label}: no value of {column!r} is known at {stamp_text(wanted[row])} "
            f"({lacking.any(axis=1).sum()} of {len(wanted)} stamps lack one); its rows are from "
            f"{stamp_text(self.table.clock.min())} to {stamp_text(self.table.clock.max())}; give a table that covers "
            "them, hold values longer (hold), leave such rows out (missing=drop), or keep them as not observed "
            "(missing=mask)"
        )

    def _joined(self, name: str, panel: Panel) -> list[Joined]:
        try:
            table = self.table
        except DataError as error:
            # Its options lie elsewhere than those of the series.
            raise DataError(str(error).replace("data.source.", f"data.joins.{name}.source.")) from error
        self._check(name, table, panel)
        found = []
        bounds = np.append(np.searchsorted(table.items, np.arange(len(table.ids))), len(table.items))
        for item, series in enumerate(table.ids):
            rows = slice(table.bounds[bounds[item]], table.bounds[bounds[item + 1]])
            suffix = "" if table.is_single else f" {series}"
            for column, values in self._of_series(table, rows):
                renamed = replace(column, name=f"{name}.{column.name}{suffix}")
                found.append(Joined(renamed, table.clock[rows], values))
        return found

    def _of_series(self, table: Panel, rows: slice) -> list[tuple[Column, np.ndarray]]:
        """The columns of one series of the table."""
        values = {column.name: table.values[rows, place] for place, column in enumerate(table.columns)}
        directions, found = set(self.winds.values()), []
        for column in table.columns:
            role = "known" if column.role == "known" or column.name in self.known else "past"
            if column.name in directions:
                continue
            if column.name not in self.winds:
                found.append((replace(column, role=role), values[column.name]))
                continue
            angle = np.deg2rad(values[self.winds[column.name]])
            for part, share in (("east", np.sin(angle)), ("north", np.cos(angle))):
                found.append((Column(f"{column.name} {part}", column.unit, role), -values[column.name] * share))
        return found

    def _check(self, name: str, table: Panel, panel: Panel) -> None:
        names = ", ".join(table.names)
        for option, given in (("known", self.known), ("winds", [*self.winds, *self.winds.values()])):
            for column in given:
                if column not in table.names:
                    raise ConfigurationError(f"Join: {option}: {table.label} has no column {column!r}; it has {names}")
        for column in table.columns:
            if not column.is_category:
                continue
            here = f"Join: {table.label}: {column.name!r} is a category, which has no"
            if column.name in {*self.winds, *self.winds.values()}:
                raise ConfigurationError(f"{here} components; leave it out of data.joins.{name}.winds")
            if self.how == "mean":
                raise ConfigurationError(
                    f"{here} mean; join by how=last (data.joins.{name}.how=last data.joins.{name}.span=null)"
                )
        if table.times is None:
            raise DataError(f"{table.label}: no time stamps by which it could be joined")
        if table.timezone != panel.timezone:
            words = {None: "no time zone", "UTC": "a time zone"}
            source = f"data.joins.{name}.source" if table.timezone is None else "data.source"
            raise DataError(
                f"{table.label}: its stamps have {words[table.timezone]}, those of {panel.label} have "
                f"{words[panel.timezone]}; name the zone of those without one: {source}.timezone=UTC"
            )


def _length(option: str, text: str | None) -> np.timedelta64 | None:
    if text is None:
        return None
    try:
        length = pd.to_timedelta(text)
    except ValueError:
        length = pd.NaT
    if not length > pd.Timedelta(0):  # NaT is not
        raise ConfigurationError(f'Join: {option}={text!r} is no length of time; expected one such as "6h" or "90min"')
    return np.timedelta64(length.value, "ns")
