"""Sources of series."""

from abc import ABC, abstractmethod

from recast.data.panel import Panel
from recast.data.sources.csv_text import load_csv
from recast.data.sources.table import Table
from recast.data.sources.writer import TIME
from recast.errors import ConfigurationError


class Source(ABC):
    """Provides a `Panel`: reads a file or evaluates a formula."""

    @abstractmethod
    def read(self) -> Panel:
        """The series. Reading twice gives the same series.

        Raises:
            DataError: if the data are unusable.
        """

    @property
    def time_column(self) -> str:
        """Name of the time column in tables of the same kind."""
        return TIME

    @property
    def id_column(self) -> str | None:
        """Name of the column that names the series of a row; None: such tables hold one series."""
        return None

    @abstractmethod
    def for_table(self, table: Table) -> "Source":
        """The source that reads the same kind of series from a table.

        A checkpoint holds the source it was trained on; this one is used to forecast beyond the end of other data.

        Args:
            table: A table with the same columns. A simulator, which has no file, expects the columns "datetime" and
                its own.
        """

    def with_step(self, step: str) -> "Source":
        """The source that reads tables for a model trained on rows so far apart.

        The step of stamps is then tested, not read anew: five weekdays are daily rows as well as business days. A
        source whose step does not depend on a table is its own.

        Args:
            step: Distance between rows, a pandas offset alias.
        """
        del step
        return self

    def load(self, path: str) -> Table:
        """The table in a CSV file, as this source's own file is written.

        Args:
            path: The file.

        Raises:
            DataError: if it cannot be read.
        """
        return load_csv(path)

    def for_file(self, path: str) -> "Source":
        """The same from a CSV file.

        Args:
            path: A file with the columns that `for_table` expects.

        Raises:
            DataError: if it cannot be read.
        """
        return self.for_table(self.load(path))

    def read_known(self, table: Table) -> Panel:
        """Only the inputs known ahead, from a table with the time column and theirs.

        Args:
            table: A table that may begin and end at any time.

        Raises:
            ConfigurationError: if this source has no such inputs.
            DataError: if the table is unusable.
        """
        raise ConfigurationError(f"{table.label}: {type(self).__name__} has no inputs known ahead; leave it out")


class SequenceSource(ABC):
    """Provides labelled sequences for training and test, and reads more of the same kind."""

    @abstractmethod
    def read(self) -> tuple[Panel, Panel]:
        """The sequences to train on, and those to test on. Reading twice gives the same ones.

        Raises:
            DataError: if the data are unusable.
        """

    @abstractmethod
    def read_file(self, path: str, classes: tuple[str, ...]) -> Panel:
        """The sequences of another file, which may be unlabelled.

        Args:
            path: A file of the same kind.
            classes: The possible classes.

        Raises:
            DataError: if the file is unusable.
        """
