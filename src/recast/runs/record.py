"""Summaries of the data of a run: one line, and provenance.json."""

import hashlib
from typing import Any

from recast.data.prepare.covariates import Covariates
from recast.data.prepare.prepare import Prepared
from recast.data.prepare.ranges import Ranges, in_part, rows_of


def summary(prepared: Prepared) -> str:
    """One line: rows, pieces, windows."""
    items = "" if prepared.panel.is_single else f"{len(prepared.panel.ids)} items, "
    counts = ", ".join(f"{count} {part}" for part, count in window_counts(prepared).items())
    return (
        f"{prepared.panel.label}: {items}{len(prepared.panel)} rows every {prepared.spec.step}, "
        f"{len(prepared.panel.starts)} piece(s); windows: {counts}"
    )


def window_counts(prepared: Prepared) -> dict[str, int]:
    """Number of windows of each part."""
    return {part: len(starts) for part, starts in prepared.starts._asdict().items()}


def data_facts(prepared: Prepared, covariates: Covariates) -> dict[str, Any]:
    """What was trained on, in plain containers.

    Args:
        prepared: The series.
        covariates: What computed some of its columns.
    """
    return {
        "label": prepared.panel.label,
        "fingerprint": prepared.fingerprint,
        "items": len(prepared.panel.ids),
        "rows": len(prepared.panel),
        "pieces": len(prepared.panel.starts),
        "first": str(prepared.panel.clock.min()),
        "last": str(prepared.panel.clock.max()),
        "spec": prepared.spec.to_dict(),
        "parts": {part: _rows(prepared, rows) for part, rows in prepared.parts._asdict().items()},
        "windows": window_counts(prepared),
        "chosen": covariates.facts(prepared.panel, prepared.spec.fitted),
    }


def _rows(prepared: Prepared, part: Ranges) -> Any:
    """The rows [first, stop) of a part; where they are not consecutive, how many of how many items, and a digest."""
    rows = rows_of(prepared.panel, part)
    if isinstance(rows, slice):
        return [rows.start, rows.stop]
    digest = hashlib.sha256(part.tobytes()).hexdigest()[:12]
    return {"items": int(in_part(prepared.panel, part).sum()), "rows": int(rows.sum()), "ranges": digest}
