"""What differed between runs: the options they were started with, where those are not the same for all."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from recast.report.run import Run

SEED = "seed"
INCIDENTAL = ("resume", "paths", "hydra", "logger", "callbacks.progress_bar", "callbacks.terminal_plot")
"""Options, and what lies below them, that say where results go and what is shown, not what is computed."""
UNKNOWN = "?"


def parse(overrides: Iterable[str]) -> dict[str, str]:
    """Overrides as on the command line, value by key: `+model.cell.layers=2` gives {"model.cell.layers": "2"}."""
    found = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if key.startswith("~"):
            found[key[1:]] = "(left out)"
        elif equals:
            found[key.lstrip("+")] = canonical(value)
    return found


def canonical(value: Any) -> str:
    """One text for each value, however it is written: 0.1, 0.10 and 1e-1 are the same."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            return text[1:-1]
        return _number(text) or {"none": "null", "null": "null", "true": "true", "false": "false"}.get(
            text.lower(), text
        )
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return json.dumps(value, default=str)


def _number(text: str) -> str | None:
    for kind in (int, float):
        try:
            return canonical(kind(text)) if kind is float else str(int(text))
        except (ValueError, OverflowError):
            continue
    return None


def value_of(run: Run, option: str) -> str:
    """What an option of a run was: as it was started with, else as its configuration has it."""
    if option == SEED:
        return run.seed or UNKNOWN
    return run.overrides.get(option, run.chosen.get(option, UNKNOWN))


def differing(runs: Sequence[Run]) -> tuple[str, ...]:
    """Options given to some run that are not the same for all runs, the seed apart, in the order they were given in."""
    given = dict.fromkeys(option for run in runs for option in run.overrides)
    return tuple(
        option
        for option in given
        if option != SEED and not _incidental(option) and len({value_of(run, option) for run in runs}) > 1
    )


def _incidental(option: str) -> bool:
    return any(option == name or option.startswith((f"{name}.", f"{name}/")) for name in INCIDENTAL)


def constant(runs: Sequence[Run], options: Iterable[str]) -> dict[str, str]:
    """Those options that have one value in all runs, with that value."""
    values = {option: {value_of(run, option) for run in runs} for option in options}
    return {option: found.pop() for option, found in values.items() if len(found) == 1}


def short_names(options: Sequence[str]) -> dict[str, str]:
    """The last words of each option that tell it from the others: `cell` for `model/cell`."""
    split = {option: option.replace("/", ".").split(".") for option in options}
    return {option: ".".join(_telling_tail(words, list(split.values()))) for option, words in split.items()}


def _telling_tail(words: list[str], all_words: list[list[str]]) -> list[str]:
    for count in range(1, len(words)):
        if sum(other[-count:] == words[-count:] for other in all_words) == 1:
            return words[-count:]
    return words


def in_order(values: Iterable[str]) -> list[str]:
    """Values of an option, each once, numbers by size and before words."""

    def key(value: str) -> tuple[int, float, str]:
        number = _number(value)
        return (1, 0.0, value) if number is None else (0, float(number), value)

    return sorted(set(values), key=key)
