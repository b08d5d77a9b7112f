"""Distributions under the null hypothesis: of the signed-rank and the rank-sum statistic, and Student's t. Pure."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Chances = NDArray[np.float64]


@lru_cache(maxsize=256)
def signed_rank_cdf(m: int) -> Chances:
    """Return P(T+ <= t) for t = 0 .. m(m+1)/2; every rank counts with probability 1/2."""
    chances = np.eye(1, m * (m + 1) // 2 + 1)[0]
    for rank in range(1, m + 1):
        chances /= 2  # probabilities instead of counts, which would overflow; a division by 2 rounds nothing
        chances[rank:] = chances[rank:] + chances[:-rank]
    cdf = np.cumsum(chances)
    cdf.setflags(write=False)
    return cdf


@lru_cache(maxsize=64)
def rank_sum_cdf(m: int, n: int) -> Chances:
    """Return P(U <= u) for u = 0 .. m n, where all orders of m and n values are equally likely.

    Recursion over the largest value, which is one of the m and above all n, or one of the n:
    p(m, n, u) = (m p(m - 1, n, u - n) + n p(m, n - 1, u)) / (m + n).
    """
    row = [np.ones(1) for _ in range(n + 1)]
    for i in range(1, m + 1):
        before, row = row, [np.ones(1)]
        for j in range(1, n + 1):
            chances = np.zeros(i * j + 1)
            chances[j:] += before[j] * (i / (i + j))
            chances[: len(row[-1])] += row[-1] * (j / (i + j))
            row.append(chances)
    cdf = np.cumsum(row[n])
    cdf.setflags(write=False)
    return cdf


@lru_cache(maxsize=256)
def student_quantile(chance: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution for a chance of 0.5 or more, by bisection."""
    if not 0.5 <= chance < 1 or degrees < 1:
        raise ValueError(f"no quantile of Student's t for a chance of {chance} and {degrees} degrees of freedom")
    low, high = 0.0, 1.0
    while _student_cdf(high, degrees) < chance:
        low, high = high, high * 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, degrees) < chance else (low, middle)
    return high


def _student_cdf(t: float, degrees: int) -> float:
    """Return P(T <= t) for t >= 0 and whole degrees of freedom.

    Source: Abramowitz & Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    total, term = 0.0, math.cos(angle) if odd else 1.0
    for i in range(1 + odd, degrees, 2):
        total += term
        term *= math.cos(angle) ** 2 * i / (i + 1)
    within = total * math.sin(angle)
    return 0.5 + (2 * (angle + within) / math.pi if odd else within) / 2
