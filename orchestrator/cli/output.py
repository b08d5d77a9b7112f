"""Printing, and the choice of a format."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple

from ..errors import BadInput, Unwritable

closed: set[str] = set()
"""The standard streams that were closed when the program began: nothing that is written to them arrives."""


class NonzeroExit(Exception):
    """Ends the program with a status other than 0, and a last line on stderr."""

    def __init__(self, line: str, status: int) -> None:
        super().__init__(line)
        self.status = status


def say(text: str) -> None:
    """Write to stderr, with the name of the program before each line."""
    from ..text import printable

    with suppress(OSError):  # stderr may be closed; the status still says how the program ended
        for line in text.splitlines() or [""]:
            sys.stderr.write(f"orchestrator: {printable(line)}\n")
        sys.stderr.flush()


def choose(asked: str | None, formats: Iterable[str] = ("table", "json"), people: str = "") -> str:
    """Return the format asked for, else `people` or the first on a terminal, and JSON elsewhere; raises BadInput."""
    if asked is None:
        return (people or next(iter(formats))) if sys.stdout.isatty() else "json"
    if asked not in formats:
        raise BadInput(f'no format "{asked}"', where="--format", remedy=f"name one of {', '.join(formats)}")
    return asked


def width() -> int:
    """Return the width of the terminal in columns."""
    return shutil.get_terminal_size((120, 24)).columns


def colour() -> bool:
    """Return whether to print in colour."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def is_ascii() -> bool:
    """Return whether stdout can show only ASCII of the characters that draw bars and intervals."""
    from ..output.plot import BLOCKS

    try:
        "".join(astuple(BLOCKS)).encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return True
    return False


def write(text: str) -> None:
    """Write to stdout; a pipe that its reader has closed is ignored; raises Unwritable where nothing can arrive."""
    if text and "stdout" in closed:
        raise Unwritable("cannot write to standard output: it is closed", remedy="redirect it, such as to a file")
    encoding = sys.stdout.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)  # names may have letters that stdout lacks
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the flush at exit must not fail again
        if isinstance(error, BrokenPipeError):
            return  # the reader has closed the pipe; the exit status stands
        raise Unwritable(f"cannot write to standard output: {error.strerror}", remedy="make room") from error
