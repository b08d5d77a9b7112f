"""Which process and which thread run a task."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence


def whoami() -> tuple[int, str]:
    """Return the current process id and thread name."""
    return os.getpid(), threading.current_thread().name


def observe(results: Sequence[tuple[int, str]], initargs: object) -> dict[str, int]:
    """Return the numbers of processes and thread names in a batch, and of tasks in the parent process."""
    pids, names = zip(*results, strict=True)
    return {"pids": len(set(pids)), "thread_names": len(set(names)), "in_parent": pids.count(os.getpid())}
