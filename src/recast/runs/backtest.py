"""A backtest: the forecasts of a model that was refitted again and again, scored as those of one run."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.prepare import Prepared
from recast.errors import CheckpointError, ConfigurationError, DataError
from recast.figures.png import save
from recast.runs.checkpoints.checkpoint import described, fitting
from recast.runs.configure.build import build
from recast.runs.forecasts_file import read_forecasts
from recast.runs.members import OVERRIDES
from recast.runs.per_origin import iso_stamps, per_origin, per_origin_bands
from recast.runs.pictures import figures
from recast.runs.provenance import provenance
from recast.runs.ranked_forecasts import ranked_forecasts
from recast.runs.record import data_facts, window_counts
from recast.runs.results import Results
from recast.runs.scores import score_kept
from recast.runs.tasks.find import plug_of
from recast.scoring.metrics.kept_forecasts import KeptForecasts
from recast.system.files import write_json, write_text, write_whole
from recast.training.callbacks.windows_to_show import spread_panels
from recast.training.checkpoint_format import KEY, best_checkpoint_path, chosen_checkpoint_path

log = logging.getLogger(__name__)

MODEL = "model"
OF_REFITS = {"init_from": None, "keep_forecasts": False, "resume": False}
"""Options of refits that the whole has not."""


def combine_refits(
    refits: Sequence[tuple[Path, Mapping[str, Any]]], output: Path, *, overrides: Sequence[str]
) -> Results:
    """Puts the test forecasts of refits together, scores them as those of one run, and fills a run folder.

    Each refit forecasts the origins from its own date to that of the next one. Scores, scaled ones too, are in the
    scaling of the first refit; quantities that need samples are computed from the quantiles that were kept. The
    checkpoint is that of the last refit.

    Args:
        refits: Folder of each, and the content of its metrics.json, in order of time.
        output: The run folder.
        overrides: What the model was started with, by which a report tells it from others.

    Raises:
        CheckpointError: if a checkpoint cannot be read.
        DataError: if forecasts are missing, or the data have changed.
    """
    first, last = refits[0][0], refits[-1][0]
    config = _config([folder for folder, _ in refits])
    data = _data(config, [folder for folder, _ in refits])
    kept = _forecasts([folder for folder, _ in refits])
    starts = torch.from_numpy(kept[MODEL].arrays()["start"])
    prepared = replace(data.prepared, starts=data.prepared.starts._replace(test=starts))
    metrics = {name: build(node)(spec=data.spec) for name, node in config["metrics"].items() if node}
    model, own = score_kept(kept[MODEL], prepared, "test", metrics, of_model=True)
    compared = {name: metric for name, metric in metrics.items() if name in model.overall}
    baselines = {
        name: score_kept(forecasts, prepared, "test", compared, of_model=False)[0]
        for name, forecasts in kept.items()
        if name != MODEL
    }
    loss = model.ranking_of_origins
    banded = {"calibrated": model, **baselines}
    bands = {name: scores.bands for name, scores in banded.items() if scores.bands}
    hits = {name: scores.hits for name, scores in banded.items() if scores.hits is not None}
    if own is not None:
        bands, hits = {MODEL: own.compute(), **bands}, {MODEL: own.hits(starts.numpy()), **hits}
    checkpoint = best_checkpoint_path(output)
    write_whole(checkpoint, lambda aside: shutil.copyfile(chosen_checkpoint_path(last), aside))
    results = Results(
        part="test",
        unit=data.spec.unit,
        windows=window_counts(prepared),
        scored=len(starts),
        model=model,
        baselines=baselines,
        items=prepared.panel.ids,
        per_origin=per_origin(prepared, "test", {MODEL: model, **baselines}),
        per_origin_bands=per_origin_bands(prepared, "test", hits),
        ranked_forecasts=ranked_forecasts(kept[MODEL].at, data, starts, model.per_origin[loss], loss),
        seconds=_sums(refits),
        facts={
            "seed": config["seed"],
            "parameters": refits[0][1].get("parameters"),
            "steps": sum(int(written.get("steps", 0)) for _, written in refits),
            "checkpoint": str(checkpoint.relative_to(output)),
            "selection": None,
            "backtest": {"refits": [folder.name for folder, _ in refits]},
        },
        bands=bands,
    )
    write_text(output / OVERRIDES, yaml.safe_dump(list(overrides)))
    hydra = first / ".hydra" / "hydra.yaml"
    if hydra.exists():
        write_text(output / ".hydra" / "hydra.yaml", hydra.read_text(encoding="utf-8"))
    write_text(output / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_json(output / "provenance.json", provenance() | {"data": data_facts(prepared, data.covariates)})
    write_text(output / "forecasts.csv", forecasts_table(prepared, kept).to_csv(index=False))
    targets = spread_panels(kept[MODEL].at, data, starts, 4)
    for name, figure in figures(targets, results, metrics, data.spec):
        save(figure, output / "figures" / f"{name}.png")
    results.write(output)
    return results


def forecasts_table(prepared: Prepared, kept: Mapping[str, KeptForecasts]) -> pd.DataFrame:
    """The point forecasts of all test windows, one row for each origin, target and lead.

    Columns: `origin` and `time` (ISO 8601), `item` of a panel, `target`, `lead`, `true`, and one for each forecaster,
    in the target's unit.

    Args:
        prepared: The series, its test part holding the windows.
        kept: The forecasts of each forecaster.
    """
    spec, panel = prepared.spec, prepared.panel
    starts = prepared.starts.test.numpy()
    origin = starts + spec.context - 1
    rows = origin[:, None] + np.arange(1, spec.horizon + 1)
    shape = (len(starts), spec.targets, spec.horizon)

    def column(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, shape).reshape(-1)

    stamps = iso_stamps(panel.clock[rows], spec.timezone, among=panel.clock)
    origins = iso_stamps(panel.clock[origin], spec.timezone, among=panel.clock)
    columns: dict[str, np.ndarray] = {"origin": column(origins[:, None, None]), "time": column(stamps[:, None])}
    if not panel.is_single:
        columns["item"] = column(np.asarray(panel.ids)[panel.items_at(starts)][:, None, None])
    columns["target"] = column(np.asarray(spec.target_names)[:, None])
    columns["lead"] = column(np.arange(1, spec.horizon + 1))
    columns["true"] = column(panel.targets[rows].swapaxes(1, 2))
    for name, forecasts in kept.items():
        columns[name] = column(forecasts.arrays()["mean"].swapaxes(1, 2))
    return pd.DataFrame(columns)


def _config(folders: Sequence[Path]) -> dict[str, Any]:
    """The configuration of the first refit, whose test lasts to the end of the last one's."""
    found = []
    for path in (folders[0] / "config.yaml", folders[-1] / "config.yaml"):
        try:
            found.append(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CheckpointError(f"{path}: cannot be read ({type(error).__name__}); expected that of a run") from error
    first, last = found
    split = first["data"]["split"] | {"end": last["data"]["split"]["end"]}
    return first | OF_REFITS | {"data": first["data"] | {"split": split}}


def _data(config: dict[str, Any], folders: Sequence[Path]) -> ForecastDataModule:
    """The data of all refits, in the scaling of the first one."""
    plug, fingerprints, spec = plug_of(config), [], None
    for folder in folders:
        path = chosen_checkpoint_path(folder)
        content, _ = described(path)
        fingerprints.append(content[KEY].get("fingerprint"))
        if spec is None:
            with fitting(path):
                spec = plug.checked_spec(content[KEY].get("spec"))
    data = build(config["data"])
    if not isinstance(data, ForecastDataModule) or spec is None:
        raise ConfigurationError(f"{folders[0]}: its task does not forecast a series, which a backtest does")
    data.adopt(spec)
    for folder, fingerprint in zip(folders, fingerprints, strict=True):
        if fingerprint != data.fingerprint:
            raise DataError(
                f"{folder}: the data have changed since this refit (SHA-256 {str(fingerprint)[:12]}..., now "
                f"{data.fingerprint[:12]}...); remove its folder, and the same command makes it again"
            )
    return data


def _forecasts(folders: Sequence[Path]) -> dict[str, KeptForecasts]:
    """The forecasts of each forecaster over all refits; a log line names those that some refit lacks."""
    found = [read_forecasts(folder) for folder in folders]
    everywhere = [name for name in found[0] if all(name in each for each in found)]
    missing = sorted({name for each in found for name in each} - set(everywhere))
    if missing:
        log.warning("left out, since some refits lack them: %s", ", ".join(missing))
    if MODEL not in everywhere:
        raise DataError(f"{folders[0]}: the forecasts of the model are missing; remove its folder to make it again")
    try:
        return {name: KeptForecasts.of_arrays([each[name] for each in found]) for name in everywhere}
    except ValueError as error:
        raise DataError(f"{folders[0].parent}: the forecasts of the refits do not fit each other: {error}") from error


def _sums(refits: Sequence[tuple[Path, Mapping[str, Any]]]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for _, written in refits:
        for name, value in written.get("seconds", {}).items():
            seconds[name] = seconds.get(name, 0.0) + value
    return seconds
