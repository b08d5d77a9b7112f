"""Functions whose time misleads, each after a public report."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@functools.cache
def travel_time(origin: int) -> int:
    """Walk through a network: some 20 ms the first time, and nothing after that."""
    reached, total = origin, 0
    for step in range(200_000):
        reached = (reached * 31 + step) % 9973
        total += reached
    return total


def squares(n: int) -> map[int]:
    """Return a promise: nothing is computed until it is read."""
    return map(_square, range(n))


def _square(number: int) -> int:
    return sum(number for _ in range(number % 50))


def rank(scores: list[int]) -> list[int]:
    """Sort the list itself and return the best: the second call finds it sorted."""
    scores.sort(key=lambda score: (score % 1000, score))
    return scores[:3]


def render(side: int) -> NDArray[np.uint8]:
    """Return side x side bytes, which another process has to send back."""
    import numpy as np

    ramp = np.arange(side, dtype=np.uint8)
    return ramp[:, None] ^ ramp[None, :]
