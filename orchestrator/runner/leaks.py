"""What calls keep when they have returned: files and sockets that stay open, and memory."""

from __future__ import annotations

import functools
import gc
import itertools
import math
import os
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from . import imports
from .account import sensors
from .last_words import CLOSE
from .problem import Problem

LOOKS = 8  # calls between two counts of what is open

LEAKING = 0.9
"""The descriptors that calls leave open in the mean, at least."""

MANY = 10_000
"""Calls that must be possible before nothing more can be opened: a process of a run makes fewer, mostly."""

QUICK_NS, LONG_NS = 100_000_000, 1_000_000_000
"""A few more calls follow that are shorter than this, up to the second figure if the process has grown."""

GROWN = 1_000_000  # bytes a call
FEW_BLOCKS = 2  # of Python's small ones
LEAST = 1_000  # bytes that every call must keep: counters and sparse growth are no matter
FURTHER, FEWEST, ENOUGH_NS = 6, 4, 500_000_000
"""The further calls, the first of which only warms up, and how many there are at least if they take long."""

FRAMES, MOST_TRACES = 12, 20_000_000  # bytes that the traces of memory take: more would take seconds to read
MOST_TRACED_NS = 10_000_000_000
"""The time of the calls that are traced: an allocation takes many times as long then, the longer the more frames."""

EVENTS = ("open", "socket.__new__", "subprocess.Popen", "sqlite3.connect", "os.scandir")
"""Audit events that open descriptors."""


class Leaks:
    """Looks at the process after the calls of a pilot, and has it make a few more if something seems to be kept."""

    def __init__(self, name: str, held: int) -> None:
        """`held` is the number of results that the pilot holds: they may be open files."""
        self.left_open: dict[str, Any] | None = None
        """`what` each call leaves open, `at` which line, and how many `calls` can follow; None if nothing."""
        self.keeps: dict[str, Any] | None = None
        """The `bytes` that each call keeps, and `at` which line they were allocated; None if it keeps next to none."""
        self.is_short = False
        """Whether so much is open that the pilot must end."""
        self.spent_ns = 0
        """The time of the further calls."""
        self._name, self._base, self._calls = name, held, 0
        self._then: dict[int, str] = {}
        self._resident = 0

    def note(self) -> None:
        """Note that a call has returned."""
        self._calls += 1
        if self._calls % LOOKS == 0 and len(descriptors()) > _limit() / 2:
            self.is_short = True
        if self._calls == self._base:
            self._then, self._resident = descriptors(), _resident()

    def further(self, wall_ns: int) -> Iterator[int]:
        """Yield the number of each further call that is to be made, and look at what it keeps."""
        begun_ns = time.perf_counter_ns()
        if self._calls > self._base:
            a_call = self._opened_a_call()
            if a_call >= LEAKING:
                yield from self._find_opened(a_call)
            elif wall_ns < QUICK_NS or (wall_ns < LONG_NS and self._has_grown()):
                yield from self._measure()
        self.spent_ns = time.perf_counter_ns() - begun_ns

    def problem(self) -> Problem | None:
        """Return the problem of calls after which soon nothing can be opened any more."""
        left = self.left_open
        if left is None or left["calls"] >= MANY:
            return None
        what = f"{self._name} leaves {left['what']} open at each call{_at(left['at'])}, so that after about"
        what = f"{what} {left['calls']} calls its process can open no more (ulimit -n: {left['limit']})"
        return Problem("leaves_open", what, CLOSE)

    def _opened_a_call(self) -> float:
        gc.collect()  # what only a cycle of references holds is closed in time
        return (len(descriptors()) - len(self._then)) / (self._calls - self._base)

    def _find_opened(self, a_call: float) -> Iterator[int]:
        before = descriptors()
        with _opening() as places:
            yield 0
        gc.collect()
        after = descriptors()
        fresh = [target for number, target in after.items() if before.get(number) != target]
        if not fresh:
            return
        limit = _limit()
        calls = int(min(sys.maxsize, (limit - len(after)) / a_call))
        self.left_open = {"what": _shown(fresh), "at": _place(fresh, places), "calls": calls, "limit": limit}

    def _has_grown(self) -> bool:
        return _resident() - self._resident > GROWN * (self._calls - self._base)

    def _measure(self) -> Iterator[int]:
        """Yield further calls, and count what is allocated after each: with little to see, tracing is not needed.

        Tracing takes long where a call is deep: it counts the frames of each allocation.
        """
        blocks, sizes, made = array("q", [0] * FURTHER), array("q", [0] * FURTHER), 0  # the same memory for each figure
        begun_ns = time.perf_counter_ns()
        for number in range(FURTHER):
            yield number
            gc.collect()
            blocks[number], sizes[number], made = sys.getallocatedblocks(), _allocated(), number + 1
            if made >= FEWEST and time.perf_counter_ns() - begun_ns > ENOUGH_NS:
                break
        if _least_growth(blocks[:made]) >= FEW_BLOCKS or _least_growth(sizes[:made]) >= LEAST:
            yield from self._trace(made)

    def _trace(self, begin: int) -> Iterator[int]:
        """Yield further calls, and count the memory that was allocated since the first of them and is not freed.

        The first one shows how long it takes to trace one frame, and so for how many frames there is time.
        """
        import tracemalloc
        from statistics import median

        if tracemalloc.is_tracing():  # the function, or its library, has begun to
            return
        sizes: list[int] = []
        begun_ns = time.perf_counter_ns()
        with _tracing(1):
            yield begin
        frames = MOST_TRACED_NS // (FEWEST * max(1, time.perf_counter_ns() - begun_ns))
        if not frames:
            return
        begun_ns = time.perf_counter_ns()
        with _tracing(min(FRAMES, frames)):
            for number in range(1, FURTHER + 1):
                yield begin + number
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
                if number >= FEWEST and time.perf_counter_ns() - begun_ns > ENOUGH_NS:
                    break
            grown = [after - before for before, after in itertools.pairwise(sizes)]
            if _least_growth(sizes) >= LEAST:
                self.keeps = {"bytes": round(median(grown)), "at": _allocated_at()}


@contextmanager
def _tracing(frames: int) -> Iterator[None]:
    """Trace the memory of this process in the `with` block, but not that of processes that are forked there."""
    import tracemalloc

    is_on = [True]

    def stop_in_child() -> None:
        if is_on:
            tracemalloc.stop()

    os.register_at_fork(after_in_child=stop_in_child)
    tracemalloc.start(frames)
    try:
        yield
    finally:
        is_on.clear()  # it can't be unregistered
        tracemalloc.stop()


def descriptors() -> dict[int, str]:
    """Return what each descriptor of this process stands for; empty where the system has no /proc."""
    found: dict[int, str] = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # that of the list itself
                found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _limit() -> float:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


def _least_growth(figures: Sequence[int]) -> int:
    return min(after - before for before, after in itertools.pairwise(figures))


def _allocated() -> int:
    """Return the bytes that malloc has given out (without Python's small blocks), or about those of the process."""
    import ctypes

    try:
        look = ctypes.CDLL(None).mallinfo2  # of glibc 2.33
    except AttributeError:
        return _resident()

    class Info(ctypes.Structure):
        _fields_ = [(f"field{place}", ctypes.c_size_t) for place in range(10)]

    look.restype = Info
    found = look()
    return int(found.field4 + found.field7)  # hblkhd: by mmap; uordblks: the others


def _resident() -> int:
    return sensors.sizes("/proc/self/status").get("RssAnon", 0)


@contextmanager
def _opening() -> Iterator[list[tuple[str, str, str]]]:
    """Yield a list to which event, path and line are added of what the user's code opens in the `with` block."""
    is_on = [True]

    def note(event: str, about: tuple[Any, ...]) -> None:
        if is_on and event in EVENTS and (line := imports.their_line(sys._getframe())):
            path = os.path.realpath(os.fsdecode(about[0])) if isinstance(about[0], (str, bytes)) else ""
            places.append((event, path, imports.brief(line)))

    places: list[tuple[str, str, str]] = []
    sys.addaudithook(note)
    try:
        yield places
    finally:
        is_on.clear()  # a hook can't be removed


def _place(targets: Iterable[str], places: list[tuple[str, str, str]]) -> str:
    """Return the line that has opened one of some targets; "" where it is not known."""
    paths = {target.removesuffix(" (deleted)") for target in targets}
    exact = [line for _, path, line in places if path in paths]
    sockets = [line for event, _, line in places if event == "socket.__new__"]
    of_kind = sockets if any(path.startswith("socket:") for path in paths) else []
    return next(iter((*exact, *of_kind, *(line for _, _, line in places))), "")


def _shown(targets: Iterable[str]) -> str:
    """Return kinds and numbers of descriptors, such as `1 file (data.csv) and 2 sockets`."""
    kinds = Counter(_kind(target) for target in targets)
    files = [imports.shown(target) for target in targets if _kind(target) == "file"]
    texts = [f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items()]
    texts = [f"{text} ({files[0]})" if " file" in text else text for text in texts]
    return " and ".join(texts)


def _kind(target: str) -> str:
    known = {"socket:": "socket", "pipe:": "pipe", "/": "file"}
    return next((kind for start, kind in known.items() if target.startswith(start)), "descriptor")


def _at(place: str) -> str:
    return f" ({place})" if place else ""


def _allocated_at() -> str:
    """Return the line of the user's code that has allocated most of what is traced; "" if there is no such line."""
    import tracemalloc

    if tracemalloc.get_tracemalloc_memory() > MOST_TRACES:
        return ""
    is_theirs = functools.cache(imports.is_their_file)  # there may be 100,000 frames, of a few files
    sizes: Counter[str] = Counter()
    for stat in tracemalloc.take_snapshot().statistics("traceback"):
        theirs = [frame for frame in stat.traceback if is_theirs(frame.filename)]
        if theirs:
            sizes[f"{imports.shown(theirs[-1].filename)}:{theirs[-1].lineno}"] += stat.size
    return sizes.most_common(1)[0][0] if sizes else ""
