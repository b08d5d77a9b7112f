"""Two runs of one experiment, of different days or commits: what changed relative to the reference loop. Pure.

What slows down both a variant and the reference loop of its block (a slower machine, a busier neighbour) cancels. Other
differences between two days do not cancel, so only variants that compete in the same blocks prove a regression of code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from ..journal.derived_events import VariantChanged
from ..spec.plan import Variant, columns
from .contest import Block, Contest
from .results import Results
from .stats import STATS_VERSION, Ratio, Shift, fields, geometric_shift

LEVEL = 0.05  # the level of all intervals of a comparison together; each is at this level divided by their number


@dataclass(frozen=True)
class Comparison:
    """The changes of what two runs share, and the variants and points that only one of them measured."""

    changes: Sequence[VariantChanged]
    only_before: Sequence[str]
    only_after: Sequence[str]

    @property
    def regressions(self) -> list[VariantChanged]:
        """The changes that are significantly slower."""
        return [change for change in self.changes if change.change == "slower"]


def compare_runs(before: Results, after: Results, tolerance: float) -> Comparison:
    """Return the change of each variant at each point that both runs measured; one within `tolerance` is "same"."""
    earlier, later = _measured(before), _measured(after)
    shared = [key for key in earlier if key in later]
    level = LEVEL / max(1, len(shared))
    return Comparison(
        changes=[_change(earlier[key], later[key], level, tolerance) for key in shared],
        only_before=[_named(*earlier[key]) for key in earlier if key not in later],
        only_after=[_named(*later[key]) for key in later if key not in earlier],
    )


def _measured(results: Results) -> dict[tuple[str, str], tuple[Contest, Variant]]:
    return {
        (contest.point.id, variant.id): (contest, variant)
        for contest in results.contests
        for label, variant in contest.variants.items()
        if any(label in block.walls for block in contest.counting)
    }


def _named(contest: Contest, variant: Variant) -> str:
    return f"{variant.label} at {contest.point.label}"


def _change(
    before: tuple[Contest, Variant], after: tuple[Contest, Variant], level: float, tolerance: float
) -> VariantChanged:
    earlier, later = ([b for b in contest.counting if v.label in b.walls] for contest, v in (before, after))
    versions = {block.reference_version for block in (*earlier, *later)}
    label = after[1].label
    raw_a, raw_b = ([math.log(median(block.walls[label])) for block in blocks] for blocks in (earlier, later))
    raw = geometric_shift(raw_a, raw_b, level)
    ratio = None  # where the loop was not timed, or is another one than in the other run
    if len(versions) == 1 and None not in versions:
        a, b = ([_relative(block, label) for block in blocks] for blocks in (earlier, later))
        ratio = geometric_shift(a, b, level)
    return VariantChanged(
        **columns(after[0].point, after[1]),
        stats_version=STATS_VERSION,
        level=level,
        tolerance=tolerance,
        blocks_before=len(earlier),
        blocks_after=len(later),
        wall_ns_before=round(median(median(block.walls[label]) for block in earlier)),
        wall_ns_after=round(median(median(block.walls[label]) for block in later)),
        **fields("wall_ratio", raw),
        **fields("ratio", ratio),
        change=change_of(raw, ratio, tolerance),
    )


def _relative(block: Block, label: str) -> float:
    """Return the median of log(time / time of the reference loop) over the rounds that the variant took part in.

    These are the first ones of the block: a variant far behind runs fewer than the loop.
    """
    return median(math.log(wall / loop) for wall, loop in zip(block.walls[label], block.reference, strict=False))


def by_the_loop(block: Block, label: str) -> float | None:
    """Return the time of a batch divided by that of the reference loop, the median over the rounds of both.

    None where one of the two was not timed.
    """
    if not block.reference or not block.walls.get(label):
        return None
    return math.exp(_relative(block, label))


Change = Literal["slower", "faster", "same", "shifted", "undecided"]


def change_of(raw: Shift, ratio: Shift | None, tolerance: float) -> Change:
    """Return how a variant changed between two runs: a word that holds for the whole interval, or "undecided".

    `raw` is the ratio of its wall-clock times, `ratio` that of its times relative to the reference loop; None where the
    runs did not time the same loop.
    """
    if ratio is None:
        return "undecided"
    if (word := side(ratio, tolerance)) in ("slower", "faster"):
        return word
    return "shifted" if side(raw, tolerance) in ("slower", "faster") else word


def side(ratio: Shift | Ratio, tolerance: float) -> Literal["slower", "faster", "same", "undecided"]:
    """Return the word for a ratio of times that holds for its whole interval.

    The interval of a few blocks never says "same": its width is in part what was assumed before.
    """
    low, high = ratio.low, ratio.high
    if low is None or high is None:
        return "undecided"
    if low > 1 + tolerance:
        return "slower"
    if high < 1 / (1 + tolerance):
        return "faster"
    is_same = ratio.is_ranked and 1 / (1 + tolerance) <= low and high <= 1 + tolerance
    return "same" if is_same else "undecided"
