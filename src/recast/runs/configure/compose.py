"""Composing a configuration, and turning it into plain containers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recast.errors import ConfigurationError


def conf_folder() -> Path:
    """The folder of the configuration groups: in the installed package, else at the top of the clone."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def compose(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of a command as Hydra composes it, in plain containers.

    Args:
        name: "train", "evaluate" or "forecast".
        overrides: As on the command line.

    Raises:
        hydra.errors.HydraException: if an override cannot be applied.
        ConfigurationError: if an interpolation leads nowhere.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        return plain(hydra_compose(config_name=name, overrides=list(overrides)))


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
