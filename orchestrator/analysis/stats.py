"""Ratios with exact intervals from the times of blocks. The unit of inference is the block, never the trial.

Rounds inside a block are not independent, just as iterations inside one process are not; only the variation between
blocks shows how precise a ratio is (Kalibera & Jones, "Rigorous benchmarking in reasonable time", ISMM 2013). The
interval inverts Wilcoxon's signed-rank test. It is exact when the block statistics are independent and symmetric
about one centre, whatever their shape, so no outlier is ever removed. Where consecutive blocks are correlated, it is
widened (`widening`). Blocks that are too few for that test have a Student interval instead (`moderated_interval`).
Every function raises ValueError for values that are empty or not finite, and for a level that is not between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distributions import rank_sum_cdf, signed_rank_cdf, student_quantile
from .looks import LOOKS, has_rank_interval

STATS_VERSION = 1  # increases, from the first release on, when the same blocks would give different figures
EARLY_SHARE = 0.1
"""The level of a look that is too early for a signed-rank interval, as a share of the level of the others."""

PRIOR_SD, PRIOR_DEGREES = 0.08, 4
"""The standard deviation that block statistics are assumed to have before any is seen, and its degrees of freedom.

With less, a few blocks that happen to share a mode would decide: of the same code with blocks in two modes of +-10 %,
11 % were called different with 0.05, and 5 % with 0.08 (simulated).
"""

LATENCY_SD = 0.2
"""The same for the logarithm of a latency at a rate of arrivals, which varies more near saturation than a ratio does.

With 0.08, a capacity was wrong in 22 % (2 variants) and 41 % (4) of the searches in which blocks varied by 30 %, with
0.2 in 0.5 % and 1.5 % (simulated).
"""

MOST_CORRELATION = 0.8  # the largest autocorrelation that `widening` uses: so few blocks can't distinguish 0.8 from 1

Times = NDArray[np.float64]
Values = Sequence[float] | Times
Walls = Mapping[str, Sequence[int]]
"""The `wall_ns` of the trials of one block by variant, one per round, in the order of rounds."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; `low` and `high` are None where there are too few values for one."""

    value: float
    low: float | None
    high: float | None


def fields(name: str, found: Estimate | None) -> dict[str, Any]:
    """Return an estimate as the three fields of an event: `name`, `name_low` and `name_high`, null where unknown."""
    value, low, high = (found.value, found.low, found.high) if found else (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


@dataclass(frozen=True, slots=True)
class Ratio(Estimate):
    """How many times as fast `a` is as `b`, over the blocks that both ran.

    `value` is exp(pseudo-median over blocks of log(t_b / t_a)). `agreeing` counts the blocks whose statistic has the
    sign of the estimate's logarithm; neither a statistic of 0 nor an estimate of 1 agrees with any. `is_ranked`: the
    interval is the signed-rank one, not the moderated one of an early look.
    """

    blocks: int
    agreeing: int
    is_ranked: bool


@dataclass(frozen=True, slots=True)
class Shift(Estimate):
    """How many times as large the values of one sample are as those of another, both of logarithms."""

    is_ranked: bool


def block_statistic(a_ns: Sequence[int] | Times, b_ns: Sequence[int] | Times) -> float:
    """Return the median over a block's rounds of log(b / a): positive where `a` is the faster one.

    Both hold one time per round, in the same order and unit; where one took part in the first rounds only, these
    count. Times of 0 raise ValueError. Pairing within the round cancels the drift that both sides share (as in
    nanobench's `compare`).
    """
    common = min(len(a_ns), len(b_ns))
    a, b = _checked(a_ns[:common]), _checked(b_ns[:common])
    if a.min() <= 0 or b.min() <= 0:
        raise ValueError("a time is not positive")
    # A difference of logs, not the log of a quotient: swapping the sides then negates it to the last bit.
    return _median(np.sort(np.log(b) - np.log(a)))


def walsh_averages(values: Values) -> Times:
    """Return the m(m+1)/2 averages of all pairs of m values, each value with itself too, in ascending order.

    Source: Walsh 1949; Tukey 1949; Hollander & Wolfe, "Nonparametric Statistical Methods", section 3.2.
    """
    found = _checked(values)
    i, j = _pairs(len(found))
    return np.sort((found[i] + found[j]) / 2)


def hodges_lehmann(values: Values) -> float:
    """Return the pseudo-median of the values: the median of their Walsh averages.

    Source: Hodges & Lehmann, "Estimates of location based on rank tests", Annals of Mathematical Statistics 34, 1963.
    """
    return _median(walsh_averages(values))


def critical_index(m: int, level: float) -> int:
    """Return k of the interval [w[k-1], w[-k]] of the sorted Walsh averages w; 0: m is too small.

    `level` is two-sided, the probability that the interval misses: k is the largest with 2 P(T+ < k) <= level, where
    T+ has the exact null distribution of the signed-rank statistic. Source: Wilcoxon, "Individual comparisons by
    ranking methods", 1945; Hollander & Wolfe 3.3.
    """
    if m < 0 or not 0 < level < 1:
        raise ValueError(f"no interval for {m} values at level {level}; the level lies between 0 and 1")
    return int(np.searchsorted(signed_rank_cdf(m), level / 2, side="right"))


def walsh_interval(values: Values, level: float) -> tuple[float, float] | None:
    """Return the signed-rank interval of the pseudo-median; None when the values are too few for this level.

    It is closed, so that ties never lower the coverage. Source: Tukey 1949; Hollander & Wolfe, 3.3.
    """
    return _between(walsh_averages(values), critical_index(len(values), level))


def moderated_interval(values: Values, level: float, prior_sd: float = PRIOR_SD) -> tuple[float, float]:
    """Return a Student interval around the pseudo-median, its variance moderated by a prior.

    s^2 = (d0 s0^2 + (m - 1) s_m^2) / (d0 + m - 1), with `prior_sd` as s0 and `PRIOR_DEGREES` as d0, has d0 + m - 1
    degrees of freedom. Four blocks that are alike by chance then don't give a narrow interval. Source: Smyth, "Linear
    models and empirical Bayes methods for assessing differential expression", 2004.
    """
    centre, m = hodges_lehmann(values), len(values)
    deviation = moderated_deviation(values, PRIOR_DEGREES, prior_sd)
    reach = student_quantile(1 - level / 2, PRIOR_DEGREES + m - 1) * deviation / math.sqrt(m)
    return centre - reach, centre + reach


def moderated_deviation(values: Values, prior_degrees: int, prior_sd: float = PRIOR_SD) -> float:
    """Return the standard deviation of the values, with `prior_sd` counting as so many degrees of freedom."""
    found = _checked(values)
    squares = prior_degrees * prior_sd**2 + float(((found - found.mean()) ** 2).sum())
    return math.sqrt(squares / (prior_degrees + len(found) - 1))


def widening(values: Values) -> float:
    """Return the factor by which the interval of correlated values must be wider than that of independent ones.

    sqrt((1 + r) / (1 - r)) for values in order of time, the ratio of the standard errors of a mean (Box & Jenkins,
    "Time Series Analysis", section 2.1); 1 where r is not positive. r is the lag-1 autocorrelation plus its bias of
    1/m. In a simulation with all looks and a centre of 1, so many of 100 intervals at the end of a run covered it:
    r = 0: 97 (96 without widening), 0.2: 94 (91), 0.3: 90 (84), 0.5: 86 (70).
    """
    found = lag1_autocorrelation(values)
    r = 0.0 if found is None else min(max(found + 1 / len(values), 0.0), MOST_CORRELATION)
    return math.sqrt((1 + r) / (1 - r))


def is_correlated(values: Values) -> bool:
    """Return whether the lag-1 autocorrelation of values in order of time is significant, one-sided at 5 %.

    Source: Bartlett 1946: the lag-1 autocorrelation of m independent values has a standard error of 1 / sqrt(m).
    """
    found = lag1_autocorrelation(values)
    return found is not None and found + 1 / len(values) > NormalDist().inv_cdf(0.95) / math.sqrt(len(values))


def block_interval(values: Values, level: float) -> tuple[float, float] | None:
    """Return the `walsh_interval` of values in order of time, widened by the factor `widening`.

    Where the values are too few for one, but as many as at the first look, it is the `moderated_interval` at
    `EARLY_SHARE` of the level; with fewer it is None.
    """
    return _centre_and_interval(values, level)[1]


def geometric(logs: Values, level: float, prior_sd: float = PRIOR_SD) -> Estimate:
    """Return exp of the pseudo-median of logarithms in order of time, with exp of their `block_interval`.

    `prior_sd` is that of a `moderated_interval`.
    """
    return _exp(*_centre_and_interval(logs, level, prior_sd))


def log_statistics(blocks: Sequence[Walls], a: str, b: str) -> Times:
    """Return the `block_statistic` of every block that both ran, in order."""
    pairs = [(own[a], own[b]) for own in blocks if a in own and b in own]
    if len({len(times) for pair in pairs for times in pair}) == 1:  # as many rounds in all blocks: faster at once
        a_ns, b_ns = np.array(pairs, np.float64).transpose(1, 0, 2)
        if a_ns.size and min(a_ns.min(), b_ns.min()) > 0:
            ascending = np.sort(np.log(b_ns) - np.log(a_ns), axis=1)
            return np.asarray([_median(each) for each in ascending])
    return np.array([block_statistic(*pair) for pair in pairs], np.float64)


def compare(blocks: Sequence[Walls], a: str, b: str, level: float) -> Ratio | None:
    """Return how many times as fast `a` is as `b`, with its interval; None when no block has both.

    `level` is two-sided and of one look; the blocks are in order of time.
    """
    logs = log_statistics(blocks, a, b)
    if not len(logs):
        return None
    centre, interval = _centre_and_interval(logs, level)
    found = _exp(centre, interval)
    agreeing = int(np.count_nonzero(np.sign(logs) == np.sign(centre))) if centre else 0
    return Ratio(found.value, found.low, found.high, len(logs), agreeing, has_rank_interval(len(logs), level))


def lag1_autocorrelation(values: Values) -> float | None:
    """Return the lag-1 autocorrelation, from -1 to 1; None below 8 values or when all are equal.

    Values are in order of time; independent ones give -1/m on average, not 0. Source: Box & Jenkins, "Time Series
    Analysis", section 2.1.
    """
    if len(values) < 8:
        return None
    found = _checked(values)
    if not (scale := np.ptp(found)):
        return None
    deviations = (found - found.mean()) / scale  # scaled, so that squares of tiny values don't vanish
    return float(deviations[:-1] @ deviations[1:] / (deviations @ deviations))


def shift(a: Values, b: Values) -> float:
    """Return the shift from `a` to `b`, two independent samples: the median of all differences.

    Source: Hodges & Lehmann 1963; Hollander & Wolfe, section 4.2.
    """
    return _median(_differences(a, b))


def shift_interval(a: Values, b: Values, level: float) -> tuple[float, float] | None:
    """Return the rank-sum interval of `shift`, widened by the larger `widening` of the two samples.

    Exact for independent values. Where they are too few for this two-sided level, but both as many as at the first
    look, it is a Student interval around `shift`, at `EARLY_SHARE` of the level. Its variance is that of both samples,
    moderated as in `moderated_interval`. With fewer it is None. Source: Moses 1953; Hollander & Wolfe, section 4.3;
    Smyth 2004.
    """
    if not 0 < level < 1:
        raise ValueError(f"no interval at level {level}; the level lies between 0 and 1")
    differences, factor = _differences(a, b), max(widening(a), widening(b))
    k = _rank_sum_index(len(a), len(b), level)
    if k or min(len(a), len(b)) < LOOKS[0]:
        return _between(differences, k, factor)
    degrees = PRIOR_DEGREES + len(a) + len(b) - 2
    squares = PRIOR_DEGREES * PRIOR_SD**2 + sum(len(each) * float(np.var(each)) for each in (a, b))
    reach = student_quantile(1 - EARLY_SHARE * level / 2, degrees) * math.sqrt(squares / degrees)
    reach *= factor * math.sqrt(1 / len(a) + 1 / len(b))
    return _median(differences) - reach, _median(differences) + reach


def geometric_shift(a: Values, b: Values, level: float) -> Shift:
    """Return exp of the `shift` between two samples of logarithms, with exp of its interval."""
    found = _exp(shift(a, b), shift_interval(a, b, level))
    return Shift(found.value, found.low, found.high, _rank_sum_index(len(a), len(b), level) > 0)


def theil_sen(x: Values, y: Values, level: float) -> Estimate | None:
    """Return the slope of y over x, the median over all pairs; None without an interval.

    Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968; ties as there.
    """
    xs, ys = _checked(x), _checked(y)
    if len(xs) != len(ys):
        raise ValueError(f"{len(xs)} values of x against {len(ys)} of y")
    i, j = np.triu_indices(len(xs), 1)
    apart = xs[i] != xs[j]
    slopes = np.sort((ys[j] - ys[i])[apart] / (xs[j] - xs[i])[apart])
    variance = (_pairs_variance(len(xs)) - _ties_variance(xs) - _ties_variance(ys)) / 18
    if not len(slopes) or variance <= 0:
        return None
    reach = NormalDist().inv_cdf(1 - level / 2) * math.sqrt(variance)
    first, last = round((len(slopes) - reach) / 2), round((len(slopes) + reach) / 2)
    if first < 1 or last >= len(slopes):
        return None
    return Estimate(_median(slopes), float(slopes[first - 1]), float(slopes[last]))


def quartiles(values: Values) -> tuple[float, float]:
    """Return the first and third quartile of the values (Hyndman & Fan 1996, type 7): for display, not inference."""
    first, third = np.quantile(_checked(values), [0.25, 0.75])
    return float(first), float(third)


def _rank_sum_index(m: int, n: int, level: float) -> int:
    """Return k of the rank-sum interval, see `critical_index`; 0: m and n are too few."""
    return int(np.searchsorted(rank_sum_cdf(m, n), level / 2, side="right"))


@lru_cache(maxsize=256)
def _pairs(m: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of all pairs of m values, each value with itself too."""
    return np.triu_indices(m)


def _centre_and_interval(
    values: Values, level: float, prior_sd: float = PRIOR_SD
) -> tuple[float, tuple[float, float] | None]:
    averages = walsh_averages(values)
    centre, factor = _median(averages), widening(values)
    k = critical_index(len(values), level)
    if k or len(values) < LOOKS[0]:
        return centre, _between(averages, k, factor)
    low, high = moderated_interval(values, EARLY_SHARE * level, prior_sd)
    return centre, (centre - (centre - low) * factor, centre + (high - centre) * factor)


def _between(ascending: Times, k: int, factor: float = 1.0) -> tuple[float, float] | None:
    """Return the k-th value from either end, `factor` times as far from the median; None where k is 0."""
    if not k:
        return None
    low, centre, high = float(ascending[k - 1]), _median(ascending), float(ascending[-k])
    return min(low, centre - (centre - low) * factor), max(high, centre + (high - centre) * factor)


def _exp(centre: float, interval: tuple[float, float] | None) -> Estimate:
    low, high = (math.exp(interval[0]), math.exp(interval[1])) if interval else (None, None)
    return Estimate(math.exp(centre), low, high)


def _differences(a: Values, b: Values) -> Times:
    return np.sort(np.subtract.outer(_checked(b), _checked(a)).ravel())


def _pairs_variance(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)


def _ties_variance(values: Times) -> int:
    return sum(_pairs_variance(int(count)) for count in np.unique(values, return_counts=True)[1])


def _checked(values: Values) -> Times:
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise ValueError("needs one or more finite values in one dimension")
    return found


def _median(ascending: Times) -> float:
    return float((ascending[(len(ascending) - 1) // 2] + ascending[len(ascending) // 2]) / 2)
