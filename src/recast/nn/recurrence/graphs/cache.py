"""An LRU cache of captured CUDA graphs."""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from recast.nn.recurrence.graphs.recording import Recording


class _Entry(NamedTuple):
    key: Hashable
    recording: Recording


class RecordingCache:
    """A few recordings; where there is no more room, the one that was used least recently goes.

    Args:
        room: Greatest number of recordings.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        # The one used last stands last.
        self._entries: list[_Entry] = []

    def take(self, key: Hashable, record: Callable[[], Recording]) -> Recording | None:
        """A free recording for this key, a new one if need be; None: none is free, and there is no room.

        Args:
            key: What distinguishes recordings.
            record: Makes a new one.
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
