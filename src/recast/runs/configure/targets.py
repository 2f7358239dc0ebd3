"""From the dotted path in `_target_` to a class, importing only what a configuration may name."""

import functools
import importlib
import inspect
import os
import pkgutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType

from recast.errors import ConfigurationError
from recast.runs.configure.wording import suggestion
from recast.system.distribution import missing_package

#: What a configuration may name: a package with its dot, or one class exactly.
ALLOWED = (
    "recast.",
    "torch.optim.",
    "torch.optim.lr_scheduler.",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
    "lightning.pytorch.Trainer",
    "optuna.pruners.",
)
#: Never, whatever is allowed: commands are run by people.
REFUSED = ("recast.cli.",)

TRUST = "RECAST_TRUST"
"""The environment variable that names trusted packages, separated by commas."""
ENTRY_POINTS = "recast.parts"
"""The entry points by which an installed package has its parts found; each names a package."""
HOW_TO_TRUST = f"trust=[{{package}}] or {TRUST}={{package}}"

_trusted: list[str] = []


def trusted() -> tuple[str, ...]:
    """Packages of others that may be named too, each with a dot behind its path.

    Those of `trusting`, of the environment variable RECAST_TRUST, and of the entry points "recast.parts".

    Raises:
        ConfigurationError: if one cannot be found.
    """
    named = [name.strip() for name in os.environ.get(TRUST, "").split(",")]
    return tuple(dict.fromkeys([*_trusted, *(_checked(name, f"{TRUST}: ") for name in named if name), *_announced()]))


@contextmanager
def trusting(*packages: str) -> Iterator[None]:
    """Lets configurations and checkpoints name classes of other packages, and finds the kinds of task in them.

    A named class is imported and called: only the person who runs recast can trust a package, never a file.

    Args:
        packages: Packages or modules, such as "mine" or "mine.cells".

    Raises:
        ConfigurationError: if one cannot be found.
    """
    before = list(_trusted)
    _trusted.extend(_checked(package, "trust: ") for package in packages)
    try:
        yield
    finally:
        _trusted[:] = before


@functools.cache
def _checked(package: str, prefix: str) -> str:
    """The path with a dot behind it."""
    path = package.removesuffix(".")
    if not all(map(str.isidentifier, path.split("."))):
        raise ConfigurationError(f"{prefix}{package!r} is no package; expected its path, such as mine or mine.cells")
    try:
        found = find_spec(path)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError(
            f"{prefix}there is no package {path}; install it (pip install), or put the folder that it lies in on "
            "PYTHONPATH"
        )
    return f"{path}."


@functools.cache
def _announced() -> tuple[str, ...]:
    return tuple(f"{point.value.partition(':')[0]}." for point in entry_points(group=ENTRY_POINTS))


def resolve(path: object, allowed: Sequence[str] = ALLOWED) -> type:
    """The class that `path` names.

    A configuration may come from a stranger's checkpoint. The path is therefore judged as a string before anything
    is imported; all of it but the last name must be a module in its own right (a name that a module merely imported,
    such as `recast.types.np`, leads nowhere); and the class found must be defined where a configuration may look.

    Args:
        path: Dotted path of a class.
        allowed: Packages, each ending in a dot, and exact classes that may be named; so may those that are `trusted`.

    Raises:
        ConfigurationError: if the path is none, is not allowed, or leads to no class.
    """
    allowed = (*allowed, *trusted())
    if not isinstance(path, str) or "." not in path or not all(map(str.isidentifier, path.split("."))):
        raise ConfigurationError(f"{path!r} is not the dotted path of a class")
    if any(name.startswith("_") for name in path.split(".")):
        raise ConfigurationError(f"{path} is private; a configuration names public classes")
    if not _is_allowed(path, allowed):
        places = ", ".join(f"{place}*" if place.endswith(".") else place for place in allowed)
        how = HOW_TO_TRUST.format(package=path.partition(".")[0])
        raise ConfigurationError(
            f"{path} may not be named in a configuration; allowed: {places}. If you trust its package: {how}"
        )
    module_path, _, name = path.rpartition(".")
    module = _import(module_path)
    found = getattr(module, name, None)
    if not inspect.isclass(found) or not (path in allowed or _is_allowed(f"{found.__module__}.{name}", allowed)):
        raise ConfigurationError(f"{module_path} has no class {name}{suggestion(name, _names(module, allowed))}")
    return found


def _is_allowed(path: str, allowed: Sequence[str]) -> bool:
    return not path.startswith(REFUSED) and any(
        path.startswith(place) if place.endswith(".") else path == place for place in allowed
    )


def _import(path: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{path}.".startswith(f"{missing}."):
            raise missing_package(error) or ConfigurationError(
                f"{path} needs the package {missing}, which is not installed"
            ) from error
        parent, _, name = missing.rpartition(".")
        modules = _modules(importlib.import_module(parent))
        raise ConfigurationError(f"{parent} has no module {name}{suggestion(name, modules)}") from error


def _modules(package: ModuleType) -> list[str]:
    """Public modules of a package; none for a module that is no package."""
    names = [found.name for found in pkgutil.iter_modules(getattr(package, "__path__", []))]
    return [name for name in names if name[0] != "_" and not f"{package.__name__}.{name}.".startswith(REFUSED)]


def _names(module: ModuleType, allowed: Sequence[str]) -> list[str]:
    """What may follow the path of `module`: its classes (a package also lends those of others), then its modules."""
    homes = allowed if hasattr(module, "__path__") else (f"{module.__name__}.",)
    classes = [
        name
        for name, found in vars(module).items()
        if name[0] != "_" and inspect.isclass(found) and _is_allowed(f"{found.__module__}.{name}", homes)
    ]
    return list(dict.fromkeys([*classes, *_modules(module)]))
