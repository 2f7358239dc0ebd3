"""recast-backtest: refits a model as time goes on, and scores all its forecasts as those of one run."""

import sys

from recast.cli.application import application
from recast.cli.train import job

OPTIONS = ("start", "every", "end", "span", "validation", "weights", "later")
"""Options of the backtest itself, which can be given without `hydra.sweeper.` before them."""


def words(given: list[str]) -> list[str]:
    """The words of recast-train that do what the given ones ask for."""
    named = [f"hydra.sweeper.{word}" if word.partition("=")[0] in OPTIONS else word for word in given]
    return ["--multirun", "hydra/sweeper=backtest", "hydra/help=backtest", *named]


def main() -> None:
    """The command."""
    sys.argv[1:] = words(sys.argv[1:])
    application("train", job)


if __name__ == "__main__":
    main()
