"""The errors and the hits of each forecast origin, as tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from recast.data.prepare.prepare import Prepared
from recast.runs.scores import Scores
from recast.scoring.metrics.band_scores import BANDS, Hits


def per_origin(prepared: Prepared, part: str, scores: Mapping[str, Scores]) -> pd.DataFrame:
    """One row for each window of a part, in order of rows.

    Columns: `origin`, the ISO 8601 stamp of the last observed step; `row`, its row, which tells the series of a panel
    apart; then `<forecaster>:mse` and `<forecaster>:mae`, averaged over leads and targets, in the (squared) unit of the
    data, and where these mix targets that differ in unit or size, the same of the metric that ranks. The mean over rows
    is the overall metric where all truths were observed.

    Args:
        prepared: The series, its part holding the windows that were scored.
        part: "train", "validation" or "test".
        scores: Of each forecaster, by name.
    """
    errors = {
        f"{name}:{metric}": values for name, score in scores.items() for metric, values in score.per_origin.items()
    }
    return pd.DataFrame({**_origins(prepared, part), **errors})


def per_origin_bands(prepared: Prepared, part: str, hits: Mapping[str, Hits]) -> pd.DataFrame:
    """How many truths of each window lie within bands: the input of sampling errors of their coverage.

    Columns: `origin` and `row`, as of `per_origin`; of a panel `item`; `truths`, how many were observed;
    `<forecaster>:<level>`, how many of them the central interval of 50, 80, 90 and 95 % holds, ends included. Where
    some of its ends are unknown, `<forecaster>:<level>:truths` counts those that it could hold; a band that is known
    nowhere has no column. The sum of a column over that of its truths is the coverage in metrics.json.

    Args:
        prepared: The series, its part holding the windows that were scored.
        part: "train", "validation" or "test".
        hits: Of the bands of each forecaster, by name; none: the table is empty.
    """
    if not hits:
        return pd.DataFrame()
    columns = _origins(prepared, part)
    if not prepared.panel.is_single:
        ids = np.array(prepared.panel.ids)
        columns["item"] = ids[prepared.panel.items_at(getattr(prepared.starts, part).numpy())]
    for name, (truths, known, inside) in hits.items():
        columns["truths"] = truths
        for level, possible, held in zip(BANDS, known.T, inside.T, strict=True):
            if possible.any():
                column = f"{name}:{100 * level:g}"
                columns[column] = held
                if (possible != truths).any():
                    columns[f"{column}:truths"] = possible
    return pd.DataFrame(columns)


def _origins(prepared: Prepared, part: str) -> dict[str, np.ndarray]:
    rows = getattr(prepared.starts, part).numpy() + prepared.spec.context - 1
    clock = prepared.panel.clock
    return {"origin": iso_stamps(clock[rows], prepared.spec.timezone, among=clock), "row": rows}


def iso_stamps(times: np.ndarray, timezone: str | None, *, among: np.ndarray) -> np.ndarray:
    """Stamps as ISO 8601 text, as short as all stamps of the series allow; with a "Z" where they are UTC.

    Args:
        times: `datetime64`, of any shape.
        timezone: "UTC", or None where the stamps carry no zone.
        among: All stamps of the series, so that those of an hourly series have their hour even where all are midnights.
    """
    # A day has no zone in ISO 8601, a time of day has.
    units = ("m", "s", "ms", "us", "ns") if timezone else ("D", "m", "s", "ms", "us", "ns")
    shortest = next(
        unit for unit in units if all((all_ == all_.astype(f"datetime64[{unit}]")).all() for all_ in (times, among))
    )
    return np.datetime_as_string(times.astype(f"datetime64[{shortest}]"), timezone="UTC" if timezone else "naive")
