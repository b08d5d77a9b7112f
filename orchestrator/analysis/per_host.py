"""The verdict of each host of a cluster on a point, and whether the hosts disagree. Pure.

The level of a look is divided by the number of hosts, so that the claims about all hosts hold together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from .. import units
from . import decide
from .contest import Contest, Look
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
        labels = [v for v in contest.variants if v not in contest.excluded and all(v in b.walls for b in blocks)]
        if not labels:
            continue
        look = decide.judge_blocks(contest, blocks, labels, split=len(names))
        ratio = compare([block.walls for block in blocks], best, rival, level) if best and rival else None
        found.append(HostVerdict(name, look, look.remaining, ratio))
    return found


def disagreement(contest: Contest, found: Sequence[HostVerdict]) -> list[str]:
    """Return all decided verdicts where two hosts have different winners and intervals that do not overlap; else []."""
    sure, known, kinds = [], [], contest.kinds
    for each in found:
        if each.look.decision and (ratio := each.ratio) and ratio.low and ratio.high:
            sure.append(f"{each.decision} on {each.host}")
            known.append(({kinds[label] for label in each.winners}, ratio.low, ratio.high))
    disagree = any(a[0] != b[0] and (a[2] < b[1] or b[2] < a[1]) for a, b in combinations(known, 2))
    return sure if disagree else []
