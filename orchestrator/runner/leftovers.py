"""Work that a call leaves to a thread or a task that goes on when it has returned: its time is not that of the work."""

from __future__ import annotations

import sys
import threading
from typing import Any

from .problem import Problem

CALLS = 3
"""A client may start a thread or a task of its own with its first call; more than that goes with each call."""


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
