"""A fixed loop, the same in every block of every run: the yardstick between runs and machines."""

from __future__ import annotations

import time
from typing import Any

from .account import sensors

VERSION = 1
"""Goes up when the loop changes: times of another version are no yardstick for these."""

LENGTH = 30_000
"""Some 3 ms on the machines of 2026."""


def loop() -> int:
    """Do what interpreted code does most: arithmetic on small integers, and stores into a dictionary."""
    total = 0
    seen = {}
    for i in range(LENGTH):
        total = (total * 31 + i) % 1_000_003
        seen[i & 255] = total
    return total


def serve(link: Any) -> None:
    """Warm up, then time the loop whenever the token comes, on the core of its turn, and tell all times when asked."""
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
        link.hand_back()
