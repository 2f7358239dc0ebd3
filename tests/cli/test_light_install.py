"""What is installed without an extra forecasts, and says in one line what anything else needs."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pandas as pd
import pytest
from commands import scratch
from distributed import distributions
from gap_files import gap_file, gap_run
from small_gauge import gauge_checkpoint, gauge_file
from texts import text_checkpoint

PACKAGES = {"hydra-core": "hydra", "docstring-parser": "docstring_parser"}
"""What a distribution is imported as, where that is not its name."""


WITHOUT = sorted(PACKAGES.get(name, name) for name in distributions("train", "cluster", "fast", "search", "export"))
BLOCKED = f"""
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {WITHOUT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


SERVER = f"""{BLOCKED}
import json, os

# What every install has, imported once.
import numpy, pandas, torch

# What commands that need no extra share.
import recast.cli.forecast, recast.runs.forecast

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT), number)
        sys.argv[1:] = asked["words"]
        exec(asked["statements"], {{"sys": sys}})
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """A program where nothing that an extra brings can be imported, which forks one for each line that it reads."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        servers.append(running)
        yield
        servers.clear()
        running.stdin.close()


servers: list[subprocess.Popen[str]] = []


def light(statements: str, *words: object) -> subprocess.CompletedProcess[str]:
    """A program where nothing that an extra brings can be imported."""
    (running,), folder = servers, Path(tempfile.mkdtemp(dir=scratch()))
    asked = {"statements": statements, "words": [*map(str, words)]}
    streams = {name: folder / name for name in ("out", "err")}
    running.stdin.write(json.dumps(asked | {name: str(path) for name, path in streams.items()}) + "\n")
    running.stdin.flush()
    code = int(running.stdout.readline())
    return subprocess.CompletedProcess(asked["words"], code, *(path.read_text() for path in streams.values()))


def command(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    return light(f"sys.argv[0] = {name!r}; from recast.cli.{name.removeprefix('recast-')} import main; main()", *words)


def test_the_extras_bring_packages():
    assert {"lightning", "hydra", "matplotlib", "submitit", "numba", "optuna", "utide"} <= set(WITHOUT)


def test_a_checkpoint_forecasts(tmp_path):
    output = tmp_path / "forecast.csv"
    done = command("recast-forecast", f"checkpoint={gauge_checkpoint()}", f"input={gauge_file()}", f"output={output}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(pd.read_csv(output)) == 6


def test_a_checkpoint_writes_text():
    done = command("recast-generate", f"checkpoint={text_checkpoint()}", "prompt=the", "length=20", "likeliest=2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the likeliest next symbols\n")
    assert len(done.stdout.partition("\n\n")[2]) == len("the") + 20 + 1


def test_a_checkpoint_fills_gaps(tmp_path):
    output = tmp_path / "filled.csv"
    checkpoint = gap_run() / "checkpoints" / "best.ckpt"
    done = command("recast-impute", f"checkpoint={checkpoint}", f"input={gap_file()}", f"output={output}")
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(output).drop(columns="filled").notna().all(axis=None)


def test_a_picture_needs_an_extra(tmp_path):
    output, figure = tmp_path / "forecast.csv", tmp_path / "forecast.png"
    words = (f"checkpoint={gauge_checkpoint()}", f"input={gauge_file()}", f"output={output}", f"figure={figure}")
    done = command("recast-forecast", *words)
    line = "recast: this needs the package matplotlib, which is not installed: pip install 'recast-rnn[plots]'\n"
    assert (done.returncode, done.stderr) == (2, line)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_needs_an_extra(tmp_path):
    done = command("recast-export", f"checkpoint={gauge_checkpoint()}", f"output={tmp_path / 'model.onnx'}")
    assert done.returncode == 2
    assert done.stderr.endswith(" is not installed: pip install 'recast-rnn[export]'\n")
    assert list(tmp_path.iterdir()) == []


COMMANDS = sorted(point.name for point in entry_points(group="console_scripts") if point.value.startswith("recast."))


def test_commands_are_found():
    assert {"recast-train", "recast-forecast", "recast-report"} <= set(COMMANDS)


LIGHT = {"recast-export", "recast-forecast", "recast-generate", "recast-impute"}
"""Commands that need a checkpoint, and nothing that trains."""


@pytest.mark.parametrize("name", sorted({*COMMANDS} - LIGHT))
def test_any_other_command_says_what_it_needs(name):
    run = gauge_checkpoint().parents[1]
    words = {"recast-report": [run], "recast-ensemble": [run, run], "recast-status": [run]}.get(name, [])
    done = command(name, *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("recast: this needs the package ")
    assert done.stderr.endswith(" which is not installed: pip install 'recast-rnn[train]'\n")


def test_the_front_door_says_what_training_needs():
    done = light(
        "import recast; from recast.errors import MissingPackageError\n"
        "try: recast.fit(None)\nexcept MissingPackageError as error: print(error)"
    )
    assert done.stdout.endswith(" which is not installed: pip install 'recast-rnn[train]'\n"), done.stderr


def test_a_package_of_no_extra_is_an_error_of_the_program():
    done = light("import recast.cli.application as a\na.guarded(lambda: __import__('no_such_package'), 'train')")
    assert "Traceback" in done.stderr
    assert "no_such_package" in done.stderr
