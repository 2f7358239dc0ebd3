"""What a run says of its data: in a line, and in provenance.json."""

from typing import Any

from recast.prepare.prepare import Prepared


def summary(prepared: Prepared) -> str:
    """One line: rows, pieces, windows."""
    counts = ", ".join(f"{count} {part}" for part, count in window_counts(prepared).items())
    return (
        f"{prepared.series.label}: {len(prepared.series)} rows every {prepared.spec.step}, "
        f"{len(prepared.series.starts)} piece(s); windows: {counts}"
    )


def window_counts(prepared: Prepared) -> dict[str, int]:
    """Number of windows of each part."""
    return {part: len(starts) for part, starts in prepared.starts._asdict().items()}


def data_facts(prepared: Prepared) -> dict[str, Any]:
    """What was trained on, in plain containers."""
    return {
        "label": prepared.series.label,
        "fingerprint": prepared.fingerprint,
        "rows": len(prepared.series),
        "pieces": len(prepared.series.starts),
        "first": str(prepared.series.times[0]),
        "last": str(prepared.series.times[-1]),
        "spec": prepared.spec.to_dict(),
        "parts": {part: list(rows) for part, rows in prepared.parts._asdict().items()},
        "windows": window_counts(prepared),
    }
