"""The lines of a text file of a table: unpacked, in UTF-8, and without what stands around the table."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from recast.errors import DataError

Delimiter = Literal["comma", "semicolon", "tab", "pipe", "blanks"]
Decimal = Literal["point", "comma"]
DELIMITERS: dict[Delimiter, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "blanks": " "}
DECIMALS: dict[Decimal, str] = {"point": ".", "comma": ","}
BLOCK = 1 << 24
"""Bytes that are read at a time."""
PACKED = 1 << 20
"""The same of packed ones, which become more."""
BLANKS = re.compile(rb"[ \t]+")
AROUND = re.compile(rb"(?m)^ | $")


class Stream(io.RawIOBase):
    """Blocks of bytes, none of them empty, as a file that is read from its begin to its end."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._rest = parts, memoryview(b"")

    def readable(self) -> bool:
        """See the base class."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See the base class."""
        if not self._rest:
            self._rest = memoryview(next(self._parts, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@dataclass(frozen=True)
class Dialect:
    """How a table is written as text.

    Args:
        delimiter: What separates fields; "blanks": any number of them.
        decimal: The decimal sign of numbers.
        comment: What lines begin with that are no rows; None: there are no such lines.
        skip: Lines at the beginning that do not belong to the table.
        names: Names of the columns, where the file has no header; None: its first line is the header.
    """

    delimiter: Delimiter = "comma"
    decimal: Decimal = "point"
    comment: str | None = None
    skip: int = 0
    names: tuple[str, ...] | None = None

    @property
    def mark(self) -> str:
        """What separates fields in the lines that `blocks` gives."""
        return DELIMITERS[self.delimiter]


def blocks(path: str, dialect: Dialect) -> Iterator[bytes]:
    """The lines of a file, a part of them at a time, each ended by a line feed; those that are no rows are empty.

    A file whose name ends in gz, bz2, xz, zip or zst is unpacked.

    Args:
        path: The file.
        dialect: How it is written.

    Raises:
        DataError: if the file is missing, a folder, unreadable, or not UTF-8 text.
    """
    skipped = dialect.skip
    for number, block in enumerate(_whole_lines(path)):
        if not block.isascii():
            _refuse_other_text(path, block, number)
        yield _without_others(block, dialect, skipped)
        skipped = max(skipped - block.count(b"\n"), 0) if skipped else 0


def _whole_lines(path: str) -> Iterator[bytes]:
    rest, is_first = b"", True
    with _opened(path) as stream:
        while True:
            block = _read(path, stream, BLOCK)
            if block.endswith(b"\r"):  # a line feed may follow
                block += _read(path, stream, 1)
            if is_first:
                block, is_first = block.removeprefix(b"\xef\xbb\xbf"), False
            if b"\r" in block:
                block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if not block:
                break
            stop = block.rfind(b"\n") + 1
            if stop:
                yield b"".join((rest, memoryview(block)[:stop]))
                rest = block[stop:]
            else:
                rest += block
    if rest:
        yield rest + b"\n"


def _without_others(block: bytes, dialect: Dialect, skipped: int) -> bytes:
    """Lines of which those that are no rows are empty, fields separated by one mark."""
    if skipped:
        lines = block.split(b"\n", skipped)
        block = b"\n" * (len(lines) - 1) + lines[-1]
    if dialect.comment is not None and (sign := dialect.comment.encode()) in block:
        block = re.sub(rb"(?m)^[ \t]*" + re.escape(sign) + rb"[^\n]*", b"", block)
    if dialect.delimiter == "blanks":
        block = AROUND.sub(b"", BLANKS.sub(b" ", block))
    return block


def _refuse_other_text(path: str, block: bytes, number: int) -> None:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        before = sum(other.count(b"\n") for other in islice(_whole_lines(path), number))
        line = before + block.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: found the byte 0x{block[error.start]:02x}, which is no UTF-8 text; "
            "save the file as UTF-8 (the name of a compressed one ends in gz, bz2, xz, zip or zst)"
        ) from error


def _read(path: str, stream: Any, size: int) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _opened(path: str) -> Any:
    """A file, unpacked by the ending of its name."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise DataError(f"{path}: a folder; expected a CSV file")
    if not file.exists():
        raise DataError(f"{path}: no such file; looked in {file.parent.resolve()}")
    packed = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zip": _member, ".zst": _zstandard}
    try:
        return packed.get(file.suffix.lower(), _plain)(file)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _plain(file: Path) -> Any:
    return file.open("rb")


def _member(file: Path) -> Any:
    """The only file in an archive."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) == 1:
            return io.BytesIO(archive.read(names[0]))
    raise DataError(f"{file}: an archive of {len(names)} files ({', '.join(names[:3])}); expected one; unpack it")


def _zstandard(file: Path) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise DataError(
            f"{file}: files that end in zst need another package: pip install 'recast-rnn[zst]'; or unpack the file"
        ) from error

    def parts() -> Iterator[bytes]:
        # The library's own reader takes a file that is cut off for one that ends there.
        frame, is_whole = zstandard.ZstdDecompressor().decompressobj(), True
        with file.open("rb") as packed:
            while block := packed.read(PACKED):
                while block:
                    try:
                        part = frame.decompress(block)
                    except zstandard.ZstdError as error:
                        raise OSError(str(error)) from error
                    if part:
                        yield part
                    block, is_whole = frame.unused_data, frame.eof
                    if is_whole:
                        frame = zstandard.ZstdDecompressor().decompressobj()
        if not is_whole:
            raise EOFError("the compressed file ended within a frame")

    return Stream(parts())
