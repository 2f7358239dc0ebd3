"""recast-report: one report on any number of runs and sweeps."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recast.cli.application import guarded

DESCRIPTION = """\
Reads run folders, sweep folders, and folders above such, and writes report.html (one file, readable without a network),
results.csv (every number, one row for each run) and report.md.

  recast-report outputs                        every run below
  recast-report multirun/2026-01-31/12-00-00   one sweep
  recast-report sweep_a sweep_b --metric mae --output comparison
"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="recast-report", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("folder", nargs="+", type=Path, help="a run folder, a sweep folder, or one above such")
    command.add_argument("--output", type=Path, default=Path("report"), help="where the files go (default: report)")
    command.add_argument("--alpha", type=_level, default=0.05, help="level of the tests (default: 0.05)")
    command.add_argument("--metric", help="what runs are ranked by (default: the first of their metrics)")
    return command


def write(arguments: argparse.Namespace) -> None:
    """Writes the report and prints its path."""
    from recast.report.write import report
    from recast.system.files import require_folder, user_path

    output = user_path(arguments.output)
    require_folder(output, "--output")
    for path in report([*map(user_path, arguments.folder)], output, alpha=arguments.alpha, metric=arguments.metric):
        print(path, flush=True)


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    arguments = parser().parse_args(words)
    guarded(lambda: write(arguments), "train")


def _level(text: str) -> float:
    level = float(text)
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"{text}: a level lies between 0 and 1, for example 0.05")
    return level


if __name__ == "__main__":
    main()
