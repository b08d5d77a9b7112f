"""What a call leaves to its own threads and tasks: work that goes on when it has returned, and exceptions.

With either, the time of the call is not that of the work.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from . import imports
from .error_text import named
from .problem import Problem

CALLS = 3
"""A client may start a thread or a task of its own with its first call; more than that goes with each call."""


_vanished: list[str] = []  # the exceptions that have ended threads
_hook: list[Any] = []


def watch_threads() -> None:
    """Note exceptions that end a thread, from now on: no caller sees them, and SystemExit is not even printed."""
    before = threading.excepthook
    if before is _note:
        return
    _hook[:] = [before]
    threading.excepthook = _note


def _note(about: threading.ExceptHookArgs) -> None:
    error = about.exc_value
    is_normal = isinstance(error, SystemExit) and error.code in (None, 0)  # a way to end a thread
    if error is not None and not is_normal and (place := imports.place_of(error)):
        _vanished.append(f"{named(error)} at {imports.brief(place)}")
    _hook[0](about)


def vanished(name: str) -> Problem | None:
    """Return the problem of a call in which an exception has ended a thread of the function's own; None without."""
    if not _vanished:
        return None
    what = f"a thread that {name} starts ends with {_vanished[0]}, and the call returns as if it had done its work"
    remedy = "run it in an executor of concurrent.futures and ask for its `result()`, which raises the exception"
    return Problem("thread_fails", what, remedy)


class Leftovers:
    """Looks for threads and tasks that each of the first calls has started, and that have not ended with it."""

    def __init__(self, name: str, is_async: bool) -> None:
        self._name, self._is_async = name, is_async
        self._left: list[bool] = []

    def begin(self) -> None:
        """Note what goes on before a call."""
        self._before = self._going() if len(self._left) < CALLS else set()

    def end(self) -> Problem | None:
        """Return the problem after the call that shows it."""
        if len(self._left) >= CALLS:
            return None
        self._left.append(bool(self._going() - self._before))
        if len(self._left) < CALLS or not all(self._left):
            return None
        kind, wait = ("task", "await it") if self._is_async else ("thread", "join it")
        what = (
            f"{self._name} starts a {kind} in each call that goes on after it, so a call's time is not that of the work"
        )
        return Problem("leaves_work", what, f"{wait} in the function, before it returns")

    def _going(self) -> set[Any]:
        if not self._is_async:
            return set(threading.enumerate())
        asyncio = sys.modules.get("asyncio")
        return set(asyncio.all_tasks()) if asyncio else set()
