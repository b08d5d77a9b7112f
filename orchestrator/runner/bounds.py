"""What bounds how many calls of a process run at once: executors, pools and semaphores that a function loads."""

from __future__ import annotations

import sys
from typing import Any

from . import references

EXECUTORS = (("concurrent.futures", "Executor"), ("multiprocessing.pool", "Pool"))
SEMAPHORES = (
    ("asyncio", "Semaphore"),
    ("anyio", "Semaphore"),
    ("anyio", "CapacityLimiter"),
    ("threading", "Semaphore"),
)
SIZES = ("_max_workers", "_processes", "_value", "value", "total_tokens")
"""Attributes with the size: of an executor, of a pool, and of a semaphore or limiter that nothing holds."""


def smallest(function: Any) -> dict[str, Any] | None:
    """Return what lets the fewest calls through at once of what a function loads, None where nothing is seen.

    `name` is as the code has it, and `most` how many of its `kind`: thread, process or semaphore.
    """
    found = {name: about for name, value in references.loaded(function) if (about := _bound(value))}
    if not found:
        return None
    name = min(found, key=lambda each: found[each][0])
    most, kind = found[name]
    return {"name": name, "most": most, "kind": kind}


def _bound(value: Any) -> tuple[int, str] | None:
    """Return how many an object lets through at once, and of what; None for an object that bounds nothing."""
    is_semaphore = _is_one_of(value, SEMAPHORES)
    if not is_semaphore and not _is_one_of(value, EXECUTORS):
        return None
    size = next((getattr(value, size) for size in SIZES if hasattr(value, size)), None)
    if not isinstance(size, int) or size < 1:  # a semaphore that is taken completely shows 0
        return None
    has_threads = any(cls.__name__.startswith("ThreadPool") for cls in type(value).__mro__)
    return size, "semaphore" if is_semaphore else "thread" if has_threads else "process"


def _is_one_of(value: Any, classes: tuple[tuple[str, str], ...]) -> bool:
    """Return whether a value is of one of some classes, whose modules may never have been imported."""
    known = tuple(getattr(sys.modules[module], name, ()) for module, name in classes if module in sys.modules)
    return any(isinstance(each, type) and issubclass(type(value), each) for each in known)
