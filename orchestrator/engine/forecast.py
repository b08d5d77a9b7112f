"""What a run needs, estimated before it starts: the time until it can decide, and room on the disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..analysis import crossover, decide, refinement
from ..analysis.contest import Contest
from ..analysis.stats import LOOKS
from ..errors import Failure, Unwritable
from ..journal.read import Records, find
from ..spec.plan import ROUNDS_S, Plan, Point

RUNNER_S = 0.12  # time to start and warm up one runner, measured with the shipped configs on two cores

TRIAL_BYTES, ROUNDS = 700, 10  # about the size of a trial in the journal, and the rounds of a block


@dataclass(frozen=True)
class Forecast:
    """When a run may decide."""

    first: int | None
    """The blocks of each point before its first look; None when no look can decide."""
    points: int
    """The points that the run begins with."""
    block_s: float
    """The time of one block of each of them."""
    is_recorded: bool
    """Whether the times come from the latest run."""


def forecast(plan: Plan, runs: Path) -> Forecast:
    """Return when a run may decide.

    The times come from the latest run of the experiment below `runs` where it measured the same points, else from
    the design: the rounds of a block take a second, unless three rounds take longer.
    """
    recorded = _block_seconds(plan, runs)
    design_s = ROUNDS_S + RUNNER_S * (len(plan.variants) + 1)
    first_points = _first_points(plan)
    block_s = sum(recorded.get(point.id, design_s) for point in first_points)
    return Forecast(decide.next_look(Contest(plan, plan.points[0])), len(first_points), block_s, bool(recorded))


def too_short(plan: Plan, expected: Forecast) -> str | None:
    """Return why a run with this forecast can't decide within its time; None when it can."""
    if expected.first is None:
        return f"no look can decide between {len(plan.variants)} variants; compare fewer variants"
    if expected.first * expected.block_s > plan.experiment.measure.max_time:
        return "max_time ends before the first look, so the run can't decide; raise measure.max_time"
    return None


def _first_points(plan: Plan) -> list[Point]:
    """Return the points that are measured first: all, unless an axis is refined."""
    refined = plan.experiment.measure.refine
    if not refined:
        return list(plan.points)
    contests = [Contest(plan, point) for point in plan.points]
    lines = crossover.lines(plan, contests, [refined])
    return [line.contests[place].point for line in lines for place in refinement.coarse(len(line.values))]


def _block_seconds(plan: Plan, runs: Path) -> dict[str, float]:
    """Return the median time of a block by point, from the blocks of the latest run that had all these variants."""
    labels = {variant.label for variant in plan.variants}
    seconds: dict[str, list[float]] = {}
    try:
        for event in Records(find(runs / plan.experiment.name)):
            if event["event"] == "block.finished" and labels <= set(event["variants"]):
                seconds.setdefault(event["point_id"], []).append(event["elapsed_ns"] / 1e9)
    except Failure:
        return {}
    return {point.id: median(seconds[point.id]) for point in plan.points if point.id in seconds}


def check_disk_space(plan: Plan, runs: Path) -> None:
    """Raise Unwritable when the disk is too full for what the run may write."""
    measure = plan.experiment.measure
    there = next((directory for directory in (runs, *runs.absolute().parents) if directory.is_dir()), Path())
    # a block takes about a second, or longer
    blocks = min((measure.blocks or LOOKS[-1]) * len(plan.points), measure.max_time)
    needed = round(blocks * len(plan.variants) * (measure.rounds or ROUNDS) * TRIAL_BYTES)
    free = shutil.disk_usage(there).free
    if free < needed:
        what = f"{free / 1e6:.1f} MB are free in {there}, and this run may write {needed / 1e6:.1f} MB"
        raise Unwritable(what, remedy="make room, or choose another directory with --runs")
