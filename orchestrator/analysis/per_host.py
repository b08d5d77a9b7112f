"""The verdict of each host of a cluster on a point, and whether the hosts disagree. Pure.

The level of a look is divided by the number of hosts, so that the claims about all hosts hold together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import units
from . import decide
from .blocks import Look
from .contest import Contest
from .stats import Ratio, compare


@dataclass(frozen=True)
class HostVerdict:
    """The result of a look at the blocks of one host; `ratio` is of the two variants that the verdict compares."""

    host: str
    look: Look
    winners: tuple[str, ...]
    ratio: Ratio | None

    @property
    def decision(self) -> str:
        """The verdict in words."""
        names = units.listed(self.winners)
        if self.look.decision is None:
            return f"undecided between {names}"
        return f"{names} tie" if self.look.decision == "tie" else f"{' or '.join(self.winners)} wins"


def judged(contest: Contest, best: str | None, rival: str | None) -> list[HostVerdict]:
    """Return the verdict of each host, sorted by name; empty where all blocks that count ran on one."""
    names = sorted({block.host for block in contest.counting if block.host is not None})
    if len(names) < 2:
        return []
    found = []
    level = contest.level / len(names)
    for name in names:
        blocks = [block for block in contest.counting if block.host == name]
        labels = [label for label in contest.variants if all(label in block.walls for block in blocks)]
        labels = [label for label in labels if label not in contest.excluded]
        if not labels:
            continue
        look = decide.judge_blocks(contest, blocks, labels, level)
        ratio = compare([block.walls for block in blocks], best, rival, level) if best and rival else None
        found.append(HostVerdict(name, look, look.remaining, ratio))
    return found


def disagreement(contest: Contest, found: Sequence[HostVerdict]) -> list[str]:
    """Return all decided verdicts where two hosts have different winners and intervals that do not overlap; else []."""
    sure = [each for each in found if each.look.decision and each.ratio and each.ratio.low and each.ratio.high]
    for place, one in enumerate(sure):
        for other in sure[place + 1 :]:
            if _kinds(contest, one) != _kinds(contest, other) and _are_apart(one.ratio, other.ratio):
                return [f"{each.decision} on {each.host}" for each in sure]
    return []


def _kinds(contest: Contest, each: HostVerdict) -> set[str]:
    return {contest.kind(label) for label in each.winners}


def _are_apart(one: Ratio | None, other: Ratio | None) -> bool:
    if not (one and other and one.low and one.high and other.low and other.high):
        return False
    return one.high < other.low or other.high < one.low
