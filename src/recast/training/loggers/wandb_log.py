"""Weights & Biases: a run in `wandb/` of the run's folder, offline until `wandb sync` sends it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from recast.training.loggers.adapter import LoggedRun, LoggerAdapter


class WandbAdapter(LoggerAdapter):
    """Options as its configuration, curves and final metrics, figures by Lightning's `log_image`."""

    package = "wandb"
    extra = "wandb"

    def arguments(self, node: Mapping[str, Any], kind: type[Logger], run: LoggedRun) -> dict[str, Any]:
        """Folder and name; of a resumed run the id of the one before, with which it is sent as one run."""
        found = {"save_dir": str(run.folder), "reinit": "create_new"}
        if not node.get("name"):
            found["name"] = run.name
        begun = sorted((run.folder / "wandb").glob("*run-*-*"), key=lambda path: path.name.split("-")[-2])
        if run.step is not None and begun and not node.get("id"):
            found["id"] = begun[-1].name.rpartition("-")[2]
        return found

    def end(self, logger: Any, options: Mapping[str, Any], scores: Mapping[str, float], step: int) -> None:
        """Closes the run: the next one in this process is another."""
        logger.experiment.finish()

    def hint(self, node: Mapping[str, Any], folder: Path, *, many: bool = False) -> str:
        """The command that sends it."""
        folder = folder / "*" if many else folder
        return f"W&B:         wandb sync {folder}/wandb/offline-run-*" if node.get("offline") else ""
