"""The interface of conformal calibration: bands from a model's errors on windows that it was not trained on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.options import Fraction
from recast.scoring.calibration.score_table import ScoreTable
from recast.types import Forecast

Scale = Float[Tensor, "*windows targets"]


class Calibration(ABC):
    """Turns the errors of a trained model on calibration windows into bands that hold the truth as often as they say.

    If the scores of the calibration windows and that of a further window are exchangeable, its band of a level holds
    the truth with at least that probability, whatever the model and the distribution. Each lead and target is
    calibrated by itself. Scores are in scaled units, so that large items of a panel have wider bands. A new
    one subclasses this and implements `scores` and `band`.

    Args:
        share: Share of the validation windows, the last of each item, that calibrate and do nothing else: the choice of
            the checkpoint does not see them. 0: all of them calibrate, though the checkpoint was chosen on them.

    Attributes:
        needs_band: Whether it corrects the model's own band, and so needs one.
        follows: Whether it adapts to truths that become known.
    """

    needs_band: ClassVar[bool] = False
    follows: ClassVar[bool] = False

    def __init__(self, share: float) -> None:
        self.share: Fraction = share

    @property
    def kinds(self) -> int:
        """Number of kinds of scores."""
        return 1

    @abstractmethod
    def scores(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"], scale: Scale
    ) -> Float[Tensor, "batch kinds horizon targets"]:
        """The scores of windows, larger for a truth that lies farther outside.

        Args:
            forecast: The model's, in the data's unit.
            truth: What was observed, in the data's unit.
            scale: Of the targets, or of those of each window, in the data's unit.
        """

    @abstractmethod
    def band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        """A forecast with the calibrated band.

        Args:
            table: The scores of the calibration windows.
            forecast: The model's, in the data's unit.
            scale: Of the targets, or of those of each window, in the data's unit.
        """

    def calibrated(self, table: ScoreTable) -> "Calibrated":
        """The calibration with the scores of its windows."""
        return Calibrated(self, table)

    def restored(self, values: object, spec: SeriesSpec) -> "Calibrated":
        """The inverse of `Calibrated.to_dict`, for values of unknown origin.

        Raises:
            ConfigurationError: if they do not fit the calibration or the data.
        """
        if not isinstance(values, Mapping) or set(values) != {"scores"}:
            raise ConfigurationError("calibration: expected the scores of its windows")
        return self.calibrated(ScoreTable.restored(values["scores"], self.kinds, spec.horizon, spec.targets))


class Calibrated:
    """A calibration with the scores of its windows.

    Args:
        calibration: Whose band it is.
        table: The scores.
    """

    def __init__(self, calibration: Calibration, table: ScoreTable) -> None:
        self.calibration = calibration
        self.table = table

    def to_dict(self) -> dict[str, Any]:
        """Tensors, suitable for a checkpoint."""
        return {"scores": self.table.values.clone()}

    def band(self, forecast: Forecast, scale: Scale) -> Forecast:
        """The forecast with its calibrated band, for fewer leads than were calibrated also.

        Args:
            forecast: The model's, in the data's unit.
            scale: Of the targets, or of those of each window, in the data's unit.

        Raises:
            ConfigurationError: if it has more leads.
        """
        leads = forecast.mean.shape[1]
        if refusal := self.refusal(leads):
            raise ConfigurationError(refusal)
        return self._band(self.table.leads(leads).to(forecast.mean.device), forecast, scale)

    def refusal(self, horizon: int) -> str | None:
        """Why there is no band for as many leads; None where there is one."""
        known = self.table.values.shape[2]
        if horizon <= known:
            return None
        return (
            f"horizon={horizon}: bands were calibrated for {known} steps; leave horizon out, or ask for no band "
            "(levels=[])"
        )

    def _band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        return self.calibration.band(table, forecast, scale)

    def follow(
        self,
        forecast: Forecast,
        scale: Scale,
        truth: Float[Tensor, "batch horizon targets"],
        *,
        observed: Bool[Tensor, "batch horizon targets"] | None,
        origin: Int[Tensor, " batch"],
        item: Int[Tensor, " batch"],
    ) -> Forecast:
        """The same for windows that come one after the other, to whose truths a calibration may adapt once known.

        Args:
            forecast: The model's, in the data's unit.
            scale: Of the targets, or of those of each window, in the data's unit.
            truth: What was observed, in the data's unit.
            observed: Where it was; None: everywhere.
            origin: Row of the last step that each window knows; the truth of lead k lies k rows after it.
            item: The item of each window.
        """
        del truth, observed, origin, item
        return self.band(forecast, scale)

    def restart(self) -> None:
        """Forgets the windows that were followed."""
