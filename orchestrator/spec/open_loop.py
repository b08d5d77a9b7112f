"""Arrivals at a rate: what a point of an open loop measures, and what a spec can't ask of one. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..runner.problem import Problem
from .document import KeyPath
from .model import Arrivals, Experiment
from .plan import PointArrivals
from .problem import SpecProblem
from .values import LATENCIES, MOST_RATE, MOST_TASKS, OF_ARRIVALS, QUANTILES

RATE = "arrivals.rate"

STEPS, DOUBLINGS, FEWEST_RATES = 4, 3, 3
"""Rates per doubling, doublings to each side of the given rate, and the fewest rates that can be searched."""

RATES = 2 * DOUBLINGS * STEPS + 1  # those that an objective is searched for among, if a spec names none

DEFAULT = "p99"  # the metric of a verdict about arrivals, where the spec names none

BEYOND = 10  # so many calls of a block lie beyond a percentile that a verdict is about

MOST_WINDOWS = 10  # of a block, where the spec does not fix its rounds


def calls_needed(metric: str) -> int:
    """Return the calls that a block needs for a metric, as many beyond a percentile as `BEYOND`."""
    return round(BEYOND / (1 - QUANTILES.get(metric, 0.5)))


def arrivals_of(experiment: Experiment, chosen: Mapping[str, Any]) -> PointArrivals | None:
    """Return how calls arrive at the point with these values of the axes; None for batches. Raises SpecProblem."""
    fields = {axis.removeprefix("arrivals."): value for axis, value in chosen.items() if axis.startswith("arrivals.")}
    if experiment.arrivals is None:
        return None
    given = Arrivals.model_validate({**experiment.arrivals.model_dump(mode="json"), **fields})
    if given.rate is None:
        problem = Problem("rate_missing", "has no rate", "add `rate:`, or matrix.arrivals.rate with a list")
        raise SpecProblem(("arrivals",), problem)
    place = _place(fields)
    expected = given.rate * given.window
    if expected > MOST_TASKS:
        what = f"{expected:,.0f} calls in one window are more than {MOST_TASKS:,}"
        remedy = f"give {math.floor(MOST_TASKS / given.rate * 1000) / 1000:.12g}s or less"
        raise SpecProblem(place, Problem("window_too_long", what, remedy))
    metric = max(_metrics(experiment), key=calls_needed)
    needed = calls_needed(metric)
    count = experiment.measure.rounds or max(1, min(MOST_WINDOWS, math.ceil(needed / expected - 1e-9)))
    if count * expected < needed * (1 - 1e-9):
        windows, have = ("a window", "has") if count == 1 else (f"{count} windows", "have")
        what = f"{windows} of {given.window:g} s at {given.rate:g}/s {have} {count * expected:.3g} calls"
        longer = _s(needed / count / given.rate)
        remedy = f"give a window of {longer} or longer, or choose a lower percentile"
        raise SpecProblem(place, Problem("window_too_short", f"{what}, and {metric} needs {needed:,}", remedy))
    return PointArrivals(
        chosen.get("arrivals.rate", given.rate), given.process, given.window, count, metric_of(experiment)
    )


def metric_of(experiment: Experiment) -> str:
    """Return what the verdict on arrivals is about: the objective, if there is one."""
    return next(iter(experiment.objective or ()), experiment.measure.metric or DEFAULT)


def halvings(count: int) -> int:
    """Return how many of `count` rates a search by halving looks at."""
    return math.ceil(math.log2(count + 1))


def with_rates(experiment: Experiment) -> Experiment:
    """Return the experiment with the rates along which an objective is searched for, if it names none itself.

    They are those around `arrivals.rate`, `STEPS` to a doubling, at which a block has enough calls.
    """
    given = experiment.arrivals
    if experiment.objective is None or given is None or given.rate is None or RATE in experiment.matrix:
        return experiment
    needed = max(map(calls_needed, _metrics(experiment)))
    least = needed / (experiment.measure.rounds or MOST_WINDOWS) / given.window
    steps = range(-DOUBLINGS * STEPS, DOUBLINGS * STEPS + 1)
    rates = (float(f"{given.rate * 2 ** (step / STEPS):.3g}") for step in steps)
    kept = tuple(round(rate) if rate >= 100 else rate for rate in rates if least <= rate <= MOST_RATE)
    if len(kept) < FEWEST_RATES:  # then the rate itself has too few calls, which is refused
        return experiment
    return experiment.model_copy(update={"matrix": {**experiment.matrix, RATE: kept}})


def check(experiment: Experiment) -> None:
    """Raise SpecProblem for batch-only keys beside `arrivals`, arrivals-only keys without, and a bad objective."""
    batches, arrivals = _of_batches(experiment), _of_arrivals(experiment)
    if experiment.arrivals is not None and batches:
        path, what = batches[0]
        remedy = "delete it, or delete `arrivals` to measure batches"
        raise SpecProblem(path, Problem("options_exclude", what, remedy), key=True)
    if experiment.arrivals is None and arrivals:
        path, what = arrivals[0]
        remedy = "add `arrivals: {rate: 200}` with the calls a second, or delete it"
        raise SpecProblem(path, Problem("arrivals_missing", what, remedy), key=True)
    if experiment.objective:
        _check_objective(experiment, next(iter(experiment.objective)))


def _check_objective(experiment: Experiment, metric: str) -> None:
    """Raise SpecProblem for what an objective does by itself, and for rates that can't be searched."""
    measure = experiment.measure
    if measure.metric not in (None, metric):
        what = f"the objective is about {metric}, not {measure.metric}"
        raise SpecProblem(("measure", "metric"), Problem("options_exclude", what, "delete it"), key=True)
    if measure.refine is not None:
        what = f"an objective searches along {RATE} by itself"
        raise SpecProblem(("measure", "refine"), Problem("options_exclude", what, "delete it"), key=True)
    rates = experiment.matrix.get(RATE)
    if rates is not None and len(rates) < FEWEST_RATES:
        what = f"an objective is searched for among {FEWEST_RATES} rates or more"
        remedy = "name more rates, or write arrivals.rate: those around it are searched then"
        raise SpecProblem(("matrix", RATE), Problem("axis_unordered", what, remedy))


def _of_batches(experiment: Experiment) -> list[tuple[KeyPath, str]]:
    """Return what a spec asks that only batches can answer."""
    found: list[tuple[KeyPath, str]] = []
    no_batch = "calls that arrive at a rate are no batch"
    if "tasks" in experiment.model_fields_set:
        found.append((("tasks",), no_batch))
    if "tasks" in experiment.matrix:
        found.append((("matrix", "tasks"), no_batch))
    if experiment.workload.observe:
        found.append((("workload", "observe"), "a window of arrivals keeps no results to observe"))
    for place, expected in enumerate(experiment.expect):
        if expected.metric == "wall_ns" or expected.metric.startswith("observed."):
            found.append((("expect", place, "metric"), f"{expected.metric} is of batches"))
    return found


def _of_arrivals(experiment: Experiment) -> list[tuple[KeyPath, str]]:
    """Return what a spec asks that only arrivals can answer."""
    found: list[tuple[KeyPath, str]] = [
        (("matrix", axis), "the spec has no `arrivals`") for axis in experiment.matrix if axis.startswith("arrivals.")
    ]
    if experiment.objective:
        found.append((("objective",), "an objective is about calls that arrive at a rate"))
    if experiment.measure.metric is not None:
        found.append((("measure", "metric"), "a latency is measured only where calls arrive at a rate"))
    for place, expected in enumerate(experiment.expect):
        if expected.metric in OF_ARRIVALS:
            found.append(
                (("expect", place, "metric"), f"{expected.metric} is measured only where calls arrive at a rate")
            )
    return found


def _metrics(experiment: Experiment) -> list[str]:
    """Return the latencies that a verdict or an expectation is about."""
    return [metric_of(experiment), *(each.metric for each in experiment.expect if each.metric in LATENCIES)]


def _place(fields: Mapping[str, Any]) -> KeyPath:
    """Return where the spec says how many calls a window has."""
    for name in ("window", "rate"):
        if name in fields:
            return "matrix", f"arrivals.{name}"
    return "arrivals", "window"


def _s(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000) / 1000:.12g}s"
