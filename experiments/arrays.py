"""NumPy with one BLAS thread, so that BLAS does not compete with the workers."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .extra import missing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

controller: Any  # of the thread pools of this process; every worker gets one from its initializer


def unavailable() -> tuple[str, str] | None:
    """Say why NumPy, or what sets the threads of its BLAS, can't be had here."""
    return missing("numpy", "threadpoolctl")


def fix_blas_threads(initargs: object, threads: int = 1) -> None:
    """Let the BLAS of this process use one thread, in a worker."""
    global controller
    import numpy  # noqa: F401  # what is not loaded yet can't be set
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # has no annotations

    controller = ThreadpoolController().select(user_api="blas")
    controller.limit(limits=threads)


def compute(operation: str, size: int) -> tuple[float, int]:
    """Return a figure for the result of `operation` (matmul, sort or ufunc) on `size` numbers, and BLAS's threads."""
    import numpy as np

    numbers = random_numbers(size)
    if operation == "matmul":
        side = math.isqrt(size)
        square = numbers[: side * side].reshape(side, side)
        figure = np.trace(square @ square)
    elif operation == "sort":
        figure = np.sort(numbers)[size // 2]
    elif operation == "ufunc":
        figure = np.logaddexp.reduce(numbers)  # which needs no memory: getting it costs one thread more than two
    else:
        raise ValueError(f"{operation} is none of matmul, sort, ufunc")
    return round(float(figure), 6), blas_threads()


@functools.cache
def random_numbers(size: int) -> NDArray[np.float64]:
    """Return `size` numbers from 0 to 1."""
    import numpy as np

    return np.random.default_rng(0).random(size)


def blas_threads() -> int:
    """Return how many threads the BLAS of this process may use."""
    return max(int(pool["num_threads"]) for pool in controller.info())


def observe(results: Sequence[tuple[float, int]], initargs: object) -> dict[str, int]:
    """Return the largest number of BLAS threads in a worker during a batch."""
    return {"blas_threads": max(threads for _, threads in results)}
