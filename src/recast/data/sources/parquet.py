"""A Parquet file as a table."""

from pathlib import Path

import pandas as pd

from recast.data.sources.frame import FrameTable
from recast.errors import DataError

ENDINGS = (".parquet", ".pq")


def load_parquet(path: str, time: str, id: str | None) -> FrameTable:
    """Reads a Parquet file; a frame that was written with its index is read with it.

    Args:
        path: The file.
        time: Name of the time column, or of a level of the index.
        id: Name of the column that names series, or of a level of the index; None: the file holds one series.

    Raises:
        DataError: if the file cannot be read, or the package that reads such files is missing.
    """
    try:
        frame = pd.read_parquet(Path(path).expanduser(), engine="pyarrow")
    except ImportError as error:
        raise DataError(f"{path}: Parquet files need another package: pip install 'recast-rnn[parquet]'") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    return FrameTable(frame, time, path, id=id)
