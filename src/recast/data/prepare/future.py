"""The steps after the end of a series: their time stamps, and what is known ahead there."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from recast.data.panel import Panel
from recast.data.prepare.describe import aligned_known
from recast.data.sources.lattice import after
from recast.data.sources.stamps import stamp_text
from recast.data.sources.step import from_wall_clock, wall_clock
from recast.data.spec import SeriesSpec
from recast.errors import DataError


def future_times(panel: Panel, step: str, horizon: int) -> np.ndarray:
    """The stamps that follow the last row of each series of a panel.

    Args:
        panel: One or many series.
        step: Distance between rows, a pandas offset alias; a calendar step gives the next calendar dates ("B": business
            days), in local time where the panel knows it.
        horizon: Number of stamps. [steps]

    Returns:
        `datetime64[ns]`, shape (items, horizon).

    Raises:
        DataError: if a series has no row.
        ConfigurationError: if the step is unknown.
    """
    panel = replace(panel, step=step)
    last, series = np.unique(wall_clock(panel)[last_rows(panel)], return_inverse=True)
    following = np.stack([after(stamp, step, horizon) for stamp in last])[series]
    return from_wall_clock(panel, following.ravel()).reshape(following.shape)


def last_rows(panel: Panel) -> np.ndarray:
    """The last row of each series, int64, shape (items,).

    Raises:
        DataError: if a series has none.
    """
    pieces = np.searchsorted(panel.items, np.arange(len(panel.ids)), side="right") - 1
    empty = np.diff(pieces, prepend=-1) == 0
    if empty.any():
        raise DataError(
            f"{_named(panel, int(empty.argmax()))}: no row is left of the {empty.sum()} series without one; give rows "
            "to forecast from, or leave the series out"
        )
    return panel.bounds[1:][pieces] - 1


def until_last_observed(panel: Panel) -> Panel:
    """The panel without the final rows of a series in which no target was observed: those are to be forecast.

    Raises:
        DataError: if no target was observed in any row of a series.
    """
    series = np.repeat(panel.items, panel.lengths)
    seen = np.flatnonzero(~np.isnan(panel.targets).all(axis=1))
    last = np.full(len(panel.ids), -1)
    last[series[seen]] = seen  # of several rows the last
    if (last < 0).any():
        raise DataError(
            f"{_named(panel, int((last < 0).argmax()))}: no target was observed in any row; expected some to forecast "
            "from"
        )
    return panel.without(np.arange(len(panel)) > last[series])


def beyond_end(
    panel: Panel, spec: SeriesSpec, known: Panel | None, computed: Mapping[str, np.ndarray] = MappingProxyType({})
) -> Panel:
    """The last context of each series and the steps after its end, which have only the inputs known ahead.

    Args:
        panel: A panel under the spec of a trained model, see `recast.data.prepare.describe.align`.
        spec: That spec.
        known: The inputs known ahead that a table gives, at least at the steps after the end; None if there are none.
        computed: Those that no table gives, by name, at the steps after the end.

    Returns:
        A panel of which each series is one piece of context + horizon rows.

    Raises:
        DataError: if fewer rows than a context follow the last gap, or a step after the end has no known inputs.
    """
    last = last_rows(panel)
    _require_contexts(panel, spec, last)
    times = future_times(panel, spec.step, spec.horizon)
    # Future values are never read; the offset scales to 0.
    unseen = [
        np.nan if spec.masked or column.is_category else offset
        for column, offset in zip(spec.columns, spec.offset, strict=True)
    ]
    ahead = np.tile(unseen, (*times.shape, 1))
    if known is not None:
        if known.timezone != panel.timezone:
            words = {None: "no time zone", "UTC": "a time zone"}
            raise DataError(
                f"{known.label}: its stamps have {words[known.timezone]}, those of {panel.label} have "
                f"{words[panel.timezone]}; write both alike"
            )
        given = [panel.names.index(name) for name in known.names]
        ahead[..., given] = _at(aligned_known(known, spec), panel.ids, times, may_lack=spec.masked)
    for name, values in computed.items():
        unknown = np.isnan(values)
        if unknown.any() and not spec.masked:
            raise DataError(
                f"{panel.label}: {name!r} is not known at {stamp_text(times[unknown][0])}, a step to forecast; "
                "give more rows before the end, without gaps"
            )
        ahead[..., panel.names.index(name)] = values
    rows = last[:, None] + np.arange(1 - spec.context, 1)
    items = np.arange(len(last))
    return replace(
        panel,
        times=np.concatenate([panel.clock[rows], times], axis=1).ravel(),
        values=np.concatenate([panel.values[rows], ahead], axis=1).reshape(-1, len(unseen)),
        starts=items * (spec.context + spec.horizon),
        items=items,
    )


def with_steps_ahead(panel: Panel, ahead: Panel, context: int, rows: int) -> Panel:
    """The last rows of each series, not before its last gap, followed by the steps after its end.

    Args:
        panel: The series.
        ahead: What `beyond_end` gave for it.
        context: Its rows of each series before the end. [steps]
        rows: How many of each series there are, at most. [steps]

    Returns:
        A panel of which each series is one piece.
    """
    stops = last_rows(panel) + 1
    begins = panel.starts[np.searchsorted(panel.starts, stops, side="left") - 1].clip(min=stops - rows)
    both = [
        np.concatenate([np.arange(begin, stop), len(panel) + np.arange(first + context, end)])
        for begin, stop, (first, end) in zip(begins, stops, ahead.pieces, strict=True)
    ]
    chosen, lengths = np.concatenate(both), np.array([len(part) for part in both])
    return replace(
        ahead,
        times=np.concatenate([panel.clock, ahead.clock])[chosen],
        values=np.concatenate([panel.values, ahead.values])[chosen],
        starts=lengths.cumsum() - lengths,
    )


def _require_contexts(panel: Panel, spec: SeriesSpec, last: np.ndarray) -> None:
    """Raises DataError where fewer rows than a context follow the last gap of a series."""
    begins = panel.starts[np.searchsorted(panel.starts, last, side="right") - 1]
    short = np.flatnonzero(last + 1 - begins < spec.context)
    if not len(short):
        return
    item = int(short[0])
    begin = begins[item]
    is_cut = int((panel.items == item).sum()) > 1
    gap = f" after the last gap, which ends at {stamp_text(panel.clock[begin])}" if is_cut else ""
    remedy = "fill the gap (data/grid=interpolate), or give more rows" if is_cut else "give more rows"
    others = "" if panel.is_single else f", or leave the {len(short)} series out that have too few"
    raise DataError(
        f"{_named(panel, item)}: {last[item] + 1 - begin} rows{gap}; the model reads the last {spec.context} steps "
        f"without a gap; {remedy}{others}"
    )


def _at(known: Panel, ids: tuple[str, ...], times: np.ndarray, *, may_lack: bool) -> np.ndarray:
    """The known inputs of each series at each of its times, shape (items, horizon, known columns).

    Args:
        known: The inputs.
        ids: The series.
        times: Their times, shape (items, horizon).
        may_lack: Whether the model reads that a value was not observed; a row there must be for each time.
    """
    places = {name: place for place, name in enumerate(known.ids)}
    own = np.array([places.get(name, -1) for name in ids])[:, None]
    stamps = np.unique(known.clock)
    # Rows are in order of series and time: a number for each pair finds them.
    numbers = np.repeat(known.items, known.lengths) * len(stamps) + np.searchsorted(stamps, known.clock)
    wanted = own * len(stamps) + np.minimum(np.searchsorted(stamps, times), len(stamps) - 1)
    rows = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    missing = (own < 0) | (numbers[rows] != wanted) | (known.clock[rows] != times)
    if missing.any():
        item = int(missing.any(axis=1).argmax())
        lacking, expected = missing[item], times[item]
        held = known.clock[np.repeat(known.items, known.lengths) == own[item]]
        found = f"found rows {_span(held)}" if len(held) else "found no row"
        raise DataError(
            f"{_label(known, ids, item)}: {lacking.sum()} of the {len(expected)} steps to forecast have no row, the "
            f"first is {stamp_text(expected[lacking][0])}; {found}, expected {', '.join(known.names)} at each step "
            f"{_span(expected)}"
        )
    found = known.values[rows]
    unknown = np.isnan(found)
    if unknown.any() and not may_lack:
        item, lead, column = np.argwhere(unknown)[0].tolist()
        raise DataError(
            f"{_label(known, ids, item)}: at {stamp_text(times[item, lead])}, a step to forecast, "
            f"{known.names[column]!r} has no value; expected one at each step, since the model reads no gaps"
        )
    return found


def _span(times: np.ndarray) -> str:
    return f"from {stamp_text(times[0])} to {stamp_text(times[-1])}"


def _named(panel: Panel, item: int) -> str:
    """What a message about a series begins with."""
    return _label(panel, panel.ids, item)


def _label(panel: Panel, ids: tuple[str, ...], item: int) -> str:
    return panel.label if len(ids) == 1 else f"{panel.label}, series {ids[item]!r}"
