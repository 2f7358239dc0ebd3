"""TensorBoard: event files in the run's folder, by whose name TensorBoard then calls the run."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure

from recast.training.loggers.adapter import LoggedRun, LoggerAdapter

FORMER = "tensorboard"
"""The subfolder that earlier versions wrote event files to."""


def command(folder: Path) -> str:
    """The command that shows the event files of a run or a sweep."""
    return f"{Path(sys.executable).parent / 'tensorboard'} --logdir {folder}"


class TensorBoardAdapter(LoggerAdapter):
    """Event files, with images, and a table of hyper-parameters and final metrics."""

    def arguments(self, node: Mapping[str, Any], kind: type[Logger], run: LoggedRun) -> dict[str, Any]:
        """The folder, and the step to go on from.

        Points that a killed run wrote after its last state would otherwise appear beside the new ones. A run that an
        earlier version began goes on in its subfolder: else TensorBoard would show two runs.
        """
        found = super().arguments(node, kind, run)
        if run.step is None:
            return found
        former = {"version": FORMER} if not node.get("version") and (run.folder / FORMER).is_dir() else {}
        return {**found, "purge_step": run.step, **former}

    def begin(self, logger: Any, options: Mapping[str, Any]) -> None:
        """Logs nothing: its table takes options and final metrics together."""

    def figure(self, logger: Any, name: str, figure: Figure, path: Path, step: int) -> None:
        """Logs it as an image of that step."""
        logger.experiment.add_figure(name, figure, global_step=step, close=False)

    def text(self, logger: Any, name: str, text: str, step: int) -> None:
        """Logs it for the tab "Text", which takes Markdown: indented, lines stay as they are."""
        indented = "".join(f"    {line}\n" for line in text.split("\n"))
        logger.experiment.add_text(name, indented, global_step=step)

    def end(self, logger: Any, options: Mapping[str, Any], scores: Mapping[str, float], step: int) -> None:
        """Fills the HPARAMS tab.

        It shows the first options by name, whatever their order here: all options of a job of a sweep would hide those
        that differ among those that do not.
        """
        logger.log_hyperparams(dict(options), dict(scores), step=step)
        logger.save()

    def hint(self, node: Mapping[str, Any], folder: Path, *, many: bool = False) -> str:
        """The command that shows it."""
        return f"TensorBoard: {command(folder)}"
