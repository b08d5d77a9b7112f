"""Work that waits."""

from __future__ import annotations

import time


def wait(seconds: float) -> float:
    """Sleep as a blocking call does, for instance to a database, and return the time asked for."""
    time.sleep(seconds)
    return seconds


async def wait_async(seconds: float) -> float:
    """Sleep in the event loop."""
    import anyio

    await anyio.sleep(seconds)
    return seconds


async def wait_blocking(seconds: float) -> float:
    """Wait in a coroutine that awaits nothing: the event loop stands still meanwhile."""
    return wait(seconds)
