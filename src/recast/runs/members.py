"""The members of an ensemble: finished runs that forecast the same."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recast.errors import ConfigurationError
from recast.runs.configure.wording import value_text
from recast.runs.restored_forecast import RestoredForecast

OF_TRAINING = frozenset({"data.seed", "data.batch_size", "data.evaluation_batch_size", "data.windows.stride"})
"""Options of the data that say how a member was trained, beside those of `REGIME`."""
REGIME = "data.regime"
PATH = "data.source.path"
OVERRIDES = ".hydra/overrides.yaml"
"""What a run was started with, by which a report tells it from others."""


@dataclass(frozen=True)
class Member:
    """A finished run.

    Args:
        folder: Its folder.
        restored: Its chosen checkpoint.
        results: The content of its metrics.json.
    """

    folder: Path
    restored: RestoredForecast
    results: Mapping[str, Any]

    @property
    def fit_seconds(self) -> float:
        """Seconds that it was trained; 0 if unknown."""
        seconds = self.results.get("seconds")
        found = seconds.get("fit") if isinstance(seconds, dict) else None
        return float(found) if isinstance(found, int | float) else 0.0


def require_agreement(runs: Sequence[Member]) -> None:
    """Raises ConfigurationError, which names the option that differs, if members forecast different things."""
    first = runs[0]
    for other in runs[1:]:
        one, two = first.restored, other.restored
        same_data = one.fingerprint == two.fingerprint
        remedy = "an ensemble has members of the same data and windows: leave one of these runs out"
        for key, expected, found in _differences(_compared(one), _compared(two)):
            # The same file may lie elsewhere.
            if key != PATH or not same_data:
                raise ConfigurationError(
                    f"{other.folder}: {key}={value_text(found)}, but {first.folder} has {value_text(expected)}; "
                    f"{remedy}"
                )
        if not same_data or _text(one.spec.to_dict()) != _text(two.spec.to_dict()):
            raise ConfigurationError(
                f"{other.folder}: its data had other values at its training than those of {first.folder}, though they "
                f"are read alike; {remedy}"
            )


def _compared(restored: RestoredForecast) -> dict[str, Any]:
    """The options that members share, each with its key."""
    config = restored.config
    flat = _flat({"data": config["data"], "task": {"calibration": config["task"].get("calibration")}})
    return {
        key: value
        for key, value in flat.items()
        if key not in OF_TRAINING and key != REGIME and not key.startswith(f"{REGIME}.")
    }


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {key: node}
    return {
        inner: found
        for name, value in node.items()
        for inner, found in _flat(value, f"{key}.{name}" if key else str(name)).items()
    }


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys([*one, *other]):
        if _text(one.get(key)) != _text(other.get(key)):
            # A part by its class.
            yield key.removesuffix("._target_"), one.get(key), other.get(key)


def _text(value: Any) -> str:
    """Equal for equal values: NaN, which an option may be, differs from itself."""
    return json.dumps(value, sort_keys=True, default=str)


def seeds_of(runs: Sequence[Member]) -> int | str | None:
    """The seed of all members, or those that they have; an ensemble among them has several itself."""
    texts = [str(run.results.get("seed")).split(",") for run in runs]
    seeds = sorted({int(word) for words in texts for word in words if word.isdecimal()})
    return seeds[0] if len(seeds) == 1 else ",".join(map(str, seeds)) or None


def overrides_of(runs: Sequence[Member], combine: str) -> list[str]:
    """What an ensemble would be started with, in a report: what all members were, and what tells it from them."""
    each = [_overrides(run.folder) for run in runs]
    common = [word for word in each[0] if all(word in words for words in each)]
    kept = [word for word in common if not word.lstrip("+~").startswith(("model", "seed"))]
    names = ",".join(run.folder.name for run in runs)
    return [*kept, "model=ensemble", f"model.combine={combine}", f"model.members=[{names}]"]


def _overrides(folder: Path) -> list[str]:
    """Those of a run; none where they are not known, as of one that a program started."""
    try:
        found = yaml.safe_load((folder / OVERRIDES).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    return [str(word) for word in found] if isinstance(found, list) else []
