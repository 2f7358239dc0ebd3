"""A short name for the exact content of a series, or of sequences."""

import hashlib
import json
from typing import Any

import numpy as np

from recast.types import Sequences, Series


def fingerprint(series: Series) -> str:
    """SHA-256, as 64 hexadecimal digits, over names, times, values and starts of `series`.

    Equal on every machine for equal content; labels, units and step do not count.
    """
    head = {"names": series.names, "shape": series.values.shape, "pieces": len(series.starts)}
    return _digest(head, (series.times.astype("datetime64[ns]"), "<i8"), (series.values, "<f8"), (series.starts, "<i8"))


def sequences_fingerprint(sequences: Sequences, train: int) -> str:
    """SHA-256, as 64 hexadecimal digits, over names, classes, values, starts and labels of `sequences`.

    Args:
        sequences: All sequences that were read.
        train: How many of them, from the first on, were read for training.
    """
    head = {
        "names": sequences.names,
        "classes": sequences.classes,
        "shape": sequences.values.shape,
        "sequences": len(sequences),
        "train": train,
    }
    return _digest(head, (sequences.values, "<f8"), (sequences.starts, "<i8"), (sequences.labels, "<i8"))


def _digest(head: dict[str, Any], *arrays: tuple[np.ndarray, str]) -> str:
    """SHA-256 over a head and arrays in a given layout."""
    digest = hashlib.sha256(json.dumps(head).encode())
    for array, layout in arrays:
        digest.update(np.ascontiguousarray(array.astype(layout)).tobytes())
    return digest.hexdigest()
