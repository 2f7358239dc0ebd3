"""Storage of Optuna studies."""

import os
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock


def study_storage(address: str) -> BaseStorage:
    """A database for an address such as sqlite:///study.db, otherwise a journal in the file of that name."""
    if "://" in address:
        return RDBStorage(address)
    _cut_torn_end(Path(address))
    return JournalStorage(JournalFileBackend(address))


def _cut_torn_end(path: Path) -> None:
    """Removes a last line truncated by a full disk: the next one would be appended to it, and both lost."""
    if not path.exists():
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            if size and file.read() != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
    finally:
        lock.release()
