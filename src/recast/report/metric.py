"""The metric that runs are ranked by."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recast.errors import ConfigurationError
from recast.report.run import Run

HIGHER_IS_BETTER = ("accuracy", "macro_f1")
NOT_RANKED = ("coverage",)
"""Best at a level of its own, neither as small nor as large as can be."""
SQUARED = ("mse",)
IN_UNIT = ("rmse", "mae", "crps")
DEFAULTS = ("mse", "accuracy")


@dataclass(frozen=True)
class Metric:
    """What is compared.

    Args:
        name: As in metrics.json.
        unit: Its unit; "" where it has none.
    """

    name: str
    unit: str = ""

    @property
    def higher(self) -> bool:
        """Whether larger is better."""
        return self.name in HIGHER_IS_BETTER

    @property
    def title(self) -> str:
        """Its name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def better(self, first: float, second: float) -> bool:
        """Whether `first` is better than `second`; NaN is better than nothing."""
        return first > second if self.higher else first < second

    def best(self, values: Iterable[float]) -> float:
        """The best of the values; NaN where there is none."""
        finite = [value for value in values if math.isfinite(value)]
        return math.nan if not finite else max(finite) if self.higher else min(finite)

    def skill(self, value: float, reference: float) -> float:
        """Skill score (value - reference) / (perfect - reference), perfect being 0 for an error and 1 for a share.

        Wilks (2011), Statistical Methods in the Atmospheric Sciences, equation 8.4. 1 is perfect, 0 no better than the
        reference, below 0 worse; NaN where the reference is perfect.
        """
        perfect = 1.0 if self.higher else 0.0
        return (value - reference) / (perfect - reference) if reference != perfect else math.nan


def metric_of(runs: Sequence[Run], wanted: str | None) -> Metric | None:
    """The metric that finished runs on the same data are ranked by; None where they lack it.

    Args:
        runs: Finished runs.
        wanted: Its name; None for mse, or accuracy where that is what there is.
    """
    known = {name for run in runs for name in run.scores}
    name = next((name for name in ([wanted] if wanted else DEFAULTS) if name in known), None)
    if name is None:
        return None
    return Metric(name, _unit(name, str(runs[0].results.get("unit") or "")))


def check_metric(runs: Sequence[Run], wanted: str | None) -> None:
    """Refuses a metric that no finished run has, or that does not rank.

    Raises:
        ConfigurationError: if so, with the metrics that there are.
    """
    known = sorted({name for run in runs for name in run.scores} - set(NOT_RANKED))
    if wanted in NOT_RANKED:
        raise ConfigurationError(
            f"--metric {wanted}: it is best at its nominal level, so it ranks nothing; choose among {', '.join(known)}"
        )
    if wanted is not None and known and wanted not in known:
        raise ConfigurationError(f"--metric {wanted}: no finished run has it; they have {', '.join(known)}")


def _unit(name: str, unit: str) -> str:
    if not unit or name not in (*SQUARED, *IN_UNIT):
        return ""
    if name in IN_UNIT:
        return unit
    return f"{unit}²" if unit.isalpha() else f"({unit})²"
