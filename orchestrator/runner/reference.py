"""The reference loop, the same in every block of every run, by which runs and machines are compared."""

from __future__ import annotations

import time
from typing import Any

from .account import sensors

VERSION = 1  # raised when the loop changes: times of different versions are not comparable

LENGTH = 30_000  # about 3 ms on the machines of 2026


def loop() -> int:
    """Compute as most interpreted code does: arithmetic on small integers, and stores into a dictionary."""
    total = 0
    seen = {}
    for i in range(LENGTH):
        total = (total * 31 + i) % 1_000_003
        seen[i & 255] = total
    return total


def serve(link: Any) -> None:
    """Warm up, then time the loop at every token, on the core of its round; return all times on request."""
    for _ in range(3):
        loop()
    link.send({"event": "ready", "version": VERSION})
    wall_ns: list[int] = []
    while (request := link.receive()) is not None:
        if not isinstance(request, int):
            link.send({"event": "trials", "wall_ns": wall_ns})
            continue
        sensors.begin_on(request)
        begun_ns = time.perf_counter_ns()
        loop()
        wall_ns.append(time.perf_counter_ns() - begun_ns)
        link.return_token()
