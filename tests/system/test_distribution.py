"""The name under which recast is installed: one name, ours, wherever an install line is printed or written."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from recast.system.distribution import NAME, how_to_install

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSTALL = re.compile(r"""\bpip3? install((?:\s+-{1,2}[\w-]+)*)\s+["'`]*([^\s"'`;)]+)""")
"""What pip is told to install, after its options."""
PAGES = sorted(
    path
    for pattern in (
        "src/**/*.py",
        "conf/**/*.yaml",
        "scripts/**/*.py",
        "*.md",
        "src/*.md",
        "docs/**/*.md",
        "pyproject.toml",
    )
    for path in ROOT.glob(pattern)
    if path.is_file()
)


def test_the_name_is_that_of_the_project_and_of_what_is_installed():
    assert PROJECT["name"] == NAME
    commands = distribution(NAME).entry_points.select(group="console_scripts")
    assert {command.name for command in commands} == set(PROJECT["scripts"])


@pytest.mark.parametrize("extra", ["train", "fast", "search", "dtw", "export"])
def test_advice_names_an_extra_that_is_there(extra):
    assert how_to_install(extra) == f"pip install 'recast-rnn[{extra}]'"
    assert extra in EXTRAS


def test_nothing_tells_to_install_a_stranger():
    """On the public index the name recast belongs to another project."""
    assert len(PAGES) > 300
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for _, what in INSTALL.findall(text):
            name, _, extra = what.rstrip("].,").partition("[")
            # "." is this clone, here without its point.
            assert name in {NAME, "{NAME}", "", "."}, f"{path.name}: pip install {what}"
            # "...": in the heading of a table of them.
            assert set(extra.split(",")) <= {"", "...", "{extra}", *EXTRAS}, f"{path.name}: pip install {what}"
            found.append(path.name)
        strange = re.findall(rf"(?<![\w-])recast\[(?:{'|'.join(EXTRAS)})\b", text)
        assert not strange, f"{path.name}: {strange}"
    assert {"distribution.py", "optuna.yaml", "benchmark_peers.py"} <= set(found)


def test_an_extra_of_ours_refers_to_ours():
    for requirement in [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]:
        assert not re.match(r"recast(?!-rnn)", requirement)
