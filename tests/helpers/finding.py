"""Finds what exists, so that a new part is tested by existing."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def concrete_classes(package: ModuleType, base: type[T]) -> list[type[T]]:
    """The classes of a module, or of all modules within a package in their order, that can be built as a `base`."""
    inside = pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}.")
    names = [package.__name__, *(info.name for info in inside)]
    return [
        found
        for module in map(importlib.import_module, names)
        for found in vars(module).values()
        if inspect.isclass(found) and issubclass(found, base) and not inspect.isabstract(found)
        if found.__module__ == module.__name__
    ]
