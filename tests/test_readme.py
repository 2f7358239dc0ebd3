"""The README's example and commands work as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run_as_they_stand(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"rmse/test\D+0\.\d+", done.stdout), done.stdout


def test_commands_and_files_that_are_named_exist():
    scripts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for command in set(re.findall(r"`(recast-[a-z]+)", README)):
        assert f'{command} = "' in scripts
    for target in set(re.findall(r"make ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize(("group", "choices"), re.findall(r"`((?:data|model)/[a-z]+)` \(([^)]*)\)", README))
def test_choices_in_the_table_are_all_that_there_are(group, choices):
    files = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
    assert set(re.findall(r"`([a-z_]+)`", choices)) == files


@pytest.mark.parametrize("group", ["data", "model", "optimizer", "learning_rate", "task", "trainer"])
def test_every_choice_of_a_group_is_named(group):
    choices = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
    assert choices <= set(re.findall(r"`(?:model=)?([a-z_0-9]+)`", README))
