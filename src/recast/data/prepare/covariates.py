"""Adds to a panel what its source does not hold: columns that are computed, and columns of other tables."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recast.data.features.computed_feature import ComputedFeature, Rows
from recast.data.joins.join import Join
from recast.data.panel import ORDER, Column, Panel
from recast.data.prepare.describe import translated
from recast.data.prepare.grid import WORTH_A_WARNING
from recast.data.sources.frame import FrameTable
from recast.data.sources.step import DAY, fixed_step
from recast.data.sources.table import Table
from recast.errors import ConfigurationError, DataError

log = logging.getLogger(__name__)

Scales = dict[str, tuple[float, float]]
Fitted = Mapping[str, Sequence[float]]


class Covariates:
    """Further columns of panels on their grid.

    Args:
        features: What is computed at any stamp, by name; None: nothing.
        joins: Further tables, by name; None: none.
    """

    def __init__(
        self,
        features: Mapping[str, ComputedFeature | None] | None = None,
        joins: Mapping[str, Join | None] | None = None,
    ) -> None:
        self._features = {name: feature for name, feature in (features or {}).items() if feature is not None}
        self._joins = {name: join for name, join in (joins or {}).items() if join is not None}

    def with_tables(self, tables: Mapping[str, Table]) -> "Covariates":
        """The same with other tables in place of those that joins name.

        Args:
            tables: Tables of the same kind, by the name of the join.

        Raises:
            ConfigurationError: if there is no such join.
        """
        given = {name: self._join(name).for_table(table) for name, table in tables.items()}
        return Covariates(self._features, {**self._joins, **given}) if given else self

    def load(self, name: str, path: str) -> Table:
        """The table in a file, as the join of that name reads its own.

        Raises:
            ConfigurationError: if there is no such join.
            DataError: if it cannot be read.
        """
        return self._join(name).source.load(path)

    def frame(self, name: str, frame: pd.DataFrame) -> Table:
        """A frame in place of the table of the join of that name.

        Raises:
            ConfigurationError: if there is no such join.
            DataError: if it is no frame.
        """
        source = self._join(name).source
        return FrameTable(frame, source.time_column, f"tables[{name!r}]", id=source.id_column)

    def _join(self, name: str) -> Join:
        if name not in self._joins:
            has = f"it has {', '.join(self._joins)}" if self._joins else "it has none"
            raise ConfigurationError(f"tables.{name}: the model was trained with no such table; {has}; leave it out")
        return self._joins[name]

    @property
    def tables(self) -> list[Panel]:
        """What the joined tables hold, for a fingerprint."""
        return [join.table for join in self._joins.values()]

    def read_again(self) -> None:
        """Forgets what was read."""
        for join in self._joins.values():
            join.read_again()

    def added(self, panel: Panel, *, horizon: int, keep_gaps: bool) -> Panel:
        """The panel with all columns but those of fitted features.

        Args:
            panel: A panel on its grid.
            horizon: Steps that are forecast. [steps]
            keep_gaps: Whether rows that lack such a value are kept, the value as not observed; otherwise they are
                dropped, and a piece ends there.

        Raises:
            ConfigurationError: if a feature does not fit the panel or is not known at each lead.
            DataError: if two columns have one name, or no row has all values.
        """
        joined, kept = self._with_joins(panel)
        found = self._with(joined, self._chosen(is_fitted=False), {}, horizon)
        needed = [place for place, name in enumerate(found.names) if name not in {*panel.names, *kept}]
        lacking = np.asarray(np.isnan(found.values[:, needed]).any(axis=1))
        if keep_gaps or not lacking.any():
            return found
        return _cut(found, lacking)

    def _with_joins(self, panel: Panel) -> tuple[Panel, set[str]]:
        """The panel with the columns of joined tables, and the names of those that may lack values."""
        kept: set[str] = set()
        for name, join in self._joins.items():
            if panel.times is None:
                raise DataError(
                    f"{panel.label}: no time stamps by which data.joins.{name} could be joined; leave it out"
                )
            columns = join.columns(name, panel)
            panel = with_columns(panel, columns, join.at(name, panel, panel.clock))
            kept |= {column.name for column in columns if join.missing == "mask"}
        return panel, kept

    def fit(self, panel: Panel, rows: Rows) -> dict[str, tuple[float, ...]]:
        """The fitted numbers of each feature that has some.

        Args:
            panel: What `added` gave.
            rows: Its training rows.

        Raises:
            DataError: if there are too few of them.
        """
        return {name: feature.fit(panel, rows) for name, feature in self._chosen(is_fitted=True).items()}

    def facts(self, panel: Panel, fitted: Fitted) -> dict[str, dict[str, Any]]:
        """What fits have chosen, by the name of the feature, in plain containers.

        Args:
            panel: What `completed` gave.
            fitted: What `fit` gave.
        """
        found = {name: feature.facts(panel, fitted[name]) for name, feature in self._chosen(is_fitted=True).items()}
        return {name: facts for name, facts in found.items() if facts}

    def completed(self, panel: Panel, fitted: Fitted, *, horizon: int) -> Panel:
        """What `added` gave with the columns of fitted features."""
        return self._with(panel, self._chosen(is_fitted=True), fitted, horizon)

    def whole(self, panel: Panel, fitted: Fitted, *, horizon: int, keep_gaps: bool) -> Panel:
        """The panel with all columns, by the numbers that were fitted in training; see `added`."""
        return self.completed(self.added(panel, horizon=horizon, keep_gaps=keep_gaps), fitted, horizon=horizon)

    def scales(self, panel: Panel) -> Scales:
        """Offset and scale of the columns that have some of their own, by name."""
        return {
            computed.column(name).name: computed.scaling
            for name, feature in self._features.items()
            for computed in feature.columns(panel)
            if computed.scaling is not None and computed.levels is None
        }

    def ahead(
        self, panel: Panel, times: np.ndarray, fitted: Fitted, columns: Sequence[Column]
    ) -> dict[str, np.ndarray]:
        """The added columns known ahead at the steps after the end of each series, by name, of the shape of `times`.

        Args:
            panel: Series, to their ends.
            times: The stamps after each, shape (items, horizon).
            fitted: What `fit` gave in training.
            columns: All columns as in training; categories are numbered by the levels that they had there.

        Raises:
            DataError: if one is not known there, or has a level unseen in training.
        """
        trained = {column.name: column for column in columns}
        items, found = np.repeat(np.arange(len(times)), times.shape[1]), {}
        for name, feature in self._features.items():
            computed_columns = feature.columns(panel)
            if all(computed.role != "known" for computed in computed_columns):
                continue
            numbers = fitted.get(name, ())
            values = feature.at(times.ravel(), items, panel, horizon=times.shape[1], numbers=numbers)
            for computed, column in zip(computed_columns, values.T, strict=True):
                if computed.role == "known":
                    found[computed.column(name).name] = column.reshape(times.shape)
        for name, join in self._joins.items():
            joined = [column for column in join.columns(name, panel) if column.role == "known"]
            if joined:
                values = join.at(name, panel, times.ravel(), ["known"])
                values = translated(join.table.label, values, joined, [trained[column.name] for column in joined])
                found |= {column.name: values[:, place].reshape(times.shape) for place, column in enumerate(joined)}
        return found

    def steps_before(self, panel: Panel) -> int:
        """How many steps before a stamp the features read observations, at most."""
        reach = max((feature.reach(panel) for feature in self._features.values()), default=None)
        if not reach:
            return 0
        step = fixed_step(panel.step)
        # A calendar step is a day at least.
        return int(-(-reach // (DAY if step is None else step)))

    def counts_from_origin(self, panel: Panel) -> bool:
        """Whether a feature counts from the last step of a window."""
        return any(computed.from_origin for feature in self._features.values() for computed in feature.columns(panel))

    def reads_observations(self, panel: Panel) -> bool:
        """Whether a feature is computed from more than the stamps."""
        past = (computed.role != "known" for feature in self._features.values() for computed in feature.columns(panel))
        return bool(self.steps_before(panel)) or any(past)

    def _chosen(self, *, is_fitted: bool) -> dict[str, ComputedFeature]:
        return {name: feature for name, feature in self._features.items() if feature.is_fitted == is_fitted}

    def _with(self, panel: Panel, features: Mapping[str, ComputedFeature], fitted: Fitted, horizon: int) -> Panel:
        if not features:
            return panel
        if panel.times is None:
            raise DataError(f"{panel.label}: no time stamps, from which data.features are computed; leave them out")
        items = np.repeat(panel.items, panel.lengths)
        columns: list[Column] = []
        values: list[np.ndarray] = []
        for name, feature in features.items():
            feature.check(panel, horizon)
            columns += [computed.column(name) for computed in feature.columns(panel)]
            values.append(feature.at(panel.clock, items, panel, horizon=horizon, numbers=fitted.get(name, ())))
        return with_columns(panel, columns, np.concatenate(values, axis=1))


def with_columns(panel: Panel, columns: Sequence[Column], values: np.ndarray) -> Panel:
    """The panel with further columns, each behind those of its role.

    Raises:
        ConfigurationError: if a column has the name of another.
    """
    taken = {column.name for column in (*panel.columns, *panel.static)}
    for column in columns:
        if column.name in taken:
            raise ConfigurationError(
                f"{panel.label}: two columns are called {column.name!r}; give one of them, or the feature or table "
                "that it comes from, another name"
            )
        taken.add(column.name)
    every = (*panel.columns, *columns)
    order = sorted(range(len(every)), key=lambda place: ORDER.index(every[place].role))
    together = np.concatenate([panel.values, values], axis=1)
    return replace(panel, columns=tuple(every[place] for place in order), values=together[:, order])


def _cut(panel: Panel, lacking: np.ndarray) -> Panel:
    """The panel without rows that lack a value; pieces end there."""
    level = logging.WARNING if lacking.sum() > WORTH_A_WARNING * len(panel) else logging.INFO
    counts = np.isnan(panel.values).sum(axis=0)
    names = ", ".join(f"{panel.columns[place].name!r} lacks {counts[place]}" for place in np.flatnonzero(counts)[:3])
    log.log(level, "%s: %d of %d rows dropped: %s", panel.label, lacking.sum(), len(panel), names)
    if lacking.all():
        raise DataError(
            f"{panel.label}: no row has all of its values ({names}); give a longer series, shorter lags, or keep the "
            "gaps (data/grid=mask)"
        )
    kept = ~lacking
    begins = np.zeros(len(panel), dtype=bool)
    begins[panel.starts] = True
    # A row whose predecessor is dropped begins a piece as well.
    begins[1:] |= lacking[:-1]
    # Of dropped rows that began one, the next row does.
    first = np.flatnonzero(begins & kept)
    item = np.repeat(panel.items, panel.lengths)
    return replace(
        panel.without(lacking),
        starts=np.cumsum(kept)[first] - 1,
        items=item[first],
    )
