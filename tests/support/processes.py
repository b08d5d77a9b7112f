"""Processes that tests start, and facts about processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, TypeVar

Process = TypeVar("Process", bound="subprocess.Popen[Any]")

_owned: list[subprocess.Popen[Any]] = []


def owned(process: Process) -> Process:
    """Return a process that is killed after the test if it runs then, as where an assertion has failed before."""
    _owned.append(process)
    return process


def end_owned() -> None:
    """Kill the processes that still run, and close the pipes of all."""
    while _owned:
        process = _owned.pop()
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, of all of its threads, and that have not been waited for."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]
