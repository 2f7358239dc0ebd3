"""Where an Optuna study lies."""

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend


def study_storage(address: str) -> BaseStorage:
    """A database for an address such as sqlite:///study.db, else a journal in the file of that name."""
    return RDBStorage(address) if "://" in address else JournalStorage(JournalFileBackend(address))
