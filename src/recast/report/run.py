"""The report's view of one run: the content of its files, and problems with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recast.scoring.metrics.description import Description
from recast.sweeps.job_folder import State

LAST_VALUE = "last_value"


@dataclass(frozen=True, eq=False)
class Run:
    """A run of any state; a planned job without a folder is one too.

    Args:
        name: Its name: the folder relative to where the report searched.
        folder: Its folder, which a missing run does not have.
        state: Its state.
        reason: Why it has no results, in a line; "" for a finished run.
        problems: Problems with its files, a line each.
        overrides: Its command-line overrides, value by key.
        chosen: Every option of its configuration and every choice from a group, as text, by key.
        results: The content of metrics.json; {} if there is none.
        provenance: The content of provenance.json; {} if there is none.
    """

    name: str
    folder: Path
    state: State
    reason: str = ""
    problems: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it has results."""
        return self.state is State.FINISHED

    @property
    def scores(self) -> dict[str, float]:
        """Its test scores by metric; non-finite ones are omitted."""
        return numbers(self.results.get("test"))

    @property
    def metrics(self) -> dict[str, Description]:
        """The descriptions of its metrics, in the order of its configuration; empty in results of older versions."""
        written = mapping(self.results.get("metrics"))
        found = {name: Description.from_dict(mapping(values)) for name, values in written.items()}
        return {name: description for name, description in found.items() if description is not None}

    @property
    def per_horizon(self) -> dict[str, list[float]]:
        """Its test score at each lead, by metric; NaN if not finite."""
        return _lists(self.results.get("test_per_horizon"))

    @property
    def has_items(self) -> bool:
        """Whether its test scores are known for each item of a panel."""
        return bool(mapping(self.results.get("test_per_item")))

    @property
    def bands(self) -> dict[str, Mapping[str, Any]]:
        """Test scores of bands, by name: its own ("model"), "calibrated", and those of baselines; empty without any."""
        return {name: mapping(scores) for name, scores in mapping(self.results.get("test_bands")).items()}

    @property
    def unit(self) -> str:
        """Unit of its targets, "mixed" where they differ; "" for none."""
        return str(self.results.get("unit") or "")

    @property
    def counts(self) -> Mapping[str, Any]:
        """Its number of windows or sequences in each part."""
        return mapping(self.results.get("windows", self.results.get("sequences")))

    @property
    def scored(self) -> int | None:
        """The number of test windows or sequences that it was scored on; None if unknown."""
        found = mapping(self.results.get("scored")).get("test", self.counts.get("test"))
        return found if isinstance(found, int) else None

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Test scores of the baselines, by name and metric."""
        return {name: numbers(scores) for name, scores in mapping(self.results.get("baselines")).items()}

    @property
    def baselines_per_horizon(self) -> dict[str, dict[str, list[float]]]:
        """Test scores of the baselines at each lead, by name and metric."""
        return {name: _lists(scores) for name, scores in mapping(self.results.get("baselines_per_horizon")).items()}

    @property
    def seed(self) -> str:
        """Its seed; "" if unknown."""
        found = self.results.get("seed", self.overrides.get("seed", self.chosen.get("seed", "")))
        return str(found)

    @property
    def is_trial(self) -> bool:
        """Whether a search chose its options by validation scores."""
        return self.chosen.get("hydra/sweeper") == "optuna" or any(
            option.startswith("callbacks.pruning") for option in (*self.overrides, *self.chosen)
        )

    @property
    def selection(self) -> tuple[str, str, float] | None:
        """The validation curve that its state was selected by, "min" or "max", and its best value; None without."""
        found = mapping(self.results.get("selection"))
        value = numbers(found).get("value")
        return None if value is None else (str(found.get("monitor")), str(found.get("mode")), value)

    @property
    def parameters(self) -> int | None:
        """Number of trained parameters."""
        found = self.results.get("parameters")
        return found if isinstance(found, int) else None

    @property
    def fit_seconds(self) -> float:
        """Training time in seconds; NaN if unknown."""
        return numbers(self.results.get("seconds")).get("fit", math.nan)

    @property
    def data(self) -> Mapping[str, Any]:
        """The description of the data in provenance.json."""
        return mapping(self.provenance.get("data"))


def mapping(node: Any) -> Mapping[str, Any]:
    """`node` if it is a mapping; otherwise, as in a damaged file, an empty one."""
    return node if isinstance(node, Mapping) else {}


def numbers(node: Any) -> dict[str, float]:
    """The finite numbers of a JSON object, by name."""
    return {
        name: float(value)
        for name, value in mapping(node).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _lists(node: Any) -> dict[str, list[float]]:
    return {
        name: [float(value) if isinstance(value, int | float) else math.nan for value in values]
        for name, values in mapping(node).items()
        if isinstance(values, list) and values
    }
