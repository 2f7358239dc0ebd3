"""Filling the gaps of a CSV file, with a checkpoint and nothing else."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int

from recast.data.panel import Panel
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.describe import align
from recast.data.prepare.grid import Grid, MaskGrid
from recast.data.prepare.storage import stored
from recast.data.sources.source import Source
from recast.data.sources.stamps import stamp_text
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.errors import DataError
from recast.nn.models.imputer import Imputer
from recast.runs.checkpoints.bare_model import bare_model, require_imputer
from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting
from recast.runs.checkpoints.data_options import checked_changes
from recast.runs.checkpoints.kept_bands import kept_bands
from recast.runs.checkpoints.spec import checked_imputation_spec
from recast.runs.command_files import with_files
from recast.runs.configure.build import build, build_each
from recast.runs.configure.check import check
from recast.runs.configure.options import ImputerParts
from recast.runs.configure.targets import trusting
from recast.runs.filled_series import FilledSeries
from recast.runs.machine import set_up
from recast.scoring.calibration.gap_bands import GapBands, distances
from recast.system.files import write_text
from recast.training.checkpoint_format import KEY

log = logging.getLogger(__name__)

FILES = ("checkpoint", "input", "output", "figure")
"""The options that name files."""
BATCH = 256
"""Windows filled at a time."""


class Filler:
    """A trained model that fills gaps; see `load`.

    Args:
        model: The model, in evaluation mode.
        source: Where its training data came from, which says how tables are read.
        grid: Policy for missing and off-grid stamps.
        covariates: Columns that its tables do not hold; None: none.
        bands: Those of filled values; None without any.
    """

    def __init__(
        self,
        model: Imputer,
        source: Source,
        grid: Grid,
        covariates: Covariates | None = None,
        bands: GapBands | None = None,
    ) -> None:
        self.model = model
        self.source = source
        self.grid = grid
        self.covariates = covariates or Covariates()
        self.bands = bands

    @property
    def spec(self) -> SeriesSpec:
        """The data's description at training."""
        return self.model.spec

    def fill(self, table: Table) -> FilledSeries:
        """The series of a table without gaps: what was observed stays as it is.

        Windows are those of the training, half of each overlapping the next; a value comes from the window in which it
        lies nearest to the middle.

        Args:
            table: Rows with the columns of the training.

        Raises:
            DataError: if it cannot be used, or has rows that would be lost.
        """
        raw = self.source.for_table(table).with_step(self.spec.step).read()
        spec = self.spec
        added = self.covariates.whole(self.grid.apply(raw), spec.fitted, horizon=spec.context, keep_gaps=True)
        series = align(added, spec)
        _require_every_row(raw, series)
        storage = stored(series, spec)
        starts, length = _windows(series, spec.context)
        values, nearest = series.targets.copy(), np.full(len(series), -1)
        distance = np.zeros(values.shape, dtype=np.int64)
        missing = np.isnan(values)
        wanted = [number for number, start in enumerate(starts) if missing[start : start + length[number]].any()]
        blind = 0
        for size in sorted(set(length[wanted].tolist())):
            chosen = [number for number in wanted if length[number] == size]
            middle = np.minimum(np.arange(size), np.arange(size)[::-1])
            for first in range(0, len(chosen), BATCH):
                places = starts[chosen[first : first + BATCH]]
                with torch.no_grad():
                    scaled = self.model(storage.windows(torch.from_numpy(places), size, 0)).mean.double().numpy()
                found = scaled * np.asarray(spec.target_scale) + np.asarray(spec.target_offset)
                for place, window in zip(places.tolist(), found, strict=True):
                    rows = np.arange(place, place + size)
                    better = middle > nearest[rows]
                    nearest[rows[better]] = middle[better]
                    distance[rows[better]] = distances(~missing[rows])[better]
                    blind += int(missing[rows].all())
                    values[rows[better]] = np.where(missing[rows[better]], window[better], values[rows[better]])
        if blind:
            log.warning(
                "%s: nothing was observed in %d window(s) of %d steps, whose values are not much more than a mean",
                *(series.label, blind, spec.context),
            )
        filled = FilledSeries(series, values, self.source.time_column, self.source.id_column, distance, self.bands)
        self._tell_of_far(filled)
        return filled

    def _tell_of_far(self, filled: FilledSeries) -> None:
        """A log line where values lie farther from an observation than any that bands were fitted on."""
        if self.bands is None:
            return
        far, most = filled.distance[filled.filled], self.bands.reach[-1]
        if (far > most).any():
            log.warning(
                "%s: %d of the filled values lie more than %d steps from an observation (up to %d), farther than any "
                "of validation: their intervals are those of %d steps, too narrow; train with windows longer than the "
                "gaps (data.steps) and with gaps as long (data/removal=blocks, data.removal.length)",
                *(filled.series.label, int((far > most).sum()), most, int(far.max()), most),
            )


def _windows(series: Panel, steps: int) -> tuple[Int[np.ndarray, " windows"], Int[np.ndarray, " windows"]]:
    """First row and number of rows of windows that cover every row of a panel, each inside one piece."""
    starts, lengths = [], []
    for first, stop in series.pieces:
        size = min(steps, stop - first)
        own = sorted({*range(first, stop - size, max(size // 2, 1)), stop - size})
        starts += own
        lengths += [size] * len(own)
    return np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _require_every_row(raw: Panel, series: Panel) -> None:
    """Raises DataError if the grid has dropped rows, which the output would lack."""
    items = np.repeat(raw.items, raw.lengths)
    kept = {(item, stamp) for item, stamp in zip(np.repeat(series.items, series.lengths), series.clock, strict=True)}
    lost = [row for row, place in enumerate(zip(items, raw.clock, strict=True)) if place not in kept]
    if lost:
        raise DataError(
            f"{raw.label}: the row of {stamp_text(raw.clock[lost[0]])} lies off the grid of one row every "
            f"{series.step}, and would be lost ({len(lost)} row(s) do); correct the stamps, or leave such rows out"
        )


def load(path: str | Path, trust: Sequence[str] = (), data_options: Mapping[str, Any] | None = None) -> Filler:
    """The model of a checkpoint that fills gaps.

    Args:
        path: A file written by a recast run.
        trust: Packages of others whose classes the checkpoint may name.
        data_options: Options of its data; see `recast.runs.checkpoints.data_options.changed`.

    Raises:
        CheckpointError: if it cannot be read safely, its parts do not fit each other, or it fills no gaps.
        ConfigurationError: if a data option is wrong.
    """
    with trusting(*trust):
        content, config = described(path)
        require_imputer(path, config)
        with fitting(path):
            names = ("source", "grid", "features")
            parts = {"model": config["model"], **{name: config["data"].get(name) for name in names}}
            check(parts, ImputerParts, allowed=ALLOWED)
        parts = checked_changes(parts, data_options or {}, ImputerParts)
        source = build(parts["source"], ALLOWED)
        grid = build(parts["grid"], ALLOWED) if parts["grid"] else MaskGrid()
        covariates = Covariates(build_each(parts["features"], ALLOWED))
        with fitting(path):
            spec = checked_imputation_spec(content[KEY].get("spec"))
            model = cast("Imputer", bare_model(path, content, parts["model"], spec))
            bands = kept_bands(content[KEY], spec.targets)
    return Filler(model, source, grid, covariates, bands)


def impute_file(config: dict[str, Any]) -> None:
    """Writes a CSV file with a number at each place of another, as `FilledSeries.frame` says.

    Args:
        config: A configuration of recast-impute that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or file cannot be used; nothing is written then.
    """
    set_up(config)
    config = with_files(config, FILES)
    filler = load(config["checkpoint"], config["trust"] or (), config["data"])
    found = filler.fill(filler.source.load(config["input"]))
    count = int(found.filled.sum())
    log.info("%s: %d of %d values filled", found.series.label, count, found.values.size)
    if config["levels"] and found.bands is None:
        log.info(
            "no intervals: the checkpoint holds no errors at values removed from validation windows; best.ckpt of a "
            "run that has come to its end does, if enough were removed"
        )
    write_text(Path(config["output"]), found.text(config["levels"]))
    if config["figure"] is not None:
        _draw(found, max(config["levels"], default=None), Path(config["figure"]))


def _draw(found: FilledSeries, level: float | None, path: Path) -> None:
    # Matplotlib takes longer to import than gaps to fill.
    from recast.figures.filled import filled_series
    from recast.figures.png import save

    series = found.series
    rows = slice(*series.item_bounds[:2].tolist())
    bands = found.half_widths([] if level is None else [level])
    of_many = "" if series.is_single else f", {series.ids[0]}"
    figure = filled_series(
        series.clock[rows],
        found.values[rows],
        found.filled[rows],
        tuple(column for column in series.columns if column.role == "target"),
        title=f"{Path(series.label).name}{of_many}",
        half_widths=bands[0][rows] if len(bands) else None,
        level=level,
        timezone=series.timezone,
    )
    save(figure, path)
