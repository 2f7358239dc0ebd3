"""Early pruning of unpromising search trials."""

from typing import Any

import lightning.pytorch as pl

from recast.errors import PrunedError
from recast.options import NonNegativeInt, checked
from recast.training.training_task import TrainingTask


class Pruning(pl.Callback):
    """Reports a validation curve to an Optuna study after each validation, and stops if its pruner says so.

    The search itself adds this callback to its jobs.

    Args:
        storage: The study's journal file, or the address of its database.
        study_name: Name of the study in its storage.
        trial: Number of the trial that this run is.
        monitor: The validation curve; "ranking/validation": see `recast.types.RANKING`.
        pruner: Optuna's pruner.
    """

    @checked
    def __init__(self, *, storage: str, study_name: str, trial: NonNegativeInt, monitor: str, pruner: Any) -> None:
        super().__init__()
        self.storage = storage
        self.study_name = study_name
        self.trial = trial
        self.monitor = monitor
        self.pruner = pruner
        self._trial: Any = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Finds the curve and the trial."""
        if isinstance(pl_module, TrainingTask):
            self.monitor = pl_module.curve(self.monitor)
        if stage != "fit" or self._trial is not None or not trainer.is_global_zero:
            return
        import optuna

        from recast.training.callbacks.study_storage import study_storage

        storage = study_storage(self.storage)
        study = optuna.load_study(study_name=self.study_name, storage=storage, pruner=self.pruner)
        number = study.get_trials(deepcopy=False)[self.trial]._trial_id  # noqa: SLF001 - Optuna has no public API
        self._trial = optuna.trial.Trial(study, number)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reports; all processes of a run stop together.

        Raises:
            PrunedError: if the trial is to be pruned.
        """
        if trainer.sanity_checking or self.monitor not in trainer.callback_metrics:
            return
        value = float(trainer.callback_metrics[self.monitor])
        hopeless = False
        if self._trial is not None:
            self._trial.report(value, step=trainer.global_step)
            hopeless = self._trial.should_prune()
        if trainer.strategy.reduce_boolean_decision(hopeless, all=False):
            raise PrunedError(
                f"pruned at step {trainer.global_step}: {self.monitor} {value:.4g} is worse than that of other trials"
            )
