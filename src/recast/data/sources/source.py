"""Where a series comes from."""

from abc import ABC, abstractmethod

from recast.data.panel import Panel
from recast.errors import ConfigurationError


class Source(ABC):
    """Gives a `Panel`: reads a file or evaluates a formula."""

    @abstractmethod
    def read(self) -> Panel:
        """The series. Reading twice gives the same series.

        Raises:
            DataError: if the data cannot be used as they stand.
        """

    @abstractmethod
    def for_file(self, path: str) -> "Source":
        """The source that reads the same kind of series from another CSV file.

        A checkpoint holds the source it was trained on; this one serves to forecast beyond the end of a new file.

        Args:
            path: A CSV file with the same columns. A simulator, which has no file, expects the columns
                "datetime" and its own channels.
        """

    def read_known(self, path: str) -> Panel:
        """The inputs known ahead alone, from a CSV file with a time column and theirs.

        Args:
            path: The file; it may begin and end at any time.

        Raises:
            ConfigurationError: if this source has no such inputs.
            DataError: if the file cannot be used as it stands.
        """
        raise ConfigurationError(f"known={path}: {type(self).__name__} has no inputs known ahead; leave it out")
