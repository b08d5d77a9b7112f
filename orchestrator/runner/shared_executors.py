"""Executors and pools that a function takes its threads or processes from, and that all its calls share."""

from __future__ import annotations

import sys
from typing import Any

from . import references

SIZES = ("_max_workers", "_processes")  # of an executor, and of a pool of multiprocessing


def smallest(function: Any) -> dict[str, Any] | None:
    """Return the executor with the fewest workers that a function loads, None where none is seen.

    `name` is as the code has it, and `workers` its number of `kind`: thread or process.
    """
    found = {name: about for name, value in references.loaded(function) if (about := _executor(value))}
    if not found:
        return None
    name = min(found, key=lambda each: found[each][0])
    workers, kind = found[name]
    return {"name": name, "workers": workers, "kind": kind}


def _executor(value: Any) -> tuple[int, str] | None:
    """Return the number of an executor's workers, and what they are; None for another value."""
    bases = (("concurrent.futures", "Executor"), ("multiprocessing.pool", "Pool"))
    known = tuple(getattr(sys.modules[module], name) for module, name in bases if module in sys.modules)
    if not issubclass(type(value), known):  # isinstance would ask a proxy for its class
        return None
    size = next((getattr(value, size) for size in SIZES if hasattr(value, size)), None)
    if not isinstance(size, int):
        return None
    has_threads = any(cls.__name__.startswith("ThreadPool") for cls in type(value).__mro__)
    return size, "thread" if has_threads else "process"
