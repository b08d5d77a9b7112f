"""The command line: what can be asked, and how each end of the program becomes an exit status."""

from __future__ import annotations

import os
import sys

from .. import errors
from ..errors import Failure
from . import measuring, reading, upkeep  # noqa: F401  # their commands, in the order of the help
from .app import app
from .output import NonzeroExit, say


def main() -> None:
    """Run the program: every end is an exit status, and every failure one plain last line on stderr."""
    _open_streams()
    try:
        app()
    except (Failure, NonzeroExit) as end:
        say(str(end))
        sys.exit(end.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as bug:
        say(f"internal error: {type(bug).__name__}: {bug}; {_innermost(bug)}; please report it")
        sys.exit(errors.BUG)


def _open_streams() -> None:
    """Open on /dev/null what was closed of the standard streams, so that no file of ours gets their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the program runs


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else "nowhere"
