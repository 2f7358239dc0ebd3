"""The kinds of task, found by scanning, and the one that a configuration belongs to."""

import functools
import importlib
import inspect
import logging
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any

from recast.errors import ConfigurationError, MisfitError
from recast.runs.configure.targets import ALLOWED, resolve, trusted
from recast.runs.configure.wording import value_text
from recast.runs.tasks.task_plug import IN_TRAINING, TaskPlug
from recast.scoring.baselines.baseline import AnyBaseline

log = logging.getLogger(__name__)

HOME = "recast.runs.tasks"

AnyPlug = TaskPlug[Any, Any, Any]


def plugs() -> list[AnyPlug]:
    """One plug for each kind of task, from the modules that lie in `recast.runs.tasks` and in the trusted packages."""
    return [plug for place in (HOME, *trusted()) for plug in _plugs_in(place.rstrip("."))]


@functools.cache
def _plugs_in(place: str) -> list[AnyPlug]:
    """Those of a package, or of a module that is none."""
    home = importlib.import_module(place)
    inside = [info.name for info in pkgutil.iter_modules(getattr(home, "__path__", []), f"{place}.")]
    return [
        found()
        for module in (home, *map(importlib.import_module, inside))
        for found in vars(module).values()
        if inspect.isclass(found) and issubclass(found, TaskPlug) and not inspect.isabstract(found)
        if found.__module__ == module.__name__
    ]


def plug_of(config: Mapping[str, Any], allowed: Sequence[str] = ALLOWED) -> AnyPlug:
    """The kind of task of a configuration; its parts must be of one kind.

    Args:
        config: A configuration that `recast.runs.configure.check.check` accepts.
        allowed: What `_target_` may name; see `recast.runs.configure.targets.resolve`.

    Raises:
        ConfigurationError: if data, model, metrics or baselines belong to another kind of task, or the task to none.
    """
    task = resolve(config["task"]["_target_"], allowed)
    # Trusted packages are looked through only where no kind of recast's own fits.
    places = (_plugs_in(place.rstrip(".")) for place in (HOME, *trusted()))
    plug = next((plug for place in places for plug in place if issubclass(task, plug.task)), None)
    if plug is None:
        names = ", ".join(f"{plug.name} ({plug.task.__name__})" for plug in plugs())
        raise ConfigurationError(f"task={task.__name__}: it belongs to no kind of task; there are {names}")
    problems = []
    for key, node, wanted in _parts(config, plug):
        found = resolve(node["_target_"], allowed)
        if not issubclass(found, wanted):
            problems.append(f"{key}={found.__name__}: task={plug.name} needs {wanted.__name__}")
    if problems:
        others = " or ".join(f"task={other.name}" for other in plugs() if other is not plug)
        problems.append(f"These are parts of different tasks: choose others, or give {others}, which brings its own")
        raise ConfigurationError("\n".join(problems))
    return plug


def fitting_baselines(nodes: Mapping[str, Any], plug: AnyPlug) -> dict[str, Any]:
    """Those of the baselines that belong to a kind of task."""
    return {name: node for name, node in nodes.items() if node and issubclass(resolve(node["_target_"]), plug.baseline)}


def fitted(
    plug: AnyPlug,
    baselines: Mapping[str, AnyBaseline[Any]],
    data: Any,
    required: Sequence[str],
    scored: Sequence[str] = IN_TRAINING,
) -> dict[str, AnyBaseline[Any]]:
    """Those of the baselines that can be used with the data, fitted on its training part; a log line names the others.

    Args:
        plug: The kind of task.
        baselines: By name.
        data: The data.
        required: Names of those that a person asked for.
        scored: The parts that they are to be scored on.

    Raises:
        MisfitError: if one of these cannot be used.
    """
    found = {}
    for name, baseline in baselines.items():
        try:
            plug.fit_baselines({name: baseline}, data, scored)
        except MisfitError as error:
            if name in required:
                raise MisfitError(f"baselines.{name}: {error}") from error
            log.warning("baselines.%s is left out: %s", name, error)
        else:
            found[name] = baseline
            if baseline.facts:
                facts = ", ".join(f"{key}={value_text(value)}" for key, value in baseline.facts.items())
                log.info("baselines.%s: %s", name, facts)
    return found


def chosen_by(baselines: Mapping[str, AnyBaseline[Any]]) -> dict[str, Any]:
    """What the fits of baselines have chosen, as a fact of the results."""
    found = {name: baseline.facts for name, baseline in baselines.items() if baseline.facts}
    return {"baselines_chosen": found} if found else {}


def _parts(config: Mapping[str, Any], plug: AnyPlug) -> list[tuple[str, Mapping[str, Any], type]]:
    """Key, node and wanted class of each part that belongs to a kind of task."""
    parts: list[tuple[str, Mapping[str, Any], type]] = [
        ("data", config["data"], plug.data),
        ("model", config["model"], plug.model),
    ]
    for group, wanted in (("metrics", plug.metric), ("baselines", plug.baseline)):
        parts += [(f"{group}.{name}", node, wanted) for name, node in config.get(group, {}).items() if node]
    return parts
