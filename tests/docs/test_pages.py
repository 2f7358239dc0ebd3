"""The pages: links, what they say of choices and numbers, and that they can be built."""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages import PAGES, ROOT, blocks, page

import recast

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONF = ROOT / "conf"


@pytest.mark.parametrize(
    "path", [*PAGES, ROOT / "CHANGELOG.md", ROOT / "src" / "README.md"], ids=lambda path: path.name
)
def test_links_lead_somewhere(path: Path):
    """In the repository; those to pages that are generated are checked where they are built."""
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        generated = target.startswith(("reference/options/", "options/")) or target.endswith(
            ("results.md", "five_notebooks.md", "contributing.md", "index.md")
        )
        assert generated or (path.parent / target).exists(), target


GROUP = re.compile(r"^\| \[`([a-z_/]+)`\]\(reference/options/([a-z_]+)\.md\) \| (.*) \|$", re.MULTILINE)
NO_CHOICE = ("experiment", "paths", "recurrence")


def test_every_group_is_in_the_table_of_what_can_be_composed():
    groups = {path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")} - {".", *NO_CHOICE}
    assert {name for name, _, _ in GROUP.findall(page("parts.md"))} == {
        group for group in groups if not group.startswith("hydra/") or group in ("hydra/launcher", "hydra/sweeper")
    }


@pytest.mark.parametrize(
    ("group", "link", "choices"),
    GROUP.findall(page("parts.md")),
    ids=[name for name, *_ in GROUP.findall(page("parts.md"))],
)
def test_choices_in_the_table_are_all_that_there_are(group, link, choices):
    assert link == group.replace("/", "_")
    files = {path.stem for path in (CONF / group).glob("*.yaml")}
    assert (
        set(re.findall(r"`([a-z_0-9]+)`", choices)) - ({"vowels", "ts", "appliances"} if group == "task" else set())
        == files
    )


NUMBER = re.compile(r"(?<![\w.])\d*\.\d+")
ROWS = re.findall(r"^\| `([a-z0-9_]+)`: (.*) \|$", README, re.MULTILINE)


def said(header: str) -> list[tuple[float, int]]:
    """The numbers of a header, and the means over seeds of numbers in a row, each with its number of digits."""
    words = [(float(word), digits(word)) for word in NUMBER.findall(header)]
    for row in re.findall(r"(?:\d*\.\d+[,;]?\s+){2,}\d*\.\d+", header):
        several = NUMBER.findall(row)
        words += [(statistics.mean(map(float, several[:count])), 9) for count in range(3, len(several) + 1)]
    return words


def digits(word: str) -> int:
    return len(word.partition(".")[2])


def test_the_table_of_results_is_there():
    assert len(ROWS) > 10


@pytest.mark.parametrize(("experiment", "cells"), ROWS, ids=[name for name, _ in ROWS])
def test_numbers_in_the_table_of_results_stand_in_the_header_of_the_experiment(experiment, cells):
    header = " ".join(
        line[1:] for line in (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines() if line[:1] == "#"
    )
    known = said(header)
    for word in NUMBER.findall(cells):
        found = any(
            round(value, min(digits(word), own)) == round(float(word), min(digits(word), own)) for value, own in known
        )
        assert found, word


def test_python_blocks_of_pages_can_be_compiled():
    for path in PAGES:
        for block in blocks(path.read_text(encoding="utf-8"), "python"):
            compile(block, path.name, "exec")


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (recast.__version__, "Apache-2.0")


def test_hosted_tests_run_what_a_change_must_pass_on_each_python_that_is_supported():
    import tomllib

    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == versions
    assert "bash .ci/run" in [step.get("run") for step in jobs["tests"]["steps"]]
    assert (ROOT / ".ci" / "run").exists()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning_every_link_and_anchor_checked(built):
    assert "ssh_weather" in (built / "results" / "index.html").read_text(encoding="utf-8")
    assert (built / "releases" / recast.__version__ / "index.html").exists()


@pytest.mark.slow
def test_the_reference_has_every_choice_and_every_option(built):
    for group in ("data", "model", "model/cell", "model/head", "calibration"):
        text = (built / "reference" / "options" / group.replace("/", "_") / "index.html").read_text(encoding="utf-8")
        for path in (CONF / group).glob("*.yaml"):
            assert f'<h2 id="{path.stem}"' in text
    text = (built / "reference" / "options" / "train" / "index.html").read_text(encoding="utf-8")
    assert "model.cell.hidden_size" in text


@pytest.mark.slow
def test_nothing_in_the_pages_is_loaded_from_elsewhere(built):
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//|<link[^>]*rel="stylesheet"[^>]*href="(?:https?:)?//', text
        ), path
    entries = json.loads((built / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    assert any(entry["title"] == "recast-train" or "hidden_size" in entry["text"] for entry in entries)
