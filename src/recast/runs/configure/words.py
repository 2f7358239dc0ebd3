"""The words of a command line, put into the form that Hydra reads; what was meant where it cannot be read."""

import argparse
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from recast.errors import ConfigurationError
from recast.runs.configure.wording import suggestion

ASSIGNED = re.compile(r"(?P<key>(?:\+{0,2}|~)[A-Za-z_$][\w./@$:-]*)=(?P<value>.*)", re.DOTALL)


def arranged(words: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """The words with flags first and overrides after them, each as Hydra reads it.

    Args:
        words: What follows the command's name.
        parser: Hydra's, which knows the flags and takes abbreviations of them.

    Raises:
        ConfigurationError: if a flag is unknown, or a word is neither a flag nor an override.
    """
    known = [flag for action in parser._actions for flag in action.option_strings]  # noqa: SLF001 it has no other list
    for word in words:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in known:
            option = flag.removeprefix("--")
            raise ConfigurationError(
                f"{flag}: no such flag; options are given without dashes, as in {option}=...; flags: "
                f"{', '.join(flag for flag in known if flag.startswith('--'))}"
            )
    parsed, others = parser.parse_known_args(list(words))
    overrides = [*parsed.overrides, *(word for word in others if not word.startswith("-"))]
    flags = list(words)
    for override in overrides:
        flags.remove(override)
    return [*flags, *readable(overrides)]


def readable(overrides: Sequence[str]) -> list[str]:
    """Overrides whose value Hydra cannot read, such as a path with brackets, with that value as text in quotes.

    Raises:
        ConfigurationError: if a word neither assigns nor deletes an option.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    result = []
    for override, following in zip_longest(overrides, overrides[1:]):
        if "=" not in override and not override.startswith("~"):
            raise ConfigurationError(not_assigned(override, following))
        found = ASSIGNED.fullmatch(override)
        try:
            parser.parse_override(override)
        except HydraException:
            if found is not None:
                result.append(f"{found['key']}={_quoted(found['value'])}")
                continue
        result.append(override)
    return result


def with_folder(words: Sequence[str]) -> list[str]:
    """The overrides, with the flag `--config-dir FOLDER` replaced by the option that Hydra has for it.

    Args:
        words: What follows the command's name.

    Raises:
        ConfigurationError: if the folder does not exist.
    """
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    flags.add_argument("--config-dir", "-cd", type=Path)
    try:
        given, others = flags.parse_known_args(list(words))
    except argparse.ArgumentError as error:
        raise ConfigurationError(f"--config-dir: expected a folder ({error.message})") from error
    if given.config_dir is None:
        return others
    if not given.config_dir.is_dir():
        raise ConfigurationError(f"--config-dir={given.config_dir}: no such folder")
    return [*others, f"hydra.searchpath=[{_quoted(f'file://{given.config_dir.resolve()}')}]"]


def not_assigned(word: str, following: str | None = None) -> str:
    """The message for a word that assigns nothing.

    Args:
        word: The word.
        following: The next one, which may be the value; none: there is none.
    """
    if word.startswith("-"):
        option = word.lstrip("-").partition("=")[0]
        return f"{word}: expected option=value, without dashes, as in {option}=...; --help shows the options"
    meant = "..." if following is None or "=" in following else following
    return f"{word}: expected option=value, as in {word}={meant}"


def group_choice(key: str, value: object, choices: Sequence[str]) -> str:
    """What to type for a part that is chosen from a configuration group.

    Args:
        key: The option's key.
        value: What was given.
        choices: Those of the group.
    """
    group = key.replace(".", "/")
    if value in choices:
        return f"a part is chosen from its group: type {group}={value}"
    return f"a part is chosen from its group, as in {group}={choices[0]}{suggestion(str(value), choices)}"


def _quoted(value: str) -> str:
    """A text in single quotes, as Hydra's grammar escapes it."""
    escaped = re.sub(r"(\\*)(\'|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
    return f"'{escaped}'"
