"""Lines of the workload: a thread that looks, every so often, where the threads in calls are and what they wait for.

What a thread waits for is known to the shim. The one that had the GIL is the one that began to wait for it when the
sampler asked for it. The one that holds a lock is not known to Python: it is named where a single call does not wait.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import gil
from . import clocks, places, stamps
from .clocks import Seen
from .places import Place

SHORTEST_S, LONGEST_S, LOOKS = 0.005, 0.01, 4
"""Between looks; the shortest first, as a batch may be short, and twice as long after every so many looks at calls."""

KINDS = ("on_core", "gil_held", "lock", "lock_held", "blocked")


class Sampler:
    """What was seen of the calls of this process."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Begin with nothing seen; `function` is what the calls call."""
        self._looks = 0
        self.seen: dict[str, Counter[Place]] = {kind: Counter() for kind in KINDS}
        self.threads: set[int] = set()
        """The system's id of the sampling thread."""
        self.missing: str | None = None
        """Why there are no lines."""
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
        self._native = Place(f"{module}.{name}" if module else name or repr(function), "", 0)

    def figures(self) -> dict[str, Any]:
        """Return the lines where most of each share was spent, and why there are none."""
        found = {f"{kind}_at": places.most(seen) for kind, seen in self.seen.items()}
        return {**found, "lines_missing": self.missing}

    @property
    def interval_s(self) -> float:
        """How long to wait until the next look."""
        return min(LONGEST_S, SHORTEST_S * float(2 ** (self._looks // LOOKS)))

    def look(self, threads: Sequence[Seen], asked_ns: int) -> None:
        """Add what the threads in calls do now; the sampler asked for the GIL at `asked_ns`."""
        if not threads:
            return
        self._looks += 1
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


def _unable(is_elsewhere: bool, in_greenlets: bool) -> str | None:
    """Return why no thread of this process can see what the calls do."""
    if is_elsewhere:
        return "the calls run in other processes or interpreters"
    if in_greenlets:
        return "the calls are greenlets, which share the frames of one thread"
    if not clocks.HAS_SHIM:
        return "what threads wait for is not known without the preload library"
    if not gil.enabled():
        return "without a GIL, the lines of threads that run can't be read"
    return None if os.path.isdir("/proc/self/task") else "whether threads run can't be read in /proc"


@contextmanager
def sampling(function: Callable[..., Any], is_elsewhere: bool, in_greenlets: bool = False) -> Iterator[Sampler]:
    """Look at the calls of this process meanwhile, where that can be done; `is_elsewhere`: they run in others.

    A process that starts workers by `fork` must have no further thread.
    """
    sampler = Sampler(function)
    sampler.missing = _unable(is_elsewhere, in_greenlets)
    if sampler.missing:
        yield sampler
        return
    ended, begun = threading.Event(), threading.Event()

    see = clocks.calls_seer()

    def look_often() -> None:
        sampler.threads.add(threading.get_native_id())
        begun.set()
        while True:
            asked_ns = time.monotonic_ns() + int(sampler.interval_s * 1e9)
            if ended.wait(sampler.interval_s):
                break
            sampler.look(see(), asked_ns)

    thread = threading.Thread(target=look_often, name="orchestrator sampler", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        sampler.missing = f"the thread that looks can't be started ({error})"
        yield sampler
        return
    begun.wait()
    try:
        yield sampler
    finally:
        ended.set()
        thread.join()
