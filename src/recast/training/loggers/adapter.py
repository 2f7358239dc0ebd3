"""What recast asks of a logger beyond Lightning's own interface."""

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure


class LoggedRun(NamedTuple):
    """What a logger is told of the run.

    Args:
        folder: The run folder.
        name: The run's name.
        step: The optimiser step that training goes on from; None at the beginning. [steps]
    """

    folder: Path
    name: str
    step: int | None


class LoggerAdapter:
    """This one suits any logger of Lightning: it is given the run's options, and every curve and final metric.

    Figures are logged where the logger has Lightning's `log_image`; they lie in the run's folder in any case.

    Attributes:
        package: The package that the logger needs; "" where recast itself depends on it.
        extra: The optional dependency in pyproject.toml that brings it.
    """

    package = ""
    extra = ""

    def arguments(self, node: Mapping[str, Any], kind: type[Logger], run: LoggedRun) -> dict[str, Any]:
        """Arguments of the constructor that depend on the run.

        Args:
            node: The logger's node of the configuration.
            kind: The logger's class.
            run: The run.
        """
        return {"save_dir": str(run.folder)} if "save_dir" in signature(kind).parameters else {}

    def begin(self, logger: Any, options: Mapping[str, Any]) -> None:
        """Logs the options of the run, before training.

        Args:
            logger: The logger.
            options: Every option by which runs are compared.
        """
        logger.log_hyperparams(dict(options))

    def figure(self, logger: Any, name: str, figure: Figure, path: Path, step: int) -> None:
        """Logs a figure.

        Args:
            logger: The logger.
            name: Its name.
            figure: The figure.
            path: The PNG file that it was written to.
            step: Optimiser steps taken. [steps]
        """
        if hasattr(logger, "log_image"):
            logger.log_image(key=name, images=[str(path)], step=step)

    def text(self, logger: Any, name: str, text: str, step: int) -> None:
        """Logs a text where the logger has Lightning's `log_text`, as that of wandb has.

        Args:
            logger: The logger.
            name: Its name.
            text: The text.
            step: Optimiser steps taken. [steps]
        """
        if hasattr(logger, "log_text"):
            logger.log_text(key=name, columns=["text"], data=[[text]], step=step)

    def end(self, logger: Any, options: Mapping[str, Any], scores: Mapping[str, float], step: int) -> None:
        """Logs what belongs to the end of the run; the scores themselves were logged when they were computed.

        Args:
            logger: The logger.
            options: The swept options of a job of a sweep; otherwise, all by which runs are compared.
            scores: Final metrics by name, as in "mse/test".
            step: Optimiser steps taken. [steps]
        """
        logger.save()

    def hint(self, node: Mapping[str, Any], folder: Path, *, many: bool = False) -> str:
        """A line that says where to look at what was logged; "" for none.

        Args:
            node: The logger's node of the configuration.
            folder: The run folder, or that of a sweep.
            many: Whether it is that of a sweep.
        """
        return ""
