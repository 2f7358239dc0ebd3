"""The distribution: built, installed in an environment of its own, used from outside of the clone."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from distributed import PROJECT, ROOT, distributions
from small_gauge import gauge_checkpoint, gauge_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def done(*words: object, cwd: Path) -> str:
    """What a program prints that must succeed, where nothing of this clone is on any path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RECAST"))}
    answer = subprocess.run(
        list(map(str, words)), check=False, capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


def test_the_wheel_holds_the_package_and_its_configuration(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for group in ("src/recast", "src/hydra_plugins", "conf"):
        top = ROOT / group
        files = [path for suffix in ("*.py", "*.yaml") for path in top.rglob(suffix)]
        inside = {
            f"{'recast/conf' if group == 'conf' else top.name}/{path.relative_to(top).as_posix()}" for path in files
        }
        assert inside <= names
    assert not [name for name in names if name.startswith("tests")]


def test_the_archive_of_sources_builds_the_same_wheel(built, tmp_path):
    (archive,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(archive) as sources:
        sources.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again", cwd=folder)
    (again,) = (tmp_path / "again").glob("*.whl")
    assert {(item.filename, item.CRC) for item in zipfile.ZipFile(again).infolist()} == {
        (item.filename, item.CRC) for item in zipfile.ZipFile(wheel).infolist()
    }


def test_an_empty_environment_forecasts_and_with_the_extra_it_trains(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    done(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"

    done(programs / "pip", "install", "--quiet", wheel, cwd=tmp_path)
    installed = {
        line.partition("==")[0].lower() for line in done(programs / "pip", "freeze", cwd=tmp_path).splitlines()
    }
    assert "torch" in installed
    # Jinja2 comes with torch.
    assert not installed & distributions("train", "cluster", "fast", "search") - {"jinja2"}
    words = (f"checkpoint={gauge_checkpoint()}", f"input={gauge_file()}", "output=forecast.csv")
    assert done(programs / "recast-forecast", *words, cwd=tmp_path) == "forecast.csv\n"
    assert (tmp_path / "forecast.csv").is_file()

    done(programs / "pip", "install", "--quiet", f"{PROJECT['name']}[train] @ {wheel.as_uri()}", cwd=tmp_path)
    short = ("trainer.max_epochs=1", "data.source.days=120", "data.windows.stride=20")
    printed = done(programs / "recast-train", "experiment=demo", *short, "hydra.run.dir=run", cwd=tmp_path)
    run = Path(printed.splitlines()[-1])
    assert {"metrics.json", "figures", "checkpoints"} <= {path.name for path in run.iterdir()}
    assert list(run.glob("events.out.tfevents.*"))
