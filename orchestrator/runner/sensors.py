"""What can be read of a worker from the operating system: who it is, and the CPU time that it has used."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


RUNNER_PID = "ORCHESTRATOR_RUNNER_PID"

TELL_WHERE: int = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2
"""The signal that makes a process write the stacks of all its threads to stderr; hardly one that a workload uses."""


def tell_where_on_signal() -> None:
    """Let this process answer `TELL_WHERE`, also while a call in C holds the GIL."""
    import faulthandler

    faulthandler.register(TELL_WHERE, file=2, all_threads=True)


def identify() -> dict[str, Any]:
    """Return who runs this: `pid`, `thread` (the system's id) and `gil` (whether it is on here, now)."""
    import threading

    if os.environ.get(RUNNER_PID) != str(os.getpid()):  # in a worker process; not again in a subinterpreter
        tell_where_on_signal()
    return {"pid": os.getpid(), "thread": threading.get_native_id(), "gil": gil_enabled()}


def gil_enabled() -> bool:
    """Return whether this interpreter runs with its global lock; an import may have switched it on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def cpu_ns(pids: Collection[int]) -> int:
    """Return the CPU time used so far by this process, its children that have ended, and the processes `pids`."""
    used = time.process_time_ns()
    if resource:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        used += int((ended.ru_utime + ended.ru_stime) * 1e9)
    return used + sum(_process_cpu_ns(pid) for pid in pids)


def _process_cpu_ns(pid: int) -> int:
    # The clock id of another process as clock_getcpuclockid(3) makes it on Linux: exact, where /proc counts ticks.
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) if sys.platform == "linux" else 0
    except OSError:
        return 0  # it has ended; once reaped it counts among the children


def begin_on(turn: int) -> int | None:
    """Move this thread to one of the cores that it may use, and return which; free to leave it at once.

    Cores are rarely alike where others use the machine too, and threads stay where they are: without this, one process
    would have the fast core for a whole block, and another the slow one. None where the system can't.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    core = sorted(allowed)[turn % len(allowed)]
    os.sched_setaffinity(0, {core})
    os.sched_setaffinity(0, allowed)
    return core
