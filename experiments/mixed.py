"""Tasks that first wait and then compute, like a handler that queries a database."""

from __future__ import annotations

from . import cpu, io

SECONDS = 0.01
TURNS = 100_000
"""Turns of the loop that take about `SECONDS`."""


def work(io_share: float) -> int:
    """Sleep for so much of 10 ms, compute for the rest, and return what was computed."""
    io.wait(SECONDS * io_share)
    return cpu.nested_loop(1, turns(io_share))


async def work_async(io_share: float) -> int:
    """Do the same as a coroutine: it sleeps without blocking the event loop, and computes in it."""
    await io.wait_async(SECONDS * io_share)
    return cpu.nested_loop(1, turns(io_share))


async def work_blocking(io_share: float) -> int:
    """Do the same in a coroutine that awaits nothing: the event loop stands still while it sleeps."""
    return work(io_share)


def turns(io_share: float) -> int:
    """Return the turns of the loop that are left beside so much waiting."""
    return round(TURNS * (1 - io_share))
