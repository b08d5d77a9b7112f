"""Waits of coroutines for what serves only so many calls at once: a thread of an executor, a limiter, a lock.

Only waits that begin while all of it is taken count: handing a call to a free thread is dispatch.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from . import places
from .places import Place
from .stamps import CALLERS

Span = tuple[int, int]
Kind = tuple[str, "int | None"]  # what was waited for, and how many calls it serves at once, if that is known

DEFAULT_PREFIX = "asyncio"  # of the names of the threads of a loop's default executor, also in uvloop


class Waits(dict[Kind, list[Span]]):
    """What coroutines waited for, with the begin and end of each wait."""

    def __init__(self) -> None:
        """Begin with no wait."""
        self.seen: Counter[Place] = Counter()
        """The lines that waited."""
        self.selects: list[Span] = []
        """When the loop had nothing to do (`loops.watched`); empty where it does not show, as in uvloop."""
        self.wanted: Counter[Kind] = Counter()
        """The most calls at once that had, or waited for, a thread of each executor."""

    def spans(self, kind: Kind) -> list[Span]:
        """Return the waits for `kind`, to append to; its line is that of the caller."""
        if found := places.of_caller(CALLERS):
            self.seen[found] += 1
        return self.setdefault(kind, [])


@contextmanager
def watched(is_async: bool) -> Iterator[Waits]:
    """Yield what the coroutines of the running loop wait for meanwhile, with the begin and end of each wait.

    Nothing is watched where the calls are plain functions, as their model may use executors.
    """
    waits = Waits()
    if not is_async:
        yield waits
        return
    with ExitStack() as stack:
        if executors := sys.modules.get("concurrent.futures.thread"):
            stack.enter_context(_replaced(executors.ThreadPoolExecutor, "submit", _timed_submit(waits)))
        if backend := sys.modules.get("anyio._backends._asyncio"):
            stack.enter_context(_replaced(backend.CapacityLimiter, "acquire_on_behalf_of", _timed_limiter(waits)))
        if locks := sys.modules.get("asyncio.locks"):
            stack.enter_context(_replaced(locks.Semaphore, "acquire", _timed_acquire(waits, "semaphore")))
            stack.enter_context(_replaced(locks.Lock, "acquire", _timed_acquire(waits, "asyncio lock")))
        yield waits


@contextmanager
def _replaced(owner: Any, name: str, wrapped: Callable[[Any], Any]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, wrapped(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _timed_submit(waits: Waits) -> Callable[[Any], Any]:
    loop_thread = threading.get_ident()
    taken: dict[int, deque[None]] = {}

    def wrapped(submit: Any) -> Any:
        def timed(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != loop_thread:
                return submit(self, function, *args, **kwargs)
            size = self._max_workers
            own = taken.setdefault(id(self), deque())
            begins = function
            if len(own) >= size:
                name = "default executor" if self._thread_name_prefix.startswith(DEFAULT_PREFIX) else "executor"
                kind = name, size
                begins = _timed_begin(function, waits.spans(kind))
                waits.wanted[kind] = max(waits.wanted[kind], len(own) + 1)
            own.append(None)
            try:
                future = submit(self, begins, *args, **kwargs)
            except BaseException:
                own.pop()
                raise
            future.add_done_callback(lambda _: own.pop())
            return future

        return timed

    return wrapped


def _timed_begin(function: Any, spans: list[Span]) -> Any:
    submitted_ns = time.monotonic_ns()

    def begins(*args: Any, **kwargs: Any) -> Any:
        spans.append((submitted_ns, time.monotonic_ns()))
        return function(*args, **kwargs)

    return begins


def _timed_limiter(waits: Waits) -> Callable[[Any], Any]:
    def wrapped(acquire: Any) -> Any:
        async def timed(self: Any, borrower: object) -> None:
            begun_ns = time.monotonic_ns() if self.available_tokens <= 0 else 0
            await acquire(self, borrower)
            if begun_ns:
                spans = waits.spans(("limiter", int(min(self.total_tokens, sys.maxsize))))
                spans.append((begun_ns, time.monotonic_ns()))

        return timed

    return wrapped


def _timed_acquire(waits: Waits, name: str) -> Callable[[Any], Any]:
    """Return what times the waits for a semaphore of asyncio, or for one of its locks, which lets one call through."""
    import asyncio

    try:
        of_model = asyncio.current_task()  # the task that runs the batch bounds the calls in flight with one
    except RuntimeError:
        of_model = None

    def wrapped(acquire: Any) -> Any:
        async def timed(self: Any) -> Any:
            begun_ns = time.monotonic_ns() if self.locked() and asyncio.current_task() is not of_model else 0
            acquired = await acquire(self)
            if begun_ns:
                spans = waits.spans((name, 1 if name == "asyncio lock" else getattr(self, "_bound_value", None)))
                spans.append((begun_ns, time.monotonic_ns()))
            return acquired

        return timed

    return wrapped
