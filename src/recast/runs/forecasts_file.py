"""forecasts.npz: the forecasts of all test windows of a run, of its model and its baselines."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recast.errors import DataError
from recast.scoring.metrics.kept_forecasts import KeptForecasts
from recast.system.files import write_whole

NAME = "forecasts.npz"


def write_forecasts(folder: Path, kept: Mapping[str, KeptForecasts]) -> None:
    """Writes the forecasts of each forecaster as arrays `<forecaster>/<array>`; see `KeptForecasts.arrays`.

    Args:
        folder: The run folder.
        kept: By name of the forecaster.
    """
    arrays = {f"{name}/{key}": values for name, found in kept.items() for key, values in found.arrays().items()}
    write_whole(folder / NAME, lambda aside: np.savez_compressed(aside, allow_pickle=False, **arrays))


def read_forecasts(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What `write_forecasts` wrote: the arrays by forecaster. Reading never runs code of the file.

    Raises:
        DataError: if the file is missing or damaged.
    """
    path = folder / NAME
    found: dict[str, dict[str, np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                name, _, part = key.rpartition("/")
                found.setdefault(name, {})[part] = arrays[key]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected the forecasts of a run with keep_forecasts=true") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    return found
