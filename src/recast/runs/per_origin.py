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
    data. The mean over rows is the overall metric where all truths
    were observed.

    Args:
        prepared: The series, its part holding the windows that were scored.
        part: "train", "validation" or "test".
        scores: Of each forecaster, by name.
    """
    rows = getattr(prepared.starts, part).numpy() + prepared.spec.context - 1
    errors = {
        f"{name}:{metric}": values for name, score in scores.items() for metric, values in score.per_origin.items()
    }
    origins = iso_stamps(prepared.panel.clock[rows], prepared.spec.timezone)
    return pd.DataFrame({"origin": origins, "row": rows, **errors})


def iso_stamps(times: np.ndarray, timezone: str | None) -> np.ndarray:
    """Stamps as ISO 8601 text, as short as all of them allow; with a "Z" where they are UTC.

    Args:
        times: `datetime64`, of any shape.
        timezone: "UTC", or None where the stamps carry no zone.
    """
    # A day has no zone in ISO 8601, a time of day has.
    units = ("m", "s", "ms", "us", "ns") if timezone else ("D", "m", "s", "ms", "us", "ns")
    rounded = (times.astype(f"datetime64[{unit}]") for unit in units)
    shortest = next(stamps for stamps in rounded if (stamps == times).all())
    return np.datetime_as_string(shortest, timezone="UTC" if timezone else "naive")
