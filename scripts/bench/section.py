"""A section of the benchmark: measured, its table printed."""

import importlib
from typing import Any

from rich.console import Console

from .sizes import SIZES


def run(*, module: str, mode: str) -> dict[str, Any]:
    """What the section measures.

    Args:
        module: Module beside this one, with `measure` and `sheet`.
        mode: One of `SIZES`.
    """
    section = importlib.import_module(f"{__package__}.{module}")
    result = section.measure(SIZES[mode])
    console = Console()
    console = Console(width=max(console.width, 130))
    console.print(section.sheet(result), "", highlight=False)
    return result
