"""Search over options with Optuna: each trial is a job, judged by its free-running validation score."""

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from recast.errors import ConfigurationError
from recast.options import PositiveInt, Seed, checked
from recast.sweeps.job_folder import JobFolder, State
from recast.sweeps.launcher import SweepError, job_launcher
from recast.system.distribution import how_to_install
from recast.types import RANKING

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

log = logging.getLogger(__name__)

OVERRIDES = "overrides"  # attribute of a trial
CALLBACK = "callbacks.pruning"
MODES = {"min": "minimize", "max": "maximize"}
SAMPLER = {"_target_": "optuna.samplers.TPESampler", "_partial_": True}
PRUNER = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 5, "n_warmup_steps": 0}


class OptunaSearch(Sweeper):
    """Asks an Optuna study for values, trains with them, and tells it the validation score.

    The study is stored on disk. Restarted in the same folder, the search continues: interrupted trials are resumed,
    finished ones are not repeated. Unpromising trials are pruned by their validation curve.

    Args:
        params: The search space, in Hydra's sweep syntax, by key; sweeps on the command line are added.
        trials: Total number of trials, including those of earlier starts. [trials]
        parallel: Trials requested at a time; the launcher may run them in parallel. [trials]
        direction: Whether the score is minimised or maximised; as `callbacks.best_checkpoint.mode`.
        monitor: The validation curve that trials are judged and pruned by; that of `callbacks.best_checkpoint`.
        sampler: Optuna's sampler, which is given the seed: its class and options.
        pruner: Optuna's pruner: its class and options; none: no trial is pruned.
        seed: Seed of the sampler.
        study_name: Name of the study in its storage.
        storage: SQLAlchemy URL of a database; none: the file `study.journal` in the sweep's folder.

    Raises:
        ConfigurationError: if Optuna is not installed, or has no such sampler or pruner.
    """

    @checked
    def __init__(
        self,
        *,
        params: dict[str, Any] = {},  # noqa: B006 - read only
        trials: PositiveInt = 20,
        parallel: PositiveInt = 2,
        direction: Literal["minimize", "maximize"] = "minimize",
        monitor: str = RANKING,
        sampler: dict[str, Any] = SAMPLER,
        pruner: dict[str, Any] | None = PRUNER,
        seed: Seed = 0,
        study_name: str = "recast",
        storage: str | None = None,
    ) -> None:
        super().__init__()
        self.params = params
        self.trials = trials
        self.parallel = parallel
        self.direction: Literal["minimize", "maximize"] = direction
        self.monitor = monitor
        self.parts = {"sampler": sampler, "pruner": pruner}
        self.seed = seed
        self.study_name = study_name
        self.storage = storage
        _check_optuna(self.parts)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra.

        Raises:
            ConfigurationError: if the launcher does not report the outcome of jobs.
        """
        self._config = config
        self._context = hydra_context
        self._launcher = job_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config, wanted_by="optuna"
        )
        self._launcher.hidden = (CALLBACK,)

    def sweep(self, arguments: list[str]) -> None:
        """Searches until the requested number of trials is reached.

        Raises:
            ConfigurationError: if nothing is searched, or a value cannot be used.
            SweepError: if trials have failed.
        """
        from recast.sweeps.search_space import corners, overrides_of, split, whole_numbers
        from recast.sweeps.study import open_study

        parser = OverridesParser.create(config_loader=self._context.config_loader)
        given = [f"{key}={value}" for key, value in self.params.items()]
        fixed, space = split(parser.parse_overrides([*given, *arguments]))
        if not space:
            raise ConfigurationError(
                "hydra/sweeper=optuna: nothing is searched; give a sweep, as in model.cell.hidden_size=16,32,64 or "
                "'optimizer.lr=tag(log,interval(1e-4,1e-2))'"
            )
        always = [f"{key}={value}" for key, value in fixed.items()]
        try:
            configs = self._launcher.refuse([[*always, *overrides_of(values)] for values in corners(space)])
        except ConfigurationError as error:
            raise ConfigurationError(f"{error}{whole_numbers(space, str(error))}") from error
        for config in configs:
            self._check_score(config)
        folder = Path(str(self._config.hydra.sweep.dir)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, folder / "multirun.yaml")
        address = self.storage or str(folder / "study.journal")
        study = open_study(address, self.study_name, self.direction, self.parts, self.seed)
        failed = self._search(study, address, always, space)
        self._launcher.conclude()
        _log_best(study)
        if failed:
            raise SweepError(f"{len(failed)} trials failed\n" + "\n".join(failed))

    def _check_score(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigurationError for a job whose best checkpoint is selected differently from its trial."""
        chosen = config["callbacks"].get("best_checkpoint")
        if not chosen:
            raise ConfigurationError("hydra/sweeper=optuna: trials are judged by callbacks.best_checkpoint; it is null")
        found = {"monitor": chosen["monitor"], "direction": MODES[chosen["mode"]]}
        for option, value in found.items():
            ours = getattr(self, option)
            if value != ours:
                raise ConfigurationError(
                    f"hydra.sweeper.{option}={ours}, but callbacks.best_checkpoint, by which trials are judged, has "
                    f"monitor={chosen['monitor']} mode={chosen['mode']}; give hydra.sweeper.{option}={value}"
                )

    def _search(self, study: "Study", address: str, always: list[str], space: Any) -> list[str]:
        """Asks and tells until there are enough trials; returns a line for each that failed."""
        from optuna.trial import TrialState

        from recast.sweeps.study import ask, trials_of

        failed: list[str] = []
        under_way = trials_of(study, TrialState.RUNNING)
        while True:
            missing = max(self.trials - len(trials_of(study)), 0)
            begun: list[FrozenTrial | None] = [*under_way, *[None] * missing][: self.parallel]
            under_way = under_way[self.parallel :]
            if not begun:
                break
            # Requested again, an interrupted trial keeps its values.
            trials = [ask(study, space, trial) for trial in begun]
            overrides = [self._overrides(trial, always, address) for trial in trials]
            outcomes = self._launcher.launch(overrides, initial_job_idx=trials[0].number)
            for trial, outcome in zip(trials, outcomes, strict=True):
                failed += self._tell(study, trial, outcome)
        return failed

    def _overrides(self, trial: "Trial", always: list[str], address: str) -> list[str]:
        """The overrides of a trial; those that it was first started with, if it was."""
        from recast.sweeps.search_space import overrides_of, value_as_override

        if OVERRIDES in trial.user_attrs:
            return trial.user_attrs[OVERRIDES]
        overrides = [*always, *overrides_of(trial.params)]
        if self.parts["pruner"]:
            callback = {
                "_target_": "recast.training.callbacks.pruning.Pruning",
                "storage": address,
                "study_name": self.study_name,
                "trial": trial.number,
                "monitor": self.monitor,
                "pruner": self.parts["pruner"],
            }
            overrides.append(f"++{CALLBACK}={value_as_override(callback)}")
        # Stored before the job starts, so that an interrupted trial can be found and resumed.
        trial.set_user_attr(OVERRIDES, overrides)
        return overrides

    def _tell(self, study: "Study", trial: "Trial", outcome: JobReturn) -> Sequence[str]:
        """Reports the outcome of a trial to the study; returns a line if it failed."""
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


def _check_optuna(parts: Mapping[str, Any]) -> None:
    if find_spec("optuna") is None:
        raise ConfigurationError(f"hydra/sweeper=optuna: Optuna is not installed: {how_to_install('search')}")
    from recast.sweeps.study import check_parts

    check_parts(parts)


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
