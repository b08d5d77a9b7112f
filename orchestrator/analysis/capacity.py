"""Up to which rate each variant holds an objective, such as a p99 of 50 ms, by halving the rates that are open. Pure.

A variant is searched for by itself: between the highest rate at which it holds the objective and the lowest at which it
breaks it, the one in the middle comes next. Latency grows with the rate, so no rate outside can change the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np

from .. import units
from ..journal.capacity_events import CapacityFound, CapacityJudged
from ..spec.open_loop import RATE, halvings
from ..spec.plan import Plan
from . import crossover
from .contest import Contest
from .crossover import Line
from .refinement import Reason
from .stats import LATENCY_SD, STATS_VERSION, geometric

MOST_BLOCKS = 8  # a rate that these don't decide for a variant is passed over on both sides


@dataclass(frozen=True)
class Bracket:
    """The highest place on a line where a variant holds the objective, and the lowest where it breaks it.

    -1 and the length of the line where there is none. `unsure` are places between them that stayed undecided.
    """

    low: int
    high: int
    unsure: tuple[int, ...]


def lines(plan: Plan, contests: Sequence[Contest]) -> list[Line]:
    """Return the lines of rates along which capacities are searched for; none without an objective."""
    return crossover.lines(plan, contests, [RATE]) if plan.experiment.objective else []


def bracket(line: Line, label: str) -> Bracket:
    """Return between which places the capacity of a variant lies."""
    found = [_holds(line, contest, label) for contest in line.contests]
    high = min((place for place, holds in enumerate(found) if holds is False), default=len(found))
    low = max((place for place, holds in enumerate(found[:high]) if holds), default=-1)
    tried = [place for place in range(low + 1, high) if _blocks(line.contests[place], label)]
    return Bracket(low, high, tuple(place for place in tried if found[place] is None))


def places(line: Line, label: str) -> set[int]:
    """Return the places at which a variant needs another block; none where its capacity is known."""
    own = bracket(line, label)
    if unfinished := {place for place in own.unsure if _blocks(line.contests[place], label) < MOST_BLOCKS}:
        return unfinished
    known = [own.low, *own.unsure, own.high]
    return {(below + above) // 2 for below, above in pairwise(known) if above - below > 1}


def needed(line: Line) -> dict[int, set[str]]:
    """Return the places at which variants need another block, with these variants."""
    found: dict[int, set[str]] = {}
    for label in line.contests[0].variants:
        for place in places(line, label):
            if label not in line.contests[place].excluded:
                found.setdefault(place, set()).add(label)
    return found


def skipped(line: Line, place: int) -> tuple[Reason, int | None, int | None]:
    """Return why a place was not measured, and the nearest places below and above that had a look."""
    below, above = line.neighbours(place)
    is_open = any(places(line, label) for label in line.contests[place].variants)
    return "no_time" if is_open else "no_capacity", below, above


def _holds(line: Line, contest: Contest, label: str) -> bool | None:
    """Return whether a variant holds the objective at a rate; None while that is not known."""
    ((_, bound_ns),) = (contest.plan.experiment.objective or {}).items()
    values = contest.block_medians(label)
    if not values or not contest.looks or label in contest.excluded:
        return None
    # the rates that are looked at when all decisions are right: each of these can be wrong
    found = geometric(np.log(values), contest.look_level / halvings(len(line.values)), LATENCY_SD)
    if found.low is None or found.high is None:
        return None
    return True if found.high <= bound_ns else False if found.low > bound_ns else None


def _blocks(contest: Contest, label: str) -> int:
    return sum(label in block.walls for block in contest.blocks)


def events(plan: Plan, contests: Sequence[Contest]) -> list[CapacityFound | CapacityJudged]:
    """Return the capacity of each variant along each line, and the verdict on them."""
    found: list[CapacityFound | CapacityJudged] = []
    for line in lines(plan, contests):
        own = [_found(line, label) for label in line.contests[0].variants]
        found += [*own, _judged(line, own)]
    return found


def _found(line: Line, label: str) -> CapacityFound:
    own, last = bracket(line, label), len(line.values)
    low = line.values[own.low] if own.low >= 0 else None
    high = line.values[own.high] if own.high < last else None
    decision: Literal["found", "above", "below", "undecided"] = "undecided"
    if own.high - own.low == 1:
        decision = "found" if low is not None and high is not None else "below" if low is None else "above"
    elif own.unsure and low is not None and high is not None and not places(line, label):
        decision = "found"
    metric, bound_ns = _objective(line)
    ends = (own.low if low is not None else None, own.high if high is not None else None)
    low_ns, high_ns = (None if place is None else _latency(line.contests[place], label) for place in ends)
    return CapacityFound(
        stats_version=STATS_VERSION,
        points=line.points,
        variant=label,
        metric=metric,
        bound_ns=bound_ns,
        decision=decision,
        low_rate=low,
        high_rate=high,
        low_latency_ns=low_ns,
        high_latency_ns=high_ns,
        **crossover.shared(line),
    )


def _objective(line: Line) -> tuple[str, int]:
    ((metric, bound_ns),) = (line.contests[0].plan.experiment.objective or {}).items()
    return metric, round(bound_ns)


def _latency(contest: Contest, label: str) -> int | None:
    values = contest.block_medians(label)
    return round(median(values)) if values else None


def _judged(line: Line, own: Sequence[CapacityFound]) -> CapacityJudged:
    """Return the verdict: a win where one holds the objective at a rate at which all others break it."""
    metric, bound_ns = _objective(line)
    ranked = sorted(own, key=lambda event: (event.low_rate or 0, event.high_rate or math.inf), reverse=True)
    best = ranked[0]
    rivals = [event for event in own if (event.high_rate or math.inf) > (best.low_rate or 0)]
    is_known = all(event.decision != "undecided" for event in rivals)
    verdict: Literal["win", "tie", "undecided"] = "undecided"
    if len(own) > 1 and best.low_rate is not None and len(rivals) == 1:
        verdict = "win"
    elif len(own) > 1 and is_known and len({(event.low_rate, event.high_rate) for event in rivals}) == 1:
        verdict = "tie"
    winners = [event.variant for event in rivals]
    return CapacityJudged(
        stats_version=STATS_VERSION,
        points=line.points,
        metric=metric,
        bound_ns=bound_ns,
        verdict=verdict,
        winners=winners,
        sentence=f"{line.points}: {_sentence(line, ranked, winners, verdict)}.",
        **crossover.shared(line),
    )


def _sentence(
    line: Line, ranked: Sequence[CapacityFound], winners: Sequence[str], verdict: Literal["win", "tie", "undecided"]
) -> str:
    metric, bound_ns = _objective(line)
    objective = f"{metric} within {units.duration(bound_ns)}"
    each = "; ".join(f"{event.variant} {in_words(event)}" for event in ranked)
    if verdict == "win":
        return f"{winners[0]} holds {objective} at the highest rate: {each}"
    if verdict == "tie":
        return f"{units.listed(winners)} hold {objective} up to the same rates: {each}"
    return f"undecided which of {units.listed(winners)} holds {objective} at the highest rate: {each}"


def in_words(event: CapacityFound) -> str:
    """Return up to which rate a variant holds the objective."""
    low, high = (None if rate is None else f"{rate:g}" for rate in (event.low_rate, event.high_rate))
    if low is not None and high is not None:
        return f"up to a rate between {low} and {high}/s"
    if low is not None:
        return f"at {low}/s" + ", the highest rate tried" * (event.decision == "above")
    if high is not None:
        return f"not at {high}/s" + ", the lowest rate tried" * (event.decision == "below")
    return "at a rate that was not found in time"
