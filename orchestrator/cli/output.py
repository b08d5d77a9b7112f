"""Printing, and the choice of a format."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import BadInput, Unwritable

if TYPE_CHECKING:
    from ..analysis.results import Results


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


def format_of(asked: str | None, people: str = "table") -> str:
    """Return the format to print in; `people` is the one for a terminal."""
    from ..output.formats import names

    return choose(asked, names("text"), people)


def choose(asked: str | None, formats: Iterable[str], people: str) -> str:
    """Return the format asked for, else `people` on a terminal and JSON elsewhere; raises BadInput."""
    if asked is None:
        return people if sys.stdout.isatty() else "json"
    if asked not in formats:
        raise BadInput(f'no format "{asked}"', where="--format", remedy=f"name one of {', '.join(formats)}")
    return asked


def width() -> int:
    """Return the width of the terminal in columns."""
    return shutil.get_terminal_size((120, 24)).columns


def colour() -> bool:
    """Return whether to print in colour."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def show(shown: str, results: Results) -> None:
    """Print results in the format `shown`."""
    from ..output.formats import render

    write(render(shown, results, width=width(), colour=colour()))


def write(text: str) -> None:
    """Write to stdout; a closed pipe is ignored; raises Unwritable when there is no room."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the flush at exit must not fail again
        if isinstance(error, BrokenPipeError):
            return  # the reader has closed the pipe; the exit status stands
        raise Unwritable(f"cannot write to standard output: {error.strerror}", remedy="make room") from error
