"""What a web application gives to threads: waiting, arithmetic, and a loop over observations."""

from __future__ import annotations

import functools
import random

from . import cpu, io

ZERO_POINT = 8.9
REFERENCE_MAGNITUDE = 25.0


def waiting() -> float:
    """Sleep for 50 ms, and return the time asked for."""
    return io.wait(0.05)


def arithmetic() -> int:
    """Return the sum of many squares."""
    return cpu.sum_of_squares(200_000)


def observations(count: int = 10_000) -> float:
    """Return the sum of the fluxes of `count` observations; each is copied and completed, as for a plot."""
    reference = _flux(REFERENCE_MAGNITUDE)
    completed = []
    for observed in _observed(count):
        row = dict(observed)
        row["flux"] = _flux(row["magnitude"]) - reference
        row["error"] = row["flux"] * row["magnitude_error"]
        row["ratio"] = row["flux"] / row["error"]
        completed.append(row)
    return sum(row["flux"] for row in completed)


def _flux(magnitude: float) -> float:
    return float(10 ** (-0.4 * (magnitude - ZERO_POINT)))


@functools.cache
def _observed(count: int) -> list[dict[str, float]]:
    source = random.Random(0)
    return [
        {
            "day": source.uniform(58_000, 60_000),
            "magnitude": source.uniform(15, 22),
            "magnitude_error": source.uniform(0.01, 0.5),
        }
        for _ in range(count)
    ]
