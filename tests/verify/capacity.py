"""Simulated searches for a capacity: how often a rate is wrongly held or broken, and how often a win is false.

`python -m tests.verify.capacity` prints the table of docs/method.md. All variants have the same latencies, so every win
is false. They lie at the objective, where errors are most frequent; search and intervals are those of the program.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from orchestrator.analysis import capacity, decide
from orchestrator.analysis.contest import Block, Contest, Look
from orchestrator.analysis.crossover import Line
from orchestrator.journal.capacity_events import CapacityFound, CapacityJudged
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.plan import Plan

RUNS = 200
BOUND_NS = 50_000_000
MODELS = ("threads", "processes", "event_loop", "sequential")
RATE = 200.0

Draw = Callable[[np.random.Generator], float]
"""Draws the logarithm of a block's percentile, around 0."""


def skewed(dice: np.random.Generator) -> float:
    """Return noise with a long tail to one side, around its pseudo-median, as percentiles near saturation have."""
    return (float(dice.exponential()) - PSEUDO_MEDIAN) * 0.3


def contaminated(dice: np.random.Generator) -> float:
    """Return noise of which one block in five lies five times as far."""
    return float(dice.standard_normal()) * (0.5 if dice.random() < 0.2 else 0.1)


PSEUDO_MEDIAN = 0.8392  # of the exponential distribution: the mean of two has this median

NOISE: dict[str, Draw] = {
    "normal, sd 10 %": lambda dice: float(dice.standard_normal()) * 0.1,
    "normal, sd 30 %": lambda dice: float(dice.standard_normal()) * 0.3,
    "normal, sd 60 %": lambda dice: float(dice.standard_normal()) * 0.6,
    "exponential, sd 30 %": skewed,
    "one block in five, five times as far": contaminated,
}


def queue(rate: float) -> float:
    """Return the latency of an M/M/1 queue at a rate, divided by the objective, which it just holds at `RATE`."""
    busy = 0.8 * rate / RATE
    return 0.2 / (1 - busy) if busy < 0.98 else 10.0


def level(rate: float) -> float:
    """Return a latency that is at the objective at every rate: each decision that it breaks is wrong."""
    return 1.0


HELD = 1 + 1e-9  # the objective, with room for rounding

CURVES: dict[str, Callable[[float], float]] = {"a queue": queue, "level": level}
"""Latency by rate, as a multiple of the objective; 1 is held."""


def planned(models: Sequence[str]) -> Plan:
    """Return the plan of a search among 25 rates."""
    spec = {
        "name": "x",
        "workload": {"call": "a:b"},
        "arrivals": {"rate": RATE, "window": "5s"},
        "objective": {"p90": "50ms"},
        "models": list(models),
    }
    return plan_experiment(Experiment.model_validate(spec), cores=2)


@contextmanager
def remembering() -> Iterator[None]:
    """Let the program remember whether a variant holds a rate until its next look: it asks very often."""
    holds = capacity._holds
    known: dict[tuple[Contest, str, int], bool | None] = {}

    def remembered(line: Line, contest: Contest, label: str) -> bool | None:
        if not contest.looks:
            return None
        place = contest, label, len(contest.looks)
        if place not in known:
            known[place] = holds(line, contest, label)
        return known[place]

    with patch.object(capacity, "_holds", remembered):
        yield


def searched(plan: Plan, curve: Callable[[float], float], draw: Draw, dice: np.random.Generator) -> Line:
    """Return the line of rates once the capacity of every variant is known."""
    (line,) = capacity.lines(plan, [Contest(plan, point) for point in plan.points])
    while needed := capacity.needed(line):
        place, labels = next(iter(needed.items()))
        contest = line.contests[place]
        centre = curve(line.values[place]) * BOUND_NS
        following = decide.next_look(contest)
        assert following is not None
        while len(contest.blocks) < following:
            walls = {label: array("q", [round(centre * math.exp(draw(dice)))]) for label in sorted(labels)}
            contest.blocks.append(Block(len(contest.blocks), walls=walls))
        # the search does not depend on what a look decides between variants
        contest.looks.append(Look(following, "", {}, (), (), None))
    return line


def judged(plan: Plan, line: Line, curve: Callable[[float], float]) -> tuple[bool, bool, bool]:
    """Return whether a rate is wrongly held or broken, whether there is a win, which is false, and whether a tie."""
    events = capacity.events(plan, line.contests)
    found = [event for event in events if isinstance(event, CapacityFound)]
    (verdict,) = [event for event in events if isinstance(event, CapacityJudged)]
    is_wrong = any(
        (event.low_rate is not None and curve(event.low_rate) > HELD)
        or (event.high_rate is not None and curve(event.high_rate) <= HELD)
        for event in found
    )
    return is_wrong, verdict.verdict == "win", verdict.verdict == "tie"


def one(plan: Plan, curve: Callable[[float], float], draw: Draw, dice: np.random.Generator) -> tuple[bool, bool, bool]:
    """Return what `judged` does of one search."""
    with remembering():
        return judged(plan, searched(plan, curve, draw, dice), curve)


def table(runs: int = RUNS) -> Iterator[str]:
    """Yield the rows of the table, in Markdown."""
    for shape, curve in CURVES.items():
        for noise, draw in NOISE.items():
            cells = [shape, noise]
            for count in (2, 4):
                plan, dice = planned(MODELS[:count]), np.random.default_rng(7)
                found = np.array([one(plan, curve, draw, dice) for _ in range(runs)])
                wrong, wins, ties = found.mean(axis=0) * 100
                cells += [f"{wrong:.1f} %", f"{wins:.1f} %", f"{ties:.0f} %"]
            yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for row in table(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS):
        print(row, flush=True)
