"""After how many blocks a look is taken, and at which level. Pure, and without numpy, which `plan` does not need."""

from __future__ import annotations

from ..spec.plan import Plan

LOOKS = (4, 5, 6, 7, 8, 9, 10, 11, 15, 20, 27, 36, 48, 64)  # the numbers of blocks at which a decision can be taken
LOOK_LEVEL = 0.010
"""The two-sided level of one look with a signed-rank interval.

All looks together, early ones included, then cover in 95 % of runs (simulated: tests/verify/looks.py, docs/method.md).
This holds for independent statistics with a stable scale. With noise that grows from block to block, every look keeps
its level, but together they cover less.
"""

ONE_LOOK_LEVEL = 0.05  # the level of the only look where the number of blocks is fixed beforehand


def look_after(blocks: int) -> int | None:
    """Return the first look at more blocks; None after the last one."""
    return next((m for m in LOOKS if m > blocks), None)


def has_rank_interval(m: int, level: float) -> bool:
    """Return whether m blocks have a signed-rank interval at this two-sided level.

    They have one when the least probability of the signed-rank statistic, 2**-m on either side, is within the level.
    """
    return 2.0 ** (1 - m) <= level


def first_ranked(level: float) -> int:
    """Return the first look with a signed-rank interval, so the first that can find a tie; the last one if none has."""
    return next((m for m in LOOKS if has_rank_interval(m, level)), LOOKS[-1])


def look_level(plan: Plan) -> float:
    """Return the level of one look for pairwise claims: ratios to the baseline, expectations."""
    return ONE_LOOK_LEVEL if plan.experiment.measure.blocks else LOOK_LEVEL


def tie_level(plan: Plan) -> float:
    """Return the level of one look for a tie, which needs no division among rivals.

    A tie claims that all pairs are alike, and it is false only where a pair that is not alike passes its own test
    (Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982).
    """
    return look_level(plan) / plan.level_split


def first_look(plan: Plan) -> int:
    """Return the number of blocks at which the first look is taken."""
    return plan.experiment.measure.blocks or LOOKS[0]


def first_tie_look(plan: Plan) -> int:
    """Return the first look that can find a tie: the first with an exact interval, where the design is not fixed."""
    return plan.experiment.measure.blocks or first_ranked(tie_level(plan))
