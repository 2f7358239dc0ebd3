"""What to say where Hydra refuses an override: which option was meant, and which there are."""

import re
from collections.abc import Sequence

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from recast.configure.compose import conf_folder
from recast.configure.wording import suggestion

_REFUSED = re.compile(r"Could not (?:override|delete)(?: from config)?[:\s]*'(?P<key>[^']+)'")


def refusal(error: BaseException, config_name: str, overrides: Sequence[str]) -> str:
    """Hydra's message in the words of recast's own check, where it can be said so; else as Hydra says it.

    Args:
        error: What Hydra or OmegaConf raised.
        config_name: The command's configuration in the configuration folder.
        overrides: As on the command line.
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: no such choice{suggestion(choice, error.options)}"
    found = _REFUSED.search(str(error))
    if isinstance(error, HydraException) and found:
        return _unknown(found["key"], config_name, overrides)
    cause = error.__cause__
    return str(error) if cause is None or str(cause) in str(error) else f"{error}\n{cause}"


def _unknown(key: str, config_name: str, overrides: Sequence[str]) -> str:
    """The message for an option or a group that the configuration does not have."""
    if "/" in key:
        folder = conf_folder()
        groups = sorted({path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")} - {"."})
        return f"{key}: no such group{suggestion(key, groups)}"
    # Groups decide which options there are; only they are needed, and they were not refused.
    config = _composed(config_name, [override for override in overrides if "." not in override.partition("=")[0]], key)
    place, names = "", key.split(".")
    for name in names[:-1]:
        inner = config.get(name)
        if not isinstance(inner, DictConfig):
            break
        config, place = inner, f"{place}{name}."
    missing = names[place.count(".")]
    known = [str(name) for name in config if str(name)[0] != "_"]
    return f"{place}{missing}: no such option{suggestion(missing, known)}"


def _composed(config_name: str, overrides: Sequence[str], key: str) -> DictConfig:
    from hydra import compose, initialize_config_dir

    usable = [override for override in overrides if override.partition("=")[0] != key]
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        try:
            return compose(config_name=config_name, overrides=usable)
        except HydraException:
            return OmegaConf.create({})
