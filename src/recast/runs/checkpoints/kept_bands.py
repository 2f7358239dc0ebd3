"""What a checkpoint holds of the bands of filled values."""

from collections.abc import Mapping
from typing import Any

from recast.scoring.calibration.gap_bands import GapBands
from recast.training.checkpoint_format import GAP_BANDS


def kept_bands(description: Mapping[str, Any], targets: int) -> GapBands | None:
    """The bands; None where validation had too few values to compare with, or the run has not come to its end.

    Args:
        description: What the checkpoint says of itself.
        targets: Number of targets of its data.

    Raises:
        ConfigurationError: if they do not fit.
    """
    return GapBands.restored(description[GAP_BANDS], targets) if GAP_BANDS in description else None
