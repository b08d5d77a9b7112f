"""Waiting for another process, with a deadline that even a loaded machine does not reach."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60.0


def until(condition: Callable[[], object], *running: subprocess.Popen[Any], pause_s: float = 0.01) -> None:
    """Wait until a condition holds; fails when one of the processes ends before, or the time is over."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        for process in running:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, "still not so"
        time.sleep(pause_s)
