"""A task that does nothing: what it takes is what handing it over takes."""

from __future__ import annotations


def nothing() -> None:
    """Do nothing."""


async def nothing_async() -> None:
    """Do nothing in the event loop."""
