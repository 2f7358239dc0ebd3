"""Summaries of the data of a run: one line, and provenance.json."""

from typing import Any

from recast.data.prepare.prepare import Prepared


def summary(prepared: Prepared) -> str:
    """One line: rows, pieces, windows."""
    counts = ", ".join(f"{count} {part}" for part, count in window_counts(prepared).items())
    return (
        f"{prepared.panel.label}: {len(prepared.panel)} rows every {prepared.spec.step}, "
        f"{len(prepared.panel.starts)} piece(s); windows: {counts}"
    )


def window_counts(prepared: Prepared) -> dict[str, int]:
    """Number of windows of each part."""
    return {part: len(starts) for part, starts in prepared.starts._asdict().items()}


def data_facts(prepared: Prepared) -> dict[str, Any]:
    """What was trained on, in plain containers."""
    return {
        "label": prepared.panel.label,
        "fingerprint": prepared.fingerprint,
        "rows": len(prepared.panel),
        "pieces": len(prepared.panel.starts),
        "first": str(prepared.panel.clock.min()),
        "last": str(prepared.panel.clock.max()),
        "spec": prepared.spec.to_dict(),
        "parts": {part: list(rows) for part, rows in prepared.parts._asdict().items()},
        "windows": window_counts(prepared),
    }
