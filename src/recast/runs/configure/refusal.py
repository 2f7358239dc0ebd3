"""Messages for overrides that Hydra refuses: which option was meant, and which exist."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from recast.errors import RecastError
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.wording import suggestion
from recast.runs.configure.words import with_folder

UNKNOWN = re.compile(r"Could not (?:override|delete from config\.) '(?P<key>[^']+)'")


def refusal(error: BaseException, config_name: str, overrides: Sequence[str]) -> str:
    """The message for an override that Hydra refuses, in the words of recast's own check where possible.

    Args:
        error: What Hydra or OmegaConf raised.
        config_name: The command's configuration in the configuration folder.
        overrides: As on the command line.
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: no such choice{suggestion(choice, error.options)}"
    unknown = UNKNOWN.match(str(error))
    if unknown and "/" in unknown["key"]:
        return _unused_group(unknown["key"], config_name, overrides)
    if unknown and not unknown["key"].startswith("hydra."):
        given = [word.partition("=")[2] for word in overrides if word.partition("=")[0] == unknown["key"]]
        return _unknown_option(unknown["key"], given[-1] if given else "...", _chosen(config_name, overrides))
    cause = error.__cause__
    if isinstance(cause, RecastError):
        return str(cause)
    return str(error) if cause is None or str(cause) in str(error) else f"{error}\n{cause}"


def _unused_group(key: str, config_name: str, overrides: Sequence[str]) -> str:
    """The message for a group that there is not, or that nothing chosen has a place for."""
    if key not in _groups():
        return f"{key}: no such group{suggestion(key, _groups())}"
    parent, _, name = key.rpartition("/")
    folder = conf_folder()
    if parent not in _defaults(folder / f"{config_name}.yaml"):
        return f"{key}: recast-{config_name} takes it from the checkpoint; leave it out"
    given = [word.partition("=")[2] for word in overrides if word.partition("=")[0] == parent]
    chosen = given[-1] if given else _defaults(folder / f"{config_name}.yaml")[parent]
    having = [f"{parent}={path.stem}" for path in (folder / parent).glob("*.yaml") if name in _defaults(path)]
    return (
        f"{key}: {parent}={chosen} has no {name}; leave {key} out, or choose one of those that have it: "
        f"{', '.join(sorted(having))}"
    )


def _defaults(path: Path) -> dict[str, str]:
    """The groups that a file of the configuration folder has a place for, and what it chooses of them."""
    entries = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    found = entries.get("defaults", []) if isinstance(entries, dict) else []
    return {str(group): str(choice) for entry in found if isinstance(entry, dict) for group, choice in entry.items()}


def _groups() -> list[str]:
    """The configuration groups, as in "model/cell"."""
    folder = conf_folder()
    return sorted({path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")} - {"."})


def _chosen(config_name: str, words: Sequence[str]) -> DictConfig:
    """The configuration with the overrides that choose from groups, and no others; empty where it cannot be composed.

    Args:
        config_name: The command's configuration in the configuration folder.
        words: What follows the command's name, configuration folders of others included.
    """
    groups = _groups()
    kept = [word for word in words if word.lstrip("+").partition("=")[0] in {*groups, "hydra.searchpath"}]
    kept += [word for word in with_folder(words) if word.startswith("hydra.searchpath=") and word not in kept]
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        try:
            return compose(config_name=config_name, overrides=kept)
        except HydraException:
            return OmegaConf.create({})


def _unknown_option(key: str, value: str, config: DictConfig) -> str:
    place, whole = "", config
    *path, name = key.split(".")
    for step in path:
        inner = config.get(step)
        if not isinstance(inner, DictConfig):
            name = step
            break
        config, place = inner, f"{place}{step}."
    meant = [] if path else _endings(whole, name)
    if meant:
        return f"{key}: no such option; did you mean {' or '.join(f'{option}={value}' for option in meant)}?"
    known = [str(option) for option in config if not str(option).startswith("_")]
    return f"{place}{name}: no such option{suggestion(name, known)} (one that is not shown there: +{key}=...)"


def _endings(config: DictConfig, name: str) -> list[str]:
    """The groups and the options below the root of a configuration whose last word is `name`."""
    groups = [group for group in _groups() if "/" in group and group.rpartition("/")[2] == name]
    if groups:
        return groups
    found: list[str] = []

    def walk(node: object, key: str) -> None:
        if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():  # noqa: SLF001 no public way
            return
        for option in node:
            inner = f"{key}.{option}"
            if option == name:
                found.append(inner)
            walk(node._get_node(option), inner)  # noqa: SLF001 without resolving

    for option in config:
        walk(config._get_node(option), str(option))  # noqa: SLF001 without resolving
    return found
