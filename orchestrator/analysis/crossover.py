"""Where along an axis the winner changes: the levels between which one variant begins to be faster than another. Pure.

At every level stands what `compare` says of the pair, at the level of significance of one look split over the points of
the axis, so that all that is said along it holds together. A change lies between two opposite significant verdicts;
levels at which neither is surely faster stay inside of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ..spec.axes import ordered_axes
from ..spec.plan import Plan, canonical, column, label_along
from . import figures
from .contest import Contest

Decision = Literal["found", "none", "undecided"]


@dataclass(frozen=True)
class Line:
    """The points that differ along one axis of numbers, in ascending order."""

    axis: str
    levels: Sequence[int | float]
    contests: Sequence[Contest]

    @property
    def column(self) -> str:
        """The axis as a column of events."""
        return column(self.axis)

    @property
    def name(self) -> str:
        """The axis as people read it."""
        return self.axis.removeprefix("kwargs.")

    @property
    def points(self) -> str:
        """What all points along it share, as a label."""
        return label_along(self.contests[0].point, self.axis)

    @property
    def looked(self) -> list[int]:
        """The places that had a look."""
        return [place for place, contest in enumerate(self.contests) if contest.looks]


@dataclass(frozen=True)
class Located:
    """What is known of two variants along a line; `low` and `high` are places on it.

    Found: the next places at which `below` and `above` are surely faster. None: the ends. Undecided: what lies between
    the two is not known.
    """

    decision: Decision
    below: str
    above: str
    low: int
    high: int
    changes: int = 0


def lines(plan: Plan, contests: Sequence[Contest], axes: Sequence[str] | None = None) -> list[Line]:
    """Return the lines of a plan, one for each ordered axis and combination of all other columns.

    `axes` names the axes that are meant, where it is not all of them.
    """
    found = []
    for axis in ordered_axes(plan.experiment) if axes is None else axes:
        own = column(axis)
        groups: dict[str, list[Contest]] = {}
        for contest in contests:
            others = {key: value for key, value in contest.point.columns.items() if key != own}
            groups.setdefault(canonical(others), []).append(contest)
        for group in groups.values():
            ascending = sorted(group, key=lambda contest: contest.point.columns[own])
            found.append(Line(axis, [contest.point.columns[own] for contest in ascending], ascending))
    return found


def locate(faster: Sequence[str | None], a: str, b: str) -> list[Located]:
    """Return where the faster one of two changes; `faster` has `a`, `b`, `TIE`, or None for unknown, at every place.

    One for each change, or one alone that says that there is none, or between which places that is not known. There is
    none where both ends are known and nobody changes; `a` stands below then, or whoever is faster anywhere.
    """
    sure = [(place, who) for place, who in enumerate(faster) if who in (a, b)]
    changes = [(low, high) for low, high in pairwise(sure) if low[1] != high[1]]
    if changes:
        return [Located("found", str(x[1]), str(y[1]), x[0], y[0], len(changes)) for x, y in changes]
    below, above = (b, a) if sure and sure[0][1] == b else (a, b)
    known = [place for place, who in enumerate(faster) if who is not None]
    last = len(faster) - 1
    if known and known[0] == 0 and known[-1] == last:
        return [Located("none", below, above, 0, last)]
    low = known[-1] if known and known[0] == 0 else 0
    high = known[0] if known and known[-1] == last else last
    return [Located("undecided", below, above, low, high)]


def pairs(line: Line) -> list[tuple[str, str]]:
    """Return the pairs that are told of: each that is recommended at some level, with all others of another kind."""
    leaders = [figures.simplest_first(contest, contest.front)[0] for contest in line.contests if contest.front]
    any_one = line.contests[0]
    found: list[tuple[str, str]] = []
    for leader in dict.fromkeys(leaders):
        others = [label for label in any_one.variants if any_one.kind(label) != any_one.kind(leader)]
        found += [(leader, other) for other in others if (other, leader) not in found]
    return found


def changes(line: Line) -> Iterator[tuple[Located, Sequence[str | None]]]:
    """Yield what is known of every pair of a line, and who of the two is faster at each place."""
    for a, b in pairs(line):
        faster = [contest.faster(a, b) for contest in line.contests]
        for located in locate(faster, a, b):
            yield located, faster


def are_winners(line: Line, a: str, b: str) -> bool:
    """Return whether each of the two is the best somewhere, or not separated from it."""
    fronts = [contest.front for contest in line.contests]
    return any(a in front for front in fronts) and any(b in front for front in fronts)
