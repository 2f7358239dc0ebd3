"""A hash of the exact content of panels."""

import hashlib
import json

import numpy as np

from recast.data.panel import Panel


def fingerprint(*panels: Panel) -> str:
    """SHA-256, as 64 hexadecimal digits, over columns, times, values, pieces, items and static values of `panels`.

    Equal on every machine for equal content; labels, units and step do not count.
    """
    digest = hashlib.sha256()
    for panel in panels:
        head = {
            "columns": [(column.name, column.role, column.levels) for column in (*panel.columns, *panel.static)],
            "shape": panel.values.shape,
            "ids": panel.ids,
        }
        digest.update(json.dumps(head).encode())
        times = np.empty(0) if panel.times is None else panel.times.astype("<M8[ns]", copy=False).view("<i8")
        for array, layout in (
            (times, "<i8"),
            (panel.values, "<f8"),
            (panel.starts, "<i8"),
            (panel.items, "<i8"),
            (panel.static_values, "<f8"),
        ):
            # As it lies in memory where that is the layout: a copy would double what a large panel takes.
            digest.update(np.ascontiguousarray(array.astype(layout, copy=False)).reshape(-1).data)
    return digest.hexdigest()
