"""recast: recurrent encoder-decoders for time series, honestly compared."""

from typing import TYPE_CHECKING, Any

__version__ = "0.5.0"
__all__ = ["Forecaster", "Run", "compose", "fit", "load"]

if TYPE_CHECKING:
    from recast.runs.forecaster import Forecaster
    from recast.runs.front_door import Run, compose, fit
    from recast.runs.load import load

_HOMES = {
    "Forecaster": "recast.runs.forecaster",
    "load": "recast.runs.load",
    "Run": "recast.runs.front_door",
    "compose": "recast.runs.front_door",
    "fit": "recast.runs.front_door",
}


def __getattr__(name: str) -> Any:
    """What the package offers, imported when it is first asked for: torch takes a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from recast.system.distribution import naming_extras

    with naming_extras():
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
