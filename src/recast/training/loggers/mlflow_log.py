"""MLflow: a run in a store that all runs share, by default the local file store `mlruns` where the command is run."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from lightning.pytorch.loggers import Logger, MLFlowLogger
from matplotlib.figure import Figure

from recast.errors import ConfigurationError
from recast.training.loggers.adapter import LoggedRun, LoggerAdapter

FOLDER = "recast.folder"
"""The tag by which a resumed run finds itself in the store."""
STORE = "MLFLOW_TRACKING_URI"
LOCAL = "file:"


def address(node: Mapping[str, Any]) -> str:
    """The store: that of the configuration, of the environment variable MLFLOW_TRACKING_URI, or `mlruns` here."""
    return str(node.get("tracking_uri") or os.environ.get(STORE) or f"{LOCAL}{Path.cwd() / 'mlruns'}")


def _is_local(store: str) -> bool:
    """Whether a store is a folder of files."""
    return store.startswith(LOCAL) or "://" not in store


class MlflowAdapter(LoggerAdapter):
    """Options as parameters, curves and final metrics as metrics, figures as images with a step."""

    package = "mlflow"
    extra = "mlflow"

    def arguments(self, node: Mapping[str, Any], kind: type[Logger], run: LoggedRun) -> dict[str, Any]:
        """Store, name and tags; of a resumed run the id of the one begun before, if the store still has it.

        MLflow keeps the points that a killed run logged after its last state.
        """
        store = address(node)
        if _is_local(store):
            # Newer releases want to be told that a store of files is meant.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        experiment = _experiment(node, store)
        tags = {**(node.get("tags") or {}), FOLDER: str(run.folder)}
        found = {"tracking_uri": store, "tags": tags}
        if not node.get("run_name"):
            found["run_name"] = run.name
        before = None if run.step is None or node.get("run_id") else _begun(experiment, store, run.folder)
        return found if before is None else {**found, "run_id": before}

    def begin(self, logger: Any, options: Mapping[str, Any]) -> None:
        """Logs the options; `model/cell` as `model.cell`, since a slash means a folder in a store of files."""
        super().begin(logger, {name.replace("/", "."): value for name, value in options.items()})

    def figure(self, logger: Any, name: str, figure: Figure, path: Path, step: int) -> None:
        """Logs it as an image of that step."""
        from PIL import Image

        with Image.open(path) as image:
            logger.experiment.log_image(logger.run_id, image, key=name, step=step)

    def hint(self, node: Mapping[str, Any], folder: Path, *, many: bool = False) -> str:
        """The command that shows it; the user interface comes with the whole of MLflow."""
        store = address(node)
        allowed = "MLFLOW_ALLOW_FILE_STORE=true " if _is_local(store) else ""
        return f"MLflow:      {allowed}mlflow ui --backend-store-uri {store}"


def _experiment(node: Mapping[str, Any], store: str) -> str:
    """The id of the experiment, created if the store lacks it.

    Lightning would create it at the first point; jobs of a sweep that do so at once would create several in a store of
    files.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    name = str(node.get("experiment_name") or signature(MLFlowLogger).parameters["experiment_name"].default)
    try:
        client = MlflowClient(store)
        with _locked(store):
            found = client.get_experiment_by_name(name)
            return client.create_experiment(name) if found is None else found.experiment_id
    except (MlflowException, OSError) as error:
        said = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigurationError(
            f"logger.mlflow: the store {store} cannot be used ({said}); give logger.mlflow.tracking_uri=..., or choose "
            "logger=tensorboard"
        ) from error


@contextmanager
def _locked(store: str) -> Iterator[None]:
    """Keeps other processes from creating an experiment in a store of files; other stores do so themselves."""
    path = Path(url2pathname(urlparse(store).path))
    if not _is_local(store) or not path.is_dir():
        yield
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _begun(experiment: str, store: str, folder: Path) -> str | None:
    """The id of the run that was begun in `folder`, the latest one; None if the store has none."""
    from mlflow.tracking import MlflowClient

    wanted = str(folder).replace("'", "\\'")
    runs = MlflowClient(store).search_runs(
        [experiment], filter_string=f"tags.`{FOLDER}` = '{wanted}'", order_by=["start_time DESC"]
    )
    return runs[0].info.run_id if runs else None
