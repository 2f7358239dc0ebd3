"""What a model can read of the data; anything else is rejected before training."""

from collections.abc import Mapping
from typing import get_args

from recast.data.spec import Feature, PanelSpec
from recast.errors import ConfigurationError

EVERYTHING: frozenset[Feature] = frozenset(get_args(Feature))

WORDS: dict[Feature, str] = {
    "past": "past inputs",
    "known": "inputs known ahead",
    "static": "static inputs",
    "categories": "categories",
    "masks": "masks",
}
REMEDIES: dict[Feature, str] = {
    "past": "use another model, or a source without past inputs",
    "known": "use another model, or data without inputs known ahead (data.source.known, data.features, data.periods)",
    "static": "use another model, or a source without static inputs",
    "categories": "use another model, or a source without categories",
    "masks": "use another model, or complete rows (data/grid=split, interpolate)",
}


def reject_unread(
    model: str, spec: PanelSpec, reads: frozenset[Feature], exceptions: Mapping[Feature, tuple[str, str]] | None = None
) -> None:
    """Rejects data with features that a model does not read.

    Args:
        model: The model's name.
        spec: The data's description.
        reads: What the model can read.
        exceptions: What it does not read with its current options: why, and the remedy.

    Raises:
        ConfigurationError: for the first feature of the data that it does not read.
    """
    exceptions = exceptions or {}
    for feature, names in spec.features.items():
        if feature in exceptions:
            why, remedy = exceptions[feature]
            raise ConfigurationError(f"{model}: {why}, but the data have {WORDS[feature]} ({names}); {remedy}")
        if feature not in reads:
            raise ConfigurationError(f"{model} does not read {WORDS[feature]} ({names}); {REMEDIES[feature]}")
