"""Series to CSV file."""

from pathlib import Path

import pandas as pd

from recast.errors import DataError
from recast.files import write_whole
from recast.panel import Panel

TIME = "datetime"


def write_csv(panel: Panel, path: str | Path) -> None:
    """Writes `panel` as CSV: the column "datetime", then one for each channel.

    Stamps are ISO 8601, with "+00:00" where the panel's timezone is "UTC". Numbers are written so that reading them
    gives the same float64. The pieces of a panel follow each other. The file is written aside and renamed, so that
    a run that is killed leaves no half of it.

    Args:
        panel: What to write.
        path: Where to; an existing file is replaced, a missing folder is made.

    Raises:
        DataError: if a channel has the name of the time column.
    """
    if TIME in panel.names:
        raise DataError(f'{panel.label}: a channel has the name "{TIME}", which the time column needs; rename it')
    table = pd.DataFrame(panel.values, columns=list(panel.names))
    table.insert(0, TIME, pd.DatetimeIndex(panel.clock, tz=panel.timezone))
    write_whole(Path(path), lambda aside: table.to_csv(aside, index=False, lineterminator="\n"))
