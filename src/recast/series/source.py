"""Where a series comes from."""

from abc import ABC, abstractmethod

from recast.types import Series


class Source(ABC):
    """Gives a `Series`: reads a file or evaluates a formula."""

    @abstractmethod
    def read(self) -> Series:
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
