"""Text files as sequences of symbols: characters or words."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, final

from recast.data.sources.text_lines import Dialect, blocks
from recast.errors import DataError
from recast.options import checked

Symbol = Literal["character", "word"]
WORDS = re.compile(r" ?\w+(?:'\w+)*| ?[^\w\s]+|\s")
"""A word with the blank before it, a run of punctuation marks likewise, or a single blank or line break."""


class Text(NamedTuple):
    """A text in symbols: label, what it was read from; symbols, whose concatenation is the text."""

    label: str
    symbols: list[str]


def symbols_of(text: str, symbol: Symbol, *, lower: bool) -> list[str]:
    """The symbols of a text, whose concatenation is the text.

    Args:
        text: The text.
        symbol: What a symbol is.
        lower: Whether capital letters become small ones.
    """
    text = text.lower() if lower else text
    return list(text) if symbol == "character" else WORDS.findall(text)


class SymbolSource(ABC):
    """Provides a text in symbols, and reads more of the same kind.

    Args:
        symbol: What a symbol is.
        lower: Whether capital letters become small ones.
    """

    def __init__(self, *, symbol: Symbol, lower: bool) -> None:
        self.symbol: Symbol = symbol
        self.lower = lower

    @abstractmethod
    def read(self) -> Text:
        """The text. Reading twice gives the same one.

        Raises:
            DataError: if it is unusable.
        """

    def read_file(self, path: str) -> Text:
        """Another text, in symbols of the same kind.

        Args:
            path: A text file.

        Raises:
            DataError: if there is no file, it cannot be read, is not UTF-8, or is empty.
        """
        return self.text_of(path, [Path(path).expanduser()])

    def text_of(self, path: str, files: Iterable[Path]) -> Text:
        """Text files one after the other.

        Args:
            path: What the text is called.
            files: The files, UTF-8 or compressed.

        Raises:
            DataError: as `read_file`.
        """
        text = "".join(b"".join(blocks(str(file), Dialect())).decode() for file in files)
        if not text:
            raise DataError(f"{path}: it holds no text")
        return Text(path, symbols_of(text, self.symbol, lower=self.lower))


@final
class TextSource(SymbolSource):
    """A text file, or all text files of a folder, one after the other in the order of their names.

    Files are UTF-8, or compressed (gz, bz2, xz, zip, zst by the ending); line breaks are line feeds, and a file ends
    with one. A word is a run of letters, digits and underscores, with apostrophes inside it, together with the blank
    before it; so is a run of punctuation marks; any other blank or line break stands alone. Nothing is lost: symbols
    put one after the other are the text again.

    Args:
        path: A text file, or a folder. [file]
        pattern: Which files of a folder are read, as a glob pattern; those of its subfolders by "**/*.txt".
        symbols: What is predicted one at a time: "characters" or "words".
        lower: Whether capital letters become small ones.
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        pattern: str = "*.txt",
        symbols: Literal["characters", "words"] = "characters",
        lower: bool = False,
    ) -> None:
        super().__init__(symbol="character" if symbols == "characters" else "word", lower=lower)
        self.path = path
        self.pattern = pattern

    def read(self) -> Text:
        """The text. Reading twice gives the same one.

        Raises:
            DataError: if there is no file, one cannot be read, is not UTF-8, or all are empty.
        """
        return self.read_file(self.path)

    def read_file(self, path: str) -> Text:
        """Another text, in symbols of the same kind.

        Args:
            path: A text file, or a folder.

        Raises:
            DataError: as `read`.
        """
        return self.text_of(path, self._files(path))

    def _files(self, path: str) -> list[Path]:
        folder = Path(path).expanduser()
        if not folder.is_dir():
            return [folder]
        try:
            found = sorted(file for file in folder.glob(self.pattern) if file.is_file())
        except ValueError as error:
            raise DataError(f"data.source.pattern={self.pattern}: no glob pattern ({error}); *.txt is one") from error
        if not found:
            raise DataError(
                f"{path}: no file in this folder matches data.source.pattern={self.pattern}; give another pattern, "
                "such as '**/*.txt' for subfolders"
            )
        return found
