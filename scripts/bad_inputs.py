"""What recast-train says to wrong input: makes the bad files, runs each case, prints a table in Markdown.

    python scripts/bad_inputs.py
    python scripts/bad_inputs.py sentinel "unknown option"    # those whose name has one of these words

All of them must end with exit code 2 and one message; a test runs the same list.
"""

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

ROWS = 200
FILE = ("data=csv", "data.source.time=time", "data.source.targets=[level]", "data.windows.context=16")
FILE = (*FILE, "data.windows.horizon=4")


class Bad(NamedTuple):
    """An input that must be refused.

    Args:
        what: In a few words.
        options: Command-line options of recast-train, run where `make_files` has put its files.
        says: Part of the message.
    """

    what: str
    options: tuple[str, ...]
    says: str


def _file(what: str, name: str, says: str, *options: str) -> Bad:
    return Bad(what, (*FILE, f"data.source.path={name}", *options), says)


CASES = (
    Bad("unknown option", ("model.cell.hiden_size=8",), "did you mean hidden_size"),
    Bad("unknown option at the top", ("sede=1",), "did you mean seed"),
    Bad("unknown option, added", ("+model.cell.hiden_size=8",), "did you mean hidden_size"),
    Bad("unknown group", ("model/cel=gru",), "did you mean model/cell"),
    Bad("unknown choice", ("model/cell=lst",), "did you mean lstm"),
    Bad("part of another kind", ("optimizer._target_=recast.nn.cells.gru.GRU",), "expected an Optimizer"),
    Bad("not a class of recast", ("data.source._target_=subprocess.Popen",), "may not be named"),
    Bad("choice by number", ("model=1",), "must be a string"),
    Bad("broken override", ("seed",), "seed: expected option=value, as in seed=..."),
    Bad("interpolation to nowhere", ("seed=${nowhere}",), "nowhere"),
    Bad("text for a number", ("model.cell.hidden_size=big",), "hidden_size=big: input should be a valid integer"),
    Bad("number for a word", ("model/cell=rnn", "model.cell.nonlinearity=3"), "'tanh' or 'relu'"),
    Bad("fraction for an integer", ("trainer.max_epochs=1.5",), "trainer.max_epochs=1.5"),
    Bad("hidden_size=0", ("model.cell.hidden_size=0",), "greater than or equal to 1"),
    Bad("lr=-1", ("optimizer.lr=-1",), "Invalid learning rate"),
    Bad("dropout=1.5", ("model.dropout=1.5",), "less than 1"),
    Bad("seed=-1", ("seed=-1",), "seed=-1: input should be greater than or equal to 0"),
    Bad("context=0", ("data.windows.context=0",), "data.windows.context=0"),
    Bad("nothing left for training", ("data.split.test=0.6", "data.split.validation=0.5"), "nothing for training"),
    Bad("date in a split", ("data/split=time", "data.split.test=soon"), "'soon' is not a date"),
    Bad("split before the first row", ("data/split=time", "data.split.test='1999-01-01'"), "the train part (0 rows)"),
    Bad("mandatory option missing", ("data=csv",), "data.source.path: must be given"),
    Bad("GPU where there is none", ("trainer=gpu",), "gpu"),
    Bad("unknown curve to watch", ("callbacks.best_checkpoint.monitor=mse/vaildation",), "did you mean mse/validation"),
    Bad("unknown curve for the rate", ("learning_rate=plateau", "learning_rate.monitor=rmse/val"), "did you mean rmse"),
    Bad(
        "season beyond the context", ("data.windows.context=100", "baselines.seasonal.hours=24.8412"), "longer context"
    ),
    _file("file missing", "none.csv", "no such file"),
    _file("folder for a file", "folder", "a folder; expected a CSV file"),
    _file("not text", "binary.csv", "no UTF-8 text"),
    _file("empty file", "empty.csv", "the file is empty"),
    _file("header only", "header.csv", "no rows after it"),
    _file("unknown column", "good.csv", "did you mean 'level'", "data.source.targets=[levle]"),
    _file("unknown time column", "good.csv", "no column 'date'", "data.source.time=date"),
    _file("not a date", "date.csv", "line 12, column 'time': found 'yesterday'"),
    _file("stamp twice", "twice.csv", "line 12, column 'time'"),
    _file("stamps not sorted", "unsorted.csv", "line 12, column 'time'"),
    _file("NaN", "nan.csv", "line 12, column 'level': found ''"),
    _file("infinity", "inf.csv", "line 12, column 'level': found 'inf'"),
    _file("text in a column of numbers", "text.csv", "line 12, column 'level': found 'high'"),
    _file("field missing in a row", "ragged.csv", "line 12: found 1 fields, expected 2"),
    _file("sentinel -9999", "sentinel.csv", "data.source.missing=[-9999]"),
    _file("row missing in the middle", "gap.csv", "split (cut there)"),
    _file("constant series", "constant.csv", "constant"),
    _file("too short for one window", "good.csv", "too short", "data.windows.context=300"),
    _file("no window in a part", "good.csv", "the validation part", "data.split.validation=0.05"),
)


def make_files(folder: Path) -> None:
    """Fills `folder` with good.csv, two hundred hours of a level, and with files that each have one fault."""
    hours = pd.date_range("2020-01-01", periods=ROWS, freq="h")
    rng = np.random.default_rng(0)
    level = np.sin(np.arange(ROWS) * 2 * np.pi / 12.42) + 0.1 * rng.normal(size=ROWS)
    good = ["time,level", *(f"{hour},{value:.4f}" for hour, value in zip(hours, level, strict=True))]

    def with_row(name: str, row: str | None) -> None:
        rows = [] if row is None else [row]
        (folder / name).write_text("\n".join([*good[:11], *rows, *good[12:]]) + "\n")

    stamp = good[11].partition(",")[0]
    with_row("good.csv", good[11])
    with_row("date.csv", "yesterday,0.5")
    with_row("twice.csv", good[10])
    with_row("unsorted.csv", good[5].replace(":00:00", ":30:00"))
    with_row("nan.csv", f"{stamp},")
    with_row("inf.csv", f"{stamp},inf")
    with_row("text.csv", f"{stamp},high")
    with_row("ragged.csv", stamp)
    with_row("sentinel.csv", f"{stamp},-9999")
    with_row("gap.csv", None)
    (folder / "constant.csv").write_text("\n".join([good[0], *(f"{hour},1.5" for hour in hours)]) + "\n")
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("time,level\n")
    (folder / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    (folder / "folder").mkdir()


def train(case: Bad, folder: str) -> subprocess.CompletedProcess[str]:
    """Runs a case in a process of its own."""
    command = [sys.executable, "-m", "recast.cli.train", *case.options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def main() -> None:
    """Prints the table; ends with 1 where a case was not refused as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="run the cases whose name has one of these words; without, all")
    words = parser.parse_args().words
    cases = [case for case in CASES if not words or any(word in case.what for word in words)]
    if not cases:
        parser.error(f"no case has {' or '.join(words)} in its name; there are: {', '.join(c.what for c in CASES)}")
    print("| input | exit | message |\n|---|---|---|")
    refused = True
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        make_files(Path(folder))
        for case, done in zip(cases, pool.map(train, cases, repeat(folder)), strict=True):
            refused &= done.returncode == 2 and case.says in done.stderr
            message = done.stderr.strip().removeprefix("recast: ").replace("\n", "<br>").replace("|", "\\|")
            print(f"| {case.what} | {done.returncode} | {message} |", flush=True)
    sys.exit(not refused)


if __name__ == "__main__":
    main()
