"""Finds what would fail before the first step: options that do not fit each other or the data."""

import json
from typing import Any

from recast.runs.checkpoints.trained_imputer import imputer_for
from recast.runs.configure.build import build
from recast.runs.fit import LATER_OPTIONS, build_task
from recast.runs.initial_state import initial_state
from recast.runs.tasks.find import plug_of
from recast.runs.trainer import check_parts, check_training


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
        config = {**LATER_OPTIONS, **config}
        plug = plug_of(config)
        check_training(config)
        data, initial = config["data"], initial_state(config, plug)
        # Seeds set orders, not sizes: five of them need not read a file five times.
        read = {name: data[name] for name in data if name != "seed"}
        key = json.dumps([read, config["init_from"], config["init_keeps"]], sort_keys=True, default=str)
        if key not in self._found:
            module = build(data)
            imputer_for(module)
            if initial is not None:
                initial.scale(module)
            self._found[key] = module.spec, plug.counts(module)
        spec, counts = self._found[key]
        check_parts(config, counts)
        task = build_task(config, spec)
        if initial is not None:
            initial.require_same_model(task)
