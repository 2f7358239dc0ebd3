"""What an exported model reads and gives: named arrays in the data's unit, and what a program must know of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recast.data.panel import Column, Panel, Role
from recast.data.prepare.storage import hours
from recast.data.spec import SeriesSpec

KEY = "recast"
"""Key of the description in the metadata of an ONNX file; that of another format is in the file `recast.json`."""


@dataclass(frozen=True)
class Array:
    """An input or output of a graph.

    Args:
        name: Its name.
        dtype: "float64" or "int64".
        shape: Its axes: numbers, and "batch".
        meaning: What it is, in a sentence.
        columns: Of the last axis of an input, or the targets: name, unit, levels of a category (null: a number).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str
    columns: tuple[dict[str, Any], ...] = ()


def inputs_of(spec: SeriesSpec) -> list[Array]:
    """The inputs of a graph, in their order; those that the model does not read are not there.

    history: the targets up to the origin. past, known, static: the real inputs of these roles in their own units, those
    of `data.features` like any other column; a known column that counts from the origin is given as the time itself.
    hours: stamps, of which the graph makes sines and cosines. Names that end in `_levels`: categories as indices into
    their levels, the number of levels where none was observed. item: the place of the series among the `items` that
    were scaled by themselves in training; -1 for any other, which is scaled by its context.

    Args:
        spec: The data's description at training.
    """
    context, whole = spec.context, spec.context + spec.horizon
    missing = ", NaN where it was not observed" if spec.masked else ", without NaN"
    static = [column for column in spec.static_inputs if not column.is_category]
    found = [
        _reals("history", (context,), spec.reals("target"), f"targets up to the origin{missing}"),
        _reals("past", (context,), spec.reals("past"), f"inputs observed up to the origin{missing}"),
        _reals("known", (whole,), spec.reals("known"), f"inputs known ahead over context and horizon{missing}"),
        _reals("static", (), static, "one number for each window, NaN where it is not known"),
    ]
    if spec.periods:
        found.append(Array("hours", "float64", ("batch", whole), "hours since 1970-01-01 UTC of each step"))
    roles: tuple[tuple[Role, tuple[int, ...]], ...] = (("past", (context,)), ("known", (whole,)), ("static", ()))
    for role, steps in roles:
        columns = spec.categories(role)
        meaning = "places in the levels of each category, the number of levels where none was observed"
        found.append(Array(f"{role}_levels", "int64", ("batch", *steps, len(columns)), meaning, _told(columns)))
    if spec.local is not None and spec.local.ids:
        meaning = "place of the series in `items`, by whose numbers it is scaled; -1: by its context"
        found.append(Array("item", "int64", ("batch",), meaning))
    return [array for array in found if array.shape[-1] != 0]


def outputs_of(spec: SeriesSpec, levels: Sequence[float]) -> list[Array]:
    """The outputs of a graph: the mean, or median of a head of quantiles, and quantiles where there are any.

    Args:
        spec: The data's description at training.
        levels: Of the quantiles; (): there are none.
    """
    targets = _told(spec.of("target"))
    shape = spec.horizon, len(targets)
    found = [Array("mean", "float64", ("batch", *shape), "the point forecast of each lead and target", targets)]
    if levels:
        meaning = "quantiles at `levels` for each lead and target; infinite where too few truths calibrated"
        found.append(Array("quantiles", "float64", ("batch", len(levels), *shape), meaning, targets))
    return found


def _reals(name: str, steps: tuple[int, ...], columns: Sequence[Column], meaning: str) -> Array:
    return Array(name, "float64", ("batch", *steps, len(columns)), meaning, _told(columns))


def _told(columns: Sequence[Column]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"name": one.name, "unit": one.unit, "levels": None if one.levels is None else list(one.levels)}
        | ({"counts_from_origin": True} if one.from_origin else {})
        for one in columns
    )


def description_of(spec: SeriesSpec, levels: Sequence[float], **more: Any) -> str:
    """Everything that a program must know to feed a graph, as JSON.

    Args:
        spec: The data's description at training.
        levels: Of the quantiles.
        more: Further facts.
    """
    local = spec.local
    names = [column.name for column in spec.of("target")]
    scale: dict[str, Any] = {"by": "all", "offset": dict(zip(names, spec.target_offset, strict=True))}
    scale["scale"] = dict(zip(names, spec.target_scale, strict=True))
    if local is not None:
        scale = {"by": "window" if local.each_window else "item", "statistic": local.statistic}
    return json.dumps(
        {
            "context": spec.context,
            "horizon": spec.horizon,
            "step": spec.step,
            "timezone": spec.timezone,
            "levels": list(levels),
            "inputs": [asdict(array) for array in inputs_of(spec)],
            "outputs": [asdict(array) for array in outputs_of(spec, levels)],
            "items": [] if local is None else list(local.ids),
            "periods": list(spec.periods),
            "target_scaling": scale,
            **more,
        }
    )


def windows_of(panel: Panel, spec: SeriesSpec, starts: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs of a graph for windows of a panel, by name.

    Args:
        panel: A panel under the spec.
        spec: The data's description at training.
        starts: First row of each window.
    """
    context, whole = spec.context, spec.context + spec.horizon
    rows = starts[:, None] + np.arange(whole)
    items = panel.items_at(starts)

    def at(role: Role, *, category: bool) -> np.ndarray:
        places = [place for place in panel.of(role) if spec.columns[place].is_category == category]
        return panel.values[rows][..., places]

    static = [place for place, column in enumerate(spec.static) if column.role == "static"]
    known = panel.static_values[items]
    reals = [place for place in static if not spec.static[place].is_category]
    others = [place for place in static if spec.static[place].is_category]
    counts = {role: [len(column.levels or ()) for column in spec.categories(role)] for role in ("past", "known")}
    found = {
        "history": at("target", category=False)[:, :context],
        "past": at("past", category=False)[:, :context],
        "known": at("known", category=False),
        "static": known[:, reals],
        "past_levels": _places(at("past", category=True)[:, :context], counts["past"]),
        "known_levels": _places(at("known", category=True), counts["known"]),
        "static_levels": _places(known[:, others], [len(spec.static[place].levels or ()) for place in others]),
    }
    if spec.periods:
        found["hours"] = hours(panel.clock)[rows]
    if spec.local is not None:
        places = {name: place for place, name in enumerate(spec.local.ids)}
        found["item"] = np.array([places.get(panel.ids[item], -1) for item in items], dtype=np.int64)
    return {array.name: np.ascontiguousarray(found[array.name]) for array in inputs_of(spec)}


def _places(values: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    return np.where(np.isnan(values), np.asarray(counts, dtype=np.float64), values).astype(np.int64)
