"""The entry point: registers the command, and turns every end of the program into an exit status."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import errors
from ..errors import BadInput, Failure
from . import output
from .app import app
from .output import NonzeroExit, say

COMMANDS = (
    "run",
    "advise",
    "plan",
    "report",
    "compare",
    "ci",
    "export",
    "history",
    "query",
    "verify",
    "doctor",
    "prune",
    "models",
    "schema",
)
"""The commands in the order of the help, each registered by the import of the module of its name."""


def main() -> None:
    """Run the program; it exits with a status, and every failure prints one plain last line on stderr."""
    _open_streams()
    atexit.register(gc.freeze)  # the interpreter then ends without a search for garbage in all that was imported
    try:
        register(sys.argv[1:])
        _check_directory()
        app()
    except (Failure, NonzeroExit) as end:
        say(str(end))
        sys.exit(end.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as bug:
        if isinstance(bug, OSError) and bug.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
        ):  # of a help text, or of a file beside a run
            say(f"cannot write: {bug.strerror}; make room")
            sys.exit(errors.UNWRITABLE)
        say(f"internal error: {type(bug).__name__}: {bug}; {_innermost(bug)}; please report it")
        sys.exit(errors.BUG)


def register(arguments: Sequence[str] = ()) -> None:
    """Register the command that the first argument names; else all, for the help, a completion or an error."""
    for name in arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS:
        importlib.import_module(f"{__package__}.{name}")


def _open_streams() -> None:
    """Open closed standard streams on /dev/null, so that no other file gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            output.closed.add(name)
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the program runs


def _check_directory() -> None:
    """Raise BadInput where the working directory has been deleted, in which no path means anything."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInput("the working directory no longer exists", remedy="change to another one with cd") from None


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else "nowhere"
