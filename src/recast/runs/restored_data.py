"""The data that a checkpoint is put to use on."""

from recast.checkpoints.checkpoint import Restored
from recast.datamodule import ForecastDataModule
from recast.errors import DataError
from recast.prepare.prepare import rescale


def restored_data(restored: Restored, path: str | None) -> ForecastDataModule:
    """The data of the training, or another file of the same kind, under the scaling of the training.

    Args:
        restored: The checkpoint.
        path: A CSV file with the same columns, split in the same way; none: the data of the training.

    Raises:
        DataError: if the data have changed since the training, or cannot be used.
    """
    data = restored.data
    if path is not None:
        data.source = data.source.for_file(path)
    elif data.prepared.fingerprint != restored.fingerprint:
        raise DataError(
            f"{data.prepared.series.label}: it has changed since the training, so that the parts are others now; give "
            f"path={data.prepared.series.label} to score the file as it is"
        )
    data.prepared = rescale(data.prepared, restored.spec)
    return data
