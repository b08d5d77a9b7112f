"""The trials of an open loop: windows of arrivals, each as the raw times of its calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from . import arrivals
from .arrival_times import offsets_ns
from .arrivals import Window
from .call import Call
from .registry import Submit, WorkerLost
from .soundness import Unsound

MOST_RAW = 5_000
"""The calls of a window whose times are kept one by one; of more, rounded ones are counted."""

DIGITS = 8  # significant bits of a rounded time: an error of 0.2 % at most

ACCOUNT_NS, ACCOUNT_CALLS = 1_000_000_000, 50
"""The length of the instrumented window, or that in which so many calls arrive; at most that of the others."""

WARM_NS, WARM_DRAIN_NS = 100_000_000, 1_000_000_000
"""The length of the untimed window before the first one, and the time that its calls have to end."""


class Windows:
    """What one variant's windows have in common; `run` makes one."""

    def __init__(self, submit: Submit, about: dict[str, Any]) -> None:
        self._submit = submit
        self._process, self._rate, self._window_ns = about["process"], about["rate"], about["window_ns"]
        self._seed = about["seed"]
        self.left_running = 0
        """The calls of the last window that go on: a request to all workers would wait for them."""
        self.failed = 0
        """The calls of all windows that raised an exception."""

    async def warm(self, call: Call, items: Sequence[Any], call_ns: int) -> None:
        """Run a short window, so that all that takes a single call is up; raises Unsound where calls are too long."""
        if call_ns > self._window_ns:
            longer = f"give `arrivals.window` {10 * call_ns / 1e9:.3g}s or more"
            raise Unsound(
                f"a call takes {call_ns / 1e9:.3g} s, longer than the window of {self._window_ns / 1e9:.3g} s; {longer}"
            )
        at_ns = offsets_ns("constant", self._rate, min(WARM_NS, self._window_ns), self._seed) or [0]
        _check(await self._window(call, items[:1], at_ns, WARM_DRAIN_NS))

    async def run(self, call: Call, items: Sequence[Any], number: int) -> dict[str, Any]:
        """Return the window of a round: its arrivals follow from the block's seed and the round's number alone."""
        at_ns = offsets_ns(self._process, self._rate, self._window_ns, self._seed + number)
        window = await self._window(call, items, at_ns, self._window_ns)
        _check(window)
        return summary(window)

    def accounted(self, number: int) -> tuple[list[int], int]:
        """Return the arrivals of the instrumented window, which are none of the others', and the time for its drain."""
        length_ns = min(self._window_ns, max(ACCOUNT_NS, round(ACCOUNT_CALLS / self._rate * 1e9)))
        return offsets_ns(self._process, self._rate, length_ns, self._seed + number), length_ns

    async def _window(self, call: Call, items: Sequence[Any], at_ns: Sequence[int], drain_ns: int) -> Window:
        window = await arrivals.run(self._submit, call, items, at_ns, drain_ns)
        self.left_running = window.count("running")
        self.failed += window.count("failed")
        return window


def _check(window: Window) -> None:
    """Raise WorkerLost where a call was lost with its worker, and Unsound where all calls that ended have failed."""
    lost = [place for place, text in window.errors.items() if window.ended_ns[place] < 0]
    if lost:
        raise WorkerLost(window.errors[min(lost)])
    if window.errors and not window.count("ended"):
        raise Unsound(f"every call failed, the first with {next(iter(window.errors.values()))}")


def summary(window: Window) -> dict[str, Any]:
    """Return the fields of `window.finished` that the calls show."""
    ended = [place for place, outcome in enumerate(window.outcomes) if arrivals.OUTCOMES[outcome] == "ended"]
    begun_ns, offsets = window.begun_ns, window.offsets_ns
    arrived_span_ns, ended_span_ns = _spans(window, ended)
    late = sorted(_late_ns(window))
    return {
        "started_ns": begun_ns,
        "wall_ns": max(1, window.drained_ns - begun_ns),
        "calls": len(offsets),
        **{outcome: window.count(outcome) for outcome in arrivals.OUTCOMES},
        "error": next((text[:200] for _, text in sorted(window.errors.items())), None),
        "latency_total_ns": sum(window.ended_ns[place] - begun_ns - offsets[place] for place in ended),
        "queue_total_ns": sum(_queued_ns(window, place) for place in ended),
        "arrived_span_ns": arrived_span_ns,
        "ended_span_ns": ended_span_ns,
        "late_p99_ns": late[min(len(late) - 1, int(0.99 * len(late)))] if late else None,
        "late_max_ns": late[-1] if late else None,
        "late_calls": len(late),
        **_times(window, ended),
    }


def _queued_ns(window: Window, place: int) -> int:
    """Return how long a call waited for a worker."""
    return max(0, window.started_ns[place] - window.begun_ns - window.offsets_ns[place])


def _times(window: Window, ended: Sequence[int]) -> dict[str, Any]:
    """Return the latency and the wait of each call in the order of arrival, or rounded latencies with counts."""
    if len(window.outcomes) > MOST_RAW:
        counts = Counter(
            rounded(window.ended_ns[place] - window.begun_ns - window.offsets_ns[place]) for place in ended
        )
        values = sorted(counts)
        return {"rounded_latency_ns": values, "rounded_calls": [counts[value] for value in values]}
    latency: list[int | None] = [None] * len(window.outcomes)
    queue: list[int | None] = [None] * len(window.outcomes)
    for place in ended:
        latency[place] = window.ended_ns[place] - window.begun_ns - window.offsets_ns[place]
        queue[place] = _queued_ns(window, place)
    return {"latency_ns": latency, "queue_ns": queue}


def rounded(ns: int) -> int:
    """Return a time with `DIGITS` significant bits, the middle of all that are rounded to it."""
    shift = max(0, ns.bit_length() - DIGITS)
    return ns if not shift else (ns >> shift << shift) + (1 << shift >> 1)


def _spans(window: Window, ended: Sequence[int]) -> tuple[int, int]:
    """Return in which time the middle 80 % of the ended calls arrived, and in which they ended.

    The same where all are served as they come; the quotient is the share of the rate that was achieved, whatever the
    last call took.
    """
    low, high = len(ended) // 10, len(ended) - 1 - len(ended) // 10
    if high <= low:
        return 0, 0
    ends = sorted(window.ended_ns[place] for place in ended)
    return window.offsets_ns[ended[high]] - window.offsets_ns[ended[low]], ends[high] - ends[low]


def _late_ns(window: Window) -> list[int]:
    """Return how late the calls were submitted that found all workers idle, which is the dispatcher's own lateness."""
    found = []
    last_ns = 0
    for place, offset_ns in enumerate(window.offsets_ns):
        intended_ns = window.begun_ns + offset_ns
        if last_ns <= intended_ns:
            found.append(window.submitted_ns[place] - intended_ns)
        # a call without an end keeps a worker busy, as far as is known
        last_ns = max(last_ns, window.ended_ns[place] if window.ended_ns[place] >= 0 else window.drained_ns)
    return found
