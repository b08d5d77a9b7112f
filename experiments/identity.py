"""Who runs a task: which process, which thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence


def whoami() -> tuple[int, str]:
    """Return the process id and the thread's name of whoever runs this."""
    return os.getpid(), threading.current_thread().name


def observe(results: Sequence[tuple[int, str]], initargs: object) -> dict[str, int]:
    """Return how many processes and thread names a batch saw, and how many of its tasks ran in the parent process."""
    pids, names = zip(*results, strict=True)
    return {"pids": len(set(pids)), "thread_names": len(set(names)), "in_parent": pids.count(os.getpid())}
