"""The times of a pilot's calls, some of their results, and what both show."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from . import items
from .account import clocks, sensors
from .pilot_progress import Progress
from .results import pickled_bytes

ENOUGH_NS = 200_000_000
ENOUGH_ITEMS_NS = 1_000_000_000  # with items: their calls differ in length, so the mean needs more time
FEWEST_CALLS, MOST_CALLS = 3, 200
MOST_CALLS_OF_SOURCE, ENOUGH_OF_SOURCE_NS = 10_000, 2_000_000_000  # of a function whose source may end
FEWEST_OF_QUARTER, GROWN = 5, 2.0  # calls in each quarter; less growth may come from another process on the core
MUCH = 0.2  # of the time of a call: the least growth of its CPU time that matters
SETTLING, SETTLING_S, SETTLED = 60, 0.005, 0.3  # OpenBLAS's threads spin for about 25 ms
LONG_NS = 5_000_000_000  # no other call follows a first one that takes longer than this

LARGE = 1_000_000  # bytes of a pickled result
HELD = 7  # further calls whose large results are held, as a batch holds them: most get fresh memory, which is slower
COMPARING_NS = 100_000_000  # each result is compared with the first one until that has taken so long

SHORT_NS = 5_000_000  # longer calls are few in a batch, so results need not be held


class CallTimes:
    """The times of calls one after the other, and some of their results.

    With `items`, the first one has two calls, whose results are compared, then each of the others has one. Without,
    all results are compared with the first one: two random numbers may be equal by chance.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self.items: list[Any] = []
        self.has_source = False
        """Whether more calls are made: they may take from something that ends."""
        self.empty_queue: Callable[[], str] = str
        """Returns the name of an empty queue that the next call takes from, "" for none."""
        self.is_over = False
        """Whether no other call can be made."""
        self._walls_ns: list[int] = []
        self._own_ns: list[int] = []
        self._cpu_ns = 0
        self._run_queue_ns = 0
        self._results: list[Any] = []
        self._incomparable: str | None = None
        self._comparing_ns = 0
        self._is_large: bool | None = None
        self._held: list[Any] = []

    @property
    def calls(self) -> int:
        """The number of calls that have returned."""
        return len(self._walls_ns)

    @property
    def item(self) -> Any:
        """The item of the next call."""
        return self.items[max(0, self.calls - 1) % len(self.items)] if self.items else 0

    def further_item(self, number: int) -> Any:
        """Return the item of a call after all others, with its number among those."""
        return self.items[(self.calls - 1 + number) % len(self.items)] if self.items else 0

    @property
    def results_held(self) -> int:
        """The number of results that are kept at most."""
        return 3 if self.items else 2

    @property
    def shortest_ns(self) -> int:
        """The time of the shortest call."""
        return min(self._walls_ns)

    @property
    def comparable(self) -> Any:
        """The result of the last call that must equal that of the first one."""
        return self._results[min(1, len(self._results) - 1) if self.items else -1]

    @property
    def shown_item(self) -> str | None:
        """The item of the next call in a few characters, None without items."""
        return items.shown(self.item) if self.items else None

    @property
    def last(self) -> Any:
        """The result of the last call."""
        return self._results[-1]

    @property
    def is_long(self) -> bool:
        """Whether the first call took so long that no other is made."""
        return bool(self._walls_ns) and self._walls_ns[0] > LONG_NS

    def wants_more(self, is_second: bool) -> bool:
        """Return whether to make another call; a second pilot needs only one."""
        calls = len(self._walls_ns)
        if calls and (is_second or self.is_long or self.is_over):
            return False
        if self.items and calls > len(self.items):
            return False
        most, enough_ns = MOST_CALLS, ENOUGH_ITEMS_NS if self.items else ENOUGH_NS
        if self.has_source:
            most, enough_ns = MOST_CALLS_OF_SOURCE, ENOUGH_OF_SOURCE_NS
        if not self._held and (calls < FEWEST_CALLS or (calls < most and sum(self._walls_ns) < enough_ns)):
            return True
        return len(self._held) < HELD and self._holds()

    def _holds(self) -> bool:
        """Return whether further calls must show what it takes to hold large results."""
        if self._is_large is None:
            self._is_large = not self.items and self.shortest_ns < SHORT_NS and (pickled_bytes(self.last) or 0) >= LARGE
        return self._is_large

    def begin(self) -> None:
        """Start the clocks, those of the second call once threads that were started by then have gone to sleep."""
        if self.calls == 1:
            _settle()
        if self._progress:
            self._progress.note_queue(self.empty_queue())
        self._run_queue_begun_ns = clocks.run_queue_ns() or 0
        self._own_begun_ns = time.thread_time_ns()
        self._cpu_begun_ns = sensors.cpu_ns(())
        self._begun_ns = time.perf_counter_ns()

    def end(self, result: Any) -> None:
        """Stop the clocks."""
        wall_ns = time.perf_counter_ns() - self._begun_ns
        cpu_ns = sensors.cpu_ns(()) - self._cpu_begun_ns
        own_ns = time.thread_time_ns() - self._own_begun_ns
        run_queue_ns = (clocks.run_queue_ns() or 0) - self._run_queue_begun_ns
        if len(self._walls_ns) == 1:
            self._cpu_ns = self._run_queue_ns = 0  # the first call only warms up: it may have imported and connected
        self._cpu_ns += cpu_ns
        self._run_queue_ns += min(run_queue_ns, max(0, wall_ns - own_ns))  # the clocks are not read at the same moment
        self._walls_ns.append(wall_ns)
        self._own_ns.append(own_ns)
        self._results = [*self._results[: self.results_held - 1], result]
        self._compare(result)
        if self._is_large:
            self._held.append(result)
        if self._progress:
            self._progress.note(wall_ns, self.shown_item)

    def _compare(self, result: Any) -> None:
        """Compare a result with the first one, unless that has shown enough or takes long."""
        if self.calls < 2 or self.items or self._incomparable or self._comparing_ns > COMPARING_NS:
            return
        begun_ns = time.perf_counter_ns()
        self._incomparable = incomparable(self._results[0], result, "two calls")
        self._comparing_ns += time.perf_counter_ns() - begun_ns

    def growth(self) -> float | None:
        """Return how many times the CPU time of the first calls the last ones took; None if they took no longer.

        A call that keeps something, and goes through all of it, takes longer each time.
        """
        from statistics import median

        own_ns = self._own_ns[1 : self.calls - len(self._held)]  # fresh memory takes longer
        quarter = len(own_ns) // 4
        if self.items or quarter < FEWEST_OF_QUARTER:
            return None
        first_ns, last_ns = median(own_ns[:quarter]), min(own_ns[-quarter:])
        is_growing = min(own_ns[2 * quarter : 3 * quarter]) > first_ns > 0
        is_much = last_ns - first_ns > MUCH * median(self._walls_ns[1:])  # of calls that wait, it is nothing
        return last_ns / first_ns if is_growing and is_much and last_ns > GROWN * first_ns else None

    def figures(self) -> dict[str, Any]:
        """Return the figures."""
        from statistics import mean, median

        walls_ns = self._walls_ns[1:] or self._walls_ns
        counting = len(self._held) or len(walls_ns)
        middle_ns = mean(walls_ns) if self.items else median(walls_ns[-counting:])
        longest_ns = max(walls_ns)
        return {
            "calls": len(self._walls_ns),
            "calling_ns": sum(self._walls_ns) + self._comparing_ns,
            "first_ns": self._walls_ns[0],
            "wall_ns": max(1, round(middle_ns)),
            "items": len(self.items),
            "tried": len(walls_ns) if self.items else 0,
            "longest_ns": longest_ns,
            "longest_item": items.shown(self.items[walls_ns.index(longest_ns)]) if self.items else None,
            "growth": self.growth(),
            "cpu_share": self._cpu_ns / max(1, sum(walls_ns) - self._run_queue_ns),
            "incomparable": self._incomparable or incomparable(self._results[0], self.comparable, "two calls"),
        }


def _settle() -> None:
    """Wait, not for long, until no thread of this process uses its core: libraries' threads spin when they are new."""
    for _ in range(SETTLING):
        before_ns = time.process_time_ns()
        time.sleep(SETTLING_S)
        if time.process_time_ns() - before_ns < SETTLED * SETTLING_S * 1e9:
            return


def incomparable(first: Any, second: Any, of: str) -> str | None:
    """Return why two results, of two calls or two processes, can't stand for each other; None where they can."""
    try:
        return None if first == second else f"{of} gave results that are not equal"
    except Exception as error:  # arrays, for instance, give no single answer
        return f"results can't be compared with == ({type(error).__name__})"
