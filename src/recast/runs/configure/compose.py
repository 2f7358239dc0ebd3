"""Composing a configuration, and turning it into plain containers."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recast.errors import ConfigurationError
from recast.runs.configure.folders import conf_folder, register
from recast.runs.configure.named import composing


def compose(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of a command as Hydra composes it, in plain containers.

    Args:
        name: "train", "evaluate", "gradients" or "importance".
        overrides: As on the command line; `hydra.searchpath=[file:///folder]` adds a configuration folder of others.

    Raises:
        ConfigurationError: if an override cannot be applied, or an interpolation leads nowhere.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException

    from recast.runs.configure.refusal import refusal
    from recast.runs.configure.words import readable

    register()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())), composing(overrides):
            return plain(hydra_compose(config_name=name, overrides=readable(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(refusal(error, name, overrides)) from error


def plain(config: DictConfig) -> dict[str, Any]:
    """The same configuration in dicts and lists, interpolations resolved; "???" stays where a value is missing.

    Raises:
        ConfigurationError: if an interpolation leads nowhere.
    """
    try:
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"the configuration cannot be resolved: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"the configuration is a {type(content).__name__}; expected options by name")
    return {str(key): value for key, value in content.items()}
