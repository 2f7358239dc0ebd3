"""A page that is generated."""

from typing import NamedTuple


class WrittenPage(NamedTuple):
    """A generated page: its title in the navigation, its path below docs/, and its Markdown."""

    title: str
    uri: str
    text: str
