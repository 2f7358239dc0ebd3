"""The name under which recast is installed; on the public index, "recast" is another project."""

NAME = "recast-rnn"


def how_to_install(extra: str) -> str:
    """The command that installs what an optional part needs.

    Args:
        extra: One of the optional dependencies in pyproject.toml.
    """
    return f"pip install '{NAME}[{extra}]'"
