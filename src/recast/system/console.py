"""Log lines beside a live display."""

import logging
import sys
from typing import TextIO


class PresentStdout(logging.StreamHandler[TextIO]):
    """Writes to what standard output is when a line comes.

    A progress bar puts something in its place, which prints lines above the bar; a handler that keeps the one from
    before would write into the bar.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        self.setStream(sys.stdout)
        super().emit(record)
