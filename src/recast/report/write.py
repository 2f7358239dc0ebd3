"""Writes the report's files."""

from collections.abc import Sequence
from pathlib import Path

from recast.report import csv_table, html, markdown
from recast.report.build import build
from recast.report.study import study
from recast.system.files import write_text


def report(folders: Sequence[Path], output: Path, *, alpha: float = 0.05, metric: str | None = None) -> list[Path]:
    """Reads run folders and sweep folders; writes report.html, results.csv and report.md, each atomically.

    Args:
        folders: Run folders, sweep folders, or parents of such.
        output: Folder for the files; created if missing.
        alpha: Level of the tests.
        metric: The ranking metric; None for the first in their configuration that ranks.

    Returns:
        The files.

    Raises:
        DataError: if a folder is missing or holds no run.
        ConfigurationError: if no finished run has the metric.
        OSError: if writing fails.
    """
    found = study(folders, alpha=alpha, metric=metric)
    document = build(found)
    texts = {"results.csv": csv_table.render(found), "report.md": markdown.render(document)}
    # Last, so that once it exists the others do too.
    texts["report.html"] = html.render(document)
    for name, text in texts.items():
        write_text(output / name, text)
    return [output / name for name in ("report.html", "results.csv", "report.md")]
