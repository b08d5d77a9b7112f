"""CPU time that calls take in parallel beyond what the same calls take alone, and the machine's own part of it.

Calls in parallel share reference counts, cache lines, memory bandwidth, the threads of a core, and its frequency. The
control shares nothing but the machine: a loop that stays within the caches of its core.

Other processes make calls slower too, and the speed of a core may change between the batch and the calls alone. So
contention is not known where calls waited for a core that they should have had, unless it is many times as much as
they waited, and it must be seen twice.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import mean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import reference
from .fold import Budget
from .stamps import Taken

if TYPE_CHECKING:
    from ..registry import Each

MUCH = 0.05  # from this share of the workers' time, the control runs, and what is shared is looked for

BUSY = 0.05
"""From this share of their time that calls wait for a core, other processes have it: of a call alone, or of a batch
with no more workers than cores."""

CLEARLY_MORE = 6
"""Other processes do not explain contention of more than this many times the share that calls waited for a core."""

OTHERS = "other processes used the cores"

CONTROL_LOOPS = 6
"""The control runs so often in every worker; only runs beside all other workers count."""

HASHED, HASH_TURNS = bytes(16 << 10), 100  # some ms of C code that releases the GIL, within the first cache

Loop = tuple[int, int, int]  # its begin, its end, and its CPU time in ns


class Sample(NamedTuple):
    """A batch, and calls made alone after it with their places in the batch."""

    batch: Sequence[Taken]
    alone: Sequence[tuple[int, Taken]]


async def move(
    budget: Budget, sample: Sample, again: Callable[[], Awaitable[Sample]], are_alike: bool, cores: int
) -> str | None:
    """Move the CPU time that calls took beyond calls alone from `on_core` to `contention`; the sum stays.

    Return why it is not known, None if it is. There is nothing to compare where the calls run one at a time, or
    coroutines share a thread. Contention of `MUCH` or more must show in a second sample (`again`). If both are at least
    `MUCH` of the CPU time, their mean counts, as the smaller one would be biased low; else the smaller one counts.
    """
    if budget.in_own_thread or budget.lanes < 2 or not sample.alone:
        return None
    on_core_ns = budget.sums["on_core"]
    much = MUCH * sum(budget.sums.values()) / (on_core_ns or 1)
    part = excess(sample, are_alike)
    if part >= much:
        second = await again()
        parts = part, excess(second, are_alike)
        waited = max(waited_for_cores(each, budget.lanes <= cores) for each in (sample, second))
        if waited >= max(BUSY, min(parts) / CLEARLY_MORE):
            return OTHERS
        part = mean(parts) if min(parts) >= MUCH else min(parts)
    budget.sums["contention"] = round(on_core_ns * part)
    budget.sums["on_core"] = on_core_ns - budget.sums["contention"]
    return None


def excess(sample: Sample, are_alike: bool) -> float:
    """Return which part of the CPU time of a batch is beyond that of the same calls alone, 0 to 1.

    Calls that are alike are compared by their medians, as single ones may be the first to use their memory; alone, the
    later half counts, since caches become warm for one worker first. Others are compared one by one.
    """
    batch, alone = sample
    if are_alike:
        together_ns, apart_ns = float(median(call.cpu_ns for call in batch)), alone_ns(alone)
    else:
        together_ns, apart_ns = sum(batch[place].cpu_ns for place, _ in alone), sum(call.cpu_ns for _, call in alone)
    return max(0.0, 1 - apart_ns / together_ns) if together_ns > 0 else 0.0


def alone_ns(made: Sequence[tuple[int, Taken]]) -> float:
    """Return the CPU time of a call alone, of calls that are alike."""
    return float(median(call.cpu_ns for _, call in made[len(made) // 2 :]))


def waited_for_cores(sample: Sample, has_a_core_each: bool) -> float:
    """Return for which share of their time calls waited for a core that no call of the batch had.

    `has_a_core_each`: there are no more workers than cores. A call alone always has one.
    """
    alone = [call for _, call in sample.alone]
    return max(_queue_share(calls) for calls in (alone, *[sample.batch] * has_a_core_each))


def _queue_share(calls: Sequence[Taken]) -> float:
    return sum(call.run_queue_ns for call in calls) / max(1, sum(call.busy_ns for call in calls))


async def of_machine(budget: Budget, each: Each, releases_gil: bool) -> float | None:
    """Return the share of the workers' time that a control without any sharing would lose, too; None if not known.

    `releases_gil`: the workers share a GIL, so the control is C code that releases it. The control alone runs in the
    calling thread. Where it loses much it runs again, and the smaller part counts. The share is at most that of
    contention.
    """
    total_ns = sum(budget.sums.values())
    contention_ns = budget.sums["contention"]
    if not total_ns or contention_ns < MUCH * total_ns:
        return None
    control = _hash_loops if releases_gil else _interpreted_loops
    slower = await _slower(control, each)
    if slower is not None and slower >= MUCH:
        again = await _slower(control, each)
        slower = slower if again is None else min(slower, again)
    if slower is None:
        return None
    on_core_ns = budget.sums["on_core"] + contention_ns
    return round(min(contention_ns, slower * on_core_ns) / total_ns, 6)


async def _slower(control: Callable[[], list[Loop]], each: Each) -> float | None:
    """Return which part of its CPU time a control loses beside itself in all workers; None if it never ran so."""
    alone_ns = median(cpu_ns for _, _, cpu_ns in control())
    together_ns = [cpu_ns for _, _, cpu_ns in beside_all(await each(control))]
    return max(0.0, 1 - alone_ns / median(together_ns)) if together_ns and alone_ns else None


def beside_all(workers: Sequence[Sequence[Loop]]) -> list[Loop]:
    """Return the loops during which every other worker ran one, too."""
    if len(workers) < 2 or not all(workers):
        return []
    begun, ended = max(loops[0][0] for loops in workers), min(loops[-1][1] for loops in workers)
    return [loop for loops in workers for loop in loops if begun <= loop[0] and loop[1] <= ended]


def _interpreted_loops() -> list[Loop]:
    return _timed(reference.loop)


def _hash_loops() -> list[Loop]:
    import hashlib

    def loop() -> None:
        for _ in range(HASH_TURNS):
            hashlib.sha256(HASHED)

    return _timed(loop)


def _timed(loop: Callable[[], Any]) -> list[Loop]:
    found = []
    for _ in range(CONTROL_LOOPS):
        begun_ns, cpu_ns = time.monotonic_ns(), time.thread_time_ns()
        loop()
        found.append((begun_ns, time.monotonic_ns(), time.thread_time_ns() - cpu_ns))
    return found
