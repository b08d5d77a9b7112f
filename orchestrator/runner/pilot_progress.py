"""How far the calls of a pilot have come, in a file: a process that hangs can't answer any more."""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

TIMES = struct.Struct("=qqq")
TEXT = 256  # bytes of each text

STUCK = 10
"""A call that takes so many times as long as the longest one before is not only slow."""


class Progress:
    """Keeps in a file how many calls have returned, when the last one did, the longest time, and two texts.

    The texts are the item of the next call, and the name of the empty queue that it takes from.
    """

    def __init__(self, path: str) -> None:
        self._calls = self._longest_ns = 0
        size = TIMES.size + 2 * TEXT
        with open(path, "w+b") as file:
            file.truncate(size)
            self._shared = mmap.mmap(file.fileno(), size)  # a function may close the files of its process

    def note(self, wall_ns: int, next_item: str | None) -> None:
        """Note that a call has returned after a time, and the item of the next one, if there are items."""
        self._calls, self._longest_ns = self._calls + 1, max(self._longest_ns, wall_ns)
        TIMES.pack_into(self._shared, 0, self._calls, time.perf_counter_ns(), self._longest_ns)
        self._write(0, next_item or "")

    def note_queue(self, name: str) -> None:
        """Note that the next call takes from a queue that is empty now; with an empty name, that it does not."""
        self._write(1, name)

    def _write(self, place: int, text: str) -> None:
        begin = TIMES.size + place * TEXT
        self._shared[begin : begin + TEXT] = text.encode(errors="replace")[:TEXT].ljust(TEXT, b"\0")


class Stuck(NamedTuple):
    """Where a pilot hangs: 0 `calls` if in the first call, or if its call is only slow."""

    calls: int = 0
    """How many calls had returned."""
    item: str | None = None
    """The item of the call, if there are items."""
    queue: str = ""
    """The empty queue that it takes from, if one is seen."""


def stuck(path: str) -> Stuck:
    """Return where the pilot hangs that wrote a file."""
    try:
        with open(path, "rb") as file:
            calls, since_ns, longest_ns = TIMES.unpack(file.read(TIMES.size))
            item, queue = (file.read(TEXT).rstrip(b"\0").decode(errors="ignore") for _ in range(2))
    except (OSError, struct.error):
        return Stuck()
    waited_ns = time.perf_counter_ns() - since_ns  # the clock is the same in all processes
    return Stuck(int(calls) if waited_ns > STUCK * longest_ns else 0, item or None, queue)
