"""A baseline of a run, fitted again on the data of the training, and how far it was off on the validation windows."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import yaml

from recast.data.panel import Panel
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.future import beyond_end
from recast.data.prepare.grid import ErrorGrid, Grid
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.scale import Standard
from recast.data.prepare.split import FractionSplit
from recast.data.sources.fingerprint import fingerprint
from recast.data.sources.frame import FrameSource
from recast.data.sources.source import Source
from recast.data.spec import SeriesSpec
from recast.errors import CheckpointError, ConfigurationError, DataError, MisfitError
from recast.options import PositiveInt, value_problem
from recast.runs.baseline_windows import last_origins, training_history, windows
from recast.runs.checkpoints.checkpoint import ALLOWED, fitting
from recast.runs.checkpoints.data_options import checked_changes
from recast.runs.configure.build import build, build_each
from recast.runs.configure.check import check
from recast.runs.configure.folders import RESULT
from recast.runs.configure.options import BaselineParts
from recast.runs.configure.targets import resolve, trusting
from recast.runs.configure.wording import suggestion
from recast.scoring.baselines.baseline import Baseline
from recast.training.evenly import evenly_spaced
from recast.types import Forecast

log = logging.getLogger(__name__)

BEST = "best"
DATA = "recast.data.datamodule.ForecastDataModule"
WINDOWS = 4096  # of the validation part: of more, some are chosen evenly
MOST_LEVELS = 999
PARTS = ("source", "windows", "grid", "split", "scaler", "periods", "features", "joins")
NUMBERS = {"season": 1, "removed": 0.0, "removal_seed": 0}
"""Options of the data that runs of earlier versions lack."""


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A fitted baseline, with the quantiles of its errors at each lead.

    Args:
        baseline: It, fitted on the training windows.
        spec: The data's names and sizes.
        levels: Probabilities of the quantiles, ascending; () where the run has no validation windows.
        errors: Quantiles of truth less forecast over the validation windows, those of each lead and target for
            themselves, shape (levels, horizon, targets).
    """

    baseline: Baseline
    spec: SeriesSpec
    levels: tuple[float, ...]
    errors: np.ndarray

    def forecast(
        self, series: Panel, known: Panel | None = None, computed: Mapping[str, np.ndarray] = MappingProxyType({})
    ) -> Forecast:
        """The forecast of the steps after the end of each series, in the data's unit.

        Its quantiles are the forecast plus those of the errors.

        Args:
            series: A panel under the spec, see `recast.data.prepare.describe.align`.
            known: See `beyond_end`.
            computed: See `beyond_end`.

        Raises:
            DataError: if fewer rows than a context follow the last gap, or an input known ahead has no value.
        """
        mean = self.baseline.forecast(last_origins(beyond_end(series, self.spec, known, computed), self.spec))
        if not self.levels:
            return Forecast(torch.from_numpy(mean))
        return Forecast(
            torch.from_numpy(mean), quantiles=torch.from_numpy(mean + self.errors[:, None]), levels=self.levels
        )


class BaselineOfRun:
    """A baseline that a run was compared with.

    The run's configuration is checked like that of a checkpoint, and may name classes of recast alone, and of packages
    that are trusted.

    Args:
        place: The run folder, or a checkpoint in it.
        name: The baseline's name in the run; "best": the one with the best score on the validation windows, in the
            metric that ranks; without such windows the one with the best test score. A log line says which.
        trust: Packages of others whose classes may be named.

    Raises:
        CheckpointError: if the folder holds no run that forecasts a series.
        ConfigurationError: if the run has no such baseline.
    """

    def __init__(self, place: str | Path, name: str, trust: Sequence[str] = ()) -> None:
        self.folder = Path(place) if Path(place).is_dir() else Path(place).absolute().parents[1]
        config = self._config()
        nodes = {key: node for key, node in config["baselines"].items() if node}
        self.name = name
        wanted = list(nodes) if name == BEST and BEST not in nodes else [name]
        if not nodes or wanted[0] not in nodes:
            had = suggestion(name, list(nodes)) if nodes else "; it was compared with none (baselines=none)"
            raise ConfigurationError(f"baseline={name}: {self.folder} has no such baseline{had}")
        data = config["data"]
        with trusting(*trust), fitting(self.folder / "config.yaml"):
            self._parts = {key: data.get(key) for key in PARTS}
            self._parts |= {key: data.get(key, default) for key, default in NUMBERS.items()}
            for each in wanted:
                if data["_target_"] != DATA or not issubclass(resolve(nodes[each]["_target_"], ALLOWED), Baseline):
                    raise CheckpointError(f"{self.folder}: baseline={each} does not forecast a series")
                self._parts["baseline"] = nodes[each]
                check(self._parts, BaselineParts, allowed=ALLOWED)
            self._source: Source = build(self._parts["source"], ALLOWED)
            self._grid: Grid = self._part("grid") or ErrorGrid()
            self.covariates = Covariates(*(build_each(self._parts[name], ALLOWED) for name in ("features", "joins")))
        self._trust = tuple(trust)
        if name not in nodes:
            with trusting(*trust):
                self.name = self._best(nodes, config.get("metrics") or {})
            self._parts["baseline"] = nodes[self.name]

    def reading(self, data_options: Mapping[str, Any]) -> tuple[Source, Grid]:
        """How a table is read.

        Args:
            data_options: Options in place of those of the training; see `recast.runs.checkpoints.data_options.changed`.

        Raises:
            ConfigurationError: if an option is wrong.
        """
        with trusting(*self._trust):
            parts = checked_changes(self._parts, data_options, BaselineParts)
            return build(parts["source"], ALLOWED), build(parts["grid"], ALLOWED) if parts["grid"] else ErrorGrid()

    def fitted(self, horizon: int | None = None) -> FittedBaseline:
        """The baseline, fitted on the training windows.

        Args:
            horizon: Steps to forecast; none: those of the run. [steps]

        Raises:
            DataError: if the data of the training cannot be read, or are others now, or have no windows that long.
        """
        if horizon is not None and (problem := value_problem(horizon, PositiveInt)):
            raise ConfigurationError(f"horizon={horizon!r}: {problem}")
        with trusting(*self._trust):
            baseline = build(self._parts["baseline"], ALLOWED)
            prepared = self._prepared(horizon)
        baseline.fit(training_history(prepared))
        levels, errors = _error_quantiles(baseline, prepared)
        return FittedBaseline(baseline, prepared.spec, levels, errors)

    def _prepared(self, horizon: int | None) -> Prepared:
        size = {} if horizon is None else {"horizon": horizon}
        return prepare(
            self._raw,
            grid=self._grid,
            split=self._part("split") or FractionSplit(),
            scaler=self._part("scaler") or Standard(),
            windows=build(self._parts["windows"] | size, ALLOWED),
            periods=tuple(self._parts["periods"] or ()),
            **{key: self._parts[key] for key in NUMBERS},
            covariates=self.covariates,
        )

    @cached_property
    def _raw(self) -> Panel:
        """The data of the training."""
        fitted_again = f"baseline={self.name} is fitted again on the data of the training"
        if isinstance(self._source, FrameSource):
            raise DataError(
                f"{fitted_again}, but {self.folder} was trained on a frame of a program, which no file holds; train on "
                "a file to forecast with a baseline"
            )
        try:
            raw = self._source.read()
        except DataError as error:
            raise DataError(f"{fitted_again}: {error}") from error
        found, expected = (
            fingerprint(raw, *self.covariates.tables),
            self._json("provenance.json").get("data", {}).get("fingerprint"),
        )
        if expected is not None and found != expected:
            raise DataError(
                f"{fitted_again}: {raw.label} has changed since then (SHA-256 {expected[:12]}..., now {found[:12]}...)"
                "; put the file of the training there, or train again"
            )
        return raw

    def _part(self, key: str) -> Any:
        node = self._parts[key]
        return build(node, ALLOWED) if node else None

    def _config(self) -> dict[str, Any]:
        path = self.folder / "config.yaml"
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CheckpointError(
                f"{path}: it cannot be read ({' '.join(str(error).split())}); a baseline needs the folder of its run: "
                "run=FOLDER"
            ) from error
        parts = found if isinstance(found, dict) else {}
        if not all(isinstance(parts.get(key), dict) for key in ("data", "baselines")):
            raise CheckpointError(f"{path}: not the configuration of a run: it names no data and no baselines")
        return parts

    def _best(self, nodes: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
        """The baseline that is best on the validation windows; without any, on the test windows of the run."""
        prepared = _some_validated(self._prepared(None))
        count = len(prepared.starts.validation)
        if not count:
            skill = self._json(RESULT).get("skill")
            best = skill.get(BEST) if isinstance(skill, dict) else None
            if not isinstance(best, dict) or best.get("baseline") not in nodes:
                raise ConfigurationError(
                    f"baseline=best: {self.folder} has no validation windows, and its {RESULT} names no best baseline; "
                    "name the one to forecast with"
                )
            log.warning("baseline=best is %s, by the test score: the run has no validation windows", best["baseline"])
            return best["baseline"]
        history, fitted = training_history(prepared), {}
        for name, node in nodes.items():
            baseline = build(node, ALLOWED)
            with suppress(MisfitError):  # the run left it out
                baseline.require_affordable(count)
                baseline.fit(history)
                fitted[name] = baseline
        measured = {name: build(node, ALLOWED)(spec=prepared.spec) for name, node in metrics.items() if node}
        # Imports torchmetrics, which a forecast does without.
        from recast.runs.scores import score_baselines

        scores = score_baselines(fitted, prepared, "validation", measured)
        first = next((score.ranking for score in scores.values()), None)
        if first is None:
            raise ConfigurationError(
                f"baseline=best: no metric of {self.folder} ranks its baselines; name the one to forecast with"
            )
        order = max if next(iter(scores.values())).metrics[first].higher_is_better else min
        best = order(scores, key=lambda name: scores[name].overall[first])
        log.info("baseline=best is %s, by %s on %d validation windows", best, first, count)
        return best

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _some_validated(prepared: Prepared) -> Prepared:
    """The same with at most `WINDOWS` validation windows, evenly chosen."""
    starts = prepared.starts.validation
    chosen = starts[evenly_spaced(len(starts), WINDOWS)] if len(starts) else starts
    return replace(prepared, starts=prepared.starts._replace(validation=chosen))


def _error_quantiles(baseline: Baseline, prepared: Prepared) -> tuple[tuple[float, ...], np.ndarray]:
    """Quantiles of truth less forecast over the validation windows, and their probabilities.

    Of m errors those at k / (m + 1), k = 1 ... m: the errors themselves (Hyndman & Fan 1996, definition 6), so that a
    further error like them falls into each part between them with equal probability.
    """
    some = _some_validated(prepared)
    if not len(some.starts.validation):
        return (), np.empty((0, prepared.spec.horizon, prepared.panel.targets.shape[1]))
    errors = np.concatenate([truth - baseline.forecast(origins) for origins, truth in windows(some, "validation")])
    fewest = int((~np.isnan(errors)).sum(axis=0).min())
    count = min(fewest, MOST_LEVELS)
    levels = [number / (count + 1) for number in range(1, count + 1)]
    quantile = np.nanquantile if np.isnan(errors).any() else np.quantile
    return tuple(levels), quantile(errors, levels, axis=0, method="weibull")
