"""Folders: of the configuration groups, and those that runs and sweeps write to."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import yaml
from omegaconf import OmegaConf

from recast.runs.configure.named import named_baselines
from recast.system.files import user_path

RESULT = "metrics.json"
BEFORE_TRAINING = {".hydra", "multirun.yaml", "config.yaml", "provenance.json", "recast-train.log"}
"""What may lie in the folder of a run or sweep before anything is trained."""
_made: list[Path] = []
"""The folders that this process has made."""


def conf_folder() -> Path:
    """The folder of the configuration groups: in the installed package, else at the top of the clone."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def choices_of(group: str) -> list[str]:
    """The choices of a configuration group, such as "model/cell"; none where there is no such group."""
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


def register() -> None:
    """Makes `${recast.run_folder:output_dir,resume,overrides}` and `recast.sweep_folder` known to OmegaConf."""
    OmegaConf.register_new_resolver("recast.run_folder", run_folder, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("recast.sweep_folder", sweep_folder, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("recast.named_baselines", named_baselines, replace=True)


def run_folder(output_dir: str, resume: bool, overrides: Sequence[str]) -> str:
    """A new folder named by date and time; with `resume`, the youngest unfinished one of the same overrides.

    Args:
        output_dir: Where run folders lie.
        resume: Whether an unfinished run is looked for.
        overrides: The command's overrides; `resume` itself does not count.
    """
    if resume:
        wanted = _without_resume(overrides)
        for candidate in sorted(user_path(output_dir).glob("*/*/.hydra/overrides.yaml"), reverse=True):
            folder = candidate.parents[1]
            if not (folder / RESULT).exists() and _without_resume(yaml.safe_load(candidate.read_text())) == wanted:
                return str(folder)
    return _new_folder(output_dir)


def sweep_folder(output_dir: str, resume: bool, overrides: Sequence[str]) -> str:
    """A new folder named by date and time; with `resume`, that of the youngest sweep of the same overrides.

    Args:
        output_dir: Where folders of sweeps lie.
        resume: Whether an earlier sweep is looked for.
        overrides: The command's overrides; `resume` itself does not count.
    """
    if resume:
        wanted = _without_resume(overrides)
        for candidate in sorted(user_path(output_dir).glob("*/*/multirun.yaml"), reverse=True):
            if _without_resume(yaml.safe_load(candidate.read_text())["hydra"]["overrides"]["task"]) == wanted:
                return str(candidate.parent)
    return _new_folder(output_dir)


def _new_folder(output_dir: str) -> str:
    while True:
        folder = user_path(output_dir) / datetime.now().astimezone().strftime("%Y-%m-%d/%H-%M-%S-%f")
        try:
            # Made here and by one process alone: clocks can be too coarse to tell two starts apart.
            folder.mkdir(parents=True)
            _made.append(folder.absolute())
        except FileExistsError:
            continue
        except OSError:
            # Hydra makes it too, and says what is wrong.
            return str(folder)
        return str(folder)


def discard_refused() -> None:
    """Removes the folders made by this process in which nothing was trained; for a command that is refused."""
    while _made:
        folder = _made.pop()
        if folder.is_dir() and {path.name for path in folder.iterdir()} <= BEFORE_TRAINING:
            shutil.rmtree(folder, ignore_errors=True)
            # The date's folder, unless another run lies there.
            with suppress(OSError):
                folder.parent.rmdir()


def _without_resume(overrides: Sequence[str]) -> list[str]:
    return sorted(override for override in overrides if override.lstrip("+").partition("=")[0] != "resume")
