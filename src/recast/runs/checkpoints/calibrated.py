"""What a checkpoint holds of the calibration of its bands."""

import logging
from collections.abc import Mapping
from typing import Any

from recast.data.spec import SeriesSpec
from recast.scoring.calibration.calibration import Calibrated, Calibration
from recast.training.checkpoint_format import CALIBRATION

log = logging.getLogger(__name__)


def calibrated_of(
    calibration: Calibration | None, description: Mapping[str, Any], spec: SeriesSpec
) -> Calibrated | None:
    """The calibration with its scores; None where there is none, or the run was not yet calibrated, which is told.

    Args:
        calibration: That of the run; None: its bands are the model's own.
        description: What the checkpoint says of itself.
        spec: The data's names and sizes.

    Raises:
        ConfigurationError: if the scores do not fit.
    """
    if calibration is None:
        return None
    if CALIBRATION not in description:
        log.warning(
            "the checkpoint lacks the scores of its calibration, so that its bands, if any, are the model's own: they "
            "are in best.ckpt alone, once the run has come to its end; use that one"
        )
        return None
    return calibration.restored(description[CALIBRATION], spec)
