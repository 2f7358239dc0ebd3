"""Training from Python with the options of the command line: `recast.compose`, `recast.fit`."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from recast.data.sources.frame import FrameTable
from recast.errors import ConfigurationError, InputError
from recast.runs.configure import folders
from recast.runs.configure.compose import compose as compose_command
from recast.runs.forecaster import Forecaster
from recast.runs.load import load
from recast.scoring.metrics.description import Description, ranking
from recast.system.distribution import naming_extras

SCORES = "metrics.csv"
"""The table of scores in a run folder."""
MODEL = "model"
"""The model's row in it."""


@dataclass(frozen=True, repr=False)
class Run:
    """A finished training run.

    Args:
        folder: The run folder: checkpoints, scores, pictures, the TensorBoard log, the configuration.
        trust: The packages that it was trained with beside recast.
    """

    folder: Path
    trust: tuple[str, ...] = ()

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Its results, as metrics.json holds them: "test" by metric, "baselines", "skill" and more."""
        return json.loads((self.folder / folders.RESULT).read_text(encoding="utf-8"))

    @cached_property
    def forecaster(self) -> Forecaster:
        """The trained model, in its best state.

        Raises:
            CheckpointError: if it does not forecast a series.
        """
        return load(self.folder, self.trust)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of model and baselines, a row each, the best first; a column for each metric (metrics.csv).

        Raises:
            FileNotFoundError: if the folder holds no finished run, or one whose test part has no labels.
        """
        return pd.read_csv(self.folder / SCORES, index_col=0)

    def __repr__(self) -> str:
        """Folder, and the scores of the model and of the best baseline in the metric that ranks."""
        where = self.folder.as_posix()
        if not (self.folder / SCORES).exists():
            return f"<Run {where}: no scores>"
        metric, scores = self._ranked()
        best = [name for name in scores.index if name != MODEL][:1]
        said = [f"{name} {scores.loc[name, metric]:.4g}" for name in (MODEL, *best)]
        return f"<Run {where}: {metric} of {', of '.join(said)}>"

    def _repr_html_(self) -> str:
        """Folder and scores, for notebooks; the model's row is bold."""
        if not (self.folder / SCORES).exists():
            return f"<p>{escape(repr(self))}</p>"
        shown = self.scores.map(lambda score: "-" if math.isnan(score) else f"{score:.4g}")
        shown.loc[MODEL] = [f"<b>{score}</b>" for score in shown.loc[MODEL]]
        shown.index = [f"<b>{MODEL}</b>" if name == MODEL else escape(str(name)) for name in shown.index]
        shown.columns = [escape(str(name)) for name in shown.columns]
        unit = self.metrics.get("unit")
        scored = self.metrics.get("scored", self.metrics.get("sequences", {})).get("test")
        kind = "windows" if "windows" in self.metrics else "sequences"
        caption = f"{self.folder.as_posix()}: test, {scored} {kind}" + (f" [{unit}]" if unit else "")
        return f"<p>{escape(caption)}</p>\n{shown.to_html(escape=False)}"

    def _ranked(self) -> tuple[str, pd.DataFrame]:
        """The metric that ranks, else the first; and the scores, the best first."""
        found = {name: Description.from_dict(values) for name, values in self.metrics["metrics"].items()}
        known = {name: description for name, description in found.items() if description is not None}
        return ranking(known) or str(self.scores.columns[0]), self.scores


@naming_extras()
def compose(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration of recast-train, in plain containers.

    Args:
        overrides: As on the command line: "data=tide", "model/cell=lstm", "data.windows.context=48". A configuration
            folder of others is added by "hydra.searchpath=[file:///folder]".

    Raises:
        ConfigurationError: if an override cannot be applied. Values are checked by `fit`.
    """
    return compose_command("train", _listed(overrides))


@naming_extras()
def fit(
    frame: pd.DataFrame | None = None,
    time: str | None = None,
    targets: Sequence[str] | Literal["all"] = (),
    overrides: Sequence[str] = (),
    folder: str | Path | None = None,
    *,
    id: str | None = None,
) -> Run:
    """Trains on a frame, scores the best state on the test part beside the baselines, and fills a run folder.

    What `recast-train data=frame` would do with the overrides. As by the command, torch's number of threads and its
    random generators are set for the process.

    Args:
        frame: The table, with the time in a column or in the index; none: the data that the overrides choose.
        time: Name of the time column, or of the index.
        targets: Columns to forecast, or "all": each column that has no other role; columns of other roles by overrides,
            as in "data.source.known=[day]".
        overrides: As on the command line; see `compose`.
        folder: The run folder. None: a new one, named by date and time, below that of `paths.output_dir`.
        id: Name of the column (or of the level of the index) that names the series of a row, in a frame of several
            series one below the other. None: the frame is one series.

    Raises:
        DataError: if the frame cannot be used as it stands.
        ConfigurationError: if options are wrong, or `folder` holds a finished run.
        NonFiniteLossError: if training diverges.
        StoppedBySignalError: if a signal came; the state is saved, and "resume=true" with the same folder goes on.
    """
    # What trains takes seconds to import; what forecasts does without.
    from recast.runs.configure.check import accepted
    from recast.runs.configure.training_options import TrainOptions
    from recast.runs.fit import run
    from recast.runs.trainer import quiet_lightning

    overrides = _listed(overrides)
    table = None
    if frame is not None:
        if time is None or (isinstance(targets, str) and targets != "all") or not targets:
            raise ConfigurationError(
                'fit: expected time="column" (or a name for the index) and targets=["column", ...] or "all", found '
                f"time={time!r} and targets={targets!r}"
            )
        overrides = ["data=frame", *overrides]
    elif time is not None or targets or id is not None:
        raise ConfigurationError(
            "fit: time, targets and id name columns of a frame; give the frame, or name them among the overrides: "
            "data.source.time=..., data.source.targets=[...], data.source.id=..."
        )
    config = compose(overrides)
    if frame is not None and time is not None:
        source = config["data"]["source"]
        source |= {"time": time, "targets": targets if targets == "all" else list(targets), "id": id or source["id"]}
        table = FrameTable(frame, time, id=source["id"])
    quiet_lightning()
    try:
        with accepted(config, TrainOptions):
            place = _place(folder, config, overrides)
            run(config, place, table)
    except InputError:
        folders.discard_refused()
        raise
    return Run(place, tuple(config["trust"] or ()))


def _listed(overrides: Sequence[str]) -> list[str]:
    if isinstance(overrides, str):
        raise ConfigurationError(f"overrides: found a text; expected a list, such as [{overrides!r}]")
    return list(overrides)


def _place(folder: str | Path | None, config: dict[str, Any], overrides: Sequence[str]) -> Path:
    """The run folder, made."""
    if folder is None:
        return Path(folders.run_folder(config["paths"]["output_dir"], config["resume"], overrides))
    place = Path(folder)
    if (place / folders.RESULT).exists():
        raise ConfigurationError(f"folder={place}: it holds a finished run, whose results would be lost; give another")
    place.mkdir(parents=True, exist_ok=True)
    return place
