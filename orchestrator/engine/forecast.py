"""What a run needs, estimated before it starts: the time until it can decide, and room on the disk.

Without `measure.max_time` a run may take a minute, and longer where a block takes longer: what the first two looks
that can find a tie need, up to five minutes.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from ..analysis.looks import LOOKS, first_look, first_tie_look, look_after
from ..errors import BadInput, Failure, Unwritable
from ..journal.read import Records, find
from ..runner.registry import no_arrivals
from ..spec.plan import ROUNDS_S, Plan, Point

RUNNER_S = 0.12  # time to start and warm up one runner, measured with the shipped configs on two cores

TRIAL_BYTES, ROUNDS = 700, 10  # about the size of a trial in the journal, and the rounds of a block

LEAST_S, MOST_S = 60.0, 300.0


@dataclass(frozen=True)
class Forecast:
    """When a run may decide."""

    win_blocks: int
    """The blocks of each point before the first look, which can find a win."""
    tie_blocks: int
    """The blocks of each point before the first look that can find a tie."""
    points: int
    """The points that the run begins with."""
    block_s: float
    """The time of one block of each of them."""
    is_recorded: bool
    """Whether the times come from the latest run."""
    least_s: float
    """The shortest time of one block of the two quickest variants."""

    @property
    def win_s(self) -> float:
        return self.win_blocks * self.block_s

    @property
    def tie_s(self) -> float:
        return self.tie_blocks * self.block_s


def forecast(plan: Plan, runs: Path) -> Forecast:
    """Return when a run may decide.

    The times come from the latest run of the experiment below `runs` where it measured the same points, else from
    the design: the rounds of a block take `ROUNDS_S`, unless one round takes longer, or its windows.
    """
    recorded = _Recorded.of(plan, runs)
    first_points = _first_points(plan)
    starting_s = RUNNER_S * (min(2, len(plan.variants)) + 1)
    return Forecast(
        win_blocks=first_look(plan),
        tie_blocks=first_tie_look(plan),
        points=len(first_points),
        block_s=sum(recorded.block_s.get(point.id, _designed_s(plan, point)) for point in first_points),
        is_recorded=bool(recorded.block_s),
        least_s=starting_s + min((recorded.quickest_s | _windows_of_two_s(plan)).values(), default=0.0),
    )


def _designed_s(plan: Plan, point: Point) -> float:
    """Return the time of a block by its design."""
    starting_s = RUNNER_S * (len(plan.variants) + 1)
    if point.arrivals is None:
        return ROUNDS_S + starting_s
    serving = [each for each in plan.variants if no_arrivals(each.model, each.options) is None]
    return starting_s + len(serving) * point.arrivals.windows * point.arrivals.window_s


def _windows_of_two_s(plan: Plan) -> dict[str, float]:
    """Return how long the windows of a block take two variants, by point; nothing for batches."""
    two = min(2, len(plan.variants))
    found = ((point.id, point.arrivals) for point in plan.points)
    return {name: two * each.windows * each.window_s for name, each in found if each}


def budget_s(plan: Plan, block_s: float) -> float:
    """Return how long a run may take, where one block of every point takes `block_s`."""
    measure = plan.experiment.measure
    if measure.max_time is not None:
        return measure.max_time
    if plan.experiment.objective:  # several rates in turn
        return MOST_S
    first = first_tie_look(plan)
    return min(MOST_S, max(LEAST_S, (look_after(first) or first) * block_s))


def time_to_verdict(win_s: float, tie_s: float) -> str:
    """Return what a run shows of the time that a verdict takes."""
    return f"a win takes about {win_s:.0f} s, a tie {tie_s:.0f} s or more"


def too_short(plan: Plan, expected: Forecast, most_s: float | None = None) -> str | None:
    """Return why a run with this forecast can't decide within its time, at most `most_s`; None when it can."""
    own_s = budget_s(plan, expected.block_s)
    if most_s is not None and most_s < min(own_s, expected.win_s):
        return f"the {most_s:.3g} s given end before the first look, so the run can't decide; allow more time"
    if expected.win_s > own_s:
        return "max_time ends before the first look, so the run can't decide; raise measure.max_time"
    return None


def check_time(plan: Plan, expected: Forecast, most_s: float | None = None) -> None:
    """Raise BadInput when `measure.max_time`, or `most_s`, has no room for one block of the two quickest variants."""
    given_s = plan.experiment.measure.max_time
    if most_s is not None and most_s < expected.least_s and (given_s is None or most_s < given_s):
        what = f"one block of the two quickest variants takes about {_tenths(expected.least_s):g} s, and {most_s:.3g} s"
        raise BadInput(f"{what} are left for it", where="--max-time", remedy="give more time, or fewer specs")
    if given_s is not None and given_s < expected.least_s:
        need_s = _tenths(expected.least_s)
        what = f"one block of the two quickest variants takes about {need_s:g} s, and max_time is {given_s:g} s"
        raise BadInput(
            what, where="measure.max_time", remedy=f"give {math.ceil(expected.win_s)}s to reach a first look"
        )


def _tenths(seconds: float) -> float:
    return math.ceil(seconds * 10) / 10


def _first_points(plan: Plan) -> list[Point]:
    """Return the points that are measured first: all, unless an axis is searched."""
    if not plan.experiment.measure.refine and not plan.experiment.objective:
        return list(plan.points)
    # imported here, as they load numpy, which the forecast of other experiments does not need
    from ..analysis.contest import Contest
    from .search import Search

    contests = [Contest(plan, point) for point in plan.points]
    search = Search(plan, contests)
    search.update()
    return [contest.point for contest in contests if search.wants(contest)]


@dataclass(frozen=True)
class _Recorded:
    """The times of the latest run of an experiment, by point."""

    block_s: dict[str, float] = field(default_factory=dict)
    """The median time of a block with all variants."""
    quickest_s: dict[str, float] = field(default_factory=dict)
    """The median times of a trial of the two quickest variants, added up."""

    @staticmethod
    def of(plan: Plan, runs: Path) -> _Recorded:
        labels = {variant.label for variant in plan.variants}
        points = {point.id for point in plan.points}
        blocks: dict[str, list[float]] = {}
        trials: dict[str, dict[str, list[float]]] = {}
        try:
            for event in Records(find(runs / plan.experiment.name)):
                if event["event"] == "block.finished" and labels <= set(event["variants"]):
                    blocks.setdefault(event["point_id"], []).append(event["elapsed_ns"] / 1e9)
                elif event["event"] == "trial.finished" and event["variant"] in labels:
                    own = trials.setdefault(event["point_id"], {}).setdefault(event["variant"], [])
                    own.append(event["wall_ns"] * event["repeats"] / 1e9)
        except Failure:
            return _Recorded()
        return _Recorded(
            {point: median(blocks[point]) for point in points & blocks.keys()},
            {point: sum(sorted(map(median, trials[point].values()))[:2]) for point in points & trials.keys()},
        )


def check_disk_space(plan: Plan, runs: Path) -> None:
    """Raise Unwritable when the disk is too full for what the run may write."""
    measure = plan.experiment.measure
    there = next((directory for directory in (runs, *runs.absolute().parents) if directory.is_dir()), Path())
    # a block takes about a second, or longer
    blocks = min((measure.blocks or LOOKS[-1]) * len(plan.points), measure.max_time or MOST_S)
    needed = round(blocks * len(plan.variants) * (measure.rounds or ROUNDS) * TRIAL_BYTES)
    free = shutil.disk_usage(there).free
    if free < needed:
        what = f"{free / 1e3:,.0f} kB are free in {there}, and this run may write {needed / 1e3:,.0f} kB"
        raise Unwritable(what, remedy="make room, or choose another directory with --runs")
