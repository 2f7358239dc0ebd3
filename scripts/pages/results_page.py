"""The page of results, out of the headers of the experiments."""

import re
from pathlib import Path

HEAD = """# Experiments

After this page you know what was measured on which data, by which command, and what was not won.

Each experiment is a file in `conf/experiment/`, whose header is below: command, numbers of each seed, conditions, and
how its recipe was chosen. Errors are of the test part unless it says otherwise, over all of its windows.

"""


def results(folder: Path, readme: str) -> str:
    """The text of the page: the table of the first page, then the header of each experiment.

    Args:
        folder: The experiments.
        readme: The text with the table, in its section "Results".
    """
    found = re.search(r"^## Results\n.*?(^\|.*?)\n\n", readme, flags=re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError("README.md has no table in a section Results")
    sections = [f"## {path.stem}\n\n{header_text(path)}" for path in sorted(folder.glob("*.yaml"))]
    return HEAD + found[1] + "\n\n" + "\n".join(sections)


def header(path: Path) -> list[str]:
    """The lines of comment that an experiment's file begins with, without their sign."""
    lines = path.read_text(encoding="utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line[1:].removeprefix(" ") for line in lines[1:end]]


def header_text(path: Path) -> str:
    """The header of an experiment in Markdown: indented lines (commands, tables) as they stand."""
    paragraphs: list[tuple[bool, list[str]]] = []
    for line in header(path):
        if not line:
            continue
        literal = line.startswith("    ")
        if not paragraphs or paragraphs[-1][0] != literal:
            paragraphs.append((literal, []))
        paragraphs[-1][1].append(line.removeprefix("    ") if literal else _escaped(line))
    return "\n".join(
        "\n".join(["```text", *lines, "```", ""]) if literal else "\n".join([*lines, ""])
        for literal, lines in paragraphs
    )


def _escaped(line: str) -> str:
    """A line of prose whose words Markdown would read as its own signs."""
    return re.sub(r"([*_<\[\]`])", r"\\\1", line)
