"""A netCDF file as a table."""

import importlib
from pathlib import Path

from recast.data.sources.frame import FrameTable
from recast.errors import DataError

ENDINGS = (".nc", ".nc4", ".cdf")


def load_netcdf(path: str, time: str, id: str | None) -> FrameTable:
    """Reads a netCDF file: a row for each point of its dimensions, a column for each variable and coordinate.

    Times are decoded, and fill values are not observed, as the file's attributes say (CF conventions).

    Args:
        path: The file.
        time: Name of the dimension or variable of time.
        id: Name of the dimension or variable that names series; None: the file holds one series.

    Raises:
        DataError: if the file cannot be read, or the packages that read such files are missing.
    """
    remedy = f"{path}: netCDF files need other packages: pip install 'recast-rnn[netcdf]'"
    try:
        import xarray as xr

        # xarray reads by the first, and that by the second.
        for name in ("h5netcdf", "h5py"):
            importlib.import_module(name)
    except ImportError as error:
        raise DataError(remedy) from error
    try:
        with xr.open_dataset(Path(path).expanduser(), engine="h5netcdf") as data:
            frame = data.to_dataframe()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as netCDF: {error}") from error
    return FrameTable(frame, time, path, id=id)
