"""The reference of options: what `recast-options` says, for each choice of each group and for each command."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from written_page import WrittenPage

from hydra_plugins import recast_plugins
from recast.data.datamodule import ForecastDataModule
from recast.runs.configure.compose import compose
from recast.runs.configure.describe import OptionRow, describe
from recast.runs.configure.flat import compose_flat
from recast.runs.configure.options import ExportOptions, ForecastOptions, GenerateOptions, ImputeOptions
from recast.runs.configure.targets import resolve
from recast.runs.configure.training_options import EvaluateOptions, GradientOptions, ImportanceOptions, TrainOptions

FOLDER = "reference/options"
HIDDEN = ("experiment", "paths", "hydra/help", "hydra/hydra_logging", "hydra/job_logging", "recurrence")
"""Groups that have pages of their own, or one choice alone, explained with the command."""
COMMANDS = {
    "train": TrainOptions,
    "evaluate": EvaluateOptions,
    "forecast": ForecastOptions,
    "export": ExportOptions,
    "generate": GenerateOptions,
    "gradients": GradientOptions,
    "importance": ImportanceOptions,
    "impute": ImputeOptions,
}
READ_WITHOUT_HYDRA = ("forecast", "export", "generate", "impute")


def option_pages(conf: Path) -> list[WrittenPage]:
    """A page for each command that is configured by options, then one for each group of choices.

    Args:
        conf: The configuration folder.
    """
    groups = sorted({path.parent.relative_to(conf).as_posix() for path in conf.rglob("*.yaml")} - {".", *HIDDEN})
    return [*map(_command, COMMANDS), *(_group(conf, group) for group in groups)]


def _command(name: str) -> WrittenPage:
    config = (compose_flat if name in READ_WITHOUT_HYDRA else compose)(name, [])
    rows = describe(config, COMMANDS[name])
    text = f"# Options of recast-{name}\n\nThe configuration as it is without an override."
    sections: dict[str, list[OptionRow]] = {"": []}
    groups = {row.key.partition(".")[0] for row in rows if "." in row.key}
    for row in rows:
        section = row.key.partition(".")[0]
        sections.setdefault(section if section in groups else "", []).append(row)
    for section, of_section in sorted(sections.items()):
        text += (f"\n\n## {section}" if section else "") + "\n\n" + _table(of_section)
    return WrittenPage(f"recast-{name}", f"{FOLDER}/{name}.md", text)


def _group(conf: Path, group: str) -> WrittenPage:
    text = f"# {group}\n\nThe choices of `{group}=...` and their options."
    for path in sorted((conf / group).glob("*.yaml")):
        content = path.read_text(encoding="utf-8")
        comment = re.match(r"(?:^#.*\n)*", content, re.MULTILINE)
        about = [line[1:].strip() for line in (comment[0] if comment else "").splitlines() if "@package" not in line]
        text += f"\n\n## {path.stem}\n\n{_prose(' '.join(about))}"
        for key, node in _nodes(yaml.safe_load(content) or {}):
            if key.startswith("source") or group != "data":
                text += "\n\n" + _part(key, node)
    if group == "data":
        text += "\n\n## Options of every series\n\nWhatever the source.\n\n" + _part("", _data(conf))
    return WrittenPage(group, f"{FOLDER}/{group.replace('/', '_')}.md", text)


def _data(conf: Path) -> dict[str, Any]:
    """A forecasting data set without its source."""
    node = yaml.safe_load((conf / "data" / "tide.yaml").read_text(encoding="utf-8"))
    return {name: value for name, value in node.items() if name not in ("defaults", "source")} | {"_partial_": True}


def _nodes(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The outermost parts in a file, by their key; a data set is looked into, for its source."""
    if not isinstance(node, dict):
        return
    if "_target_" in node and "source" not in node:
        yield key, node
        return
    for name, value in node.items():
        yield from _nodes(value, f"{key}.{name}" if key else str(name))


def _part(key: str, node: dict[str, Any]) -> str:
    """What a part is, and its options; those of a class of others as the file has them."""
    target = node["_target_"]
    title = f"`{key}`: `{target}`" if key else f"`{target}`"
    given = {name: value for name, value in node.items() if name != "defaults"}
    module, _, name = target.rpartition(".")
    if module == recast_plugins.__name__:
        options = {option: value for option, value in given.items() if not option.startswith("_")}
        found = type(getattr(recast_plugins, name)(**options))
        # Parts of others in it are told by their class.
        given |= {option: value["_target_"] for option, value in options.items() if "_target_" in str(value)}
    elif target.startswith("recast."):
        found = resolve(target)
    else:
        shown = {option: value for option, value in given.items() if not option.startswith("_")}
        return f"{title}\n\n```yaml\n{yaml.safe_dump(shown, sort_keys=False).rstrip()}\n```" if shown else title
    if found is ForecastDataModule:
        rows = [row for row in describe(given, found) if row.key not in ("source", "windows", "grid")]
    else:
        rows = describe(given, found)
    summary = (found.__doc__ or "").strip().partition("\n\n")[0]
    return f"{title}\n\n{_prose(' '.join(summary.split()))}\n\n{_table(rows)}"


def _table(rows: Sequence[OptionRow]) -> str:
    if not rows:
        return "It has no options."
    lines = ["| option | value | type | meaning |", "|---|---|---|---|"]
    for row in rows:
        unit = f" [{row.unit}]" if row.unit else ""
        default = "" if row.default in (row.value, "required") else f" Default of the class: {_code(row.default)}."
        meaning = f"{_prose(row.meaning)}{unit}{default}"
        # Parts that have rows of their own are not written twice.
        several = row.value.startswith("{") and any(other.key.startswith(f"{row.key}.") for other in rows)
        value = "as below" if several else _code(row.value)
        lines.append(f"| {_code(row.key)} | {value} | {_cell(row.type)} | {meaning} |")
    return "\n".join(lines)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", r"\|") if text else ""


def _cell(text: str) -> str:
    return _prose(text)


def _prose(text: str) -> str:
    """Text of a docstring: what stands in backquotes is code, all else is shown as it is."""
    parts = text.split("`")
    return "".join(
        f"`{part}`".replace("|", r"\|") if number % 2 else re.sub(r"([*_<\[\]|])", r"\\\1", part)
        for number, part in enumerate(parts)
    )
