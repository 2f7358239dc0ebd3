"""The errors of each forecast origin, as a table."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from recast.data.prepare.prepare import Prepared
from recast.runs.scores import Scores


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
    rows = getattr(prepared.starts, part).numpy() + prepared.spec.context - 1
    errors = {
        f"{name}:{metric}": values for name, score in scores.items() for metric, values in score.per_origin.items()
    }
    clock = prepared.panel.clock
    origins = iso_stamps(clock[rows], prepared.spec.timezone, among=clock)
    return pd.DataFrame({"origin": origins, "row": rows, **errors})


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
