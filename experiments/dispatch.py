"""A task that does nothing, so its time is the time of dispatch."""

from __future__ import annotations


def nothing() -> None:
    """Do nothing."""


async def nothing_async() -> None:
    """Do nothing in the event loop."""
