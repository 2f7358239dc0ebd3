"""One job of a sweep: `python -m recast.cli.job FOLDER` runs the configuration stored in the folder."""

import sys
from pathlib import Path

from recast.sweeps.attempt import attempt


def main() -> None:
    """The command; it ends with 0 when the job is finished, 143 when a signal stopped it with its state saved."""
    sys.exit(attempt(Path(sys.argv[1]), _show))


def _show(results: object) -> None:
    from recast.cli.show import show_results
    from recast.runs.results import RunResults

    if isinstance(results, RunResults):
        show_results(results)


if __name__ == "__main__":
    main()
