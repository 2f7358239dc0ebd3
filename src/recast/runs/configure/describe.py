"""Lists every option of a configuration with its value, type, default, unit and meaning."""

import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from docstring_parser import DocstringStyle, parse

from recast.runs.configure.signature import REQUIRED, class_path, options_of
from recast.runs.configure.targets import ALLOWED, resolve
from recast.runs.configure.wording import type_text, value_text

# The unit ends the text: "[steps]". An interval, "[0, 1]", is none.
_UNIT = re.compile(r"(.*?)\s*\[([^\[\]\d.+-][^\[\]]*)\]\.?", re.DOTALL)

# Five columns in fewer characters leave a word a line for the meaning.
_TABLE_WIDTH = 100


class OptionRow(NamedTuple):
    """One option, in words. `default` is "required" where there is none; `owner` is the class whose option it is."""

    key: str
    value: str
    type: str
    default: str
    unit: str
    meaning: str
    owner: str


def describe(config: Mapping[str, Any], owner: type, *, allowed: Sequence[str] = ALLOWED) -> list[OptionRow]:
    """Every option of a configuration and of the parts in it, also those left at their default.

    Options that the program supplies to a part (required, not given, `_partial_: true`) are left out.

    Args:
        config: A configuration that `recast.runs.configure.check.check` accepts.
        owner: Class whose options the root gives.
        allowed: What `_target_` may name; see `recast.runs.configure.targets.resolve`.

    Raises:
        ConfigurationError: if a `_target_` leads to no class.
    """
    return list(_options(config, owner, "", allowed))


def render(rows: Sequence[OptionRow], *, terminal: bool = False, width: int = 100) -> str:
    """The rows as text: a table for a terminal that is wide enough, else an indented paragraph for each option.

    Args:
        rows: What `describe` gave.
        terminal: Whether to lay out and colour for a terminal.
        width: Width at which lines are wrapped. [characters]
    """
    if terminal and width >= _TABLE_WIDTH:
        return _table(rows, width)
    return "\n".join(_paragraph(row, width) for row in rows)


def _options(node: Mapping[str, Any], owner: type, prefix: str, allowed: Sequence[str]) -> Iterator[OptionRow]:
    meanings = _meanings(owner)
    for name, (hint, default) in options_of(owner).items():
        if name not in node and default is REQUIRED and node.get("_partial_") is True:
            continue
        value = node.get(name, "???" if default is REQUIRED else default)
        meaning, unit = _split_unit(meanings.get(name, ""))
        yield OptionRow(
            key=f"{prefix}{name}",
            value=value_text(value),
            type=type_text(hint),
            default="required" if default is REQUIRED else value_text(default),
            unit=unit,
            meaning=meaning,
            owner=class_path(owner),
        )
        for key, part in _parts(value, f"{prefix}{name}"):
            yield from _options(part, resolve(part["_target_"], allowed), f"{key}.", allowed)


def _parts(value: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The outermost parts in a value, each with its key."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield key, value
        else:
            for name, item in value.items():
                yield from _parts(item, f"{key}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts(item, f"{key}[{index}]")


def _meanings(owner: type) -> dict[str, str]:
    """What the docstrings of a class say of each option; those of its bases say the rest."""
    texts: dict[str, str] = {}
    for base in owner.__mro__:
        for described in (base, vars(base).get("__init__")):
            for parameter in parse(getattr(described, "__doc__", None) or "", style=DocstringStyle.GOOGLE).params:
                texts.setdefault(parameter.arg_name, " ".join((parameter.description or "").split()))
    return texts


def _split_unit(text: str) -> tuple[str, str]:
    match = _UNIT.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


def _paragraph(row: OptionRow, width: int) -> str:
    unit = f" [{row.unit}]" if row.unit else ""
    facts = f"{row.type}{unit}; default: {row.default}; of {row.owner}"
    if row.default == "required":
        facts = f"{row.type}{unit}; required; of {row.owner}"
    lines = [f"{row.key}={row.value}"]
    for text in filter(None, (row.meaning, facts)):
        lines += textwrap.wrap(
            text, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
    return "\n".join([*lines, ""])


def _table(rows: Sequence[OptionRow], width: int) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    # Keys are copied to the command line: they are cut only where half the width is not enough.
    longest = max((len(row.key) for row in rows), default=0)
    table.add_column("option", overflow="fold", width=min(longest, width // 2))
    for heading, widest in (("value", 24), ("type [unit]", 24), ("default", 12)):
        table.add_column(heading, overflow="fold", max_width=widest)
    table.add_column("meaning", overflow="fold", ratio=1)
    for row in rows:
        unit = f" [{row.unit}]" if row.unit else ""
        # Text objects, for in a string rich would take the brackets for markup.
        changed = "" if row.value == row.default else "bold"
        value = Text(row.value, style=changed)
        table.add_row(Text(row.key), value, *map(Text, (f"{row.type}{unit}", row.default, row.meaning)))
    target = io.StringIO()
    Console(file=target, force_terminal=True, width=width).print(table)
    return target.getvalue()
