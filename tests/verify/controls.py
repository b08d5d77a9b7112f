"""Workloads of which it is known where their time goes."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

LOCK = threading.Lock()


def spin(cpu_s: float) -> None:
    """Work for so much time of a core, however long that takes."""
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        sum(range(200))


def sleep(seconds: float) -> None:
    """Wait, without holding on to anything."""
    time.sleep(seconds)


def locked(seconds: float) -> None:
    """Wait with the lock that all calls want."""
    with LOCK:
        time.sleep(seconds)


def uneven(item: int, cpu_s: float) -> None:
    """Work `item` + 1 times as long."""
    spin(cpu_s * (item + 1))


def small() -> int:
    """Work for some 100 us."""
    return sum(i * i for i in range(2500))


def numbers(count: int) -> list[int]:
    """Return so many numbers, of which each takes 3 bytes of a pickle."""
    return [256 + number % 60_000 for number in range(count)]


class Slow:
    """A result that takes a known time of a core to be pickled."""

    def __init__(self, cpu_s: float) -> None:
        self.cpu_s = cpu_s

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slow)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        spin(self.cpu_s)
        return Slow, (self.cpu_s,)


def slowly_pickled(cpu_s: float) -> Slow:
    """Work for some time, and return what takes as long to be pickled."""
    spin(cpu_s)
    return Slow(cpu_s)


async def wait_then_block(seconds: float) -> None:
    """Wait as a coroutine should, then block the loop for as long."""
    await asyncio.sleep(seconds)
    time.sleep(seconds)


def own_thread(cpu_s: float) -> None:
    """Let a thread of one's own do the work."""
    thread = threading.Thread(target=spin, args=(cpu_s,))
    thread.start()
    thread.join()


def logged(seconds: float) -> None:
    """Write to a log of which the handler takes its time, with the lock of the handler."""
    LOGGER.warning("so long: %s", seconds)


class SlowHandler(logging.Handler):
    """Takes as long as the record says."""

    def emit(self, record: logging.LogRecord) -> None:
        """Wait, as for a slow disk."""
        time.sleep(record.args[0])  # type: ignore[index, arg-type]


class Kept:
    """Has a value that takes its time the first time, and one lock for all instances up to Python 3.11."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @cached_property
    def value(self) -> None:
        """Wait, as for an answer."""
        time.sleep(self.seconds)


def kept(seconds: float) -> None:
    """Ask for a value that each call has for itself."""
    return Kept(seconds).value


async def in_thread(seconds: float) -> None:
    """Wait in a thread of the loop's default executor, which has `NARROW` threads."""
    loop = asyncio.get_running_loop()
    if not isinstance(getattr(loop, "_default_executor", None), Narrow):
        loop.set_default_executor(Narrow(NARROW))
    await asyncio.to_thread(time.sleep, seconds)


class Narrow(ThreadPoolExecutor):
    """An executor of known size."""


NARROW = 4

LOGGER = logging.getLogger(__name__)
LOGGER.addHandler(SlowHandler())
LOGGER.propagate = False
TABLE = {"key": 1}
BLOCK = bytes(16 << 20)


def private(n: int) -> None:
    """Read a table of the call's own `n` times."""
    table = {"key": 1}
    for _ in range(n):
        table["key"]


def shared(n: int) -> None:
    """Read the table of the module `n` times."""
    for _ in range(n):
        TABLE["key"]


def copied(n: int) -> None:
    """Copy a block that fits into no cache of a core `n` times."""
    for _ in range(n):
        bytearray(BLOCK)


def streamed(n: int) -> None:
    """Add arrays that fit into no cache of a core `n` times, without the GIL."""
    import numpy as np

    if not hasattr(ARRAYS, "sums"):
        ARRAYS.ones, ARRAYS.sums = np.ones(NUMBERS), np.empty(NUMBERS)
    for _ in range(n):
        np.add(ARRAYS.ones, ARRAYS.ones, out=ARRAYS.sums)


ARRAYS = threading.local()
NUMBERS = 4 << 20
