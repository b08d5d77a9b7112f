"""A short function on every row of a NumPy array, in a loop and in a thread pool as people write it."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Row = NDArray[np.int64]

WIDTH = 1_000


def in_a_loop(rows: int) -> int:
    """Return the sum of the function over `rows` rows, one after the other."""
    return sum(map(even_squares, table(rows)))


def in_a_thread_pool(rows: int, workers: int = 4) -> int:
    """Return the same sum; the pool's threads take a row at a time."""
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(even_squares, table(rows)))


def even_squares(row: Row) -> int:
    """Return the sum of the squares of a row's even numbers."""
    even = row[row % 2 == 0]
    return int((even * even).sum())


@functools.cache
def table(rows: int) -> Row:
    """Return `rows` rows of consecutive numbers."""
    import numpy as np

    return np.arange(rows * WIDTH, dtype=np.int64).reshape(rows, WIDTH)
