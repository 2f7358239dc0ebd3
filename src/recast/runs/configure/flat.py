"""Composing the configuration of a command whose groups hold no groups, without Hydra, which takes time to import."""

from collections.abc import Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from recast.errors import ConfigurationError
from recast.runs.configure.compose import plain
from recast.runs.configure.folders import conf_folder
from recast.runs.configure.wording import suggestion


def compose_flat(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of a command in plain containers, as Hydra would compose it.

    Args:
        name: The command's file in the configuration folder.
        overrides: As on the command line: `group=choice`, `option=value`, `part.option=value`.

    Raises:
        ConfigurationError: if an override cannot be read or applied. Options are not checked.
    """
    folder = conf_folder()
    main: Any = OmegaConf.load(folder / f"{name}.yaml")
    groups = {str(group): choice for item in main.pop("defaults") if item != "_self_" for group, choice in item.items()}
    options = []
    for override in overrides:
        key, given, value = override.lstrip("+").partition("=")
        if not given or not key or override.startswith("-"):
            raise ConfigurationError(f"{override}: expected option=value; --help shows the options")
        if key in groups:
            groups[key] = value
        else:
            options.append(f"{key}={value}")
    config = OmegaConf.create({})
    for group, choice in groups.items():
        file = folder / group / f"{choice}.yaml"
        if not file.is_file():
            choices = [path.stem for path in (folder / group).glob("*.yaml")]
            raise ConfigurationError(f"{group}={choice}: no such choice{suggestion(str(choice), choices)}")
        config[group] = OmegaConf.load(file)
    config = OmegaConf.merge(config, main)
    for option in options:
        try:
            config = OmegaConf.merge(config, OmegaConf.from_dotlist([option]))
        except (OmegaConfBaseException, YAMLError, ValueError) as error:
            said = str(error).partition("\n")[0]
            raise ConfigurationError(f"{option}: cannot be read ({said}); expected option=value") from error
    return plain(cast("DictConfig", config))
