"""Writes series to CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd

from recast.data.panel import Panel
from recast.errors import DataError
from recast.system.files import write_whole

TIME = "datetime"


def write_csv(panel: Panel, path: str | Path) -> None:
    """Writes `panel` as CSV: the column "datetime", then one for each column over time.

    Stamps are ISO 8601, with "+00:00" where the panel's timezone is "UTC". Numbers are written so that reading them
    gives the same float64; categories as the names of their levels; unobserved values as empty fields. The pieces of a
    panel are written consecutively. The file is written atomically, so that a killed run leaves no partial file.

    Args:
        panel: What to write.
        path: Destination; an existing file is replaced, a missing folder is created.

    Raises:
        DataError: if a column has the name of the time column.
    """
    if TIME in panel.names:
        raise DataError(f'{panel.label}: a column has the name "{TIME}", which the time column needs; rename it')
    table = pd.DataFrame(panel.values, columns=list(panel.names))
    for place, column in enumerate(panel.columns):
        if column.levels is not None:
            codes = np.nan_to_num(panel.values[:, place], nan=-1).astype(np.int64)
            table[column.name] = pd.Categorical.from_codes(codes.tolist(), list(column.levels))
    table.insert(0, TIME, pd.DatetimeIndex(panel.clock, tz=panel.timezone))
    write_whole(Path(path), lambda aside: table.to_csv(aside, index=False, lineterminator="\n"))
