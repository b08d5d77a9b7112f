"""Readings from the operating system: the identity of a worker, CPU time, context switches, memory."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Collection
from typing import Any

from .. import gil

RUNNER_PID = "ORCHESTRATOR_RUNNER_PID"

DUMP_STACKS: int = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2
"""The signal that makes a process write the stacks of all its threads to stderr; workloads rarely use it."""


def dump_stacks_on_signal() -> None:
    """Write the stacks of this process on `DUMP_STACKS`, also while a call in C holds the GIL, and where it crashes."""
    import faulthandler

    faulthandler.enable(file=2, all_threads=False)
    faulthandler.register(DUMP_STACKS, file=2, all_threads=True)


def identify() -> dict[str, Any]:
    """Return the identity of the calling worker.

    `pid`, `thread` (the system's id), `gil` (whether it is on), `gil_enabled_by` (the module that switched it on).
    """
    import threading

    if os.environ.get(RUNNER_PID) != str(os.getpid()):  # in a worker process; not again in a subinterpreter
        dump_stacks_on_signal()
    return {
        "pid": os.getpid(),
        "thread": threading.get_native_id(),
        "gil": gil.enabled(),
        "gil_enabled_by": gil.enabled_by(),
    }


def cpu_ns(pids: Collection[int]) -> int:
    """Return the CPU time so far of this process, its ended children, and the processes `pids`."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = time.process_time_ns() + int((ended.ru_utime + ended.ru_stime) * 1e9)
    return used + sum(process_cpu_ns(pid) for pid in pids)


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time so far of a process, 0 where it has ended."""
    # the clock id of another process as clock_getcpuclockid(3) makes it on Linux: exact, where /proc counts ticks.
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) if sys.platform == "linux" else 0
    except OSError:
        return 0  # it has ended; once reaped it counts among the children


def begin_on(round_number: int) -> int | None:
    """Move this thread to one of its allowed cores, and return which; it may leave it at once.

    On a shared machine cores differ in speed, and threads stay where they are: without this, one process would have the
    fast core for a whole block, and another the slow one. None where the system has no affinity.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    core = sorted(allowed)[round_number % len(allowed)]
    os.sched_setaffinity(0, {core})
    os.sched_setaffinity(0, allowed)
    return core


def usage() -> dict[str, Any]:
    """Return the CPU time, waits and counts of the calling thread and its process so far.

    `pid`, `thread` (the system's id), `cpu_ns` and `run_queue_ns` (the time it waited for a core; None: unknown) are of
    the thread; `children_cpu_ns` and `counts` of its process. How much each of `counts` grows in a batch is the figure
    of the account with its name.
    """
    import threading

    from .clocks import run_queue_ns

    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "pid": os.getpid(),
        "thread": threading.get_native_id(),
        "cpu_ns": time.thread_time_ns(),
        "run_queue_ns": run_queue_ns(),
        "children_cpu_ns": int((ended.ru_utime + ended.ru_stime) * 1e9),
        "counts": {
            "voluntary_switches": own.ru_nvcsw + ended.ru_nvcsw,
            "involuntary_switches": own.ru_nivcsw + ended.ru_nivcsw,
        },
    }


def thread_cpu_ns(thread: int) -> int:
    """Return the CPU time of another thread of this process, by its system id; 0 when it has ended."""
    # the clock id of a thread as pthread_getcpuclockid(3) makes it on Linux
    try:
        return time.clock_gettime_ns((~thread << 3) | 6) if sys.platform == "linux" else 0
    except OSError:
        return 0


def threads() -> set[int]:
    """Return the system's ids of the threads of this process; empty where the system has no /proc."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}
    except OSError:
        return set()


def descendants(of: int | None = None) -> set[int]:
    """Return the processes below one, this one unless given; empty where the system has no /proc."""
    parents = {}
    try:
        for name in os.listdir("/proc"):
            if name.isdigit() and (fields := _stat(int(name))):
                parents[int(name)] = int(fields[1])
    except OSError:
        return set()
    found: set[int] = set()
    fresh = {os.getpid() if of is None else of}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh}
        found |= fresh
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process after its name, its state first; none when it has ended or is hidden."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].decode("ascii").split()
    except OSError:
        return []


def memory(pid: int) -> tuple[int, int] | None:
    """Return the PSS of a process (shared pages counted in part) and its private memory, in bytes."""
    found = sizes(f"/proc/{pid}/smaps_rollup")
    return (found["Pss"], found.get("Private_Clean", 0) + found.get("Private_Dirty", 0)) if found else None


def forget_peak(pid: int) -> None:
    """Reset the peak memory of a process, where the system can."""
    from contextlib import suppress

    with suppress(OSError), open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def beyond_now(pid: int) -> int:
    """Return the peak memory of a process less its present memory, in bytes."""
    found = sizes(f"/proc/{pid}/status")
    return max(0, found.get("VmHWM", 0) - found.get("VmRSS", 0))


def sizes(path: str) -> dict[str, int]:
    """Return the kB figures of a /proc file in bytes, by name; empty where it can't be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            pairs = [line.partition(":") for line in file]
    except OSError:
        return {}
    return {name: int(value.split()[0]) * 1024 for name, _, value in pairs if value.rstrip().endswith("kB")}
