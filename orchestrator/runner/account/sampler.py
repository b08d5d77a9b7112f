"""Lines of the workload: a thread that looks, every so often, where the threads in calls are and what they wait for.

What a thread waits for is known to the shim. The one that had the GIL is the one that began to wait for it when the
sampler asked for it. The one that holds a lock is not known to Python: it is named where a single call does not wait.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import gil
from . import clocks, places, stamps
from .clocks import Seen
from .places import Place

if TYPE_CHECKING:
    from ..registry import Each

SHORTEST_S, LONGEST_S, LOOKS = 0.005, 0.01, 4
"""Between looks; the shortest first, as a batch may be short, and twice as long after every so many looks at calls."""

LONGEST_IN_VAIN_S = 0.16
"""Each look between calls doubles the time until the next: a thread gives its GIL away between short calls, hardly
ever in them, so that further looks would find none."""

IN_VAIN = "every sample fell between calls, as happens where calls are short"
"""Why there are no lines, although a thread has looked."""

KINDS = ("on_core", "gil_held", "lock", "lock_held", "blocked")


class Found(NamedTuple):
    """What was seen in a worker process, by how many looks at calls and between calls, and their CPU time."""

    seen: dict[str, Counter[Place]]
    looks: int
    in_vain: int
    cpu_ns: int


def native(function: Callable[..., Any]) -> Place:
    """Return the place of calls of a function while they have no frame."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    return Place(f"{module}.{name}" if module else name or repr(function), "", 0)


class Sampler:
    """What was seen of the calls."""

    def __init__(self, native: Place, missing: str | None = None) -> None:
        """Begin with nothing seen; `native` is where calls without a frame are, `missing` why nothing can be seen."""
        self.looks = self.in_vain = 0
        """How many looks were at calls, and how many of the last ones were between calls."""
        self.begun = 0
        """How many calls had begun at the last look."""
        self.seen: dict[str, Counter[Place]] = {kind: Counter() for kind in KINDS}
        self.threads: set[int] = set()
        """The system's id of the sampling thread."""
        self.missing = missing
        """Why there are no lines."""
        self.far_cpu_ns = 0
        """The CPU time of looking in worker processes."""
        self._native = native

    def figures(self) -> dict[str, Any]:
        """Return the lines where most of each share was spent, and why there are none."""
        found = {f"{kind}_at": places.most(seen) for kind, seen in self.seen.items()}
        only_in_vain = IN_VAIN if self.in_vain and not self.looks else None
        return {**found, "lines_missing": self.missing or only_in_vain}

    def add(self, found: Found) -> None:
        """Add what was seen in a worker process."""
        self.looks += found.looks
        self.in_vain += found.in_vain
        self.far_cpu_ns += found.cpu_ns
        for kind, seen in found.seen.items():
            self.seen[kind] += seen

    @property
    def interval_s(self) -> float:
        """How long to wait until the next look."""
        if self.in_vain:
            return _doubled_s(self.in_vain, LONGEST_IN_VAIN_S)
        return _doubled_s(self.looks // LOOKS, LONGEST_S)

    def look(self, threads: Sequence[Seen], begun: int, asked_ns: int) -> None:
        """Add what the threads in calls do now; `begun` calls have begun, and the GIL was asked for at `asked_ns`."""
        have_begun, self.begun = begun > self.begun, begun
        if not threads:
            self.in_vain += have_begun
            return
        self.in_vain = 0
        self.looks += 1
        frames = sys._current_frames()
        here = {each.thread: self._place(frames[each.thread]) for each in threads if each.thread in frames}
        threads = [each for each in threads if each.thread in here]
        since = [each.since for each in threads if each.doing == clocks.AWAITS_GIL and each.since >= asked_ns]
        working: list[Place] = []
        awaits_gil = 0
        for each in threads:
            if each.doing == clocks.AWAITS_LOCK:
                self.seen["lock"][here[each.thread]] += 1
            elif each.doing == clocks.AWAITS_GIL and each.since != max(since, default=0):
                awaits_gil += 1
            else:
                holds = each.doing == clocks.AWAITS_GIL
                self.seen["on_core" if holds or _runs(each.id) else "blocked"][here[each.thread]] += 1
                working.append(here[each.thread])
                if holds:
                    self.seen["gil_held"][here[each.thread]] += len(threads) > 1
        others = len(threads) - awaits_gil - len(working)
        if others and len(working) == 1:
            self.seen["lock_held"][working[0]] += others

    def _place(self, frame: Any) -> Place:
        return places.place(frame, stamps.CALLERS) or self._native


def _doubled_s(times: int, most_s: float) -> float:
    most_times = math.ceil(math.log2(most_s / SHORTEST_S))  # 2.0 to the power of all looks would overflow
    return min(most_s, SHORTEST_S * 2.0 ** min(times, most_times))


def _runs(thread: int) -> bool:
    """Return whether a thread of this process is on a core, or waits for one."""
    try:
        file = os.open(f"/proc/self/task/{thread}/stat", os.O_RDONLY)  # a third of the time that open() takes
    except OSError:
        return False  # it has ended
    try:
        return os.read(file, 4096).rpartition(b") ")[2].startswith(b"R")
    finally:
        os.close(file)


class Sampling:
    """A thread that looks at the calls of this process until `end`."""

    def __init__(self, sampler: Sampler) -> None:
        """Start it, or say in `sampler.missing` why it can't be; a failure is none of the account."""
        self.sampler = sampler
        self.cpu_ns = 0
        self._ended, self._begun = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        sampler.missing = sampler.missing or _unable()
        if sampler.missing:
            return
        thread = threading.Thread(target=self._look_often, name="orchestrator sampler", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            sampler.missing = f"the thread that looks can't be started ({error})"
            return
        self._thread = thread
        self._begun.wait()

    def _look_often(self) -> None:
        try:
            see, sampler = clocks.calls_seer(), self.sampler
            sampler.threads.add(threading.get_native_id())
            _, sampler.begun = see()
        finally:
            self._begun.set()
        while True:
            asked_ns = time.monotonic_ns() + int(sampler.interval_s * 1e9)
            if self._ended.wait(sampler.interval_s):
                break
            sampler.look(*see(), asked_ns)
        self.cpu_ns = time.thread_time_ns()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        if self._thread:
            self._thread.join()


def _unable() -> str | None:
    """Return why a thread can't see what others do."""
    if not clocks.HAS_SHIM:
        return "what threads wait for is not known without the preload library"
    if not gil.enabled():
        return "without a GIL, the lines of threads that run can't be read"
    if not os.path.isdir("/proc/self/task"):
        return "whether threads run can't be read in /proc"
    return None


_there: list[Sampling] = []  # in a worker process, what looks there


def _begin_there(native: Place, runner_pid: int) -> str | None:
    """Look at the calls of this worker process from now on; return why that can't be done."""
    if os.getpid() == runner_pid:
        return "the calls are sent to interpreters or threads of this process"
    if reason := _unable():
        return reason
    if not _there:  # else another worker of this process has begun
        _there.append(Sampling(Sampler(native)))
    return _there[0].sampler.missing


def _end_there() -> Found | None:
    """Stop looking in this worker process, and return what was seen."""
    if not _there:
        return None
    sampling = _there.pop()
    sampling.end()
    found = sampling.sampler
    return Found(found.seen, found.looks, found.in_vain, sampling.cpu_ns)


@asynccontextmanager
async def sampling(native: Place, each: Each | None, missing: str | None) -> AsyncIterator[Sampler]:
    """Look at the calls meanwhile, where that can be done; `missing` is why it can't.

    `each` calls a function in every worker, where the calls run in other processes. A process that starts workers by
    `fork` must have no further thread.
    """
    sampler = Sampler(native, missing)
    if missing or each is None:
        here = Sampling(sampler)
        try:
            yield sampler
        finally:
            here.end()
        return
    reasons = await each(functools.partial(_begin_there, native, os.getpid()))
    sampler.missing = next((reason for reason in reasons if reason), None)
    yield sampler  # after a failure the workers end, and their threads with them
    for found in await each(_end_there):
        if found:
            sampler.add(found)
