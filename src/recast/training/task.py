"""The LightningModule: trains a forecasting model, scores it free-running in the data's unit."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import ImputeGrid
from recast.errors import ConfigurationError, NonFiniteLossError
from recast.nn.models.model import ForecastModel
from recast.options import PositiveInt, checked
from recast.scoring.calibration.calibration import Calibrated, Calibration
from recast.scoring.metrics.band_scores import BandScores, Hits
from recast.scoring.metrics.description import ranking
from recast.scoring.metrics.item_errors import ItemErrors
from recast.scoring.metrics.kept_forecasts import KeptForecasts
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.origin_errors import OriginErrors, further
from recast.scoring.metrics.rmse import RMSE
from recast.training.curves import is_due, log_curves
from recast.training.learning_rates import LearningRate
from recast.training.training_task import TrainingTask
from recast.types import Batch, Forecast, Share

MetricFactory = Callable[..., LeadMetric]


class ForecastTask(TrainingTask):
    """A forecasting model with its training and evaluation. Batches hold scaled values, forecasts the data's unit.

    Validation and test are free-running: no true future value is seen. On the validation windows the teacher-forced
    error is also logged, and their difference, the exposure bias (Bengio et al. 2015; Ranzato et al. 2016).

    Args:
        model: The forecasting model.
        optimizer: Builds the optimiser from the parameters; none: Adam with a rate of 1e-3.
        learning_rate: Schedule of the rate; none: constant.
        metrics: Builders of the metrics by name; none: MSE, RMSE and MAE. Those that need what the head does not
            forecast are omitted.
        samples: Trajectories drawn for a forecast if the head is stochastic. [trajectories]
        validation_samples: The same in the validation after each epoch. [trajectories]
        calibration: How bands are calibrated on validation windows after training; none: they are the model's own.

    Attributes:
        calibration_windows: First rows of the validation windows that calibrate, set before training; None: not yet.
        calibrated: The calibration with the scores of its windows; None before.
        band_scores: Scores of bands in the last test, by name: those of the model where it has some ("model"), and the
            calibrated ones.
        band_hits: What lies within these bands of each window, in order of rows.
        origin_errors: The errors of each window of the last test.
        item_errors: The scores of each item of a panel in the last test.
        keeps_forecasts: Whether a test keeps its forecasts, set before it.
        kept: The forecasts of the last test, where it kept them.
        references: Validation error of each baseline at each lead in the data's unit, by name, for figures.
    """

    model: ForecastModel
    offset: Tensor
    scale: Tensor

    @checked
    def __init__(
        self,
        *,
        model: ForecastModel,
        optimizer: Callable[..., Optimizer] | None = None,
        learning_rate: LearningRate | None = None,
        metrics: dict[str, MetricFactory] | None = None,
        samples: PositiveInt = 100,
        validation_samples: PositiveInt = 20,
        calibration: Calibration | None = None,
    ) -> None:
        factories = metrics or {"mse": MSE, "rmse": RMSE, "mae": MAE}
        super().__init__(model=model, optimizer=optimizer, learning_rate=learning_rate, metrics=factories)
        spec = model.spec
        self.samples = {"validation": validation_samples, "test": samples}
        self.register_buffer("offset", torch.tensor(spec.target_offset, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(spec.target_scale, dtype=torch.float64))
        self.scores = nn.ModuleDict({part: self._metrics(factories) for part in ("validation", "test")})
        means = {
            name: metric for name, metric in self.metrics_of("validation").items() if metric.computable_from({"mean"})
        }
        # The exposure bias is computed in the metric used for ranking, among those that need no samples.
        self.exposed = ranking({name: metric.description for name, metric in means.items()})
        self.forced_score = None if self.exposed is None else factories[self.exposed](spec=spec)
        self.origin_errors = OriginErrors(further(self.metrics_of("test")))
        self.item_errors = ItemErrors(self.metrics_of("test"))
        self.references: dict[str, np.ndarray] = {}
        self.keeps_forecasts = False
        self.kept: KeptForecasts | None = None
        self.calibration = calibration
        self.calibration_windows: Tensor | None = None
        self.calibrated: Calibrated | None = None
        self.bands = nn.ModuleDict()
        self.band_scores: dict[str, dict[str, Any]] = {}
        self.band_hits: dict[str, Hits] = {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ForecastTask":
        """As of any module, but offset and scale stay float64 where a trainer converts all others, as to bf16."""
        exact = {name: getattr(self, name) for name in ("offset", "scale")}
        super()._apply(fn, recurse)
        for name, values in exact.items():
            setattr(self, name, values.to(getattr(self, name).device))
        return self

    def _metrics(self, factories: dict[str, MetricFactory]) -> nn.ModuleDict:
        built = {name: factory(spec=self.model.spec) for name, factory in factories.items()}
        head = self.model.head
        return nn.ModuleDict(
            {name: metric for name, metric in built.items() if metric.computable_from(head.parts, head.levels)}
        )

    @property
    def validation_curves(self) -> list[str]:
        """The free-running errors, that in the metric which ranks first, the teacher-forced one, the exposure bias."""
        curves = [f"{name}/validation" for name in self.metrics_of("validation")]
        bias = [] if self.exposed is None else [f"{self.exposed}/teacher_forced", "exposure_bias"]
        return [*sorted(curves, key=lambda curve: curve != self.watched), *bias]

    @property
    def watched(self) -> str | None:
        """The free-running error in the metric that ranks.

        Of a head with a distribution it is that in the first metric that scores all of it, such as the CRPS: the best
        mean may come long before the spread is learnt. Not where that metric mixes targets that differ in unit or size.
        """
        metrics = self.metrics_of("validation")
        described = {name: metric.description for name, metric in metrics.items()}
        whole = {
            name: description
            for name, description in described.items()
            if not (description.mixes or metrics[name].computable_from({"mean"}))
        }
        first = ranking(whole) or ranking(described)
        return None if first is None else f"{first}/validation"

    def in_unit(
        self, scaled: Float[Tensor, "batch steps targets"], batch: Batch
    ) -> Float[Tensor, "batch steps targets"]:
        """Scaled values of the windows of a batch in the data's own unit, float64."""
        offset, scale = batch.affine(self.offset, self.scale)
        return scaled * scale + offset

    def forecast(self, batch: Batch, *, samples: int | None = None, seed: int = 0) -> Forecast:
        """Free-running forecast in the data's unit.

        Args:
            batch: Scaled windows; their targets are not read.
            samples: Trajectories if the head is stochastic; none: the option of the class.
            seed: Seed of those trajectories.
        """
        # Outside the trainer a batch has the precision of the storage.
        precise = batch.to_precision(self.model.precision)
        scaled = self.model.forecast(precise, samples=samples or self.samples["test"], seed=seed)
        return scaled.in_unit(*precise.affine(self.offset, self.scale))

    def banded(self, forecast: Forecast, batch: Batch) -> Forecast:
        """The forecast with its calibrated band, or as it is before calibration.

        Args:
            forecast: What `forecast` gave.
            batch: For these windows.
        """
        return forecast if self.calibrated is None else self.calibrated.band(forecast, self.scale_of(batch))

    def scale_of(self, batch: Batch) -> Tensor:
        """What the targets of the windows of a batch were divided by, in the data's unit, float64."""
        return batch.affine(self.offset, self.scale)[1]

    def on_fit_start(self) -> None:
        """Refuses data that the head cannot forecast, or without their imputation model; called by Lightning.

        Raises:
            DataError: for the first such value.
            ConfigurationError: if the grid names an imputation model, which the model does not have.
        """
        super().on_fit_start()
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, ForecastDataModule):
            if isinstance(data.grid, ImputeGrid) and self.model.spec.imputer is None:
                raise ConfigurationError(
                    "data/grid=impute: the imputation model was not read, so that networks would read zeros; train "
                    "with recast-train or recast.runs.fit.run, or use another grid"
                )
            self.model.head.check_values(data.prepared.panel)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The head's loss under the model's training regime."""
        if batch.carried is not None and not self.model.carries_states:
            raise ConfigurationError(
                f"{type(self.model).__name__} cannot carry states over from batch to batch, as it has no encoder that "
                "reads forward step by step, or reads lags from before a batch; use data/regime=shuffled, or a model "
                "that can"
            )
        if batch.carried is not None:
            self.model.require_filled_once("data/regime=stateful", "use data/regime=shuffled")
        if batch.origins is not None and not self.model.forecasts_from_origins:
            raise ConfigurationError(
                f"{type(self.model).__name__} cannot forecast from several origins in a window (data.regime.origins): "
                "that takes one encoder that reads forward step by step, no attention, and a model that does not learn "
                "from every step anyway; use data/regime=shuffled, or another model"
            )
        progress = self.progress
        parameters, target, observed = self.model.training_forecast(batch, progress)
        loss = self.model.head.loss(parameters, target, observed)
        share, items = self._share_of_truths(batch, observed)
        mean = self.over_processes(loss, share)
        if not torch.isfinite(mean):
            raise NonFiniteLossError(self._describe_non_finite(mean, batch))
        if is_due(self.trainer):
            _, scale = batch.affine(self.offset, self.scale)
            if batch.scaling is not None:
                # Window by window, all forecasts of a window.
                scale = scale.repeat_interleave(len(target) // len(scale), dim=0)
            errors = ((self.model.head.mean(parameters.detach()) - target) * scale).square()
            errors = (
                errors.mean() if observed is None else errors.where(observed, 0.0).sum() / observed.sum().clamp(min=1)
            )
            mse = self.over_processes(errors, share)
            self.log("loss", mean, prog_bar=True, logger=False)
            curves = {"loss/train": mean.item(), "mse/train": mse.item()}
            log_curves(self.trainer, curves | self.model.diagnostics(progress))
        return self.accumulated(self.weighted(loss, share), batch_idx, items)

    def _share_of_truths(self, batch: Batch, observed: Tensor | None) -> tuple[Share | None, Tensor | int]:
        """The share of a process, weighted by what its loss averages over, and how much of that all processes have.

        That is windows, of which all have the same number of truths; where some were not observed, it is truths.
        """
        share = batch.share
        if observed is None:
            return share, len(batch.start) if share is None else share.total
        if share is None:
            return None, observed.sum()
        own = observed.sum().double() * (share.weight > 0)
        total = own.clone()
        torch.distributed.all_reduce(total)
        return share._replace(weight=(own * self.trainer.world_size / total.clamp(min=1)).item()), total

    def _describe_non_finite(self, loss: Tensor, batch: Batch) -> str:
        rows = cast("Tensor", self.all_gather(torch.stack([batch.start.min(), batch.start.max()])))
        rows = rows + batch.context - 1
        first, last = int(rows.min()), int(rows.max())
        where = f"rows {first} to {last}"
        datamodule = getattr(self.trainer, "datamodule", None)
        prepared = getattr(datamodule, "prepared", None)
        if prepared is not None:
            where += f" ({prepared.panel.clock[first]} to {prepared.panel.clock[last]})"
        return (
            f"the training loss is {loss.item()} at step {self.trainer.global_step}; the batch's forecast origins lie "
            f"in {where}. The last good checkpoint is kept. Try a lower optimizer.lr or clip gradients "
            "(trainer.gradient_clip_val=1)"
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores the free-running and the teacher-forced forecast."""
        if not len(batch.start):
            return
        self._score("validation", batch, batch_idx)
        parameters = None if self.forced_score is None else self.model.teacher_forced(batch)
        if parameters is not None and self.forced_score is not None:
            forced = Forecast(self.in_unit(self.model.head.mean(parameters), batch))
            self.forced_score.update(forced, self.truth_of(batch), batch.target_observed, batch.sizes)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores the free-running forecast, and keeps the errors of each window and item."""
        sizes = None if batch.truths is None else batch.truths.sizes
        if sizes is not None:
            self.item_errors.expect(len(sizes.scale), batch.start.device)
        if not len(batch.start):
            return
        forecast, band, truth = self._score("test", batch, batch_idx)
        self.origin_errors.update(batch.start, forecast.mean, truth, batch.target_observed, batch.sizes)
        if sizes is not None:
            self.item_errors.update(batch.item, forecast, truth, batch.target_observed, sizes, band=band)
        if forecast.widest is not None:
            self._bands("model").update(batch.start, forecast, truth, batch.target_observed)
        if self.calibrated is not None:
            self._bands("calibrated").update(batch.start, band, truth, batch.target_observed)
        if self.kept is not None:
            self.kept.update(batch.start, forecast, None if self.calibrated is None else band)

    def predict_step(self, batch: Batch, batch_idx: int) -> Forecast:
        """The free-running forecast in the data's unit."""
        return self.forecast(batch)

    def _score(self, part: str, batch: Batch, batch_idx: int) -> tuple[Forecast, Forecast, Tensor]:
        """Updates the metrics; returns the forecast, it with its calibrated band where there is one, and the truth."""
        # A seed for each global batch: identical draws in each would correlate their errors.
        seed = batch_idx * self.trainer.world_size + self.trainer.global_rank
        forecast = self.forecast(batch, samples=self.samples[part], seed=seed)
        truth, sizes, observed, band = self.truth_of(batch), batch.sizes, batch.target_observed, forecast
        if part == "test" and self.calibrated is not None:
            origin, scale = batch.start + batch.context - 1, self.scale_of(batch)
            band = self.calibrated.follow(forecast, scale, truth, observed=observed, origin=origin, item=batch.item)
        for metric in self.metrics_of(part).values():
            metric.update(metric.scored(forecast, band), truth, observed, sizes)
        return forecast, band, truth

    def truth_of(self, batch: Batch) -> Tensor:
        """The truth in the data's unit: the source's own, or, of a batch made by hand, what its scaled one says."""
        truth = batch.truth
        return self.in_unit(batch.target, batch) if truth is None else truth

    def metrics_of(self, part: str) -> dict[str, LeadMetric]:
        """The metrics of "validation" or "test" by name."""
        return dict(self.scores[part].items())  # pyright: ignore[reportCallIssue] ModuleDict is untyped

    def on_validation_epoch_start(self) -> None:
        """Resets the metrics."""
        self._reset("validation")
        if self.forced_score is not None:
            self.forced_score.reset()

    def on_test_epoch_start(self) -> None:
        """Resets the metrics."""
        self._reset("test")
        self.origin_errors.reset()
        self.item_errors.reset()
        self.kept = KeptForecasts() if self.keeps_forecasts else None
        spec = self.model.spec
        self.bands = nn.ModuleDict(
            {name: BandScores(horizon=spec.horizon, targets=spec.targets) for name in ("model", "calibrated")}
        ).to(self.device)
        self._restart_calibration()

    def _reset(self, part: str) -> None:
        for metric in self.metrics_of(part).values():
            metric.reset()

    def on_validation_epoch_end(self) -> None:
        """Logs the free-running errors, the teacher-forced one, and the exposure bias."""
        watched = self.watched
        scores = {name: metric.compute() for name, metric in self.metrics_of("validation").items()}
        for name, value in scores.items():
            curve = f"{name}/validation"
            self.log(curve, value, prog_bar=curve == watched, sync_dist=True)
        if self.exposed is None or self.forced_score is None:
            return
        if self.trainer.strategy.reduce_boolean_decision(self.forced_score.update_called, all=False):
            forced = self.forced_score.compute()
            self.log(f"{self.exposed}/teacher_forced", forced, sync_dist=True)
            self.log("exposure_bias", scores[self.exposed] - forced, sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Logs the free-running errors, and gathers those of each window and item."""
        for name, metric in self.metrics_of("test").items():
            self.log(f"{name}/test", metric.compute(), sync_dist=True)
        self.origin_errors.gather(self.device)
        self.item_errors.gather(self.device)
        self._restart_calibration()
        seen, starts = self.trainer.strategy.reduce_boolean_decision, self.origin_errors.starts
        found = [name for name in self.bands if seen(self._bands(name).update_called, all=False)]
        self.band_scores = {name: self._bands(name).compute() for name in found}
        self.band_hits = {name: self._bands(name).hits(starts) for name in found}

    def _bands(self, name: str) -> BandScores:
        return cast("BandScores", self.bands[name])

    def _restart_calibration(self) -> None:
        if self.calibrated is not None:
            self.calibrated.restart()
