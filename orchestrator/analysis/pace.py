"""How further blocks run, from those so far: the rounds, all or only the first, and which need no warm-up. Pure.

Nothing here depends on which of the contenders is ahead, so no choice can favour one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import mean, median

import numpy as np

from ..journal.raw_events import RoundsChosen
from ..spec.plan import MOST_ROUNDS, Claim, Variant, columns
from .contest import Block, Contest
from .expect import is_open

OBSERVED = 2  # the number of blocks after which the rounds are chosen

PRIOR_BETWEEN_SD, PRIOR_BLOCKS = 0.02, 2
"""What the deviation from block to block is assumed to be, and how many blocks that counts for: two show little."""

LEAST_WITHIN_SD = 0.001
MOST_NS = 1_000_000_000

LONG_CALL_NS = 300_000_000
COLD = 0.05
"""Calls of this length need a warm-up only where the first takes so much longer than the others."""


def rounds(contest: Contest) -> RoundsChosen | None:
    """Return how many rounds further blocks have; None while that is unknown, or is not to be chosen.

    sqrt(overhead of a block / time of a round x variance within / variance between blocks) gives the least variance for
    the time (Kalibera & Jones, "Rigorous benchmarking in reasonable time", ISMM 2013, section 5). It is one at least,
    and at most as many as take a second, or as long as the rest of the block. The variances are those of the logarithm
    of a trial's time, less the mean over the variants of the same round. Windows of arrivals have their number from the
    calls that a percentile needs.
    """
    if contest.point.arrivals:
        return None
    so_far = contest.rounds
    is_given = contest.plan.experiment.measure.rounds is not None or contest.fixed_blocks is not None
    if is_given or contest.has_frozen_rounds or so_far is None or so_far < 2 or len(contest.blocks) < OBSERVED:
        return None
    blocks = contest.blocks[:OBSERVED]
    labels = [label for label in contest.variants if all(len(_walls(block, label)) == so_far for block in blocks)]
    if len(labels) < 2:
        return None
    logs = np.log(np.array([[_walls(block, label) for label in labels] for block in blocks], np.float64))
    logs -= logs.mean(axis=1, keepdims=True)
    of_blocks = np.median(logs, axis=2)
    within = max(LEAST_WITHIN_SD**2, float(np.median(logs.var(axis=2, ddof=1))))
    of_medians = math.pi / 2 * within  # the variance of a median of normal values, times their number
    seen = max(0.0, float(of_blocks.var(axis=0, ddof=1).mean()) - of_medians / so_far)
    between = (PRIOR_BLOCKS * PRIOR_BETWEEN_SD**2 + (OBSERVED - 1) * seen) / (PRIOR_BLOCKS + OBSERVED - 1)
    overhead_ns = median(block.overhead_ns for block in blocks)
    round_ns = median(block.rounds_ns for block in blocks) / so_far
    best = math.sqrt(overhead_ns / round_ns * of_medians / between)
    return RoundsChosen(
        **columns(contest.point),
        blocks=OBSERVED,
        rounds=max(1, min(MOST_ROUNDS, round(max(MOST_NS, overhead_ns) / round_ns), round(best))),
        overhead_ns=round(overhead_ns),
        round_ns=round(round_ns),
        within_sd=round(math.sqrt(within), 6),
        between_sd=round(math.sqrt(between), 6),
    )


def without_warmup(contest: Contest) -> frozenset[str]:
    """Return the variants whose calls are long, and whose first calls took no longer than those of the trials.

    None where calls arrive at a rate: what takes single calls must be up before the first one arrives.
    """
    if contest.point.arrivals:
        return frozenset()
    found = (label for label, variant in contest.variants.items() if _is_warm_at_once(contest, variant))
    return frozenset(found)


def in_first_round(contest: Contest, claims: Iterable[Claim]) -> frozenset[str]:
    """Return the baseline where it is far behind: the first round of a block is enough for its ratio.

    Not where one of `claims` is open and about it: that may need all rounds. Nor where calls arrive at a rate:
    percentiles are comparable over the same arrivals only.
    """
    if contest.point.arrivals:
        return frozenset()
    baseline = contest.plan.baseline.label
    asked = [claim for claim in claims if baseline in (claim.variant.label, claim.against.label)]
    is_spared = baseline in contest.dropped_for_futility and not any(is_open(claim, contest) for claim in asked)
    return frozenset({baseline} if is_spared else ())


def _is_warm_at_once(contest: Contest, variant: Variant) -> bool:
    label, tasks = variant.label, contest.point.tasks
    seen = [block for block in contest.blocks if label in block.calls_ns and label in block.walls]
    if not seen:
        return False
    calls_ns = mean(block.calls_ns[label] for block in seen)
    workers = max(1, max(block.threads[label] for block in seen))
    expected_ns = calls_ns * math.ceil(tasks / workers)
    return calls_ns >= LONG_CALL_NS and expected_ns <= (1 + COLD) * median(seen[0].walls[label])


def _walls(block: Block, label: str) -> Sequence[int]:
    return block.walls.get(label, ())
