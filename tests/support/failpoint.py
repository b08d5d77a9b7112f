"""The program with a fault in it: it dies, or its disk fails, at a chosen step of writing its files.

python -m tests.support.failpoint write.torn 17 run spec.yaml     # dies of SIGKILL in the midst of the 17th record
python -m tests.support.failpoint write.ENOSPC 17 run spec.yaml   # the 17th record finds the disk full
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.cli import main as cli
from orchestrator.journal.read import EVENTS_FILE

DEATHS = (
    *("write.before", "write.torn", "write.after"),
    *("sync.before", "sync.after"),
    *("rename.before", "rename.after"),
    *("cut.before", "cut.after"),
)
"""Where it can fail: a write to the journal, its sync, a rename of another file, removing an incomplete record."""

ERRORS = ("write.ENOSPC", "write.EIO", "sync.EIO", "write.EFBIG")

_CALLS = {"write": "write", "sync": "fdatasync", "rename": "replace", "cut": "ftruncate"}


def _arm(step: str, fault: str, count: int) -> None:
    """Let the `count`th call of a step fail."""
    name = _CALLS[step]
    real: Callable[..., Any] = getattr(os, name)
    calls = 0

    def faulty(target: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        if step != "rename" and Path(f"/proc/self/fd/{target}").readlink().name != EVENTS_FILE:
            return real(target, *arguments, **options)
        calls += 1
        if calls != count:
            return real(target, *arguments, **options)
        if fault.isupper():
            raise OSError(getattr(errno, fault), os.strerror(getattr(errno, fault)))
        if fault == "torn":
            real(target, arguments[0][: len(arguments[0]) // 2])
        elif fault == "after":
            real(target, *arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(os, name, faulty)


def main() -> None:
    """Arm the fault that the first two arguments name, and be the program for the others."""
    step, _, fault = sys.argv[1].partition(".")
    _arm(step, fault, int(sys.argv[2]))
    del sys.argv[1:3]
    cli.main()


if __name__ == "__main__":
    main()
