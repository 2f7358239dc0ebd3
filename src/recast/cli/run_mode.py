"""Whether Hydra runs one job or many, found without composing the whole configuration for that alone."""

import functools
import inspect
from typing import Any

from recast.runs.configure.folders import conf_folder

MAY_SET_IT = ("hydra.mode", "hydra=", "hydra.searchpath")
"""Beginnings of overrides that can set `hydra.mode`, or name a folder whose files can."""


def compose_once() -> None:
    """From now on Hydra composes a configuration once, not first for `hydra.mode` and then to run.

    That took a tenth of a small run. Where an override or somebody else's configuration folder can set the mode, Hydra
    looks as before.
    """
    from hydra._internal.hydra import Hydra

    asked = inspect.unwrap(Hydra.get_mode)

    @functools.wraps(asked)
    def mode(self: Any, config_name: str | None, overrides: list[str]) -> Any:
        ours = ("hydra.conf", "", str(conf_folder()))
        others = any(source.path not in ours for source in self.config_loader.get_sources())
        named = any(word.lstrip("+~").startswith(MAY_SET_IT) for word in overrides)
        return asked(self, config_name, overrides) if others or named else None

    Hydra.get_mode = mode
