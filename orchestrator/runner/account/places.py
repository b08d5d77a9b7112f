"""Where in the workload's source a thread is, in a few words: `parse at app.py:41`."""

from __future__ import annotations

import functools
import os
import sys
from collections import Counter
from collections.abc import Collection
from types import CodeType, FrameType
from typing import NamedTuple

LEAST_SEEN = 5  # a line is named only if it was seen in so many looks, and in most of them

_LIBRARIES = tuple(
    {
        f"{os.path.dirname(os.__file__)}{os.sep}",
        "<",  # generated code, and what starts the runner
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    }
)

_TYPED = ("<stdin>", "<python-input", "<ipython-input", "<doctest")  # how the files of code begin that a user has typed


class Place(NamedTuple):
    """A line of the workload, and the library that it was in, if it was in one."""

    function: str
    file: str
    line: int
    library: str = ""


def place(frame: FrameType | None, ends: Collection[CodeType] = ()) -> Place | None:
    """Return the innermost line of the workload's own code; None where there is none, as in native code.

    `ends` is the code that makes calls. In a call that has only frames of libraries, it is the outermost of them. A
    task of the workload's own has no frame of its call.
    """
    innermost, outermost = frame, None
    while frame is not None and frame.f_code not in ends:
        outermost = frame
        if not _is_library(frame.f_code.co_filename):
            break
        frame = frame.f_back
    if outermost is None or innermost is None or (frame is None and ends):
        return None
    library = "" if innermost is outermost else _module(innermost.f_code.co_filename)
    code = outermost.f_code
    return Place(code.co_name, os.path.basename(code.co_filename), outermost.f_lineno or 0, library)


def most(seen: Counter[Place]) -> str | None:
    """Return the line where most of the time was spent, else the function, else None."""
    total = seen.total()
    if total < LEAST_SEEN:
        return None
    (line, count), *_ = seen.most_common(1)
    if count * 2 >= total:
        return _named(line, f":{line.line}" if line.line else "")
    functions = Counter[tuple[str, str]]()
    for each, times in seen.items():
        functions[each.function, each.file] += times
    (function, count), *_ = functions.most_common(1)
    return _named(Place(*function, 0), "") if count * 2 >= total else None


def _named(found: Place, line: str) -> str:
    where = f"{found.function} at {found.file}{line}" if found.file else f"{found.function}, native code without lines"
    return f"{where} in {found.library}" if found.library else where


@functools.cache
def _module(file: str) -> str:
    """Return the name of the module, or of the package, that a file of a library is."""
    return os.path.basename(file.removesuffix(f"{os.sep}__init__.py")).removesuffix(".py")


@functools.cache
def _is_library(file: str) -> bool:
    return not file.startswith(_TYPED) and ("site-packages" in file or file.startswith(_LIBRARIES))


def of_caller(ends: Collection[CodeType]) -> Place | None:
    """Return the line of the workload that led to the caller."""
    found = place(sys._getframe(1), ends)
    return found._replace(library="") if found else None
