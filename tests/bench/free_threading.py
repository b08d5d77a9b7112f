"""Seven pure-Python functions for an interpreter without a GIL; most have a counterpart in CPython's ftscalingbench.

The last three share state between threads: a global, a method of one object, a threading.local. Each use costs two
threads time, so they gain less.
"""

from __future__ import annotations

import threading

WEIGHTS = {"even": 0.5, "odd": 0.25}
LOCAL = threading.local()


class Counter:
    """An object with a method."""

    def __init__(self) -> None:
        self.step = 1

    def add(self, value: int) -> int:
        """Return the value one step further."""
        return value + self.step


SHARED = Counter()


def recursion(n: int = 23) -> int:
    """Return a Fibonacci number, by calls of the function itself."""
    return n if n < 2 else recursion(n - 1) + recursion(n - 2)


def bubble_sort(count: int = 450) -> int:
    """Sort a list by swapping neighbours."""
    values = [n * 7919 % 1009 for n in range(count)]
    for end in range(count - 1, 0, -1):
        for n in range(end):
            if values[n] > values[n + 1]:
                values[n], values[n + 1] = values[n + 1], values[n]
    return values[0]


def new_object(turns: int = 40_000) -> int:
    """Create an object in each turn."""
    total = 0
    for _ in range(turns):
        total += Counter().step
    return total


def own_method(turns: int = 120_000) -> int:
    """Call a method of an object of this call."""
    own, value = Counter(), 0
    for _ in range(turns):
        value = own.add(value)
    return value


def shared_global(turns: int = 8_000) -> float:
    """Read a global in each turn, between sums of 40 numbers."""
    total = 0.0
    for turn in range(turns):
        part = 0
        for n in range(40):
            part += n
        total += part * WEIGHTS["odd" if turn % 2 else "even"]
    return total


def shared_method(turns: int = 8_000) -> int:
    """Call a method of an object that all threads use in each turn, between sums of 40 numbers."""
    total = 0
    for _ in range(turns):
        part = 0
        for n in range(40):
            part += n
        total = SHARED.add(total + part)
    return total


def thread_local(turns: int = 8_000) -> int:
    """Add to an attribute of a threading.local in each turn, between sums of 40 numbers."""
    LOCAL.total = 0
    for _ in range(turns):
        part = 0
        for n in range(40):
            part += n
        LOCAL.total += part
    total: int = LOCAL.total
    return total


ALL = (recursion, bubble_sort, new_object, own_method, shared_global, shared_method, thread_local)
