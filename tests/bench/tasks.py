"""Tasks of three sizes, plain and async, without arguments."""

from __future__ import annotations

import time


def empty() -> None:
    """Do nothing."""


async def empty_async() -> None:
    """Do nothing."""


def us100() -> None:
    """Keep a core busy for 100 us."""
    _spin(100_000)


async def us100_async() -> None:
    """Keep a core busy for 100 us."""
    _spin(100_000)


def ms1() -> None:
    """Keep a core busy for 1 ms."""
    _spin(1_000_000)


async def ms1_async() -> None:
    """Keep a core busy for 1 ms."""
    _spin(1_000_000)


def _spin(cpu_ns: int) -> None:
    # CPU time, not wall time: two threads that share the GIL must not count each other's waiting as work
    until_ns = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < until_ns:
        pass
