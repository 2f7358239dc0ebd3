"""Where an Optuna study lies."""

import os
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock


def study_storage(address: str) -> BaseStorage:
    """A database for an address such as sqlite:///study.db, else a journal in the file of that name."""
    if "://" in address:
        return RDBStorage(address)
    _cut_torn_end(Path(address))
    return JournalStorage(JournalFileBackend(address))


def _cut_torn_end(path: Path) -> None:
    """Takes away a last line that a full disk has cut off: the next one would be added to it, and both be lost."""
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
