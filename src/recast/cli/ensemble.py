"""recast-ensemble: one forecaster out of several finished runs."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recast.cli.application import guarded

DESCRIPTION = """\
Makes one forecaster of several finished runs of the same data and windows, whose models may differ in everything else.
It is scored on the test windows beside the baselines, and fills a run folder of its own, which recast-forecast,
recast-evaluate, recast-report and recast.load take like any other. Calibrated bands are calibrated again.

  recast-ensemble RUN_A RUN_B RUN_C                 the mean of three runs
  recast-ensemble multirun/2026-01-31/12-00-00      of all finished jobs of a sweep
  recast-ensemble SWEEP --combine weights --output best
"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="recast-ensemble", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("folder", nargs="+", type=Path, help="a run folder, or a sweep folder: its finished jobs")
    command.add_argument(
        "--combine",
        choices=("mean", "median", "weights"),
        default="mean",
        help="weights: fitted on the validation windows, none negative, with sum 1 (default: mean)",
    )
    command.add_argument("--output", type=Path, default=Path("ensemble"), help="its run folder (default: ensemble)")
    command.add_argument(
        "--trust", action="append", default=[], metavar="PACKAGE", help="a package of others whose classes runs name"
    )
    return command


def make(arguments: argparse.Namespace) -> None:
    """Makes the ensemble, prints its scores and its folder."""
    from recast.cli.show import show_results
    from recast.errors import ConfigurationError
    from recast.runs.configure.folders import RESULT
    from recast.runs.configure.targets import trusting
    from recast.runs.ensemble import ensemble
    from recast.runs.trainer import quiet_lightning
    from recast.system.files import require_folder, user_path

    output = user_path(arguments.output)
    require_folder(output, "--output")
    if (output / RESULT).exists() or (output / "config.yaml").exists():
        raise ConfigurationError(f"--output={output}: it holds a run, whose results would be lost; give another folder")
    quiet_lightning()
    members = finished([*map(user_path, arguments.folder)])
    with trusting(*arguments.trust):
        results = ensemble(members, output, combine=arguments.combine)
    show_results(results)
    weights = [
        f"{folder.name} {weight:.3f}"
        for (folder, _), weight in zip(members, results.facts["ensemble"]["weights"], strict=True)
    ]
    print(
        f"{arguments.combine} of {len(members)} runs"
        + (f": {', '.join(weights)}" if arguments.combine == "weights" else "")
    )
    print(output, flush=True)


def finished(folders: Sequence[Path]) -> list[tuple[Path, Mapping[str, Any]]]:
    """The finished runs in folders, and their results; a line tells how many others a sweep has.

    Args:
        folders: Run folders and sweep folders.

    Raises:
        ConfigurationError: if a folder that was named is a run that is not finished.
        DataError: if one holds no run.
    """
    import logging

    from recast.errors import ConfigurationError
    from recast.report.find import find
    from recast.sweeps.job_folder import JobFolder

    found, others = {}, []
    for place in find(folders).places:
        results = JobFolder(place.folder).read_results()
        if results is not None:
            found[place.folder] = results
        elif place.folder in folders:
            raise ConfigurationError(
                f"{place.folder}: this run is not finished; let it end (recast-train resume=true), or leave it out"
            )
        else:
            others.append(place.name)
    if others:
        logging.getLogger("recast").warning("%d runs are not finished and left out: %s", len(others), ", ".join(others))
    return list(found.items())


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    arguments = parser().parse_args(words)
    guarded(lambda: make(arguments), "train")


if __name__ == "__main__":
    main()
