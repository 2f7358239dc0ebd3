"""Composing the configuration of a command whose groups hold no groups, without Hydra, which takes time to import.

Only options of a checkpoint's data are read by Hydra's grammar, as in the commands that train: nan is a number there.
"""

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from recast.errors import ConfigurationError
from recast.runs.configure.compose import plain
from recast.runs.configure.folders import choices_of, conf_folder
from recast.runs.configure.wording import suggestion
from recast.runs.configure.words import not_assigned, readable


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
    for override, following in zip_longest(overrides, overrides[1:]):
        key, given, value = override.lstrip("+").partition("=")
        if not given or not key or override.startswith("-"):
            raise ConfigurationError(not_assigned(override, following))
        if key in groups:
            groups[key] = value
        else:
            options.append(f"{key}={value}")
    config = OmegaConf.create({})
    for group, choice in groups.items():
        if choice is None:
            continue
        file = folder / group / f"{choice}.yaml"
        if not file.is_file():
            raise ConfigurationError(f"{group}={choice}: no such choice{suggestion(str(choice), choices_of(group))}")
        OmegaConf.update(config, group.replace("/", "."), OmegaConf.load(file), force_add=True)
    config = OmegaConf.merge(config, main)
    for option in options:
        try:
            config = OmegaConf.merge(config, _read(option))
        except (OmegaConfBaseException, YAMLError, ValueError) as error:
            said = str(error).partition("\n")[0]
            raise ConfigurationError(f"{option}: cannot be read ({said}); expected option=value") from error
    return plain(cast("DictConfig", config))


def compose_data(overrides: Sequence[str]) -> dict[str, Any]:
    """Options of a checkpoint's data, by part.

    Args:
        overrides: As on the command line of recast-forecast, such as `data.source.missing=[nan]`, `data/grid=split`.

    Raises:
        ConfigurationError: if one cannot be read, or is an option of something else.
    """
    for override in overrides:
        if not override.startswith(("data.", "data/")):
            raise ConfigurationError(f"{override}: expected options of the data, such as data.source.missing=[nan]")
    return compose_flat("forecast", overrides)["data"]


def _read(option: str) -> DictConfig:
    """One option as a configuration of its own."""
    if not option.startswith("data."):
        key, _, value = option.partition("=")
        try:
            found = OmegaConf.from_dotlist([option])
        except YAMLError:
            # A path may be no yaml, or some that is not meant: {a}.csv, "a: b.csv".
            return OmegaConf.from_dotlist([f"{key}={json.dumps(value)}"])
        is_text = OmegaConf.is_dict(OmegaConf.select(found, key)) and not value.lstrip().startswith("{")
        return OmegaConf.from_dotlist([f"{key}={json.dumps(value)}"]) if is_text else found
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(*readable([option]))
    except HydraException as error:
        raise ValueError(str(error)) from error
    found = OmegaConf.create({})
    OmegaConf.update(found, override.key_or_group, override.value(), force_add=True)
    return found
