"""What is said of where the winner changes: an event for each pair along each axis, with its sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import units
from ..journal.derived_events import CrossoverLocated
from ..spec.plan import Plan
from . import load
from .contest import TIE, Contest
from .crossover import Line, Located, are_winners, changes, lines
from .stats import STATS_VERSION, Ratio, fields


def events(plan: Plan, contests: Sequence[Contest]) -> list[CrossoverLocated]:
    """Return what is said along every axis, the changes of the winner first."""
    found = [_event(line, located, faster) for line in lines(plan, contests) for located, faster in changes(line)]
    order: dict[str, int] = {"found": 0, "undecided": 1, "none": 2}
    return sorted(found, key=lambda event: (not event.of_winners, order[event.decision]))


def _event(line: Line, located: Located, faster: Sequence[str | None]) -> CrossoverLocated:
    found = located.decision == "found"
    below = _ratio(line, located.low, located.below, located.above)
    above = _ratio(line, located.high, located.above, located.below)
    edges = ((located.low, located.below, located.above, below), (located.high, located.above, located.below, above))
    at_this_load = found and any(_is_at_stake(line.contests[place], x, y, gap) for place, x, y, gap in edges)
    shared = {key: value for key, value in line.contests[0].point.columns.items() if key != line.column}
    return CrossoverLocated(
        stats_version=STATS_VERSION,
        points=line.points,
        axis=line.column,
        levels=[line.levels[place] for place in line.looked],
        from_variant=located.below,
        to_variant=located.above,
        of_winners=are_winners(line, located.below, located.above),
        decision=located.decision,
        changes=located.changes,
        low=line.levels[located.low],
        high=line.levels[located.high],
        **fields("low_ratio", below),
        **fields("high_ratio", above),
        at_this_load=at_this_load,
        sentence=_sentence(line, located, faster, (below, above), at_this_load=at_this_load),
        **shared,
    )


def _ratio(line: Line, place: int, a: str, b: str) -> Ratio | None:
    contest = line.contests[place]
    return contest.compare(a, b, contest.level) if contest.looks else None


def _is_at_stake(contest: Contest, best: str, rival: str, gap: Ratio | None) -> bool:
    return gap is not None and load.is_at_this_load(contest, best, rival, gap)


def _sentence(
    line: Line,
    located: Located,
    faster: Sequence[str | None],
    ratios: tuple[Ratio | None, Ratio | None],
    *,
    at_this_load: bool,
) -> str:
    about = f"{line.points}: "
    low, high = (units.number(line.levels[place]) for place in (located.low, located.high))
    if located.decision == "found":
        here = " at this load" * at_this_load
        said = f"{located.above} beats {located.below} from {line.name} between {low} and {high} on{here}"
        edges = zip((low, high), (located.below, located.above), ratios, strict=True)
        at_the_ends = "; ".join(f"at {level} {who} is {_times(gap)}" for level, who, gap in edges if gap)
        several = f"; the faster one changes {located.changes} times" if located.changes > 1 else ""
        return f"{about}{said} ({at_the_ends}){several}."
    if located.decision == "none":
        counts = {who: faster.count(who) for who in (located.below, located.above, TIE)}
        parts = [f"{who} is faster at {units.count(n, 'level')}" for who, n in counts.items() if n and who != TIE]
        parts += [f"they tie at {units.count(counts[TIE], 'level')}"] if counts[TIE] else []
        pair = f"{located.below} and {located.above}"
        return f"{about}no crossover of {pair} for {line.name} from {low} to {high}: {' and '.join(parts)}."
    why = "" if line.looked else ", for no level had a look within the budget"
    return (
        f"{about}which of {located.below} and {located.above} is faster is undecided for {line.name} between {low} and"
        f" {high}{why}."
    )


def _times(gap: Ratio) -> str:
    return f"{units.ratio(gap.value, gap.low, gap.high)} times as fast"


def worth_showing(derived: Sequence[Mapping[str, Any]], line: Line) -> list[Mapping[str, Any]]:
    """Return what is worth a line of all that is said along one: changes, and the other winners, else everything."""
    located = (event for event in derived if event["event"] == "crossover.located")
    along = [event for event in located if (event["points"], event["axis"]) == (line.points, line.column)]
    return [event for event in along if event["decision"] == "found" or event["of_winners"]] or along
