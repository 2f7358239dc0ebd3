"""The text of a `.ts` file: its header, and the lines after it."""

from dataclasses import dataclass
from pathlib import Path

from recast.errors import DataError

FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class TsText:
    """A `.ts` file of the UEA and UCR archives, split into its header and its sequences.

    Args:
        label: The file's path as the user gave it.
        header: Words after each @-name, which is in lower case.
        lines: Line number and content of each line that holds a sequence.
    """

    label: str
    header: dict[str, str]
    lines: list[tuple[int, str]]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes in the order of the header; None if the sequences are not labelled.

        Raises:
            DataError: if the header does not name the classes.
        """
        words = self.header.get("classlabel", "").split()
        if not words:
            raise DataError(
                f"{self.label}: the header has no @classLabel; expected a line such as "
                "'@classLabel true yes no', or '@classLabel false' where the sequences are not labelled"
            )
        if not self.flag("classlabel"):
            return None
        names = tuple(words[1:])
        if len(names) < 2 or len(set(names)) < len(names):
            raise DataError(
                f"{self.label}: found '@classLabel {' '.join(words)}'; expected two or more different classes "
                "after 'true'"
            )
        return names

    @property
    def dimensions(self) -> int | None:
        """The number of dimensions in the header; None if not given.

        Raises:
            DataError: if it is no number.
        """
        for name in ("dimensions", "dimension"):
            words = self.header.get(name)
            if words is not None:
                if not (words.isascii() and words.isdigit()) or int(words) < 1:
                    raise DataError(f"{self.label}: found '@{name} {words}'; expected a number of 1 or more")
                return int(words)
        return 1 if "univariate" in self.header and self.flag("univariate") else None

    def flag(self, name: str) -> bool:
        """Whether the header says true for a name; False if it lacks the name.

        Raises:
            DataError: if its value is neither true nor false.
        """
        word = (self.header.get(name, "false").split() or [""])[0].lower()
        if word not in FLAGS:
            raise DataError(f"{self.label}: found '@{name} {word}'; expected true or false")
        return FLAGS[word]


def load_ts(path: str) -> TsText:
    """Reads a `.ts` file as text.

    Args:
        path: The file, UTF-8. Empty lines and those that begin with # or % are skipped.

    Raises:
        DataError: if the file is missing, a folder, unreadable, not UTF-8 text, has a truncated header or one of a kind
            that recast does not read, or has no sequence.
    """
    header: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    begun = False
    for number, raw in enumerate(_read(path).splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in "#%":
            continue
        if begun:
            lines.append((number, line))
        elif line[0] != "@":
            raise DataError(
                f"{path}, line {number}: found {_short(line)!r} before @data; expected a header line that begins "
                "with '@'; a .ts file has a header that ends with the line '@data'"
            )
        else:
            name, _, words = line[1:].partition(" ")
            begun = name.lower() == "data"
            header[name.lower()] = words.strip()
    if not begun:
        raise DataError(f"{path}: no line '@data'; expected a header that ends with it, and sequences after it")
    text = TsText(label=path, header=header, lines=lines)
    _refuse_other_kinds(text)
    if not lines:
        raise DataError(f"{path}: no sequence after @data")
    return text


def _refuse_other_kinds(text: TsText) -> None:
    if text.flag("timestamps"):
        raise DataError(f"{text.label}: found '@timeStamps true'; recast reads .ts files without time stamps")
    if text.flag("targetlabel"):
        raise DataError(f"{text.label}: found '@targetLabel true': numbers to estimate; recast reads classes only")


def _read(path: str) -> str:
    file = Path(path).expanduser()
    if file.is_dir():
        raise DataError(f"{path}: a folder; expected a .ts file")
    if not file.exists():
        raise DataError(f"{path}: no such file; looked in {file.parent.resolve()}")
    try:
        return file.read_bytes().removeprefix(b"\xef\xbb\xbf").decode()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: found the byte 0x{error.object[error.start]:02x}, which is no UTF-8 text; a .ts file is plain "
            "text (a compressed file must be unpacked first)"
        ) from error


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
