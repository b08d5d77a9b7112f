"""A call of a fraction of a microsecond."""

from __future__ import annotations

from math import sqrt


def root_of_square(number: int) -> float:
    """Return the root of a number's square."""
    return sqrt(number**2)
