"""The clocks of one thread, read together: time, CPU time, time waited for a core, for the GIL and for locks.

With the shim preloaded (`supervisor/gil_shim.c`) all come from one call, which keeps the GIL: reading them does
not disturb what they measure. Without it the last three are 0, and `instrumented` estimates the first two of them.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

Clocks = Sequence[int]  # `WALL`, `CPU`, `RUN_QUEUE`, `GIL` and `LOCK`, each in ns since an arbitrary moment

WALL, CPU, RUN_QUEUE, GIL, LOCK = range(5)


def _library() -> Any:
    """Return the preloaded shim, or None."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        library = ctypes.PyDLL(None)
        return library if library.orchestrator_read_clocks else None
    except (ImportError, OSError, AttributeError):
        return None


def _read_standard() -> Clocks:
    return time.monotonic_ns(), time.thread_time_ns(), 0, 0, 0


STAMPS = struct.Struct("13q")
"""The stamps of a call: `PROCESS`, `THREAD` (the system's id), `BUSY`, then `Clocks` `BEFORE` and `AFTER` it.

They stay C integers until the trial is over: to convert them to Python's takes as long as to read the clocks.
"""

PROCESS, THREAD, BUSY, BEFORE, AFTER = 0, 1, 2, 3, 8
"""`BUSY` is the time in which the call was executed in ns: all of it, but for a coroutine only its steps."""


_CLOCKS = struct.Struct("5q")


def _begin_standard(stamps: bytearray) -> None:
    _CLOCKS.pack_into(stamps, 8 * BEFORE, *_read_standard())


def _end_standard(stamps: bytearray) -> None:
    after, before = _read_standard(), _CLOCKS.unpack_from(stamps, 8 * BEFORE)
    busy_ns = after[WALL] - before[WALL]
    STAMPS.pack_into(stamps, 0, os.getpid(), threading.get_native_id(), busy_ns, *before, *after)


class _Functions(NamedTuple):
    read: Callable[[], Clocks]
    new_stamps: Callable[[], Any]
    begin_call: Callable[[Any], None]
    end_call: Callable[[Any], None]


def _of_shim() -> _Functions:
    import ctypes

    five, stamps = ctypes.c_uint64 * 5, ctypes.c_uint64 * (STAMPS.size // 8)
    read_clocks, begin, end = _shim.orchestrator_read_clocks, _shim.orchestrator_begin_call, _shim.orchestrator_end_call
    for function, written in ((read_clocks, five), (begin, stamps), (end, stamps)):
        function.argtypes, function.restype = [written], None

    def read() -> Clocks:
        clocks = five()
        read_clocks(clocks)
        return clocks[:]

    return _Functions(read, stamps, begin, end)


def _standard() -> _Functions:
    return _Functions(_read_standard, lambda: bytearray(STAMPS.size), _begin_standard, _end_standard)


_shim = _library()

HAS_SHIM = _shim is not None
read, new_stamps, begin_call, end_call = _of_shim() if HAS_SHIM else _standard()
"""Read the clocks; get a buffer for the `STAMPS` of a call; write them before it, and after it.

Between the last two, waits of the calling thread for locks count.
"""

MOST_SPANS = 100_000


class GilSpans(NamedTuple):
    """Spans of the GIL, as begin and end on `WALL`."""

    waits: list[tuple[int, int]]
    """When the thread that submits waited for it."""
    holds: list[tuple[int, int]]
    """When any thread of its interpreter had it in a call."""


class GilSpanKeeper:
    """Keeps the spans of the GIL in the batches of one account; a batch uses the memory of the one before."""

    def __init__(self) -> None:
        if not HAS_SHIM:
            return
        import ctypes

        self._waits, self._holds = ((ctypes.c_uint64 * (2 * MOST_SPANS))() for _ in range(2))
        for keep in (_shim.orchestrator_keep_gil_waits, _shim.orchestrator_keep_gil_holds):
            keep.argtypes, keep.restype = [ctypes.POINTER(ctypes.c_uint64), ctypes.c_uint64], ctypes.c_uint64

    @contextmanager
    def kept(self) -> Iterator[GilSpans]:
        """Yield lists that are filled at the end of the `with` block; empty without the shim."""
        found = GilSpans([], [])
        if not HAS_SHIM:
            yield found
            return
        _shim.orchestrator_keep_gil_waits(self._waits, MOST_SPANS)
        _shim.orchestrator_keep_gil_holds(self._holds, MOST_SPANS)
        try:
            yield found
        finally:
            found.holds.extend(_spans(self._holds, _shim.orchestrator_keep_gil_holds(None, 0)))
            found.waits.extend(_spans(self._waits, _shim.orchestrator_keep_gil_waits(None, 0)))


def _spans(numbers: Any, count: int) -> Iterator[tuple[int, int]]:
    return zip(numbers[0 : 2 * count : 2], numbers[1 : 2 * count : 2], strict=True)


class Seen(NamedTuple):
    """A thread that is in a call: what it does, and since when if it waits."""

    thread: int
    id: int
    """The system's id."""
    doing: int
    since: int


RUNS, AWAITS_GIL, AWAITS_LOCK = range(3)

MOST_THREADS = 512


def calls_seer() -> Callable[[], tuple[list[Seen], int]]:
    """Return a function that returns the threads of this process that are in a call, and how many calls have begun.

    The shim must be there. Each step of a coroutine is a call.
    """
    import ctypes

    numbers, begun = (ctypes.c_uint64 * (4 * MOST_THREADS))(), ctypes.c_uint64()
    see_threads = _shim.orchestrator_see_threads
    see_threads.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64)]
    see_threads.restype = ctypes.c_uint64

    def see() -> tuple[list[Seen], int]:
        count = see_threads(numbers, MOST_THREADS, begun)
        return [Seen(*numbers[4 * place : 4 * place + 4]) for place in range(count)], begun.value

    return see


def run_queue_ns() -> int | None:
    """Return how long the calling thread has waited for a core so far; None where schedstat is missing."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None
