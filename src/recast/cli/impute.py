"""recast-impute: fills the gaps of a CSV file."""

from recast.cli.application import application_without_hydra

HELP = """recast-impute fills what is missing in a CSV file; it needs the checkpoint and the file alone.

  recast-impute checkpoint=RUN/checkpoints/best.ckpt input=gaps.csv output=filled.csv
  recast-impute checkpoint=... input=gaps.csv output=filled.csv figure=filled.png

Options (override with option=value):
"""


def impute(overrides: list[str]) -> None:
    """Checks the configuration, fills, prints the path of the table."""
    from recast.runs.configure.check import accepted
    from recast.runs.configure.flat import compose_flat
    from recast.runs.configure.options import ImputeOptions
    from recast.runs.impute import impute_file

    options = compose_flat("impute", overrides)
    with accepted(options, ImputeOptions):
        impute_file(options)
    if options["figure"]:
        print(options["figure"])
    print(options["output"], flush=True)


def main() -> None:
    """The command."""
    application_without_hydra("impute", HELP, impute)


if __name__ == "__main__":
    main()
