"""Holm's correction for multiple comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.multitest import multipletests

from recast.errors import DataError
from recast.report.statistics.attainable import pairs_needed
from recast.report.statistics.samples import check_level, sample
from recast.report.statistics.wording import count, number


@dataclass(frozen=True)
class Holm:
    """A family of tests after Holm's correction. Build it with `holm`.

    Args:
        raw: The p-values as they were given.
        adjusted: Adjusted p-values in the same order: compare each with alpha.
        rejected: Whether each null hypothesis is rejected.
        alpha: Chance of at least one false rejection in the whole family, at most.
    """

    raw: tuple[float, ...]
    adjusted: tuple[float, ...]
    rejected: tuple[bool, ...]
    alpha: float

    @property
    def pairs_needed(self) -> int:
        """Smallest number of pairs with which a signed-rank test can be the first to be rejected in this family."""
        return pairs_needed(self.alpha, len(self.raw))

    @property
    def conclusion(self) -> str:
        """The conclusion for the family, in words."""
        found = f"{sum(self.rejected)} of {count(len(self.raw), 'comparison')}"
        return (
            f"a difference is shown in {found} at level {number(self.alpha)} for the whole family (Holm); "
            f"smallest adjusted p {number(min(self.adjusted))}"
        )


def holm(p_values: Sequence[float] | np.ndarray, *, alpha: float = 0.05) -> Holm:
    """Adjusts the p-values of a family of tests, whatever their dependence.

    Sorted p_(1) <= ... <= p_(m): adjusted p_(i) = max over j <= i of (m - j + 1) p_(j), at most 1 (Holm 1979, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6;
    `statsmodels.stats.multitest.multipletests`).

    The family must be fixed in advance: dropping the comparisons that showed nothing invalidates the correction.

    Args:
        p_values: One for each comparison, shape (m,).
        alpha: Level of the whole family.

    Raises:
        DataError: if there is none, or one is not a number between 0 and 1.
        ConfigurationError: if `alpha` is not between 0 and 1.
    """
    check_level(alpha)
    raw = sample(p_values, "p-values")
    outside = np.flatnonzero((raw < 0) | (raw > 1))
    if len(outside):
        raise DataError(f"p-value {outside[0] + 1} of {len(raw)} is {raw[outside[0]]:g}; it must lie between 0 and 1")
    rejected, adjusted, *_ = multipletests(raw, alpha=alpha, method="holm")
    return Holm(
        raw=tuple(raw.tolist()),
        adjusted=tuple(np.asarray(adjusted, dtype=np.float64).tolist()),
        rejected=tuple(np.asarray(rejected, dtype=np.bool_).tolist()),
        alpha=alpha,
    )
