"""The common base of launchers: a sweep is checked as a whole, and only unfinished jobs are run."""

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from recast.errors import ConfigurationError, RecastError
from recast.sweeps.job_folder import JobFolder
from recast.sweeps.plan import add_jobs, swept

log = logging.getLogger(__name__)

HYDRAS_SUBDIR = "${hydra.job.num}"


class SweepError(RecastError):
    """Some jobs of a sweep have failed; the others are finished."""


class JobLauncher(Launcher):
    """Runs the jobs of a sweep that are not finished, each as a run of its own in its own folder.

    All jobs are composed, checked and dry-run before the first is started. A job's folder is identified by its
    configuration: finished jobs are skipped, interrupted ones resume from their last state. A new launcher subclasses
    this and implements `run`.
    """

    config: DictConfig
    hydra_context: HydraContext
    hidden: tuple[str, ...] = ()
    """Keys of overrides that do not count as swept, though they differ from job to job."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by the sweeper."""
        self.hydra_context = hydra_context
        self.config = config

    def check(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigurationError for the configuration of a job that cannot be started in this way."""

    @abstractmethod
    def run(self, sweep: Path, jobs: Mapping[JobFolder, dict[str, Any]]) -> None:
        """Runs jobs to completion, regardless of failures; returns when none is left running.

        Args:
            sweep: The folder of the sweep.
            jobs: Configuration of each job, in the order of the sweep; the folders hold it already.

        Raises:
            StoppedBySignalError: if the launcher was told to stop.
        """

    def refuse(self, job_overrides: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Raises ConfigurationError if a job with these overrides could not run; a sweeper may ask beforehand.

        Returns:
            The configuration of each job.
        """
        from recast.sweeps.plan import check_jobs

        jobs = [self._compose(number, list(given)) for number, given in enumerate(job_overrides)]
        check_jobs(jobs, self.check)
        return [job.config for job in jobs]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs the unfinished jobs among those with these overrides.

        Args:
            job_overrides: Overrides of each job.
            initial_job_idx: Number of the first of them.

        Returns:
            The outcome of each job: its validation score, or a SweepError that names all failed jobs.

        Raises:
            ConfigurationError: if a job cannot run; then none has been started.
        """
        from recast.sweeps.plan import check_jobs, place_jobs

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        sweep = Path(str(self.config.hydra.sweep.dir)).absolute()
        jobs = [self._compose(initial_job_idx + index, list(given)) for index, given in enumerate(job_overrides)]
        check_jobs(jobs, self.check)
        sweep.mkdir(parents=True, exist_ok=True)
        placed = place_jobs(jobs, sweep)
        names = {number: folder.path.relative_to(sweep).as_posix() for number, folder in placed.items()}
        add_jobs(sweep, [{"folder": names[job.number], "overrides": job.overrides, "swept": job.swept} for job in jobs])
        waiting = [job for job in jobs if not placed[job.number].state.settled]
        log.info("%s: %d jobs, %d of them done already", sweep, len(jobs), len(jobs) - len(waiting))
        for job in waiting:
            folder = placed[job.number]
            if not folder.is_locked():
                _save_hydra(job.composed, folder.path)
                folder.write_config(job.config)
        if waiting:
            self.run(sweep, {placed[job.number]: job.config for job in waiting})
        folders = [placed[job.number] for job in jobs]
        failed = {folder: reason(folder) for folder in folders if not folder.state.settled}
        error = None
        if failed:
            told = "\n".join(f"{folder.path.relative_to(sweep)}: {why}" for folder, why in failed.items())
            error = SweepError(
                f"{len(failed)} of {len(jobs)} jobs failed; {len(jobs) - len(failed)} are finished\n{told}\n"
                f"The same command with hydra.sweep.dir={sweep} runs the failed ones again"
            )
        return [_outcome(job.composed, folder, error) for job, folder in zip(jobs, folders, strict=True)]

    def conclude(self) -> None:
        """Logs the last lines of the sweep."""
        from recast.sweeps.conclusion import conclusion

        for line in conclusion(Path(str(self.config.hydra.sweep.dir)).absolute()):
            log.info("%s", line)

    def _compose(self, number: int, overrides: list[str]) -> Any:
        from recast.sweeps.plan import Job, plain_config

        composed = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(composed):
            composed.hydra.job.id = composed.hydra.job.num = number
        # Interpolations may name Hydra's own configuration.
        state = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(composed)
        try:
            config = plain_config(composed)
            asked = OmegaConf.to_container(composed.hydra.sweep, resolve=False)
            plain_subdir = not isinstance(asked, dict) or asked["subdir"] == HYDRAS_SUBDIR
            subdir = None if plain_subdir else str(composed.hydra.sweep.subdir)
        finally:
            HydraConfig.instance().cfg = state
        given = list(self.config.hydra.overrides.task)
        kept = tuple(override for override in filter_overrides(overrides) if not override.startswith("resume="))
        return Job(number, kept, swept(kept, given, self.hidden), composed, config, subdir)


def job_launcher(
    *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig, wanted_by: str
) -> JobLauncher:
    """The launcher of a configuration, for a sweeper that needs the outcome of each job.

    Raises:
        ConfigurationError: if it is one of Hydra's, which keep none.
    """
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=hydra_context, task_function=task_function, config=config
    )
    if not isinstance(launcher, JobLauncher):
        raise ConfigurationError(f"hydra/sweeper={wanted_by}: use it with hydra/launcher=local or hydra/launcher=slurm")
    return launcher


def reason(folder: JobFolder) -> str:
    """Why a job is not finished, in a line."""
    return folder.failure_reason() or "stopped before its end"


def _save_hydra(composed: DictConfig, folder: Path) -> None:
    """Writes the files that Hydra keeps for each job."""
    from recast.sweeps.plan import without_hydra

    place = folder / ".hydra"
    place.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(without_hydra(composed), place / "config.yaml")
    OmegaConf.save(OmegaConf.masked_copy(composed, ["hydra"]), place / "hydra.yaml")
    OmegaConf.save(composed.hydra.overrides.task, place / "overrides.yaml")


@dataclass
class JobOutcome(JobReturn):
    """The job's result for Hydra, which would otherwise print all overrides of a failed job before the message."""

    @property
    def return_value(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] read only
        """The validation score; for a failed job, raises the SweepError."""
        if self.status is JobStatus.FAILED:
            raise self._return_value
        return self._return_value


def _outcome(composed: DictConfig, folder: JobFolder, error: SweepError | None) -> JobReturn:
    results = folder.read_results()
    done = folder.state.settled
    return JobOutcome(
        overrides=list(composed.hydra.overrides.task),
        cfg=composed,
        hydra_cfg=OmegaConf.masked_copy(composed, ["hydra"]),
        working_dir=str(folder.path),
        task_name=str(composed.hydra.job.name),
        status=JobStatus.COMPLETED if done else JobStatus.FAILED,
        _return_value=validation_score(results or {}) if done else error,
    )


def validation_score(results: Mapping[str, Any]) -> float | None:
    """The best validation score of a finished job; None without validation."""
    selection = results.get("selection")
    return None if selection is None else selection["value"]
