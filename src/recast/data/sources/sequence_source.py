"""Where labelled sequences come from."""

from abc import ABC, abstractmethod

from recast.data.panel import Panel


class SequenceSource(ABC):
    """Gives labelled sequences for training and for the test, and reads more of the same kind."""

    @abstractmethod
    def read(self) -> tuple[Panel, Panel]:
        """The sequences to train on, and those to test on. Reading twice gives the same ones.

        Raises:
            DataError: if the data cannot be used as they stand.
        """

    @abstractmethod
    def read_file(self, path: str, classes: tuple[str, ...]) -> Panel:
        """The sequences of another file, which need not tell their classes.

        Args:
            path: A file of the same kind.
            classes: The classes that a label may be.

        Raises:
            DataError: if the file cannot be used as it stands.
        """
