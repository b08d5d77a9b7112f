"""The clocks of one thread, read together: time, CPU time, time waited for a core and for the GIL.

With the shim preloaded (`supervisor/gil_shim.c`) all four come from one call, which keeps the GIL: reading them does
not disturb what they measure. Without it the last two are 0, and `instrumented` estimates them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Clocks = Sequence[int]  # `WALL`, `CPU`, `QUEUE` and `GIL`, each in ns since an arbitrary moment

WALL, CPU, QUEUE, GIL = range(4)


def _preloaded() -> Callable[[], Clocks] | None:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        function = ctypes.PyDLL(None).orchestrator_read_clocks
    except (ImportError, OSError, AttributeError):
        return None
    four = ctypes.c_uint64 * 4
    function.argtypes, function.restype = [four], None

    def read() -> Clocks:
        clocks = four()
        function(clocks)
        return clocks[:]

    return read


def _standard() -> Clocks:
    return time.monotonic_ns(), time.thread_time_ns(), 0, 0


_found = _preloaded()

HAS_SHIM = _found is not None
read: Callable[[], Clocks] = _found or _standard

MOST_WAITS = 100_000


@contextmanager
def kept_gil_waits() -> Iterator[list[tuple[int, int]]]:
    """Yield a list, filled at the end with the thread's waits for the GIL as begin and end on `WALL`."""
    waits: list[tuple[int, int]] = []
    if not HAS_SHIM:
        yield waits
        return
    import ctypes

    keep = ctypes.PyDLL(None).orchestrator_keep_gil_waits
    spans = (ctypes.c_uint64 * (2 * MOST_WAITS))()
    keep.argtypes, keep.restype = [ctypes.POINTER(ctypes.c_uint64), ctypes.c_uint64], ctypes.c_uint64
    keep(spans, MOST_WAITS)
    try:
        yield waits
    finally:
        count = keep(None, 0)
        waits += zip(spans[0 : 2 * count : 2], spans[1 : 2 * count : 2], strict=True)


def queue_ns() -> int | None:
    """Return how long the calling thread has waited for a core so far; None where schedstat is missing."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None
