"""What the blocks of a contest decide: the next look, wins, ties, futility, and which of two is faster. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from typing import Literal

from . import figures
from .contest import Block, Contest, Decision, Look
from .looks import first_tie_look, look_after
from .stats import Ratio, Walls, compare, log_statistics

FAILURES_TO_EXCLUDE = 2  # a variant that fails so often at a point is excluded there
FUTILE_RATIOS = (10.0, 5.0, 3.0)
"""How many times as long as the leader a variant takes that is dropped for futility, after one block, two and three."""


WORTH_IT = 1.1
"""The least speedup over a simpler variant at which a variant that runs more at once is recommended.

It applies to a model that starts a worker for each call, against its pool, which limits how many run; and to calls
that are parallel by themselves, against a plain loop.
"""


class Tie(Enum):
    """The type of `TIE`: two variants are equally fast."""

    TIE = "tie"


TIE = Tie.TIE
Faster = str | Literal[Tie.TIE] | None
"""The label of the faster one of two variants, `TIE`, or None while that is unknown."""


def next_look(contest: Contest) -> int | None:
    """Return the number of blocks at which the next look is taken; None after the last one."""
    looked = contest.looks[-1].blocks if contest.looks else 0
    if contest.fixed_blocks:
        return contest.fixed_blocks if looked < contest.fixed_blocks else None
    return look_after(looked)


def horizon(contest: Contest) -> int:
    """Return how many blocks may begin before the next look is taken.

    All blocks where the spec fixes their number. Otherwise those up to the look after the next one, and at least those
    up to the first look that can find a tie.
    """
    following = next_look(contest) or 0
    return following if contest.fixed_blocks else max(look_after(following) or following, first_tie_look(contest.plan))


def is_to_exclude(contest: Contest, label: str) -> bool:
    """Return whether a variant has failed so often that it is left out: once, where its first block never ended."""
    if contest.failures[label] >= FAILURES_TO_EXCLUDE:
        return True
    return label in contest.hung and not any(label in block.walls for block in contest.blocks)


def is_look_due(contest: Contest) -> bool:
    """Return whether a look must be taken now."""
    return len(contest.blocks) == next_look(contest)


def judge(contest: Contest) -> Look:
    """Return what a look at all blocks decides between the contenders."""
    return judge_blocks(contest, contest.blocks, contest.contenders, split=1)


def judge_blocks(contest: Contest, blocks: Sequence[Block], contenders: Sequence[str], split: int) -> Look:
    """Return what a look at some blocks decides between some variants, one of `split` such looks."""
    # where an objective is searched for, a point is measured under some variants only
    contenders = [label for label in contenders if any(label in block.walls for block in blocks)] or contenders
    level = contest.level / split
    times = [block.walls for block in blocks]
    loops = contest.repeated_loops
    best = _leader(contest, contenders, blocks)
    gaps = _gaps(times, best, contenders, level)
    behind = {label: gap for label, gap in gaps.items() if (gap.low or 0) > 1 and not _is_within_tie(contest, gap)}
    near = [label for label, gap in behind.items() if _is_near_pool(contest, best, label, gap)]
    separated = [label for label in behind if label not in near]
    beaten = [loop for loop in loops.values() if loop in separated or loop not in contenders]
    separated += [label for label in gaps if label not in separated and loops.get(label) in beaten]
    remaining = tuple(label for label in contenders if label not in separated)
    rivals = _rivaling(contest, remaining)
    decision: Decision | None = None
    kinds = contest.kinds
    if len({kinds[label] for label in rivals}) == 1:
        decision = "win"
    elif _all_pairs_tie(contest, times, [each for each in rivals if each not in near], contest.tie_level / split):
        decision = "tie"
        separated += near
        remaining = tuple(label for label in remaining if label not in near)
    kept = _imprecise_rival(contest, best, gaps) if decision == "win" else None
    dropped = tuple(label for label in separated if label != kept)
    return Look(len(blocks), best, gaps, dropped, remaining, decision)


def is_tie(contest: Contest, gap: Ratio) -> bool:
    """Return whether two variants tie: the exact interval of their ratio lies within the tie bounds.

    The interval of an early look is never a tie: its width is in part what was assumed before.
    """
    return gap.is_ranked and _is_within_tie(contest, gap)


def _is_within_tie(contest: Contest, gap: Ratio) -> bool:
    """Return whether the interval of a ratio lies within the tie bounds, on the logarithmic scale."""
    width = contest.log_tie
    return gap.low is not None and gap.high is not None and -width < math.log(gap.low) <= math.log(gap.high) < width


def is_precise(contest: Contest, look: Look) -> bool:
    """Return whether a win needs no further blocks: no precision was asked for, or the interval is narrow enough."""
    return _imprecise_rival(contest, look.best, look.gaps) is None


def is_decided(contest: Contest) -> bool:
    """Return whether a look found a tie, or a win of the precision asked for; expectations may still be open."""
    return any(
        look.decision == "tie" or (look.decision == "win" and is_precise(contest, look)) for look in contest.looks
    )


def futile(contest: Contest) -> dict[str, Ratio]:
    """Return the variants to drop for futility, with how many times as long each takes as the leader.

    How far behind they must be in each block depends on the number of blocks, see `FUTILE_RATIOS`. Kept are: the
    nearest rival of the leader, so that a win has an interval, and threads whose overlap is measured. No variant is
    futile where the spec asks for a precision or fixes the number of blocks. The same holds along an axis: a variant
    that is slow at one point may win at another, and its interval here bounds the crossover.
    """
    measure = contest.plan.experiment.measure
    keeps_all = measure.precision is not None or contest.fixed_blocks or contest.plan.level_split > 1
    if keeps_all or contest.looks or not contest.blocks or len(contest.contenders) < 2:
        return {}
    times_behind = FUTILE_RATIOS[min(len(contest.blocks), len(FUTILE_RATIOS)) - 1]
    times = [block.walls for block in contest.blocks]
    best = leader(contest)
    gaps = _gaps(times, best, contest.contenders, contest.level)
    nearest = _nearest_rival(contest, best, gaps)
    return {
        label: gap
        for label, gap in gaps.items()
        if label != nearest
        and min(log_statistics(times, best, label)) >= math.log(times_behind)
        and not any(label in block.overlaps for block in contest.blocks)
    }


def leader(contest: Contest) -> str:
    """Return the contender that is fastest so far."""
    return _leader(contest, contest.contenders, contest.blocks)


def fastest(contest: Contest, labels: Sequence[str], blocks: Sequence[Block]) -> str | None:
    """Return the fastest of some variants over some blocks; None if the first of them ran in none of the blocks."""
    times = [block.walls for block in blocks]
    ratios = {label: ratio for label in labels if (ratio := compare(times, label, labels[0], contest.level))}
    return max(ratios, key=lambda label: ratios[label].value, default=None)


def faster(contest: Contest, a: str, b: str) -> Faster:
    """Return the significantly faster one of two variants, `TIE` when they are equally fast, or None: not known."""
    gap = contest.compare(a, b, contest.level) if contest.looks else None
    if gap is None or gap.low is None or gap.high is None or {a, b} & contest.excluded:
        return None
    if is_tie(contest, gap):
        return TIE
    if _is_within_tie(contest, gap):
        return None
    return a if gap.low > 1 else b if gap.high < 1 else None


@dataclass(frozen=True)
class Finding:
    """The verdict on a point, by its last look that decided.

    `gap` is how many times as fast `best` is as `rival`, at the level that holds against all rivals at once. `look` is
    None before the first look.
    """

    verdict: Literal["win", "tie", "undecided"]
    look: Look | None
    winners: list[str]
    best: str | None = None
    rival: str | None = None
    gap: Ratio | None = None


def finding(contest: Contest) -> Finding:
    """Return the winners, the simplest first, and the ratio of the fastest of them to its rival.

    The rival is the nearest variant of another kind after a win, the slowest winner of a tie, and else the nearest of
    the variants that can still win.
    """
    look = next((look for look in reversed(contest.looks) if look.decision), None)
    look = look or (contest.looks[-1] if contest.looks else None)
    verdict = look.decision if look and look.decision and len(contest.variants) > 1 else "undecided"
    remaining = [label for label in look.remaining if label not in contest.excluded] if look else contest.contenders
    winners = figures.simplest_first(contest, _rivaling(contest, remaining))
    best = fastest(contest, winners, contest.counting)
    gaps = {} if best is None else _rivals(contest, best, winners, look, verdict)
    if not gaps:
        return Finding(verdict, look, winners, best)
    sure = {label: gap for label, gap in gaps.items() if gap.low is not None} or gaps
    pick = max if verdict == "tie" else min
    rival = pick(sure, key=lambda label: sure[label].value)
    return Finding(verdict, look, winners, best, rival, gaps[rival])


def recommended(contest: Contest, finding: Finding) -> str | None:
    """Return the variant to use, None before a look: the simplest winner about as fast as the fastest.

    All winners of a tie are so; those of a win are of one kind, and were not compared with each other by a look: they
    may be slower by a tie. A model that starts a worker for each call must be faster than its pool by `WORTH_IT`. Where
    calls are parallel by themselves, it is a plain loop that lost, unless the gain surely is `WORTH_IT`.
    """
    if not finding.look:
        return None
    if finding.verdict == "win" and finding.best and (loop := _sufficient_loop(contest, finding.best)):
        return loop

    def is_near(label: str) -> bool:
        if finding.verdict != "win" or finding.best is None:
            return True
        gap = contest.compare(finding.best, label, contest.look_level)
        is_about_as_fast = gap is None or math.log(gap.value) < contest.log_tie
        return is_about_as_fast or _is_near_pool(contest, finding.best, label, gap)

    return next(filter(is_near, finding.winners), None)


def _is_near_pool(contest: Contest, best: str, label: str, gap: Ratio | None) -> bool:
    """Return whether a variant is the pool of `best`, a model that starts a worker for each call for little gain."""
    is_pool = contest.variants[best].is_per_task and not contest.variants[label].is_per_task
    return is_pool and contest.kinds[best] == contest.kinds[label] and gap is not None and gap.value < WORTH_IT


def _sufficient_loop(contest: Contest, best: str) -> str | None:
    """Return the plain loop to use instead of `best`, which is not surely `WORTH_IT` times as fast; None without one.

    Only where calls are parallel by themselves.
    """
    if not contest.is_parallel or best in contest.plain_loops:
        return None
    loops = [loop for loop in contest.plain_loops if contest.runs_as(contest.variants[best], contest.variants[loop])]
    gaps = {loop: contest.compare(best, loop, contest.look_level) for loop in loops}
    return next((loop for loop, gap in gaps.items() if gap and gap.low is not None and gap.low < WORTH_IT), None)


def _rivals(
    contest: Contest, best: str, winners: Sequence[str], look: Look | None, verdict: Decision | Literal["undecided"]
) -> dict[str, Ratio]:
    """Return how many times as fast `best` is as each variant that can be its rival in the verdict.

    After a win these are the losers of the look that found it: with those dropped before it shares fewer blocks.
    """
    others = [label for label in contest.variants if label != best and label not in contest.excluded]
    kinds = contest.kinds
    of_other_kinds = [label for label in others if kinds[label] != kinds[best]]
    if look and verdict == "win":
        others = [label for label in of_other_kinds if label in look.gaps or label == look.best] or of_other_kinds
        others = list(_rivaling(contest, others))
    else:
        others = [label for label in others if label in winners] or others
        if verdict == "undecided":  # which of one kind is faster decides nothing
            others = [label for label in others if label in of_other_kinds] or others
    level = contest.tie_level if verdict == "tie" else contest.level
    return _gaps([block.walls for block in contest.counting], best, others, level)


def _leader(contest: Contest, labels: Sequence[str], blocks: Sequence[Block]) -> str:
    labels = _rivaling(contest, labels)
    return fastest(contest, labels, blocks) or labels[0]


def _rivaling(contest: Contest, labels: Sequence[str]) -> Sequence[str]:
    """Return the variants that can win: all but those that only repeat a plain loop, unless these are alone."""
    loops = contest.repeated_loops
    return [label for label in labels if label not in loops] or labels


def _gaps(times: Sequence[Walls], best: str, labels: Sequence[str], level: float) -> dict[str, Ratio]:
    """Return how many times as fast `best` is as each of the others."""
    return {label: gap for label in labels if label != best and (gap := compare(times, best, label, level))}


def _all_pairs_tie(contest: Contest, times: Sequence[Walls], labels: Sequence[str], level: float) -> bool:
    gaps = [compare(times, a, b, level) for a, b in combinations(labels, 2)]
    return bool(gaps) and all(gap is not None and is_tie(contest, gap) for gap in gaps)


def _nearest_rival(contest: Contest, best: str, gaps: Mapping[str, Ratio]) -> str | None:
    """Return the variant of another kind that is closest to the best."""
    kinds = contest.kinds
    rivals = [label for label in gaps if kinds[label] != kinds[best]]
    return min(rivals, key=lambda label: gaps[label].value, default=None)


def _imprecise_rival(contest: Contest, best: str, gaps: Mapping[str, Ratio]) -> str | None:
    """Return the runner-up while its ratio to the best is less precise than asked for."""
    precision = contest.plan.experiment.measure.precision
    runner_up = None if precision is None else _nearest_rival(contest, best, gaps)
    if precision is None or runner_up is None:
        return None
    gap = gaps[runner_up]
    if gap.low and gap.high and math.log(gap.high / gap.low) / 2 <= math.log1p(precision):
        return None
    return runner_up
