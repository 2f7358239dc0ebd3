"""Curves from TensorBoard's event files.

TensorBoard's own reader takes a tenth of a second for a megabyte, nearly all of it for images that no curve needs; this
one skips them.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 1 << 14  # bytes; a point of a curve takes about 60
HEADER = struct.Struct("<QI")  # length of the record, and the checksum of the length
CHECK = 4  # bytes of the checksum after each record

Curve = tuple[np.ndarray, np.ndarray]


def read_curves(folder: Path) -> dict[str, Curve]:
    """Steps and values of each curve in the event files of a run; a truncated final record is ignored.

    A run that was resumed wrote some steps twice: as in TensorBoard, points written before the restart at or after its
    step are dropped.

    Args:
        folder: The run's folder; runs of versions before 0.5 have event files in its subfolder `tensorboard`.
    """
    points: dict[str, dict[int, float]] = defaultdict(dict)
    found = [*folder.glob("*tfevents*"), *(folder / "tensorboard").glob("*tfevents*")]
    # Their names begin with the time.
    for path in sorted(found, key=lambda path: path.name):
        for event in _events(path):
            if event.HasField("session_log") and event.session_log.status == event.session_log.START:
                for curve in points.values():
                    for step in [step for step in curve if step >= event.step]:
                        del curve[step]
            for value in event.summary.value:
                number = _scalar(value)
                if number is not None:
                    points[value.tag][event.step] = number
    curves = {tag: sorted(curve.items()) for tag, curve in points.items() if curve}
    return {
        tag: (np.array([step for step, _ in pairs]), np.array([value for _, value in pairs]))
        for tag, pairs in curves.items()
    }


def _events(path: Path) -> Iterator[Any]:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import event_pb2

    # Its classes are created on import, where type checkers cannot see them.
    event_class: Any = vars(event_pb2)["Event"]
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            length, _ = HEADER.unpack(header)
            if file.tell() + length + CHECK > size:
                return
            if length > LARGEST:
                file.seek(length + CHECK, 1)
                continue
            record = file.read(length)
            file.seek(CHECK, 1)
            try:
                yield event_class.FromString(record)
            except DecodeError:
                return


def _scalar(value: Any) -> float | None:
    """The number of a point; None for an image or text."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and value.metadata.plugin_data.plugin_name == "scalars":
        from tensorboard.util.tensor_util import make_ndarray

        return float(make_ndarray(value.tensor))
    return None
