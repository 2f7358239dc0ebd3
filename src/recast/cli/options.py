"""recast-options: every option of recast-train's configuration, explained."""

import shutil
import sys

from recast.cli.application import guarded

HELP = """recast-options prints every option of a recast-train configuration: value, type, default, unit and meaning.

  recast-options                                    the default configuration
  recast-options data=ssh model/head=gaussian       the configuration that these overrides compose
  recast-options --config-dir mine model/cell=ours  with a configuration folder of others
"""


def show(overrides: list[str]) -> None:
    """Prints the options of the configuration that `overrides` compose."""
    from recast.runs.configure import folders
    from recast.runs.configure.compose import compose
    from recast.runs.configure.describe import describe, render
    from recast.runs.configure.targets import trusting
    from recast.runs.configure.training_options import TrainOptions
    from recast.runs.configure.words import with_folder

    folders.register()
    config = compose("train", with_folder(overrides))
    # Options may be wrong, or missing yet; that they are is not said here.
    with trusting(*config.get("trust") or ()):
        rows = describe(config, TrainOptions)
    print(render(rows, terminal=sys.stdout.isatty(), width=shutil.get_terminal_size().columns))


def main() -> None:
    """The command."""
    overrides = sys.argv[1:]
    if {"-h", "--help"} & set(overrides):
        print(HELP)
        return
    guarded(lambda: show(overrides), "train")


if __name__ == "__main__":
    main()
