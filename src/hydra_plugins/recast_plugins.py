"""Where Hydra looks for launchers and sweepers; it imports this file at each start of each of its applications.

The classes here are names alone: making one makes the part of recast that it stands for, imported not before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
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

        return _make("hydra.launcher", LocalJobs, options)

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

        return _make("hydra.launcher", SlurmJobs, options)


class GridSweeper(BasicSweeper):
    """`hydra/sweeper=grid`: Hydra's own, less a second composition of each job where the launcher checks them all."""

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size, params)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Composes the jobs, so that none is started where one cannot be composed."""
        if not hasattr(self.launcher, "refuse"):
            super().validate_batch_is_legal(batch)

    def sweep(self, arguments: list[str]) -> Any:
        """Runs the jobs, and says which are the best and how to see them all."""
        from recast.sweeps.launcher import SweepError

        # Hydra's own launchers keep no account of their jobs.
        conclude = getattr(self.launcher, "conclude", lambda: None)
        try:
            super().sweep(arguments)
        except SweepError:
            conclude()
            raise
        conclude()


class BacktestSweeper(Sweeper):
    """`hydra/sweeper=backtest`: stands for `recast.sweeps.backtest.Backtest`."""

    def __new__(cls, **options: Any) -> Any:
        """The sweeper."""
        from recast.sweeps.backtest import Backtest

        return _make("hydra.sweeper", Backtest, options)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Never called: no object is of this class."""
        raise NotImplementedError

    def sweep(self, arguments: list[str]) -> Any:
        """Never called: no object is of this class."""
        raise NotImplementedError


class OptunaSweeper(BacktestSweeper):
    """`hydra/sweeper=optuna`: stands for `recast.sweeps.optuna_search.OptunaSearch`."""

    def __new__(cls, **options: Any) -> Any:
        """The sweeper."""
        from recast.sweeps.optuna_search import OptunaSearch

        return _make("hydra.sweeper", OptunaSearch, options)


def _make(key: str, target: type, options: Mapping[str, Any]) -> Any:
    """An object of the class; an option that it does not have is refused in recast's words."""
    from recast.errors import ConfigurationError
    from recast.runs.configure.signature import options_of
    from recast.runs.configure.wording import suggestion

    known = list(options_of(target))
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise ConfigurationError(f"{key}.{unknown}: no such option{suggestion(unknown, known)}")
    return target(**options)
