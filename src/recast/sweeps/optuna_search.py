"""Search over options with Optuna: each trial is a job, judged by its free-running validation score."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from recast.errors import ConfigurationError
from recast.options import PositiveInt, Seed, checked
from recast.sweeps.job_folder import JobFolder, State
from recast.sweeps.launcher import JobLauncher, SweepError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

log = logging.getLogger(__name__)

OVERRIDES = "overrides"  # attribute of a trial
CALLBACK = "callbacks.pruning"


class OptunaSearch(Sweeper):
    """Asks an Optuna study for values, trains with them, and tells it the validation score.

    The study lies on the disk. Started again in the same folder, the search goes on: trials that were under way are
    resumed, finished ones are not repeated. Hopeless trials are pruned by their validation curve.

    Args:
        params: What is searched, in Hydra's sweep syntax, by key; sweeps on the command line are added.
        trials: Trials in all, those of earlier starts among them. [trials]
        parallel: Trials asked for at a time; the launcher may run them side by side. [trials]
        direction: Whether the score is made small or large.
        monitor: The validation curve that is searched by and pruned by; none: that of the best checkpoint, unpruned.
        sampler: Builds Optuna's sampler from a seed.
        pruner: Optuna's pruner; none: no trial is pruned.
        seed: Seed of the sampler.
        study_name: Name of the study in its storage.
        storage: Address of a database as SQLAlchemy writes it; none: the file `study.journal` in the sweep's folder.
    """

    @checked
    def __init__(
        self,
        *,
        params: dict[str, Any] | None = None,
        trials: PositiveInt = 20,
        parallel: PositiveInt = 2,
        direction: Literal["minimize", "maximize"] = "minimize",
        monitor: str | None = "mse/validation",
        sampler: Callable[..., Any],
        pruner: Any = None,
        seed: Seed = 0,
        study_name: str = "recast",
        storage: str | None = None,
    ) -> None:
        super().__init__()
        self.params = params or {}
        self.trials = trials
        self.parallel = parallel
        self.direction: Literal["minimize", "maximize"] = direction
        self.monitor = monitor
        self.sampler = sampler
        self.pruner = pruner
        self.seed = seed
        self.study_name = study_name
        self.storage = storage

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra."""
        self._config = config
        self._context = hydra_context
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if isinstance(self._launcher, JobLauncher):
            self._launcher.hidden = (CALLBACK,)

    def sweep(self, arguments: list[str]) -> None:
        """Searches until there are as many trials as asked for.

        Raises:
            ConfigurationError: if nothing is searched, or a value cannot be used.
            SweepError: if trials have failed.
        """
        from recast.sweeps.search_space import corners, overrides_of, split

        parser = OverridesParser.create(config_loader=self._context.config_loader)
        given = [f"{key}={value}" for key, value in self.params.items()]
        fixed, space = split(parser.parse_overrides([*given, *arguments]))
        if not space:
            raise ConfigurationError(
                "hydra/sweeper=optuna: nothing is searched; give a sweep, as in model.cell.hidden_size=16,32,64 or "
                "'optimizer.lr=tag(log,interval(1e-4,1e-2))'"
            )
        always = [f"{key}={value}" for key, value in fixed.items()]
        if isinstance(self._launcher, JobLauncher):
            self._launcher.refuse([[*always, *overrides_of(values)] for values in corners(space)])
        folder = Path(str(self._config.hydra.sweep.dir)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, folder / "multirun.yaml")
        address = self.storage or str(folder / "study.journal")
        study = self._study(address)
        failed = self._search(study, address, always, space)
        _log_best(study)
        if failed:
            raise SweepError(f"{len(failed)} trials failed\n" + "\n".join(failed))

    def _search(self, study: "Study", address: str, always: list[str], space: Any) -> list[str]:
        """Asks and tells until there are enough trials; a line for each that failed."""
        from optuna.trial import TrialState

        failed: list[str] = []
        under_way = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        while True:
            done = len(study.get_trials(deepcopy=False)) - len(under_way)
            batch: list[FrozenTrial | Trial] = list(under_way[: self.parallel])
            under_way = under_way[self.parallel :]
            while len(batch) < self.parallel and done + len(under_way) + len(batch) < self.trials:
                batch.append(self._ask(study, always, space, address))
            if not batch:
                break
            overrides = [trial.user_attrs[OVERRIDES] for trial in batch]
            outcomes = self._launcher.launch(overrides, initial_job_idx=batch[0].number)
            for trial, outcome in zip(batch, outcomes, strict=True):
                failed += self._tell(study, trial, outcome)
        return failed

    def _study(self, address: str) -> "Study":
        import optuna

        from recast.callbacks.study_storage import study_storage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = study_storage(address)
        study = optuna.create_study(
            storage=storage,
            study_name=self.study_name,
            direction=self.direction,
            load_if_exists=True,
            pruner=self.pruner or optuna.pruners.NopPruner(),
        )
        # Begun with the same seed again, a sampler would propose its first trials again.
        study.sampler = self.sampler(seed=(self.seed + len(study.get_trials(deepcopy=False))) % 2**32)
        return study

    def _ask(self, study: "Study", always: list[str], space: Any, address: str) -> "Trial":
        from recast.sweeps.search_space import overrides_of

        trial = study.ask(fixed_distributions=space)
        overrides = [*always, *overrides_of(trial.params)]
        if self.pruner is not None and self.monitor is not None:
            options = {
                "_target_": "recast.callbacks.pruning.Pruning",
                "storage": f"'{address}'",
                "study_name": f"'{self.study_name}'",
                "trial": trial.number,
                "monitor": f"'{self.monitor}'",
            }
            told = ",".join(f"{name}:{value}" for name, value in options.items())
            overrides.append(f"++{CALLBACK}={{{told}}}")
        # Written down before the job starts: a trial under way can then be found and resumed.
        trial.set_user_attr(OVERRIDES, overrides)
        return trial

    def _tell(self, study: "Study", trial: Any, outcome: JobReturn) -> Sequence[str]:
        """Tells the study what became of a trial; a line if it failed."""
        from optuna.trial import TrialState

        folder = JobFolder(Path(outcome.working_dir or ""))
        if folder.state is State.PRUNED:
            study.tell(trial.number, state=TrialState.PRUNED)
            return []
        if outcome.status is not JobStatus.COMPLETED or outcome.return_value is None:
            study.tell(trial.number, state=TrialState.FAIL)
            why = folder.failure_reason() or "no validation score: search needs a validation part and a best checkpoint"
            return [f"trial {trial.number} ({folder.path.name}): {why}"]
        study.tell(trial.number, float(outcome.return_value))
        return []


def _log_best(study: "Study") -> None:
    from optuna.trial import TrialState

    counts = {state: len(study.get_trials(deepcopy=False, states=(state,))) for state in TrialState}
    if counts[TrialState.COMPLETE]:
        values = " ".join(f"{key}={value}" for key, value in study.best_params.items())
        log.info(
            "best of %d finished trials (%d pruned, %d failed): trial %d, validation score %.4g: %s",
            counts[TrialState.COMPLETE],
            counts[TrialState.PRUNED],
            counts[TrialState.FAIL],
            study.best_trial.number,
            study.best_value,
            values,
        )
