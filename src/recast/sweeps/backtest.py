"""A backtest: the model is refitted again and again as time goes on, each time on what was known then."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from pandas.tseries.offsets import BaseOffset

from recast.errors import ConfigurationError, DataError
from recast.options import Fraction, checked, value_problem
from recast.sweeps.job_folder import JobFolder
from recast.sweeps.launcher import job_launcher
from recast.sweeps.plan import REFITS, job_name, swept
from recast.sweeps.refits import Refit, date_of, offset_of, stamp

log = logging.getLogger(__name__)


class Backtest(Sweeper):
    """Rolling origins: from `start` on, the model is refitted `every` so often, and forecasts until the next refit.

    Each refit is a job with a folder of its own, checked, resumed and launched like those of a sweep, on data up to its
    date, the last of which validate; baselines are refitted alike. Sweeps on the command line make a backtest each, as
    in `seed=0,1,2`. When all refits of one are finished, their forecasts are put together and scored as those of one
    run; see `recast.runs.backtest.combine_refits`.

    Args:
        start: Date of the first refit, the first time that is forecast. [date]
        every: Time between refits, as in 7D or 1MS. [pandas offset]
        end: Nothing is forecast from this date on; none: to the end of the data. [date]
        span: Length of training and validation before each refit (a sliding window); none: all that lies before (an
            expanding one). [pandas offset]
        validation: What validates before each refit: a share of the rows, or a length of time such as 90D.
        weights: Whether each refit trains from "scratch", or goes on from the weights of the "previous" one, in its
            scaling; its anchor is solved anew.
        later: Overrides of all refits but the first, such as [trainer.max_epochs=1] for those that go on; as text, for
            Hydra's lists hold no overrides, a list in YAML.
        params: Sweeps by key; those on the command line are added.

    Raises:
        ConfigurationError: if a date or a length of time is none.
    """

    @checked
    def __init__(
        self,
        *,
        start: str | None = None,
        every: str | None = None,
        end: str | None = None,
        span: str | None = None,
        validation: float | str = 0.1,
        weights: Literal["scratch", "previous"] = "scratch",
        later: list[str] | str = [],  # noqa: B006 - read only
        params: dict[str, Any] = {},  # noqa: B006 - read only
    ) -> None:
        super().__init__()
        self.start = None if start is None else date_of("start", start)
        self.every = None if every is None else offset_of("every", every)
        self.end = None if end is None else date_of("end", end)
        self.span = None if span is None else offset_of("span", span)
        if not isinstance(validation, str) and (problem := value_problem(validation, Fraction)):
            raise ConfigurationError(f"hydra.sweeper.validation={validation}: {problem}")
        self.validation = offset_of("validation", validation) if isinstance(validation, str) else validation
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ConfigurationError(f"hydra.sweeper.end={end}: it is not after start={start}; give a later date")
        self.weights = weights
        self.later = _overrides(later)
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra.

        Raises:
            ConfigurationError: if the launcher does not keep jobs apart.
        """
        self._config = config
        self._context = hydra_context
        self._launcher = job_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config, wanted_by="backtest"
        )

    def sweep(self, arguments: list[str]) -> None:
        """Runs what is missing of all refits, then puts those of each combination together.

        Raises:
            ConfigurationError: if an option is wrong; then nothing has been started.
            SweepError: if refits have failed.
        """
        if self.start is None or self.every is None:
            raise ConfigurationError(
                "a backtest needs the date of its first refit and how often the model is refitted, as in "
                "start=2017-01-01 every=28D"
            )
        parser = OverridesParser.create(config_loader=self._context.config_loader)
        parsed = parser.parse_overrides([*(f"{key}={value}" for key, value in self.params.items()), *arguments])
        (combinations,) = BasicSweeper.split_arguments(parsed, None)
        first = Refit(self.start, self._begin(self.start), self._validation(self.start), self.end)
        # Whatever is wrong is found before anything is started.
        configs = self._launcher.refuse([[*words, *first.overrides] for words in combinations])
        given = list(self._config.hydra.overrides.task)
        told = [swept(words, given) for words in combinations]
        keys = sorted({key for options in told for key in options})
        names = [job_name(options, keys) for options in told]
        refits = [self._refits(config, self.start, self.every) for config in configs]
        log.info("%d refits of each of %d combinations", len(refits[0]), len(combinations))
        folder = Path(str(self._config.hydra.sweep.dir)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, folder / "multirun.yaml")
        plans = list(zip(names, combinations, refits, strict=True))
        done = self._one_after_another(plans) if self.weights == "previous" else self._all(plans)
        for name, words, _ in plans:
            self._combine(folder / name, words, done[name])

    def _refits(self, config: Mapping[str, Any], start: pd.Timestamp, every: BaseOffset) -> list[Refit]:
        """The refits of a job with this configuration, from `start` on.

        Raises:
            DataError: if the data end before the first.
        """
        from recast.runs.configure.build import build

        prepared = build(config["data"]).prepared
        clock = pd.DatetimeIndex(np.unique(prepared.panel.clock))
        horizon = prepared.spec.horizon
        if self.end is not None:
            clock = clock[clock < self.end]
        # The last origins that can be scored lie a horizon before the end.
        last = stamp(clock[-horizon]) if len(clock) >= horizon else None
        dates = []
        date = start
        while last is not None and date <= last:
            dates.append(date)
            date = stamp(date + every)
        if not dates:
            raise DataError(
                f"{prepared.panel.label}: no forecast of {horizon} steps from {start} on can be scored before the end; "
                "give an earlier start, or a later end"
            )
        return [
            Refit(date, self._begin(date), self._validation(date), self._end(following, clock, horizon))
            for date, following in zip(dates, [*dates[1:], None], strict=True)
        ]

    def _begin(self, date: pd.Timestamp) -> pd.Timestamp | None:
        return None if self.span is None else stamp(date - self.span)

    def _validation(self, date: pd.Timestamp) -> float | pd.Timestamp:
        if isinstance(self.validation, BaseOffset):
            return stamp(date - self.validation)
        return self.validation

    def _end(self, following: pd.Timestamp | None, clock: pd.DatetimeIndex, horizon: int) -> pd.Timestamp | None:
        """Where the targets of a refit end: those of its last origin reach beyond the date of the following one."""
        if following is None:
            return self.end
        place = int(clock.searchsorted(following.to_datetime64())) + horizon - 1
        return stamp(clock[place]) if place < len(clock) else self.end

    def _all(self, plans: "Sequence[_Plan]") -> dict[str, list[JobFolder]]:
        """All refits at once."""
        jobs = [
            [*words, *(self.later if number else []), *refit.overrides, _place(name, refit)]
            for name, words, refits in plans
            for number, refit in enumerate(refits)
        ]
        found = iter(_folders(self._launcher.launch(jobs, 0)))
        return {name: [next(found) for _ in refits] for name, _, refits in plans}

    def _one_after_another(self, plans: "Sequence[_Plan]") -> dict[str, list[JobFolder]]:
        """The refits of a combination one after another, all combinations side by side."""
        done: dict[str, list[JobFolder]] = {name: [] for name, _, _ in plans}
        for number in range(max(len(refits) for _, _, refits in plans)):
            now = [(name, words, refits[number]) for name, words, refits in plans if number < len(refits)]
            jobs = []
            for name, words, refit in now:
                before = [f"init_from='{done[name][-1].path}'", "init_keeps=[scaling]", *self.later] if number else []
                jobs.append([*words, *before, *refit.overrides, _place(name, refit)])
            started = number * len(plans)
            for (name, _, _), folder in zip(now, _folders(self._launcher.launch(jobs, started)), strict=True):
                done[name].append(folder)
        return done

    def _combine(self, output: Path, words: Sequence[str], refits: Sequence[JobFolder]) -> None:
        from recast.runs.backtest import combine_refits

        found = [(folder.path, folder.read_results() or {}) for folder in refits]
        results = combine_refits(found, output, overrides=[*words, *self._told()])
        for table in results.tables():
            log.info("%s\n%s", table.title, table.frame.to_string(float_format=lambda value: f"{value:.4g}"))
        log.info("%d refits put together: %s", len(refits), output)

    def _told(self) -> list[str]:
        """The options by which a report tells a backtest from a run."""
        options = {name: self._config.hydra.sweeper.get(name) for name in ("start", "every", "span", "weights")}
        return [f"backtest.{name}={value}" for name, value in options.items() if value is not None]


_Plan = tuple[str, list[str], list[Refit]]
"""Name, overrides and refits of a combination."""


def _folders(outcomes: Sequence[JobReturn]) -> list[JobFolder]:
    """The folders of jobs that are all finished; raises the SweepError that names those that failed."""
    for outcome in outcomes:
        _ = outcome.return_value
    return [JobFolder(Path(str(outcome.working_dir))) for outcome in outcomes]


def _place(name: str, refit: Refit) -> str:
    return f"hydra.sweep.subdir='{name}/{REFITS}/{refit.name}'"


def _overrides(later: list[str] | str) -> list[str]:
    """Raises ConfigurationError for a text that is no list of overrides."""
    try:
        found = yaml.safe_load(later) if isinstance(later, str) else later
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list) or not all(isinstance(word, str) and "=" in word for word in found):
        raise ConfigurationError(
            f"hydra.sweeper.later={later}: expected overrides in brackets, such as [trainer.max_epochs=1]"
        )
    return found
