"""CPU-bound work in pure Python."""

from __future__ import annotations


def nested_loop(outer: int, inner: int) -> int:
    """Return what the classic nested loop computes: `outer` times `inner` calls of two small functions.

    The loop of the classic topic "Processes and Threads"; its own size is outer=100, inner=100_000.
    """
    result = 0
    for _ in range(outer):
        for i in range(inner):
            result = otherfunc(result, somefunc(i))
    return result


def somefunc(i: int) -> int:
    """Return a little arithmetic on `i`."""
    return i * 2 + 1


def otherfunc(result: int, value: int) -> int:
    """Return `result` advanced by `value`, in a bounded range so that the cost of a call stays the same."""
    return (result + value) % 1_000_003


def sum_of_squares(n: int) -> int:
    """Return the sum of the first `n` squares."""
    total = 0
    for i in range(n):
        total += i * i
    return total
