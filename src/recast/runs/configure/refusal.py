"""Messages for overrides that Hydra refuses: which option was meant, and which exist."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from recast.errors import RecastError
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.wording import suggestion

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
        return f"{unknown['key']}: no such group{suggestion(unknown['key'], _groups())}"
    if unknown and not unknown["key"].startswith("hydra."):
        return _unknown_option(unknown["key"], _chosen(config_name, overrides))
    cause = error.__cause__
    if isinstance(cause, RecastError):
        return str(cause)
    return str(error) if cause is None or str(cause) in str(error) else f"{error}\n{cause}"


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
    others = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    others.add_argument("--config-dir", "-cd", type=Path)
    folder = others.parse_known_args(list(words))[0].config_dir
    if folder is not None:
        kept.append(f"hydra.searchpath=[file://{folder.resolve()}]")
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        try:
            return compose(config_name=config_name, overrides=kept)
        except HydraException:
            return OmegaConf.create({})


def _unknown_option(key: str, config: DictConfig) -> str:
    place = ""
    *path, name = key.split(".")
    for step in path:
        inner = config.get(step)
        if not isinstance(inner, DictConfig):
            name = step
            break
        config, place = inner, f"{place}{step}."
    known = [str(option) for option in config if not str(option).startswith("_")]
    return f"{place}{name}: no such option{suggestion(name, known)} (one that is not shown there: +{key}=...)"
