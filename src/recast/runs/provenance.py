"""The provenance of a run: versions, commit, machine."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import recast
from recast.runs.configure.targets import trusted

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "pandas", "utide", "tensorboard")


def provenance() -> dict[str, Any]:
    """Versions of recast, Python, its dependencies and trusted packages; the commit of a clone; the machine."""
    return {
        "recast": recast.__version__,
        "commit": commit(Path(recast.__file__).parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "trusted": {name: _version(name.partition(".")[0]) for name in trusted()},
    }


def commit(folder: Path) -> dict[str, Any] | None:
    """Hash of the commit that `folder` is checked out from, and whether files differ from it; None outside a clone."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        # An installed package may lie inside another project's clone; only a tracked file speaks of this one.
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        return {"hash": head, "modified": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 fixed words


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
