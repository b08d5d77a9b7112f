"""Loops that scale with threads on a Python without a GIL, and two that share an object and do not scale.

The patterns are those of CPython's Tools/ftscalingbench.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

LOCAL = threading.local()

# Strings of an imported module are immortal on a Python without a GIL, and are not counted; those of a script are.
# Code from a text is like that of a script here.
_SCRIPT: dict[str, Any] = {}
exec(
    """
def compare(turns):
    equal = 0
    for number in range(turns):
        if number == "no number":
            equal += 1
    return equal
""",
    _SCRIPT,
)


class Thing:
    """An object without attributes."""


def create_objects(turns: int = 100_000) -> int:
    """Create an object in each turn and return the number of turns."""
    for _ in range(turns):
        Thing()
    return turns


def run_generators(turns: int = 10_000) -> int:
    """Run a generator of ten numbers in each turn and return their sum."""
    total = 0
    for _ in range(turns):
        for number in _ten():
            total += number
    return total


def _ten() -> Iterable[int]:
    yield from (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def compare_with_a_string(turns: int = 100_000) -> int:
    """Compare each number with a constant string of a script, and return how many were equal."""
    return int(_SCRIPT["compare"](turns))


def read_a_thread_local(turns: int = 50_000) -> int:
    """Read an attribute of a threading.local five times in each turn, and return the attribute."""
    local = LOCAL
    local.number = found = 10
    for _ in range(turns):
        found = local.number
        found = local.number
        found = local.number
        found = local.number
        found = local.number
    return found
