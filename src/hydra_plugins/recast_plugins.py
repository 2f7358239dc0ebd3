"""Where Hydra looks for launchers and sweepers; it imports this file at each start of each of its applications.

The classes here are names alone: making one makes the part of recast that it stands for, imported not before.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """`hydra/launcher=local`: stands for `recast.sweeps.local.LocalJobs`."""

    def __new__(cls, **options: Any) -> Any:
        """The launcher."""
        from recast.sweeps.local import LocalJobs

        return LocalJobs(**options)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Never called: no object is of this class."""
        raise NotImplementedError

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Never called: no object is of this class."""
        raise NotImplementedError


class SlurmLauncher(LocalLauncher):
    """`hydra/launcher=slurm`: stands for `recast.sweeps.slurm.SlurmJobs`."""

    def __new__(cls, **options: Any) -> Any:
        """The launcher."""
        from recast.sweeps.slurm import SlurmJobs

        return SlurmJobs(**options)


class OptunaSweeper(Sweeper):
    """`hydra/sweeper=optuna`: stands for `recast.sweeps.optuna_search.OptunaSearch`."""

    def __new__(cls, **options: Any) -> Any:
        """The sweeper."""
        from recast.sweeps.optuna_search import OptunaSearch

        return OptunaSearch(**options)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Never called: no object is of this class."""
        raise NotImplementedError

    def sweep(self, arguments: list[str]) -> Any:
        """Never called: no object is of this class."""
        raise NotImplementedError
