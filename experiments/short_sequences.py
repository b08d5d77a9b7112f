"""Many operations on a thousand numbers: in a list, and in a NumPy array. Nothing is shared between calls."""

from __future__ import annotations

STEP = 0.01


def with_lists(length: int = 1_000, rounds: int = 300) -> float:
    """Return the first of `length` numbers, after `rounds` additions to all and a mean."""
    values = [float(number) for number in range(length)]
    for _ in range(rounds):
        values = [value + STEP for value in values]
        values[0] += STEP * sum(values) / length
    return values[0]


def with_arrays(length: int = 1_000, rounds: int = 2_000) -> float:
    """Return the same from an array, whose operations are shorter."""
    import numpy as np

    values = np.arange(length, dtype=np.float64)
    for _ in range(rounds):
        values += STEP
        values[0] += STEP * values.mean()
    return float(values[0])
