"""What the threads of an interpreter without a GIL share: objects whose counts and locks change hands in a batch.

Candidates are what the code of the function loads: globals, closures, defaults, arguments, constants, and one level of
what these hold. While a batch runs, a thread reads the shared part of each one's reference count, and its lock. That
of an object that is immortal, or that is only used by the thread that owns it, never changes.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
import types
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from .. import references
from ..call import Call
from ..error_text import named

NAMED = 3  # at most so many objects are named

MOST, DEPTH, WITHIN = 400, 3, 50
"""Bounds of the search: candidates, functions that call functions, and parts of one object."""

LEAST_CHANGES, LEAST_OF_MOST = 0.1, 0.3
"""The least changes of an object that is named, of all readings and of those of the object that changed most often: an
argument that is loaded once in a call changes too, but rarely."""

OFFSET_MUTEX, OFFSET_LOCAL, OFFSET_SHARED, OFFSET_TYPE, SIZE = 10, 12, 16, 24, 32
"""Where the header of an object has its fields in CPython 3.13 and 3.14 without a GIL."""

IMMORTAL = 0xFFFFFFFF

PAUSE_S = 0.00005  # between two readings of all candidates, so that the reader leaves the core to the workers


async def find(call: Call, run: Callable[[], Awaitable[Any]]) -> str | None:
    """Return the names of the objects that threads share in a run, the most used first, comma-separated.

    An empty string if none was found; None where this interpreter's objects can't be read.
    """
    if not is_readable():
        return None
    watched = {name: value for name, value in candidates(call) if not _is_immortal(value)}
    reader = _Reader(watched)
    thread = threading.Thread(target=reader.read, daemon=True)
    thread.start()
    try:
        await run()
    finally:
        reader.is_over = True
        thread.join()
    return ", ".join(reader.found()[:NAMED])


async def sought(call: Call, run: Callable[[], Awaitable[Any]]) -> tuple[str | None, str | None]:
    """Return the names as `find` does, and why they are not known; best effort."""
    try:
        found = await find(call, run)
    except Exception as error:  # the account goes on without them
        return None, f"the search failed ({named(error)})"
    return found, "the objects of this interpreter can't be read" if found is None else None


def is_readable() -> bool:
    """Return whether the header of objects is as expected: nothing is read anywhere else."""
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in ((3, 13), (3, 14)):
        return False
    if "free-threading" not in sys.version or object.__basicsize__ != SIZE:
        return False
    try:
        import ctypes
    except ImportError:
        return False
    return all(
        ctypes.c_size_t.from_address(id(value) + OFFSET_TYPE).value == id(type(value)) for value in (object(), [], "")
    )


def _is_immortal(value: object) -> bool:
    import ctypes

    return ctypes.c_uint32.from_address(id(value) + OFFSET_LOCAL).value == IMMORTAL


class _Reader:
    """Reads counts and locks until `is_over`, and counts how often they had changed or were held."""

    def __init__(self, watched: dict[str, Any]) -> None:
        import ctypes

        self._watched = watched  # keeps them alive
        self._fields = [
            (
                f"{name} ({type(value).__name__})",
                ctypes.c_ssize_t.from_address(id(value) + OFFSET_SHARED),
                ctypes.c_uint8.from_address(id(value) + OFFSET_MUTEX),
            )
            for name, value in watched.items()
        ]
        self.is_over = False
        self.readings = 0
        self._changes = [0] * len(self._fields)

    def read(self) -> None:
        last = [shared.value for _, shared, _ in self._fields]
        while not self.is_over:
            for place, (_, shared, mutex) in enumerate(self._fields):
                now = shared.value
                if now != last[place] or mutex.value & 1:
                    self._changes[place] += 1
                    last[place] = now
            self.readings += 1
            time.sleep(PAUSE_S)

    def found(self) -> list[str]:
        """Return the objects that changed, most often first."""
        least = max(2.0, LEAST_CHANGES * self.readings, LEAST_OF_MOST * max(self._changes, default=0))
        named = zip(self._changes, (name for name, _, _ in self._fields), strict=True)
        return [name for changes, name in sorted(named, key=lambda each: -each[0]) if changes >= least]


def candidates(call: Call) -> list[tuple[str, Any]]:
    """Return the objects that threads may share in a call, each once, with its name."""
    found: dict[int, tuple[str, Any]] = {}
    given = [(f"argument {number}", value) for number, value in enumerate(call.args)]
    given += [(f"argument {name}", value) for name, value in call.kwargs.items()]
    for name, value in (*given, *_of_callable(call.function, DEPTH, set())):
        if len(found) >= MOST:
            break
        found.setdefault(id(value), (name, value))
    return list(found.values())


def _of_callable(function: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield what a callable and the Python functions that it loads use; nothing of C functions."""
    while isinstance(function, functools.partial):
        yield from (("argument", value) for value in (*function.args, *function.keywords.values()))
        function = function.func
    if isinstance(function, types.MethodType):
        yield from _with_parts("self", function.__self__, references.names_of(function.__func__.__code__))
        function = function.__func__
    if not isinstance(function, types.FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    attributes = references.names_of(function.__code__)
    used = [part for name, value in _loaded(function) for part in _with_parts(name, value, attributes)]
    yield from used
    for _, value in used if depth else ():
        yield from _of_callable(value, depth - 1, seen)
        wrapped = getattr(value, "__wrapped__", None) if isinstance(value, types.FunctionType) else None
        yield from _of_callable(wrapped, depth - 1, seen)


def _loaded(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function refers to, the cells of its closure, its constants, and itself."""
    code = function.__code__
    for kind, name, value in references.of(function):
        yield f"default of {function.__name__}" if kind == "default" else name, value
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        yield f"cell {name}", cell
    for value in (value for part in references.codes(code) for value in part.co_consts):
        yield f"constant {value!r:.20}" if isinstance(value, str | bytes | int | float) else "constant", value
    if _stores_globals(code):
        yield f"globals of {function.__module__}", function.__globals__
    yield function.__name__, function


def _stores_globals(code: types.CodeType) -> bool:
    import dis

    parts = references.codes(code)
    return any(each.opname == "STORE_GLOBAL" for part in parts for each in dis.get_instructions(part))


def _with_parts(name: str, value: Any, attributes: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield a value, its parts if it is a container, and the attributes that the code names; runs no code of it."""
    yield from _with_object(name, value)
    kind: Any = type(value)
    if kind is dict:
        yield from ((f"{name}[{key!r:.20}]", part) for key, part in list(value.items())[:WITHIN])
    elif kind in (list, tuple):
        yield from ((f"{name}[{place}]", part) for place, part in enumerate(value[:WITHIN]))
    own = references.attributes(value)
    for attribute in attributes:
        if attribute in own:
            yield from _with_object(f"{name}.{attribute}", own[attribute])
        elif kind.__module__ != "builtins" and attribute in vars(kind):
            yield f"{kind.__name__}.{attribute}", vars(kind)[attribute]
    if kind.__module__ != "builtins" and not isinstance(value, type):
        yield f"class {kind.__name__}", kind


def _with_object(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value and, of a method in C, its object: the `Random` of `random.random`."""
    yield name, value
    if isinstance(value, types.BuiltinMethodType) and not isinstance(value.__self__, (types.ModuleType, type(None))):
        yield f"object of {name}", value.__self__
