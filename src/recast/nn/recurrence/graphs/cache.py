"""An LRU cache of captured CUDA graphs."""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from recast.nn.recurrence.graphs.recording import Recording


class _Entry(NamedTuple):
    key: Hashable
    recording: Recording


class RecordingCache:
    """An LRU cache of recordings.

    Args:
        room: Largest number of recordings.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        # The most recently used one is last.
        self._entries: list[_Entry] = []

    def take(self, key: Hashable, record: Callable[[], Recording]) -> Recording | None:
        """A free recording for this key, captured if necessary; None: none is free and the cache is full.

        Args:
            key: Key of the recording.
            record: Captures a new one.
        """
        free = [entry for entry in self._entries if entry.recording.is_free]
        chosen = next((entry for entry in reversed(free) if entry.key == key), None)
        if chosen is None:
            if len(self._entries) >= self._room and not free:
                return None
            if len(self._entries) >= self._room:
                self._entries.remove(free[0])
            chosen = _Entry(key, record())
        else:
            self._entries.remove(chosen)
        self._entries.append(chosen)
        return chosen.recording
