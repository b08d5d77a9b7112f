"""Expectations: whether a claim of the spec holds, is broken, or is undecided. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..journal.derived_events import ExpectationChecked
from ..spec.plan import Claim, columns
from ..spec.values import LATENCIES, OF_ARRIVALS
from . import explain, load, serving
from .contest import Contest
from .stats import LATENCY_SD, PRIOR_SD, STATS_VERSION, geometric
from .windows import Served

Held = Literal["held", "broken", "undecided"]

WANTS = 0.25  # the share of the workers' time on a core or waiting for one, below which calls wait for something else

LEAST = 1e-6  # what stands for 0, which has no logarithm


@dataclass(frozen=True)
class MetricValue:
    """The value of a claim's metric with its interval, or the reason why there is none."""

    value: float | str | bool | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def check(claim: Claim, contest: Contest) -> ExpectationChecked:
    """Return the outcome of a claim over the blocks that count."""
    expected = claim.expectation
    measured, outcome = _outcome(claim, contest)
    reason = measured.reason
    if outcome == "broken" and (crowded := _crowded(claim, contest, measured)):
        outcome, reason = "undecided", crowded
    return ExpectationChecked(
        **columns(claim.point, claim.variant),
        stats_version=STATS_VERSION,
        of=claim.variant.label,
        against=claim.against.label if expected.metric == "speedup" else None,
        metric=expected.metric,
        min=expected.min,
        max=expected.max,
        equals=expected.equals,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        outcome=outcome,
        reason=reason,
    )


def is_open(claim: Claim, contest: Contest) -> bool:
    """Return whether a claim is undecided and more blocks could decide it."""
    involved = {claim.variant.label, *([claim.against.label] if claim.expectation.metric == "speedup" else [])}
    can_run = involved <= contest.variants.keys() - contest.excluded
    return can_run and _outcome(claim, contest)[1] == "undecided"


def _outcome(claim: Claim, contest: Contest) -> tuple[MetricValue, Held]:
    if claim.variant.label not in contest.variants:
        return MetricValue(reason=f"{claim.variant.label} is unavailable"), "undecided"
    if claim.variant.label in contest.excluded:
        return MetricValue(reason=f"{claim.variant.label} failed"), "undecided"
    if claim.expectation.metric.startswith("observed."):
        return _observed(claim, contest)
    measured = _speedup(claim, contest) if claim.expectation.metric == "speedup" else _absolute(claim, contest)
    return measured, _held(claim, measured)


def _held(claim: Claim, measured: MetricValue) -> Held:
    if measured.low is None or measured.high is None:
        return "undecided"
    low = -math.inf if claim.expectation.min is None else claim.expectation.min
    high = math.inf if claim.expectation.max is None else claim.expectation.max
    if low <= measured.low and measured.high <= high:
        return "held"
    return "broken" if measured.high < low or measured.low > high else "undecided"


def _speedup(claim: Claim, contest: Contest) -> MetricValue:
    if claim.against.label in contest.excluded or claim.against.label not in contest.variants:
        return MetricValue(reason=f"{claim.against.label}, which it is compared with, did not run")
    ratio = contest.compare(claim.variant.label, claim.against.label, contest.look_level)
    if ratio is None:
        return MetricValue(reason="no block was finished")
    few = f"too few blocks ({ratio.blocks})" if ratio.low is None else None
    return MetricValue(ratio.value, ratio.low, ratio.high, few)


def _absolute(claim: Claim, contest: Contest) -> MetricValue:
    label, metric = claim.variant.label, claim.expectation.metric
    values: list[float]
    if metric == "startup_ns":
        values = [block.startups[label] for block in contest.counting if label in block.startups]
    elif metric in OF_ARRIVALS:
        values = [_of_calls(served, metric, contest) for served in serving.of_blocks(contest, label)]
    else:
        values = contest.block_medians(label)
    if not values:
        return MetricValue(reason="no block was finished")
    found = geometric(np.log(values), contest.look_level, LATENCY_SD if metric in LATENCIES else PRIOR_SD)
    few = f"too few blocks ({len(values)})" if found.low is None else None
    return MetricValue(found.value, found.low, found.high, few)


def _of_calls(served: Served, metric: str, contest: Contest) -> float:
    """Return a metric of the calls of one block that arrived at a rate."""
    if metric == "achieved_rate":
        rate = contest.point.arrivals.rate if contest.point.arrivals else 0.0
        return max(LEAST, served.achieved_share * rate)
    return max(LEAST, served.queue_share or 0.0) if metric == "queue_share" else served.latency_ns[metric]


def _observed(claim: Claim, contest: Contest) -> tuple[MetricValue, Held]:
    """Check every observed value: they are exact, so a single one outside the bounds breaks the claim."""
    key = claim.expectation.metric.replace(".", "_", 1)
    seen = [trial for block in contest.counting for trial in block.observed.get(claim.variant.label, [])]
    values = [trial[key] for trial in seen if key in trial]
    if not values:
        return MetricValue(reason=f"nothing was observed as {key.removeprefix('observed_')!r}"), "undecided"
    wrong = [value for value in values if not _within(claim, value)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    return MetricValue(wrong[0] if wrong else values[-1], low, high), "broken" if wrong else "held"


def _within(claim: Claim, value: Any) -> bool:
    expected = claim.expectation
    if "equals" in expected.model_fields_set and value != expected.equals:
        return False
    if expected.min is None and expected.max is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (expected.min is None or value >= expected.min) and (expected.max is None or value <= expected.max)


def _waits(contest: Contest, label: str) -> bool:
    """Return whether a variant used so little of the cores in every block that more of them would not help it."""
    found = explain.summary(contest, label)
    wants = sum(found.shares[name] for name in ("on_core", "run_queue", "gil")) if found else 0.0
    return load.cores_used(contest, label) < load.DIFFERENT_USE and wants < WANTS


def _crowded(claim: Claim, contest: Contest, measured: MetricValue) -> str | None:
    """Return why a broken claim about parallel speed is undecided: other processes used the cores; else None.

    With all cores free the ratio would differ by a factor of at most wanted / free; a claim that is broken by more than
    that stays broken, and so is one about calls that wait, because they need no cores.
    """
    if claim.expectation.metric != "speedup" or measured.low is None or measured.high is None:
        return None
    at_once = max(variant.at_once(claim.point.tasks) for variant in (claim.variant, claim.against))
    wanted = min(contest.plan.cores, at_once)
    free = load.free_cores(contest)
    if free is None or wanted < 2 or free >= wanted - load.MISSING_CORES:
        return None
    if all(_waits(contest, variant.label) for variant in (claim.variant, claim.against)):
        return None
    factor = wanted / max(free, 0.01)
    possible = MetricValue(measured.value, measured.low / factor, measured.high * factor)
    return None if _held(claim, possible) == "broken" else f"only {free:.2g} of {wanted} cores were free"
