"""What code changes for its whole process (directory, locale, signals, start method), and reads of its input."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from . import standard_input

LOCALE, HANDLES = "sets the locale", "sets a signal handler"
MOVES = "changes the working directory"

READS = "reads standard input, which is empty here"

SETS_VARIABLES, SEEDS = "sets environment variables", "seeds the shared random numbers"
"""Usual in an import, and only reported of calls."""

DOES = {
    ("os", "chdir"): MOVES,
    ("locale", "setlocale"): LOCALE,
    ("signal", "signal"): HANDLES,
    ("multiprocessing", "set_start_method"): "sets the start method of processes",
    ("random", "seed"): SEEDS,
    ("contextlib", "_RedirectStream.__enter__"): "redirects a standard stream",
}


class Changes:
    """The changes that were seen: what each is, with its line, by whether it was during an import."""

    def __init__(self, line: Callable[[FrameType | None], str], is_foreign: Callable[[FrameType], bool]) -> None:
        self._line, self._is_foreign = line, is_foreign
        self._found: dict[tuple[str, bool], str] = {}
        self.read: tuple[str, bool] | None = None
        """The line of the first read of standard input by a call, and whether the debugger reads."""
        self.is_importing = False
        self._directories: set[str] = set()

    @property
    def wanders(self) -> bool:
        """Whether calls go from one working directory to another, so that two at once would be in the same one."""
        return len(self._directories) > 1

    def note(self, what: str, frame: FrameType) -> None:
        """Keep the first place of a change, if it is not the standard library's or the runner's own."""
        if self._is_foreign(frame) and not (self.is_importing and what in (SETS_VARIABLES, SEEDS)):
            self._found.setdefault((what, self.is_importing), self._line(frame))

    def note_read(self, frame: FrameType) -> None:
        """Keep the first read of standard input by an import, and by a call."""
        if self.is_importing:
            self._found.setdefault((READS, True), self._line(frame))
        elif self.read is None:
            self.read = self._line(frame), standard_input.is_debugger(frame)

    def found(self, importing: bool) -> list[str]:
        """Return the changes by imports, or by calls, each with its line where that is known."""
        return [f"{what}{f' ({at})' if at else ''}" for (what, when), at in self._found.items() if when == importing]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note changes in the `with` block, before which the user's code has not been imported."""
        before: list[tuple[Any, str, Any]] = []
        for (module, name), what in DOES.items():
            *path, name = name.split(".")
            owner = functools.reduce(getattr, path, importlib.import_module(module))
            before.append((owner, name, getattr(owner, name)))
            setattr(owner, name, self._noting(getattr(owner, name), what))
        try:
            yield
        finally:
            for owner, name, function in before:
                setattr(owner, name, function)

    def _noting(self, function: Any, what: str) -> Any:
        def noting(*args: Any, **kwargs: Any) -> Any:
            if what == HANDLES and self.is_importing and args[:1] == (signal.SIGALRM,):
                signal.setitimer(signal.ITIMER_REAL, 0)  # it is that of the watch over imports
            result = function(*args, **kwargs)
            if what != LOCALE or len(args) + len(kwargs) > 1:  # else it only asks
                self.note(what, sys._getframe(1))
            if what == MOVES and not self.is_importing:
                with suppress(OSError):  # it may be gone by now
                    self._directories.add(os.getcwd())
            return result

        return noting
