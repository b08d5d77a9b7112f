"""Results: what a journal says, recomputed from its raw events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from ..errors import JournalDamaged
from ..journal.catalog import EVENTS
from ..journal.event import SCHEMA
from ..spec.expand import plan_experiment
from ..spec.model import Experiment
from ..spec.plan import Plan, Point
from ..spec.problem import SpecProblem, problem_of
from .contest import Contest
from .fold import add_event
from .stats import STATS_VERSION
from .verdict import derive

DERIVED = {name for name, kind in EVENTS.items() if kind.derived} | {"run.finished"}
"""What a run writes at its end."""

_FEW = DERIVED | {
    *("run.started", "run.resumed", "variant.unavailable", "variant.excluded", "trial.failed"),
    *("context.sampled", "block.finished", "timeline.recorded"),
}
"""The events that are kept. The others fill the blocks: read the journal again for them."""


@dataclass(frozen=True)
class PointEvents:
    """The derived events of one point; without a verdict where the point was skipped."""

    compared: Sequence[Mapping[str, Any]]
    explained: Sequence[Mapping[str, Any]]
    fitted: Sequence[Mapping[str, Any]]
    observed: Sequence[Mapping[str, Any]]
    verdict: Mapping[str, Any] | None
    on_hosts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Results:
    """Everything that reports are made from.

    `derived` are the recomputed events as plain data, in the order of the log. `differences` name what the journal's
    own derived events say otherwise.
    """

    plan: Plan
    contests: Sequence[Contest]
    derived: Sequence[dict[str, Any]]
    differences: Sequence[str]
    started: Mapping[str, Any]
    """The event that begins the journal."""
    finished: Mapping[str, Any] | None
    """The event that ends the journal; None when the run was cut off."""
    _few: Sequence[Mapping[str, Any]]
    _all: Iterable[Mapping[str, Any]]

    def named(self, *names: str) -> list[Mapping[str, Any]]:
        """Return the events of these names, in the order of the journal."""
        return [event for event in (self._few if set(names) <= _FEW else self._all) if event["event"] in names]

    def about(self, point: Point) -> PointEvents:
        """Return the derived events of a point."""

        def called(name: str) -> Sequence[Mapping[str, Any]]:
            return self._derived_by.get((name, point.id), ())

        return PointEvents(
            compared=called("variant.compared"),
            explained=called("variant.explained"),
            fitted=called("scaling.fitted"),
            observed=called("variant.observed"),
            verdict=next(iter(called("verdict.reached")), None),
            on_hosts=called("host.judged"),
        )

    @property
    def ended_by(self) -> str | None:
        """What ended the run before its time: a signal, or the loss of its hosts; None also where that left no word."""
        if self.finished is None or self.finished["outcome"] != "interrupted":
            return None
        status = self.finished["exit_status"]
        return f"signal {status - 128}" if status > 128 else "the loss of its hosts"

    @property
    def expectations(self) -> Sequence[Mapping[str, Any]]:
        """What became of the expectations, in the order of the spec."""
        return [event for event in self.derived if event["event"] == "expectation.checked"]

    @cached_property
    def _derived_by(self) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
        """By name and point."""
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for event in self.derived:
            found.setdefault((event["event"], event.get("point_id", "")), []).append(event)
        return found


@dataclass(frozen=True)
class Standing:
    """How far a run has come: its plan, its contests, the time of its blocks, and the events kept.

    Where hosts worked beside each other, it is the time of the host that worked longest.
    """

    plan: Plan
    contests: Sequence[Contest]
    spent_s: float
    few: Sequence[Mapping[str, Any]]


def replay(events: Iterable[Mapping[str, Any]]) -> Standing:
    """Return the standing that a journal's events lead to.

    Raises JournalDamaged when they do not begin with a run, or with one whose spec this program can't read.
    Of a run that was resumed, what was derived before it was is left out: it is derived again.
    """
    unread = iter(events)
    started = next(unread)
    if started.get("event") != "run.started":
        raise JournalDamaged("the journal does not begin with run.started", remedy="name the journal of a run")
    plan = replace(_plan_of(started), level_split=started.get("level_split", 1))  # older journals have split nothing
    contests = {point.id: Contest(plan, point) for point in plan.points}
    few = [started]
    spent_ns: Counter[str | None] = Counter()
    for event in unread:
        name = event["event"]
        if contest := contests.get(event.get("point_id", "")):
            add_event(contest, event)
        if name not in _FEW:  # most of all events
            continue
        if name == "run.resumed":
            few = [each for each in few if each["event"] not in DERIVED]
        elif name == "variant.unavailable":
            for contest in contests.values():
                contest.withdraw(event["variant"])
        elif name == "block.finished":
            spent_ns[event.get("host")] += event["elapsed_ns"]
        few.append(event)
    return Standing(plan, list(contests.values()), max(spent_ns.values(), default=0) / 1e9, few)


def _plan_of(started: Mapping[str, Any]) -> Plan:
    """Return what a run has plan. It has checked its spec, which yet may hold what another version knew."""
    spec = json.loads(started["spec"])
    try:
        # parsing it again applies the converters, and needs no positions
        return plan_experiment(Experiment.model_validate(spec), started["effective_cores"])
    except ValidationError as error:
        problem = problem_of(error.errors()[0], spec)
    except SpecProblem as error:
        problem = error
    raise JournalDamaged(
        f"its spec is none that this program reads: {problem.problem.what}",
        where=f"run {started['run_id']} of {started['experiment']}",
        remedy=f"read it with the version that wrote it, {started['versions'].get('orchestrator', 'an older one')}",
    )


def fold(events: Iterable[Mapping[str, Any]]) -> Results:
    """Return the results of a journal's events; `events` is read again when trials are asked for."""
    standing = replay(events)
    few = standing.few
    derived = [
        {"event": event.event, "schema": SCHEMA, "run_id": few[0]["run_id"], **event.fields()}
        for event in derive(standing.plan, standing.contests)
    ]
    return Results(
        plan=standing.plan,
        contests=standing.contests,
        derived=derived,
        differences=_differences(derived, few, standing.contests),
        started=few[0],
        finished=next((event for event in few if event["event"] == "run.finished"), None),
        _few=few,
        _all=events,
    )


def _differences(derived: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], contests: Any) -> list[str]:
    """Return how the journal's derived events differ from the recomputed ones; a run that was cut off has none."""
    found = [text for contest in contests for text in contest.differences]
    names = DERIVED - {"run.finished"}
    journaled = [event for event in events if event["event"] in names]
    version = next((event["stats_version"] for event in journaled), STATS_VERSION)
    if version != STATS_VERSION:
        return [*found, f"the journal's figures are of version {version} of the statistics, these of {STATS_VERSION}"]
    if journaled and len(journaled) != len(derived):
        found.append(f"the journal holds {len(journaled)} derived events, recomputing gives {len(derived)}")
    for ours, theirs in zip(derived, journaled, strict=False):
        found += [
            f"{ours['event']} at {ours.get('point') or ours['points']}: "
            f"{key} is {theirs.get(key)!r} in the journal, recomputed {value!r}"
            for key, value in ours.items()
            if theirs.get(key) != value
        ]
    return found
