"""What recast is installed as, and what its parts need beside it; on the public index, "recast" is another project."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires

from recast.errors import MissingPackageError

NAME = "recast-rnn"
DISTRIBUTIONS = {"hydra": "hydra-core"}
"""Distributions whose name is not that of their package."""
FOR_DEVELOPERS = {"test", "docs", "peers", "notebooks"}
"""Extras that no command needs."""
REQUIREMENT = re.compile(r"""(?P<distribution>[\w.-]+).*?(?:extra == ['"](?P<extra>[\w-]+)['"])?$""")


def how_to_install(extra: str) -> str:
    """The command that installs what an optional part needs.

    Args:
        extra: One of the optional dependencies in pyproject.toml.
    """
    return f"pip install '{NAME}[{extra}]'"


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """What to install where an import failed; None where no extra of recast brings the package.

    Args:
        error: What the import raised.
    """
    package = (error.name or "").partition(".")[0]
    extra = _extras().get(DISTRIBUTIONS.get(package, package.replace("_", "-")))
    if extra is None:
        return None
    return MissingPackageError(f"this needs the package {package}, which is not installed: {how_to_install(extra)}")


@contextmanager
def naming_extras() -> Iterator[None]:
    """Around what imports packages of an extra, or as its decorator.

    Raises:
        MissingPackageError: where one of them is not installed; how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from error


def _extras() -> dict[str, str]:
    """The first extra in pyproject.toml that brings each distribution."""
    try:
        requirements = requires(NAME) or []
    except PackageNotFoundError:  # run from a folder of sources
        return {}
    found: dict[str, str] = {}
    for match in filter(None, map(REQUIREMENT.fullmatch, requirements)):
        extra = match["extra"]
        if extra and extra not in FOR_DEVELOPERS:
            found.setdefault(match["distribution"], extra)
    return found
