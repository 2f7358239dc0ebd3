"""Each command line of the pages passes the check of its command, as it stands there."""

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.override_parser.overrides_parser import OverridesParser
from pages import PAGES, ROOT, blocks

from recast.cli import backtest, ensemble, report
from recast.runs.configure import folders
from recast.runs.configure.check import accepted
from recast.runs.configure.compose import compose
from recast.runs.configure.flat import compose_flat
from recast.runs.configure.options import ExportOptions, ForecastOptions, GenerateOptions, ImputeOptions
from recast.runs.configure.training_options import EvaluateOptions, GradientOptions, ImportanceOptions, TrainOptions
from recast.runs.configure.words import readable, with_folder

THEIRS = ROOT / "tests" / "their_package"


def lines() -> Iterator[tuple[str, str]]:
    """Each command line of recast, and the page it stands in: of code blocks, and whole ones in the text."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        found = [line for block in blocks(text, "sh", "bash") for line in block.replace("\\\n", " ").splitlines()]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        found += re.findall(r"`(recast-[a-z]+ [^`]+)`", " ".join(prose.split()))
        for line in found:
            words = line.partition(" #")[0].partition(" > ")[0].strip()
            command = re.search(r"recast-[a-z]+ .*", words)
            if command and "..." not in words and not re.search(r" \[?[A-Z]+\.*\]?$| \[overrides\]", words):
                yield path.name, " ".join(command[0].split())


LINES = sorted(set(lines()))


def overrides_of(words: list[str]) -> list[str]:
    """Overrides of one job: the first choice of each that is swept; a package that exists in place of "mine"."""
    theirs = {"mine/conf": str(THEIRS / "conf"), "trust=[mine]": "trust=[their_parts]"}
    plain = with_folder([theirs.get(word, word) for word in words if word not in ("-m", "--multirun")])
    first = []
    # glob(*) reads the names of a group.
    parser = OverridesParser.create(ConfigLoaderImpl(create_config_search_path(str(ROOT / "conf"))))
    for text, override in zip(plain, parser.parse_overrides(readable(plain)), strict=True):
        if override.is_sweep_override():
            if not (override.is_choice_sweep() or override.is_range_sweep()):
                continue  # an interval of a search: no value of its own
            first.append(f"{override.get_key_element()}={next(override.sweep_string_iterator())}")
        else:
            first.append(text)
    return first


@cache
def groups() -> set[str]:
    conf = folders.conf_folder()
    return {path.parent.relative_to(conf).as_posix() for path in conf.rglob("*.yaml")}


def of_hydra(words: list[str]) -> list[str]:
    """The words that are no option of Hydra itself; its groups have the choice that is named."""
    for word in words:
        key, _, value = word.partition("=")
        if key.startswith("hydra/"):
            assert (folders.conf_folder() / key / f"{value}.yaml").is_file(), word
    return [word for word in words if word.startswith("hydra.searchpath") or not word.startswith(("hydra.", "hydra/"))]


def configured(name: str, owner: type) -> Callable[[list[str]], None]:
    def checked(words: list[str]) -> None:
        config = compose(name, of_hydra(overrides_of(words)))
        with accepted(config, owner):
            pass

    return checked


def read_without_hydra(name: str, options: type) -> Callable[[list[str]], None]:
    def check(words: list[str]) -> None:
        config = compose_flat(name, [word.replace("[mine]", "[their_parts]") for word in words])
        with accepted(config, options):
            pass

    return check


def backtests(words: list[str]) -> None:
    own = [word for word in words if word.partition("=")[0] in backtest.OPTIONS]
    assert own
    configured("train", TrainOptions)([word for word in words if word not in own])


def explained(words: list[str]) -> None:
    compose("train", with_folder(words))


def parsed(parser: Callable[[], object]) -> Callable[[list[str]], None]:
    return lambda words: parser().parse_args(words)  # pyright: ignore[reportAttributeAccessIssue]


def watched(words: list[str]) -> None:
    from recast.cli import status

    with (
        contextlib.redirect_stdout(io.StringIO()),
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SystemExit) as left,
    ):
        patch.setattr("sys.argv", ["recast-status", *words, "--help"])
        status.main()
    assert left.value.code == 0


CHECKS = {
    "recast-train": configured("train", TrainOptions),
    "recast-backtest": backtests,
    "recast-evaluate": configured("evaluate", EvaluateOptions),
    "recast-gradients": configured("gradients", GradientOptions),
    "recast-importance": configured("importance", ImportanceOptions),
    "recast-forecast": read_without_hydra("forecast", ForecastOptions),
    "recast-export": read_without_hydra("export", ExportOptions),
    "recast-generate": read_without_hydra("generate", GenerateOptions),
    "recast-impute": read_without_hydra("impute", ImputeOptions),
    "recast-options": explained,
    "recast-report": parsed(report.parser),
    "recast-ensemble": parsed(ensemble.parser),
    "recast-status": watched,
}


@pytest.fixture(scope="module", autouse=True)
def registered():
    folders.register()


@pytest.mark.parametrize(
    ("page", "line"),
    LINES,
    ids=[f"{name}: {line[:90]}" for name, line in LINES],
)
def test_a_command_line_passes_the_check_of_its_command(page, line):
    command, *words = shlex.split(line)
    CHECKS[command](words)


def test_the_pages_have_command_lines_of_every_command():
    scripts = set(
        re.findall(r'^(recast-[a-z]+) = "', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {line.split()[0] for _, line in LINES} == scripts
    assert scripts <= set(CHECKS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_targets_and_files_that_are_named_exist(path: Path):
    text = path.read_text(encoding="utf-8")
    scripts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for command in set(re.findall(r"`(recast-[a-z]+)", text)):
        assert f'{command} = "' in scripts
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for named in set(re.findall(r"`(?:python )?((?:scripts|tests|conf|src)/[\w/]+\.\w+)", text)):
        assert (ROOT / named).exists(), named
