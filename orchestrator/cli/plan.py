"""What a run would measure and how long it would take, without running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..analysis import crossover, refinement
from ..analysis.contest import Contest
from ..analysis.stats import LOOKS
from ..errors import Failure
from ..journal.read import Records, find
from ..spec.plan import FEWEST_ROUNDS, ROUNDS_S, Plan, Point

RUNNER_S = 0.12
"""Starting and warming up one runner, when nothing better is known: from the shipped configs on two cores."""


def preview(plan: Plan, runs: Path) -> str:
    """Return the points, the variants, and the expected times to the first look and to the cap, as text.

    The times come from the latest run of the experiment below `runs` where it measured the same points, else from
    the design: a block's rounds take a second, unless three rounds take longer.
    """
    return "\n".join(_lines(plan, runs)) + "\n"


def _lines(plan: Plan, runs: Path) -> Iterator[str]:
    experiment = plan.experiment
    yield f"{experiment.name}: {len(plan.points)} points x {len(plan.variants)} variants"
    yield "points"
    yield from (f"  {point.id}  {point.label}" for point in plan.points)
    yield "variants"
    for variant in plan.variants:
        count = variant.workers
        about = [f"{count} worker" + "s" * (count > 1) if count else "a worker for each task"]
        about += [f"{key}={value}" for key, value in variant.options.items()]
        about += [f"python {variant.python}"] if variant.python else []
        yield f"  {variant.id}  {variant.label} ({', '.join(about)})" + " baseline" * (variant == plan.baseline)
    yield f"expectations: {len(experiment.expect)}, checked at {len(plan.claims)} points and variants"
    yield from _times(plan, runs)


def _times(plan: Plan, runs: Path) -> Iterator[str]:
    measure = plan.experiment.measure
    times = _expected(plan, runs)
    if times.first:
        rounds = measure.rounds or FEWEST_ROUNDS
        assumed = f"while {rounds} rounds of all variants take at most {ROUNDS_S:g} s"
        source = "as in the latest run" if times.are_seen else assumed
        name = "only look: " if measure.blocks else "first look:"
        is_all = times.points == len(plan.points)
        each = "each point" if is_all else f"{times.points} points, where it begins"
        yield f"{name} after {times.first} blocks of {each}, about {times.first * times.block_s:.0f} s ({source})"
        if not measure.blocks and is_all:
            yield f"last look:  after {LOOKS[-1]} blocks of each point, about {LOOKS[-1] * times.block_s:.0f} s"
        yield f"cap:        {measure.max_time:g} s (measure.max_time)"
    if short := _shortage(plan, times):
        yield f"note: {short}"


@dataclass(frozen=True)
class _Expected:
    """When a run may decide: the blocks of each point before its first look, the points it begins with, their time."""

    first: int | None
    points: int
    block_s: float
    are_seen: bool


def _expected(plan: Plan, runs: Path) -> _Expected:
    seen = _block_seconds(plan, runs)
    design_s = ROUNDS_S + RUNNER_S * (len(plan.variants) + 1)
    begun = _begun_with(plan)
    block_s = sum(seen.get(point.id, design_s) for point in begun)
    return _Expected(Contest(plan, plan.points[0]).next_look(), len(begun), block_s, bool(seen))


def _shortage(plan: Plan, times: _Expected) -> str | None:
    if times.first is None:
        return f"no look can decide between {len(plan.variants)} variants: compare fewer"
    if times.first * times.block_s > plan.experiment.measure.max_time:
        return "the cap comes before the first look, so the run can't decide; raise measure.max_time"
    return None


def _begun_with(plan: Plan) -> list[Point]:
    """Return the points that are measured first: all, unless an axis is refined."""
    refined = plan.experiment.measure.refine
    if not refined:
        return list(plan.points)
    contests = [Contest(plan, point) for point in plan.points]
    lines = crossover.lines(plan, contests, [refined])
    return [line.contests[place].point for line in lines for place in refinement.coarse(len(line.levels))]


def shortage(plan: Plan, runs: Path) -> str | None:
    """Return why a run can't decide within its time, as far as is known before it starts."""
    return _shortage(plan, _expected(plan, runs))


def _block_seconds(plan: Plan, runs: Path) -> dict[str, float]:
    """Return the median time of a block by point, from the blocks of the latest run that had all these variants."""
    try:
        events = Records(find(runs / plan.experiment.name))
        finished = [event for event in events if event["event"] == "block.finished"]
    except Failure:
        return {}
    labels = {variant.label for variant in plan.variants}

    def seconds(point: Point) -> list[float]:
        return [
            event["elapsed_ns"] / 1e9
            for event in finished
            if event["point_id"] == point.id and labels <= set(event["variants"])
        ]

    return {point.id: median(found) for point in plan.points if (found := seconds(point))}
