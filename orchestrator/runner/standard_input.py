"""Reads of standard input, which is empty under every model: each is noted with its line."""

from __future__ import annotations

import _thread
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .problem import Problem

PATHS = (0, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""What stands for standard input where a file is opened."""


_notes: list[Callable[[FrameType], None]] = []
_lock = _thread.allocate_lock()
_before: list[Any] = []


def _note(frame: FrameType) -> None:
    for note in tuple(_notes):
        note(frame)


class _Noting(io.FileIO):
    """Standard input, unbuffered, that notes each read."""

    def readinto(self, buffer: Any) -> int | None:
        _note(sys._getframe(1))
        return super().readinto(buffer)

    def readall(self) -> bytes:
        _note(sys._getframe(1))
        return super().readall()


@contextmanager
def noted(note: Callable[[FrameType], None]) -> Iterator[None]:
    """Pass the frame of each read of `sys.stdin` or its descriptor in the `with` block to `note`.

    Threads may be in such blocks at once; each gets the reads of all.
    """
    with _lock:
        _notes.append(note)
        if len(_notes) == 1:
            _install()
    try:
        yield
    finally:
        with _lock:
            _notes.remove(note)
            if not _notes and _before:
                sys.stdin, os.read = _before
                _before.clear()


def _install() -> None:
    before, read = sys.stdin, os.read

    def noting(descriptor: int, size: int, /) -> bytes:
        if descriptor == 0:
            _note(sys._getframe(1))
        return read(descriptor, size)

    try:
        raw = _Noting(before.fileno(), closefd=False)
        found = io.TextIOWrapper(io.BufferedReader(raw), before.encoding, before.errors)
    except (AttributeError, OSError, ValueError):  # none, another object, or a closed one
        return
    _before[:] = before, read
    sys.stdin, os.read = found, noting


def is_debugger(frame: FrameType | None) -> bool:
    """Return whether a read is that of the debugger."""
    while frame is not None:
        if frame.f_globals.get("__name__") in ("pdb", "bdb", "IPython.core.debugger"):
            return True
        frame = frame.f_back
    return False


def problem(name: str, place: str, in_debugger: bool = False) -> Problem:
    """Return the problem of a call that reads its standard input at a place, "" where that is not known."""
    at = f" at {place}" if place else ""
    if in_debugger:
        what = f"{name} stops in the debugger{at}, and standard input is empty here"
        return Problem("reads_stdin", what, "remove the breakpoint")
    what = f"{name} reads its standard input{at}, which is empty here"
    return Problem("reads_stdin", what, "pass the text as an argument")
