"""Signals: the first one interrupts a run, which then ends cleanly; the second one ends the program at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from ..errors import first_of
from ..supervisor.environment import RunnerEnvironment, runner_environment
from ..supervisor.interrupt import Interrupt, Interrupted

T = TypeVar("T")

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

TURNS = 8  # turns of the event loop: a signal needs fewer to reach the list of signals

SAME_S = 1.0  # two SIGHUP within this time count as one

_stop: ContextVar[Stop | None] = ContextVar("stop", default=None)


class Stop:
    """Ends a measurement that runs outside the main thread, which is the only one that gets signals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._end: Callable[[], None] | None = None

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set

    def set(self) -> None:
        """End what is measured, or what begins to be measured later, as SIGINT would."""
        with self._lock:
            self._is_set = True
            if self._end:
                self._end()

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Let what is measured in the `with` block be ended by this, and not by signals."""
        token = _stop.set(self)
        try:
            yield
        finally:
            _stop.reset(token)

    @contextmanager
    def calling(self, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` when it is set in the `with` block, or has been before."""
        with self._lock:
            self._end = end
            if self._is_set:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._end = None


def interruptible(work: Callable[[RunnerEnvironment, Interrupt], T]) -> T:
    """Return what `work` returns; it runs in a thread, and a signal ends it and its runners with SystemExit."""

    async def watched() -> T:
        async with watching_signals() as (runner_env, interrupt, _):
            return await anyio.to_thread.run_sync(work, runner_env, interrupt)

    return in_loop(watched)


@contextmanager
def exiting_on_signal() -> Iterator[None]:
    """Raise SystemExit with 128+N in the block at the first signal that ends a program, so that the block cleans up."""

    def end(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)  # the second signal ends the program at once
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ignoring_signals() -> Iterator[None]:
    """Ignore the signals that end a program in the block, also in the processes that it starts: it cleans up."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what the coroutine function returns in an event loop of its own; raises the first error of a group."""
    try:
        return anyio.run(main)
    except BaseExceptionGroup as group:
        raise first_of(group) from None


@asynccontextmanager
async def watching_signals() -> AsyncIterator[tuple[RunnerEnvironment, Interrupt, list[int]]]:
    """Yield the runner environment, an interrupt that signals set, and the signals; Interrupted becomes SystemExit.

    Within `Stop.heeded` it is the stop that sets the interrupt, and counts as SIGINT.
    """
    with runner_environment() as runner_env, closing(Interrupt()) as interrupt:
        signals: list[int] = []
        async with _watched(interrupt, signals):
            try:
                yield runner_env, interrupt, signals
            except Interrupted:
                raise SystemExit(128 + signals[0]) from None


@asynccontextmanager
async def _watched(interrupt: Interrupt, signals: list[int]) -> AsyncIterator[None]:
    """Let signals, or the stop that takes their place, set the interrupt in the `async with` block."""
    stop = _stop.get()
    if stop is not None:

        def end() -> None:
            signals.append(signal.SIGINT)
            interrupt.set()

        with stop.calling(end):
            yield
        return
    async with anyio.create_task_group() as group:
        await group.start(_interrupt_on_signal, interrupt, signals)
        yield
        for _ in range(TURNS):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


async def _interrupt_on_signal(interrupt: Interrupt, received: list[int], *, task_status: Any) -> None:
    """Set the interrupt at the first signal, and end this process at the second one; the reaper then cleans up.

    Signals ignored at the start (nohup) stay ignored. A closed terminal sends two SIGHUP, which count as one signal.
    """
    watched = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    with anyio.open_signal_receiver(*watched) as signals:
        task_status.started()
        first_s = 0.0
        async for number in signals:
            if number == signal.SIGHUP and number in received and time.monotonic() - first_s < SAME_S:
                continue
            if received:
                from rich.console import Console

                Console(stderr=True).show_cursor()  # which a live display has hidden
                with suppress(OSError):
                    os.write(2, b"orchestrator: ended at once by a second signal; finished blocks are in the journal\n")
                os._exit(128 + number)
            received.append(number)
            first_s = time.monotonic()
            interrupt.set()
