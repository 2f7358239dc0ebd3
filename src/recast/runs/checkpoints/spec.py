"""The data's description in a checkpoint of unknown origin, checked before a model is built from it."""

from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Annotated, Any, Literal, cast, get_args

from annotated_types import MinLen

from recast.data.local_scaling import LocalScaling, Statistic
from recast.data.panel import ORDER, Column, Role
from recast.data.sources.step import parse_step
from recast.data.sources.text import Symbol
from recast.data.spec import LINE_BREAK, UNKNOWN, ImputerSpec, PanelSpec, SequenceSpec, SeriesSpec, TextSpec
from recast.errors import ConfigurationError
from recast.options import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, check_values

LARGEST = 10**7
"""Numbers in the forecast of a window: metrics keep some for each of them, whatever the size of the file."""

COLUMN = {field.name for field in fields(Column)} - {"from_origin"}
PANEL: dict[str, Any] = {
    "columns": Annotated[list[Any], MinLen(1)],
    "offset": list[float],
    "scale": list[PositiveFloat],
    "static": list[Any],
    "static_offset": list[float],
    "static_scale": list[NonNegativeFloat],
    "masked": bool,
}
SEQUENCES: dict[str, Any] = PANEL | {"longest": NonNegativeInt, "own_scale": bool}
SERIES: dict[str, Any] = PANEL | {
    "step": str,
    "context": PositiveInt,
    "horizon": PositiveInt,
    "naive_error": list[NonNegativeFloat],
    "periods": list[PositiveFloat],
    "timezone": Literal["UTC"] | None,
    "local": dict[str, Any] | None,
    "items_differ": bool,
    "fitted": dict[str, list[float]],
    "held": bool,
    "imputer": dict[str, Any] | None,
}
LOCAL: dict[str, Any] = {
    "statistic": Statistic,
    "smallest": PositiveFloat,
    "low": float,
    "high": float,
    "level": bool,
    "ids": list[str],
    "offset": list[list[float]],
    "scale": list[list[PositiveFloat]],
}
LATER: dict[str, Any] = {"local": None, "items_differ": False, "fitted": {}, "held": False, "imputer": None}
"""What checkpoints of earlier versions lack."""


def checked_series_spec(values: object) -> SeriesSpec:
    """The inverse of `SeriesSpec.to_dict` for values of unknown origin.

    Raises:
        ConfigurationError: if a field is missing, unknown, of the wrong type or out of range, or the fields disagree.
    """
    found = _fields(LATER | values if isinstance(values, dict) else values, SERIES)
    local, imputer = found.pop("local"), found.pop("imputer")
    found["fitted"] = {name: tuple(numbers) for name, numbers in found["fitted"].items()}
    spec = SeriesSpec(
        **found,
        local=None if local is None else _local(local),
        imputer=None if imputer is None else _imputer(imputer),
    )
    if spec.horizon * spec.targets > LARGEST:
        raise ConfigurationError(
            f"spec: horizon={spec.horizon} of {spec.targets} targets; metrics would keep more than {LARGEST} numbers"
        )
    parse_step(spec.step)
    _check_columns(spec)
    if not spec.targets or len(spec.naive_error) != spec.targets or any(c.is_category for c in spec.of("target")):
        raise ConfigurationError(
            f"spec: {spec.targets} targets do not fit {len(spec.naive_error)} naive errors; expected one for "
            "each, one target or more, none a category"
        )
    if spec.local is not None:
        _check_local(spec.local, spec.targets)
    return spec


def checked_imputation_spec(values: object) -> SeriesSpec:
    """The inverse of `SeriesSpec.to_dict` for a panel whose gaps are filled, for values of unknown origin.

    Raises:
        ConfigurationError: also if it has no masks, or context and horizon are not the same steps.
    """
    spec = checked_series_spec(values)
    if spec.periods or spec.local or spec.since_origin or spec.imputer or not spec.masked:
        raise ConfigurationError("spec: expected masks, one scaling for all windows, and no imputer of its own")
    if spec.context != spec.horizon:
        raise ConfigurationError(
            f"spec: context={spec.context}, horizon={spec.horizon}; expected the same, the steps of a window"
        )
    return spec


def _check_local(local: LocalScaling, targets: int) -> None:
    """Raises ConfigurationError where the numbers of items do not fit them, or the range is empty."""
    sizes = {len(local.ids), len(local.offset), len(local.scale)}
    if len(sizes) > 1 or {len(row) for row in (*local.offset, *local.scale)} - {targets}:
        raise ConfigurationError(f"spec: offsets and scales do not fit {len(local.ids)} items of {targets} targets")
    if not local.low < local.high:
        raise ConfigurationError(f"spec: low={local.low} must lie below high={local.high}")


def checked_sequence_spec(values: object) -> SequenceSpec:
    """The inverse of `SequenceSpec.to_dict` for values of unknown origin.

    Raises:
        ConfigurationError: if a field is missing, unknown, of the wrong type or out of range, or the fields disagree.
    """
    # Recast 0.4 had no such fields.
    before = {"longest": 0, "own_scale": False}
    spec = SequenceSpec(**_fields(before | values if isinstance(values, dict) else values, SEQUENCES))
    _check_columns(spec)
    if len(spec.classes) < 2:
        raise ConfigurationError("spec: expected a static column with the role target that names two classes or more")
    return spec


def checked_text_spec(values: object) -> TextSpec:
    """The inverse of `TextSpec.to_dict` for values of unknown origin.

    Raises:
        ConfigurationError: if a field is missing, unknown, of the wrong type or out of range, or the fields disagree.
    """
    # What earlier checkpoints lack.
    found = {"lines": False} | values if isinstance(values, dict) else values
    spec = TextSpec(**_fields(found, PANEL | {"lower": bool, "lines": bool}))
    _check_columns(spec)
    if len(spec.columns) != 1 or spec.static or spec.columns[0].role != "target" or spec.masked:
        raise ConfigurationError("spec: expected one column, the target, without gaps")
    if spec.symbol not in get_args(Symbol) or len(spec.vocabulary) < 2 or spec.vocabulary[0] != UNKNOWN:
        raise ConfigurationError(
            f"spec: expected a column named {' or '.join(get_args(Symbol))} whose levels are {UNKNOWN} and the symbols"
        )
    if "" in spec.vocabulary:
        raise ConfigurationError("spec: the vocabulary has an empty symbol")
    if spec.lines and LINE_BREAK not in spec.vocabulary:
        raise ConfigurationError("spec: a text in lines, without a line break in its vocabulary")
    return spec


def checked_fields(values: object, expected: Mapping[str, Any]) -> dict[str, Any]:
    """The values, which have these fields and no others, each of its type.

    Args:
        values: What a checkpoint holds.
        expected: The annotation of each field.

    Raises:
        ConfigurationError: if they are no such values.
    """
    if not isinstance(values, Mapping) or set(values) != set(expected):
        raise ConfigurationError(f"spec: expected the fields {', '.join(expected)}")
    check_values("spec", values, expected)
    return dict(values)


def _fields(values: object, expected: Mapping[str, Any]) -> dict[str, Any]:
    """The same with tuples for lists, and columns for their descriptions."""
    found = checked_fields(values, expected)
    columns = {name: [_column(column) for column in found[name]] for name in ("columns", "static")}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in (found | columns).items()}


def _local(values: object) -> LocalScaling:
    """The scaling item by item or window by window."""
    found: dict[str, Any] = checked_fields(values, LOCAL)
    rows: dict[str, Any] = {name: tuple(tuple(row) for row in found[name]) for name in ("offset", "scale")}
    return LocalScaling(**{**found, **rows, "ids": tuple(found["ids"])})


def _imputer(values: object) -> ImputerSpec:
    """What an imputation model is built from; the configuration of the model is not checked yet."""
    found = checked_fields(values, {"model": dict[str, Any], "spec": dict[str, Any]})
    if found["spec"].get("imputer") is not None:
        raise ConfigurationError("spec: an imputer reads no values of another one")
    return ImputerSpec(model=found["model"], spec=checked_imputation_spec(found["spec"]))


def _column(values: object) -> Column:
    """A column from its description; checked by hand for speed: a file may hold a million of them."""
    if not isinstance(values, Mapping) or set(values) - {"from_origin"} != COLUMN:
        raise ConfigurationError(f"spec: expected the fields {', '.join(sorted(COLUMN))} of each column")
    levels, from_origin = values["levels"], values.get("from_origin", False)
    right = {
        "name": isinstance(values["name"], str),
        "unit": isinstance(values["unit"], str),
        "role": isinstance(values["role"], str) and values["role"] in get_args(Role),
        "levels": levels is None or (isinstance(levels, list) and all(isinstance(level, str) for level in levels)),
        "from_origin": from_origin is False or (from_origin is True and values["role"] == "known" and levels is None),
    }
    for field, fits in right.items():
        if not fits:
            raise ConfigurationError(f"spec: {field}={values[field]!r} is no {field} of a column")
    if levels is not None and not 0 < len(levels) == len(set(levels)):
        raise ConfigurationError(
            f"spec: the levels of the column {values['name']!r}: expected different names, found {', '.join(levels)}"
        )
    return Column(
        values["name"],
        values["unit"],
        cast("Role", values["role"]),
        None if levels is None else tuple(levels),
        from_origin,
    )


def _check_columns(spec: PanelSpec) -> None:
    """Raises ConfigurationError where columns are out of order, or the numbers do not fit them."""
    for name in ("", "static_"):
        columns = spec.static if name else spec.columns
        lengths = [len(getattr(spec, f"{name}{numbers}")) for numbers in ("offset", "scale")]
        if lengths != [len(columns)] * 2:
            raise ConfigurationError(f"spec: {len(columns)} {name}columns do not fit the offsets and scales {lengths}")
    roles = [column.role for column in spec.columns]
    ordered = set(roles) <= set(ORDER) and all(ORDER.index(one) <= ORDER.index(other) for one, other in pairwise(roles))
    if not ordered or any(column.role not in ("static", "target") for column in spec.static):
        raise ConfigurationError(
            "spec: expected columns over time in the order of target, past, known, and static ones"
        )
