"""Where along an axis the winner changes: the values between which one variant begins to be faster than another. Pure.

At every value, `decide.faster` compares the pair at a level at which all claims about the axis hold together. A change
lies between two opposite significant results; values at which neither is significantly faster stay inside of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from .. import units
from ..journal.derived_events import CrossoverLocated
from ..spec.axes import ordered_axes
from ..spec.plan import Plan, canonical, column, label_along
from . import decide, figures, load
from .contest import Contest
from .decide import TIE, Faster
from .stats import STATS_VERSION, Ratio, fields


@dataclass(frozen=True)
class Line:
    """The points that differ along one axis of numbers only, in ascending order."""

    axis: str
    values: Sequence[int | float]
    contests: Sequence[Contest]

    @property
    def column(self) -> str:
        """The axis as a column of events."""
        return column(self.axis)

    @property
    def name(self) -> str:
        """The axis without the prefix `kwargs.` or `arrivals.`."""
        return self.axis.removeprefix("kwargs.").removeprefix("arrivals.")

    @property
    def points(self) -> str:
        """The label of all its points, without the value of the axis."""
        return label_along(self.contests[0].point, self.axis)

    @property
    def looked(self) -> list[int]:
        """The places that had a look."""
        return [place for place, contest in enumerate(self.contests) if contest.looks]

    def neighbours(self, place: int) -> tuple[int | None, int | None]:
        """Return the nearest places below and above that had a look; None where there is none."""
        below = max((other for other in self.looked if other < place), default=None)
        return below, min((other for other in self.looked if other > place), default=None)


@dataclass(frozen=True)
class Located:
    """Where the faster one of two variants changes along a line; `low` and `high` are places on it.

    Found: the nearest places at which `below` and `above` are significantly faster. None: both ends of the line.
    Undecided: the change may lie anywhere between the two.
    """

    decision: Literal["found", "none", "undecided"]
    below: str
    above: str
    low: int
    high: int
    changes: int = 0


def lines(plan: Plan, contests: Sequence[Contest], axes: Sequence[str] | None = None) -> list[Line]:
    """Return the lines of a plan, one for each axis (all of numbers by default) and combination of other columns."""
    found = []
    for axis in ordered_axes(plan.experiment) if axes is None else axes:
        own = column(axis)
        groups: dict[str, list[Contest]] = {}
        for contest in contests:
            groups.setdefault(canonical(_beside(contest, own)), []).append(contest)
        for group in groups.values():
            ascending = sorted(group, key=lambda contest: contest.point.columns[own])
            found.append(Line(axis, [contest.point.columns[own] for contest in ascending], ascending))
    return found


def _beside(contest: Contest, own: str) -> dict[str, Any]:
    """Return the columns of a point that the points of a line share; the calls of a window follow from their rate."""
    left_out = {own, "tasks"} if contest.point.arrivals else {own}
    return {key: value for key, value in contest.point.columns.items() if key not in left_out}


def locate(faster: Sequence[Faster], a: str, b: str) -> list[Located]:
    """Return every change of the faster variant; without a change, one result: "none" or "undecided".

    `faster` holds the result of `decide.faster(a, b)` at every place. It is "none" where both ends are known and the
    faster variant is the same everywhere; `below` is that variant then, or `a` where the two tie.
    """
    sure = [(place, label) for place, label in enumerate(faster) if label in (a, b)]
    changes = [(low, high) for low, high in pairwise(sure) if low[1] != high[1]]
    if changes:
        return [Located("found", str(x[1]), str(y[1]), x[0], y[0], len(changes)) for x, y in changes]
    below, above = (b, a) if sure and sure[0][1] == b else (a, b)
    known = [place for place, label in enumerate(faster) if label is not None]
    last = len(faster) - 1
    if known and known[0] == 0 and known[-1] == last:
        return [Located("none", below, above, 0, last)]
    low = known[-1] if known and known[0] == 0 else 0
    high = known[0] if known and known[-1] == last else last
    return [Located("undecided", below, above, low, high)]


def pairs(line: Line) -> list[tuple[str, str]]:
    """Return the pairs to report: each variant recommended at some value, with all variants of another kind."""
    leaders = [figures.simplest_first(contest, contest.front)[0] for contest in line.contests if contest.front]
    first = line.contests[0]
    found: list[tuple[str, str]] = []
    kinds = first.kinds
    for leader in dict.fromkeys(leaders):
        others = [label for label in first.variants if kinds[label] != kinds[leader]]
        found += [(leader, other) for other in others if (other, leader) not in found]
    return found


def changes(line: Line) -> Iterator[tuple[Located, Sequence[Faster]]]:
    """Yield every result of `locate` for every pair of a line, with the faster variant at each place."""
    for a, b in pairs(line):
        faster = [decide.faster(contest, a, b) for contest in line.contests]
        yield from ((located, faster) for located in locate(faster, a, b))


def are_winners(line: Line, a: str, b: str) -> bool:
    """Return whether each of the two is somewhere the best, or not separated from it."""
    fronts = [contest.front for contest in line.contests]
    return any(a in front for front in fronts) and any(b in front for front in fronts)


def events(plan: Plan, contests: Sequence[Contest]) -> list[CrossoverLocated]:
    """Return an event for each pair along each axis: those of winners first, then by decision, found ones first."""
    found = [_event(line, located, faster) for line in lines(plan, contests) for located, faster in changes(line)]
    order = ("found", "undecided", "none")
    return sorted(found, key=lambda event: (not event.of_winners, order.index(event.decision)))


def worth_showing(located: Sequence[CrossoverLocated], line: Line) -> list[CrossoverLocated]:
    """Return the events of a line that are worth printing: changes and pairs of winners, else all."""
    along = [event for event in located if (event.points, event.axis) == (line.points, line.column)]
    return [event for event in along if event.decision == "found" or event.of_winners] or along


def _event(line: Line, located: Located, faster: Sequence[Faster]) -> CrossoverLocated:
    below = _ratio(line, located.low, located.below, located.above)
    above = _ratio(line, located.high, located.above, located.below)
    edges = ((located.low, located.below, located.above, below), (located.high, located.above, located.below, above))
    at_this_load = located.decision == "found" and any(
        gap is not None and load.is_at_this_load(line.contests[place], best, rival, gap)
        for place, best, rival, gap in edges
    )
    return CrossoverLocated(
        stats_version=STATS_VERSION,
        points=line.points,
        axis=line.column,
        levels=[line.values[place] for place in line.looked],
        from_variant=located.below,
        to_variant=located.above,
        of_winners=are_winners(line, located.below, located.above),
        decision=located.decision,
        changes=located.changes,
        low=line.values[located.low],
        high=line.values[located.high],
        **fields("low_ratio", below),
        **fields("high_ratio", above),
        at_this_load=at_this_load,
        sentence=f"{line.points}: {_finding(line, located, faster, (below, above), at_this_load=at_this_load)}.",
        **shared(line),
    )


def shared(line: Line) -> dict[str, Any]:
    """Return the columns that all points of a line share."""
    return _beside(line.contests[0], line.column)


def _ratio(line: Line, place: int, a: str, b: str) -> Ratio | None:
    contest = line.contests[place]
    return contest.compare(a, b, contest.level) if contest.looks else None


def _finding(
    line: Line,
    located: Located,
    faster: Sequence[Faster],
    ratios: tuple[Ratio | None, Ratio | None],
    *,
    at_this_load: bool,
) -> str:
    below, above = located.below, located.above
    low, high = (units.number(line.values[place]) for place in (located.low, located.high))
    if located.decision == "found":
        here = " at this load" * at_this_load
        edges = zip((low, high), (below, above), ratios, strict=True)
        at_the_ends = "; ".join(
            f"at {value} {label} is {units.ratio(gap.value, gap.low, gap.high)} times as fast"
            for value, label, gap in edges
            if gap
        )
        several = f"; the faster one changes {located.changes} times" if located.changes > 1 else ""
        return f"{above} beats {below} from {line.name} between {low} and {high} on{here} ({at_the_ends}){several}"
    if located.decision == "none":
        counts = {label: faster.count(label) for label in (below, above)}
        parts = [f"{label} is faster at {units.count(n, 'value')}" for label, n in counts.items() if n]
        parts += [f"they tie at {units.count(ties, 'value')}"] if (ties := faster.count(TIE)) else []
        return f"no crossover of {below} and {above} for {line.name} from {low} to {high}: {' and '.join(parts)}"
    why = "" if line.looked else ", since no value had a look"
    return f"which of {below} and {above} is faster is undecided for {line.name} between {low} and {high}{why}"
