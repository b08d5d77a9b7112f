"""How far the calls of a pilot have come, in a file: a process that hangs can't answer any more."""

from __future__ import annotations

import mmap
import struct
import time

FORM, SIZE = struct.Struct("=qqq"), 256  # bytes, most of them for the name of a queue

STUCK = 10
"""A call that takes so many times as long as the longest one before is not only slow."""


class Progress:
    """Keeps in a file how many calls have returned, when the last one did, and the time of the longest.

    After these comes the name of an empty queue that the next call takes from.
    """

    def __init__(self, path: str) -> None:
        self._calls = self._longest_ns = 0
        with open(path, "w+b") as file:
            file.truncate(SIZE)
            self._shared = mmap.mmap(file.fileno(), SIZE)  # a function may close the files of its process

    def note(self, wall_ns: int) -> None:
        """Note that a call has returned after a time."""
        self._calls, self._longest_ns = self._calls + 1, max(self._longest_ns, wall_ns)
        FORM.pack_into(self._shared, 0, self._calls, time.perf_counter_ns(), self._longest_ns)

    def note_queue(self, name: str) -> None:
        """Note that the next call takes from a queue that is empty now; with an empty name, that it does not."""
        room = SIZE - FORM.size
        self._shared[FORM.size :] = name.encode()[:room].ljust(room, b"\0")


def stuck_after(path: str) -> int:
    """Return how many calls had returned before one that does not end; 0 where that one is the first, or only slow."""
    try:
        with open(path, "rb") as file:
            calls, since_ns, longest_ns = FORM.unpack(file.read(FORM.size))
    except (OSError, struct.error):
        return 0
    waited_ns = time.perf_counter_ns() - since_ns  # the clock is the same in all processes
    return int(calls) if waited_ns > STUCK * longest_ns else 0


def empty_queue(path: str) -> str:
    """Return the name of the empty queue that a call which does not end takes from, "" if none is seen."""
    try:
        with open(path, "rb") as file:
            return file.read()[FORM.size :].rstrip(b"\0").decode(errors="ignore")
    except OSError:
        return ""
