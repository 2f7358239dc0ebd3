"""What pyproject.toml says of the distribution."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def distributions(*extras: str) -> set[str]:
    """The names of what extras bring, those that they include too."""
    found: set[str] = set()
    for line in (line for extra in extras for line in PROJECT["optional-dependencies"][extra]):
        name = line.partition(">")[0].partition("=")[0]
        if name.startswith(PROJECT["name"]):
            found |= distributions(*name.partition("[")[2].rstrip("]").split(","))
        else:
            found.add(name)
    return found
