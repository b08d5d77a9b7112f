"""Which levels of an axis to measure next, so that the interval in which the winner changes becomes narrow. Pure.

Both ends and some levels between them come first. Then every interval with opposite winners at its ends is halved, by
place and not by value: a logarithmic grid stays one. Where neither is surely faster, the change is sought on both sides
of that level, and the level itself gets what time is left.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from .crossover import Line, are_winners, changes

MANY = 13
"""Of so many levels or more three lie between the ends at first, else one."""

Reason = Literal["same_winners", "undecided", "no_time"]


def coarse(count: int) -> list[int]:
    """Return the places of `count` levels that are measured first, both ends among them."""
    steps = 4 if count >= MANY else 2
    return sorted({step * (count - 1) // steps for step in range(steps + 1)})


def unlooked(low: int, high: int, looked: Collection[int]) -> list[tuple[int, int]]:
    """Return between which places a change is still to be sought, that lies between two and at none of `looked`."""
    inside = [place for place in sorted(looked) if low < place < high]
    ends = [(low, inside[0]), (inside[-1], high)] if inside else [(low, high)]
    return [(below, above) for below, above in ends if above - below > 1]


def wanted(line: Line) -> set[int]:
    """Return the places that need more blocks, up to a first look or beyond it; none when all is known that can be."""
    looked = line.looked
    first = {*coarse(len(line.levels)), *((below + above) // 2 for below, above in open_gaps(line))}
    return {place for place in first if place not in looked} | _worth_more(line)


def open_gaps(line: Line) -> list[tuple[int, int]]:
    """Return between which places of a line the winner changes, and no level has been looked at."""
    found = []
    for located, _ in changes(line):
        wins_below = located.below in line.contests[located.low].front
        wins_above = located.above in line.contests[located.high].front
        if located.decision == "found" and wins_below and wins_above:
            found += unlooked(located.low, located.high, line.looked)
    return found


def skipped(line: Line, place: int) -> tuple[Reason, int | None, int | None]:
    """Return why a place was not measured, and the next places below and above that were looked at."""
    below = max((other for other in line.looked if other < place), default=None)
    above = min((other for other in line.looked if other > place), default=None)
    if below is None or above is None or any(low < place < high for low, high in open_gaps(line)):
        return "no_time", below, above
    fronts = set(line.contests[below].front), set(line.contests[above].front)
    is_told = len({line.contests[below].kind(label) for label in fronts[0] & fronts[1]}) == 1
    return "same_winners" if is_told else "undecided", below, above


def _worth_more(line: Line) -> set[int]:
    """Return the places that were looked at, and hold an interval open since neither winner is surely faster there."""
    found: set[int] = set()
    for located, faster in changes(line):
        if located.decision == "none" or not are_winners(line, located.below, located.above):
            continue
        for place in line.looked:
            contest = line.contests[place]
            contends = bool({located.below, located.above} & set(contest.front))
            if located.low <= place <= located.high and faster[place] is None and contends and not contest.is_decided:
                found.add(place)
    return found
