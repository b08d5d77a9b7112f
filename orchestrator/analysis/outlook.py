"""What an undecided point still needs: about how many blocks, how much time, and what to choose until then. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from .contest import Contest
from .decide import Finding
from .distributions import student_quantile
from .looks import LOOKS, has_rank_interval
from .stats import (
    EARLY_SHARE,
    PRIOR_DEGREES,
    Ratio,
    Times,
    log_statistics,
    moderated_deviation,
    widening,
)


@dataclass(frozen=True)
class Outlook:
    """What an undecided point still needs."""

    blocks: int | None
    """About how many more blocks would decide; None when not even the last look would."""
    seconds: float | None
    choice: str
    """The variant to choose until then: of those that can still win, the simplest that no other has beaten so far.

    Where the simplest of all is beaten, it is one of those that beat it. One beats another where the pairwise interval
    is above 1. Before there is one, it must be faster in every block, by more than `_noise`.
    """


def outlook(contest: Contest, finding: Finding) -> Outlook | None:
    """Return what an undecided point still needs; None when it is decided, or when there is no ratio."""
    if finding.verdict != "undecided" or finding.gap is None or not contest.blocks:
        return None
    best, rival, gap = finding.best, finding.rival, finding.gap
    assert best is not None and rival is not None
    logs = log_statistics([block.walls for block in contest.counting], best, rival)
    more = _more_blocks(contest, logs, gap)
    seconds = None if more is None else more * mean(block.elapsed_ns for block in contest.counting) / 1e9
    return Outlook(more, seconds, _unbeaten(contest, finding.winners))


def _unbeaten(contest: Contest, labels: Sequence[str]) -> str:
    """Return the first of some variants, or if others have beaten it so far, the first of these that is unbeaten."""
    noise = _noise(contest)

    def beating(label: str, others: Sequence[str]) -> list[str]:
        return [other for other in others if other != label and _beats(contest, other, label, noise)]

    better = beating(labels[0], labels)
    return next((label for label in better if not beating(label, better)), labels[0])


def _beats(contest: Contest, a: str, b: str, noise: float) -> bool:
    """Return whether the interval of a ratio is above 1; before there is one, whether `a` leads in every block."""
    gap = contest.compare(a, b, contest.look_level)
    if gap is None:
        return False
    if gap.low is None:
        return gap.agreeing == gap.blocks and math.log(gap.value) > max(contest.log_tie, noise)
    return gap.low > 1


def _noise(contest: Contest) -> float:
    """Return the largest logarithm of a ratio in any block of a plain loop and what repeats it; 0 without repeats.

    They run the same calls, one after the other, so a few blocks that part others by no more than this show nothing.
    """
    times = [block.walls for block in contest.counting]
    logs = [log_statistics(times, repeat, loop) for repeat, loop in contest.repeated_loops.items()]
    return max((abs(float(log)) for own in logs for log in own), default=0.0)


def _more_blocks(contest: Contest, logs: Times, gap: Ratio) -> int | None:
    """Return how many blocks are missing to the look whose interval would probably decide.

    The interval is taken as one of Student, around the ratio as it is, with the deviation as it is.
    """
    m, centre, factor = len(logs), abs(math.log(gap.value)), widening(logs)
    tie = contest.log_tie
    for blocks in (look for look in LOOKS if look > m):
        is_ranked = has_rank_interval(blocks, contest.level)
        level = contest.level if is_ranked else EARLY_SHARE * contest.level
        prior = 0 if is_ranked and m >= LOOKS[0] else PRIOR_DEGREES
        deviation = moderated_deviation(logs, prior)
        reach = student_quantile(1 - level / 2, prior + blocks - 1) * deviation / math.sqrt(blocks) * factor
        if reach < centre or (is_ranked and centre + reach < tie):
            return blocks - m
    return None
