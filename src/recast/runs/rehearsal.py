"""Finds what would fail before the first step: options that do not fit each other or the data."""

import json
from typing import Any

from recast.runs.configure.build import build
from recast.runs.fit import build_task
from recast.runs.tasks.find import plug_of
from recast.runs.trainer import check_clipping, check_length, check_optimizer, check_parts, check_strategy


class Rehearsal:
    """Builds data, model and task of configurations without training; data that several share are read once."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Any, dict[str, int]]] = {}

    def rehearse(self, config: dict[str, Any]) -> None:
        """Builds what a run would build.

        Args:
            config: A configuration of recast-train that has passed the check, in plain containers.

        Raises:
            InputError: if data or options do not fit.
        """
        config = {"learning_rate": None, **config}
        plug = plug_of(config)
        check_optimizer(config["optimizer"])
        check_clipping(config)
        check_strategy(config)
        check_length(config)
        data = config["data"]
        # Seeds set orders, not sizes: five of them need not read a file five times.
        key = json.dumps({name: data[name] for name in data if name != "seed"}, sort_keys=True, default=str)
        if key not in self._found:
            module = build(data)
            self._found[key] = module.spec, plug.counts(module)
        spec, counts = self._found[key]
        check_parts(config, counts)
        build_task(config, spec)
