"""Conformal bands of baselines, calibrated on the windows that calibrate the model's."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from recast.data.prepare.prepare import Prepared
from recast.runs.baseline_windows import BATCH, PointForecasts, truth_of
from recast.scoring.calibration.calibration import Calibrated, Calibration
from recast.scoring.calibration.score_table import ScoreTable
from recast.scoring.calibration.split import Split
from recast.types import Forecast


@dataclass(frozen=True, eq=False)
class BaselineBands:
    """The calibration of a run for baselines.

    Args:
        calibration: That of the model. Baselines forecast points: where it corrects a model's own band, theirs is the
            split conformal one.
        prepared: The data.
        starts: First rows of the windows that calibrate.
    """

    calibration: Calibration
    prepared: Prepared
    starts: Int[Tensor, " windows"]

    def of(self, forecasts: PointForecasts) -> Calibrated:
        """The calibrated bands of point forecasts.

        Raises:
            ConfigurationError: if no truth was observed in the windows.
        """
        calibration = Split() if self.calibration.needs_band else self.calibration
        prepared = replace(self.prepared, starts=self.prepared.starts._replace(validation=self.starts))
        found = [
            calibration.scores(Forecast(mean), truth_of(prepared, rows), self.scale(rows))
            for mean, rows in zip(forecasts(prepared, "validation"), self.starts.split(BATCH), strict=True)
        ]
        return calibration.calibrated(ScoreTable.of(torch.cat(found)))

    def scale(self, rows: Int[Tensor, " batch"]) -> Float64[Tensor, "*windows targets"]:
        """What the targets of windows are divided by, in their unit."""
        spec = self.prepared.spec
        whole = torch.tensor(spec.target_scale, dtype=torch.float64)
        if spec.local is None:
            return whole
        return self.prepared.storage.windows(rows, spec.context, spec.horizon).affine(whole, whole)[1]
