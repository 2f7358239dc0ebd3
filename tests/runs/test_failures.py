"""Wrong input ends with exit code 2 and one message, before training; nothing is left."""

import importlib.util
import sys
from pathlib import Path

import pytest
from commands import QUICK, Done, run, scratch, shell, strict_json

SCRIPT = Path(__file__).parents[2] / "scripts" / "bad_inputs.py"
spec = importlib.util.spec_from_file_location("bad_inputs", SCRIPT)
bad_inputs = importlib.util.module_from_spec(spec)
sys.modules["bad_inputs"] = bad_inputs
spec.loader.exec_module(bad_inputs)

FAST = [option for option in QUICK if not option.startswith(("data", "callbacks.figures"))]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    bad_inputs.make_files(folder)
    return folder


def assert_one_message(done: Done, says: str) -> None:
    assert done.code == 2, done
    assert says in done.err
    assert done.err.startswith("recast: ")
    assert done.err.count("recast: ") == 1
    assert "Traceback" not in done.out + done.err
    assert "Error executing job" not in done.err
    assert "Warning" not in done.err


@pytest.mark.parametrize("case", bad_inputs.CASES, ids=[case.what for case in bad_inputs.CASES])
def test_wrong_input_is_refused_with_one_message(case, bad_files):
    if case.options == ("trainer=gpu",):
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
    before = {path for path in bad_files.rglob("*") if "outputs" not in path.parts}
    done = run("recast-train", *case.options, cwd=bad_files)
    assert_one_message(done, case.says)
    assert {path for path in bad_files.rglob("*") if "outputs" not in path.parts} == before
    assert not list(bad_files.glob("outputs/*/*"))


def test_every_message_says_where_and_what_to_do_within_reason(bad_files):
    done = run("recast-train", *bad_inputs.FILE, "data.source.path=text.csv", cwd=bad_files)
    assert done.err == (
        "recast: text.csv, line 12, column 'level': found 'high'; expected a number with a decimal point "
        "(1 row(s) have none); correct the value, or choose another column\n"
    )


@pytest.mark.slow
def test_sentinels_are_accepted_once_named(bad_files):
    done = run(
        "recast-train",
        *FAST,
        *bad_inputs.FILE,
        "data.source.path=sentinel.csv",
        "data.source.missing=[-9999]",
        "data/grid=interpolate",
        cwd=bad_files,
    )
    assert done.code == 0, done
    assert "1 of 200 rows dropped" in done.out
    assert strict_json(bad_files / done.last_line / "metrics.json")["test"]["mse"] < 10


@pytest.mark.slow
def test_the_good_file_is_accepted(bad_files):
    done = run("recast-train", *FAST, *bad_inputs.FILE, "data.source.path=good.csv", cwd=bad_files)
    assert done.code == 0, done


def test_options_are_checked_before_data_are_read(bad_files):
    options = (*bad_inputs.FILE, "data.source.path=none.csv")
    done = run("recast-train", *options, "model.dropout=1.5", cwd=bad_files)
    assert_one_message(done, "model.dropout=1.5")
    assert "none.csv" not in done.err


def test_all_wrong_options_are_reported_together(bad_files):
    done = run("recast-train", "model.dropout=1.5", "seed=-1", "data.windows.context=0", cwd=bad_files)
    assert_one_message(done, "model.dropout=1.5")
    assert "\nseed=-1" in done.err
    assert "data.windows.context=0" in done.err


@pytest.mark.slow
def test_a_wrong_option_in_a_shell():
    done = shell("recast-train", "model.dropout=1.5", cwd=scratch() / "shell")
    assert_one_message(done, "model.dropout=1.5: input should be less than 1")
    assert done.out == ""


@pytest.mark.slow
def test_the_script_agrees_on_some_of_each_kind():
    words = ("unknown option", "seed=-1", "sentinel")
    done = shell("python", str(SCRIPT), *words, cwd=scratch() / "script")
    assert done.code == 0, done.out
    chosen = [case for case in bad_inputs.CASES if any(word in case.what for word in words)]
    assert done.out.count("\n") == 2 + len(chosen)
    assert done.out.count("| 2 | ") == len(chosen) >= 5


@pytest.mark.slow
def test_the_script_ends_with_1_where_a_case_is_not_refused(monkeypatch, capsys):
    accepted = bad_inputs.Bad("nothing wrong", ("--help",), "refused")
    monkeypatch.setattr(bad_inputs, "CASES", (accepted,))
    monkeypatch.setattr(sys, "argv", ["bad_inputs.py"])
    with pytest.raises(SystemExit) as end:
        bad_inputs.main()
    assert end.value.code == 1
    assert "| nothing wrong | 0 |" in capsys.readouterr().out
