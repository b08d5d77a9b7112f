"""Which values of an axis to measure next, so that the interval in which the winner changes becomes narrow. Pure.

Both ends and some values between them come first. Then every interval with opposite winners at its ends is halved, by
place and not by value, so that a logarithmic grid stays one. At a value where neither variant is significantly faster,
the search goes on on both sides of it, and the value itself gets the remaining time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from . import decide
from .crossover import Line, are_winners, changes

MANY = 13  # an axis of so many values begins with three between the ends, a shorter one with one

Reason = Literal["same_winners", "undecided", "no_time", "no_capacity"]


def coarse(count: int) -> list[int]:
    """Return the places that are measured first, of an axis of `count` values; both ends are among them."""
    steps = 4 if count >= MANY else 2
    return sorted({step * (count - 1) // steps for step in range(steps + 1)})


def unlooked(low: int, high: int, looked: Collection[int]) -> list[tuple[int, int]]:
    """Return the intervals that can hold a change between `low` and `high`, and have places without a look."""
    inside = [place for place in sorted(looked) if low < place < high]
    ends = [(low, inside[0]), (inside[-1], high)] if inside else [(low, high)]
    return [(below, above) for below, above in ends if above - below > 1]


def wanted(line: Line) -> set[int]:
    """Return the places that need more blocks, for their first look or a later one; empty when nothing is open."""
    looked = line.looked
    first = {*coarse(len(line.values)), *((below + above) // 2 for below, above in open_gaps(line))}
    return {place for place in first if place not in looked} | _worth_more(line)


def open_gaps(line: Line) -> list[tuple[int, int]]:
    """Return the intervals of a line in which the winner changes, and that have places without a look."""
    found = []
    for located, _ in changes(line):
        wins_below = located.below in line.contests[located.low].front
        wins_above = located.above in line.contests[located.high].front
        if located.decision == "found" and wins_below and wins_above:
            found += unlooked(located.low, located.high, line.looked)
    return found


def skipped(line: Line, place: int) -> tuple[Reason, int | None, int | None]:
    """Return why a place was not measured, and the nearest places below and above that had a look."""
    below, above = line.neighbours(place)
    if below is None or above is None or any(low < place < high for low, high in open_gaps(line)):
        return "no_time", below, above
    shared = set(line.contests[below].front) & set(line.contests[above].front)
    kinds = line.contests[below].kinds
    is_one_kind = len({kinds[label] for label in shared}) == 1
    return "same_winners" if is_one_kind else "undecided", below, above


def _worth_more(line: Line) -> set[int]:
    """Return the places with a look that keep an interval open, since neither winner is significantly faster there."""
    found: set[int] = set()
    unsure = [place for place in line.looked if not decide.is_decided(line.contests[place])]
    for located, faster in changes(line):
        if located.decision == "none" or not are_winners(line, located.below, located.above):
            continue
        pair = {located.below, located.above}
        inside = (place for place in unsure if located.low <= place <= located.high and faster[place] is None)
        found |= {place for place in inside if pair & set(line.contests[place].front)}
    return found
