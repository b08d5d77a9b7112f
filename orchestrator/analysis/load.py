"""How load on the machine can bias a ratio: missing cores, and ratios that change with the load. Pure.

Everything is computed over the blocks of a contest that count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Literal, get_args

from .contest import Contest
from .stats import Estimate, Ratio, log_statistics, theil_sen

MISSING_CORES = 0.5
"""The number of free cores can change by this much; a win that depends on less holds "at this load" only."""

CROWDED_CORES = 0.75  # with less than this part of a core free, a batch has to wait for a core while it runs
LOAD_LEVEL, LOAD_RANGE = 0.01, 0.05
"""The level of the slope of a ratio against load, and the least range of load that allows an estimate."""

DIFFERENT_USE = 0.25
"""Two variants use the cores alike when the numbers of cores they keep busy differ by less than this."""


def free_cores(contest: Contest) -> float | None:
    """Return how many cores other processes left free, the median over blocks; None where that is unknown."""
    found = [block.free_cores for block in contest.counting if block.free_cores is not None]
    return median(found) if found else None


def is_crowded(contest: Contest) -> bool:
    """Return whether other processes left less than a core free, see `CROWDED_CORES`."""
    free = free_cores(contest)
    return free is not None and free < CROWDED_CORES


def lead_at_stake(contest: Contest, best: str, rival: str) -> float:
    """Return the largest lead of `best` over `rival` that another load could remove; 1: it could remove none.

    Where one can use more cores than the other: wanted / (wanted - missing), the most that it can slow down by. Missing
    are the cores that other processes used, or `MISSING_CORES` if that is more. Two models that use the cores alike are
    scheduled differently, which matters once other processes use more than `MISSING_CORES`: cores / free cores.
    """
    cores, free = contest.plan.cores, free_cores(contest)
    missing = 0.0 if free is None else max(0.0, cores - free)
    at_once = {_cores_wanted(contest, best), _cores_wanted(contest, rival)}
    wanted = max(at_once)
    used = cores_used(contest, best), cores_used(contest, rival)
    if wanted > 1 and (len(at_once) > 1 or abs(used[0] - used[1]) >= DIFFERENT_USE):
        return wanted / max(0.1, wanted - max(MISSING_CORES, wanted - (cores - missing)))
    alike = contest.variants[best].model == contest.variants[rival].model
    return 1.0 if alike or missing <= MISSING_CORES else cores / max(0.1, cores - missing)


def is_at_this_load(contest: Contest, best: str, rival: str, gap: Ratio) -> bool:
    """Return whether another load could remove the lead `gap` of `best`: it changes with the load, or is small."""
    low = math.inf if gap.low is None else gap.low
    return low < lead_at_stake(contest, best, rival) or load_slope(contest, best, rival) is not None


def _cores_wanted(contest: Contest, label: str) -> int:
    """Return how many cores the workers of a variant can keep busy on this machine, at most one per thread."""
    variant = contest.variants[label]
    threads = max((block.threads[label] for block in contest.counting if label in block.threads), default=1)
    tasks = contest.point.tasks
    return min(contest.plan.cores, tasks, variant.at_once(tasks) if variant.workers is None else threads)


def cores_used(contest: Contest, label: str) -> float:
    """Return how many cores a variant kept busy, in the block where it had most of them."""
    return max((block.busy_cores(label) for block in contest.counting if label in block.walls), default=0.0)


Signal = Literal["pressure", "steal_share"]


@dataclass(frozen=True)
class LoadSlope:
    """By how much the logarithm of a ratio grows when a signal of load goes from 0 to 1."""

    signal: Signal
    slope: Estimate


def load_slope(contest: Contest, best: str, rival: str) -> LoadSlope | None:
    """Return how the ratio of two variants changes with the load of the blocks; None when it does not.

    The first of pressure (PSI) and steal whose Theil-Sen slope has an interval at `LOAD_LEVEL` without 0.
    """
    common = [block for block in contest.counting if best in block.walls and rival in block.walls]
    for signal in get_args(Signal):
        seen = [block for block in common if getattr(block, signal) is not None]
        load = [getattr(block, signal) for block in seen]
        if len(load) < 2 or max(load) - min(load) < LOAD_RANGE:
            continue
        slope = theil_sen(load, log_statistics([block.walls for block in seen], best, rival), LOAD_LEVEL)
        if slope and ((slope.low or 0) > 0 or (slope.high or 0) < 0):
            return LoadSlope(signal, slope)
    return None
