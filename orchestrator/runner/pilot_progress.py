"""How far the calls of a pilot have come, in a file: a process that hangs can't answer any more."""

from __future__ import annotations

import mmap
import struct
import time

FORM = struct.Struct("=qqq")

STUCK = 10
"""A call that takes so many times as long as the longest one before is not only slow."""


class Progress:
    """Keeps in a file how many calls have returned, when the last one did, and the time of the longest."""

    def __init__(self, path: str) -> None:
        self._calls = self._longest_ns = 0
        with open(path, "w+b") as file:
            file.truncate(FORM.size)
            self._shared = mmap.mmap(file.fileno(), FORM.size)  # a function may close the files of its process

    def note(self, wall_ns: int) -> None:
        """Note that a call has returned after a time."""
        self._calls, self._longest_ns = self._calls + 1, max(self._longest_ns, wall_ns)
        FORM.pack_into(self._shared, 0, self._calls, time.perf_counter_ns(), self._longest_ns)


def stuck_after(path: str) -> int:
    """Return how many calls had returned before one that does not end; 0 where that one is the first, or only slow."""
    try:
        with open(path, "rb") as file:
            calls, since_ns, longest_ns = FORM.unpack(file.read())
    except (OSError, struct.error):
        return 0
    waited_ns = time.perf_counter_ns() - since_ns  # the clock is the same in all processes
    return int(calls) if waited_ns > STUCK * longest_ns else 0
