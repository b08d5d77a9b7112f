"""What an undecided point still needs: about how many blocks, how much time, and what to choose until then. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

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
    """The variant to choose until then: the simplest of those that can still win.

    Before the first look it is the simplest that no other one beat in every block.
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
    choice = finding.winners[0] if gap.low is not None else _unbeaten(contest, finding.winners)
    return Outlook(more, seconds, choice)


def _unbeaten(contest: Contest, labels: Sequence[str]) -> str:
    """Return the first of some variants that no other one beat in every block, and by more than a tie."""
    blocks = [block.walls for block in contest.counting]
    tie = contest.log_tie

    def is_behind(label: str) -> bool:
        against = (log_statistics(blocks, other, label) for other in labels if other != label)
        return any(len(logs) and min(logs) > 0 and median(logs) > tie for logs in against)

    return next((label for label in labels if not is_behind(label)), labels[0])


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
