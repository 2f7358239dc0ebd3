"""Curves as a table: `csv/metrics.csv` in the run's folder, and the options beside it in `hparams.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from recast.training.loggers.adapter import LoggedRun, LoggerAdapter


class CsvAdapter(LoggerAdapter):
    """A row for each point in time, a column for each curve; the final metrics are the last ones."""

    def arguments(self, node: Mapping[str, Any], kind: type[Logger], run: LoggedRun) -> dict[str, Any]:
        """The folder; a resumed run writes into a subfolder of its own, since Lightning would delete the old table."""
        found = super().arguments(node, kind, run)
        version = node.get("version")
        return found if run.step is None or version is None else {**found, "version": f"{version}_from_{run.step}"}

    def hint(self, node: Mapping[str, Any], folder: Path, *, many: bool = False) -> str:
        """The folder of the table."""
        folder = folder / "*" if many else folder
        return f"curves:      {folder / str(node.get('name') or '') / str(node.get('version') or '')}"
