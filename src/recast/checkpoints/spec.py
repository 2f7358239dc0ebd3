"""The data's description in a checkpoint, which may come from a stranger: checked before a model is built from it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import MinLen

from recast.errors import ConfigurationError
from recast.options import NonNegativeFloat, PositiveFloat, PositiveInt, check_values
from recast.series.step import parse_step
from recast.types import SequenceSpec, SeriesSpec

FIELDS: dict[str, Any] = {
    "names": Annotated[list[str], MinLen(1)],
    "units": list[str],
    "targets": PositiveInt,
    "step": str,
    "context": PositiveInt,
    "horizon": PositiveInt,
    "periods": list[PositiveFloat],
    "offset": list[float],
    "scale": list[PositiveFloat],
    "naive_error": list[NonNegativeFloat],
    "timezone": Literal["UTC"] | None,
}


def checked_spec(values: object) -> SeriesSpec:
    """The inverse of `SeriesSpec.to_dict` for values of unknown origin.

    Raises:
        ConfigurationError: if a field is missing, unknown, of the wrong type or out of range, or the fields disagree.
    """
    spec = SeriesSpec.from_dict(checked_fields(values, FIELDS))
    parse_step(spec.step)
    lengths = [len(numbers) for numbers in (spec.units, spec.offset, spec.scale)]
    channels = len(spec.names)
    if lengths != [channels] * 3 or not len(spec.naive_error) == spec.targets <= channels:
        raise ConfigurationError(
            f"spec: {channels} names and {spec.targets} targets do not fit the numbers of units, offsets, scales "
            f"{lengths} and naive errors {len(spec.naive_error)}"
        )
    return spec


SEQUENCE_FIELDS: dict[str, Any] = {
    "names": Annotated[list[str], MinLen(1)],
    "units": list[str],
    "classes": Annotated[list[str], MinLen(2)],
    "offset": list[float],
    "scale": list[PositiveFloat],
}


def checked_sequence_spec(values: object) -> SequenceSpec:
    """The inverse of `SequenceSpec.to_dict` for values of unknown origin.

    Raises:
        ConfigurationError: if a field is missing, unknown, of the wrong type or out of range, or the fields disagree.
    """
    spec = SequenceSpec.from_dict(checked_fields(values, SEQUENCE_FIELDS))
    lengths = [len(numbers) for numbers in (spec.units, spec.offset, spec.scale)]
    if lengths != [len(spec.names)] * 3:
        raise ConfigurationError(
            f"spec: {len(spec.names)} names do not fit the numbers of units, offsets and scales {lengths}"
        )
    if len(set(spec.classes)) < len(spec.classes):
        raise ConfigurationError(f"spec: a class is named twice in {', '.join(spec.classes)}")
    return spec


def checked_fields(values: object, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values, which have these fields and no others, each of its type.

    Args:
        values: What a checkpoint holds.
        fields: The annotation of each field.

    Raises:
        ConfigurationError: if they are no such values.
    """
    if not isinstance(values, Mapping) or set(values) != set(fields):
        raise ConfigurationError(f"spec: expected the fields {', '.join(fields)}")
    check_values("spec", values, fields)
    return dict(values)
