"""How parallel the threads of one process run: a function in one worker alone, and in two at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .registry import Each

SHORTEST_NS, PAIRS = 8_000_000, 3
"""Two workers run at once for this long at least: longer than CPython's switch interval of 5 ms."""

ENOUGH_NS = 60_000_000  # after this time there is no further pair: it would be a noticeable part of the block

SETTLE_S = 0.001
"""The pause before the calls, in which other threads become idle: a loop that takes answers wants the GIL too."""

MARGIN = 4  # two calls at once take at most twice as long as one, when they run in turn; the rest is reserve


Prepare = Callable[[int], "list[Callable[[], Any]]"]
"""Returns so many calls to make, whose arguments are ready."""


async def overlap(each: Each, prepare: Prepare, within_ns: int) -> dict[str, Any]:
    """Time the same number of calls in one worker, then in each of two at once, repeatedly; dispatch is not timed.

    Returns `calls`, and in pairs `alone_ns` and `together_ns`. There is no pair where one would take over `within_ns`.
    """
    begun_ns = time.perf_counter_ns()
    calls = 1
    while (alone_ns := await _span_ns(each, prepare, calls, 1)) < SHORTEST_NS:
        calls *= 2
    alone, together = [alone_ns], []
    while time.perf_counter_ns() - begun_ns + MARGIN * alone_ns < within_ns:
        together.append(await _span_ns(each, prepare, calls, 2))
        if len(together) == PAIRS or time.perf_counter_ns() - begun_ns > ENOUGH_NS:
            break
        alone.append(await _span_ns(each, prepare, calls, 1))
    return {"calls": calls, "alone_ns": alone[: len(together)], "together_ns": together}


async def _span_ns(each: Each, prepare: Prepare, calls: int, workers: int) -> int:
    """Return the time from the first begin to the last end of `calls` calls in each of some workers."""
    turns = deque([prepare(calls) for _ in range(workers)])  # pop is atomic, also without a GIL

    def work() -> tuple[int, int] | None:
        try:
            ready = turns.pop()
        except IndexError:
            return None
        time.sleep(SETTLE_S)
        begun_ns = time.perf_counter_ns()
        for one in ready:
            one()
        return begun_ns, time.perf_counter_ns()

    spans: list[tuple[int, int]] = [span for span in await each(work) if span]
    return max(end_ns for _, end_ns in spans) - min(begun_ns for begun_ns, _ in spans)
