"""Results: what a journal says, recomputed from its raw events."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean
from typing import Any, TypeVar

from pydantic import ValidationError

from ..errors import JournalDamaged
from ..journal.capacity_events import CapacityFound, CapacityJudged
from ..journal.catalog import EVENTS
from ..journal.derived_events import (
    CrossoverLocated,
    ExpectationChecked,
    HostJudged,
    ScalingFitted,
    VariantCompared,
    VariantExplained,
    VariantObserved,
    VerdictReached,
)
from ..journal.event import COMMON, AboutPoint, Event
from ..journal.raw_events import RunFinished, RunStarted, TrialFailed
from ..journal.window_events import VariantServed
from ..spec.expand import plan_experiment
from ..spec.model import Experiment
from ..spec.plan import Items, Plan, Point
from ..spec.problem import SpecProblem, problem_of
from .contest import Contest
from .fold import add_event
from .stats import STATS_VERSION
from .verdict import derive

DERIVED = {name for name, kind in EVENTS.items() if kind.derived} | {"run.finished"}
"""The events that a run writes at its end."""

_KEPT = DERIVED | {
    *("run.started", "run.resumed", "variant.unavailable", "variant.excluded", "trial.failed"),
    *("context.sampled", "block.finished", "timeline.recorded"),
}
"""The events that stay in memory. The others, most of a journal, are read from it again when they are needed."""

LEAST = {"wall_ns": 1, "repeats": 1, "cpu_ns": 0, "elapsed_ns": 0, "startup_ns": 0, "trials_ns": 0}
"""The least values of what a block measures; logarithms and medians rest on them."""

SAME = 1e-9
"""Figures that differ by less are the same: the last digit of a logarithm depends on the processor."""

Record = Mapping[str, Any]
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class PointEvents:
    """The derived events of one point; without a verdict if the point was skipped."""

    compared: Sequence[VariantCompared]
    explained: Sequence[VariantExplained]
    fitted: Sequence[ScalingFitted]
    observed: Sequence[VariantObserved]
    verdict: VerdictReached | None
    on_hosts: Sequence[HostJudged]
    served: Sequence[VariantServed] = ()


@dataclass(frozen=True)
class Results:
    """What a journal says, recomputed: the input of every output format.

    `derived` holds the recomputed events in the order of the log. `differences` names each journaled derived event that
    differs from them.
    """

    plan: Plan
    contests: Sequence[Contest]
    derived: Sequence[Event]
    differences: Sequence[str]
    run_id: str
    started_at: str
    started: RunStarted
    finished: RunFinished | None
    """None when the run was cut off."""
    _kept: Sequence[Record]
    _all: Iterable[Record]

    def records(self, *names: str) -> list[Record]:
        """Return the journal's records of these names, in its order, as plain data with the common fields."""
        return [record for record in (self._kept if set(names) <= _KEPT else self._all) if record["event"] in names]

    def events(self, kind: type[E]) -> list[E]:
        """Return the journal's events of one kind, in its order."""
        return [_event(kind, record) for record in self.records(kind.model_fields["event"].default)]

    def about(self, point: Point) -> PointEvents:
        """Return the derived events of a point."""
        found = self._derived_by_point.get(point.id, ())
        return PointEvents(
            compared=_of_kind(VariantCompared, found),
            explained=_of_kind(VariantExplained, found),
            fitted=_of_kind(ScalingFitted, found),
            observed=_of_kind(VariantObserved, found),
            verdict=next(iter(_of_kind(VerdictReached, found)), None),
            on_hosts=_of_kind(HostJudged, found),
            served=_of_kind(VariantServed, found),
        )

    @property
    def ended_by(self) -> str | None:
        """What interrupted the run: a signal, or the loss of its hosts; None if neither is recorded."""
        if self.finished is None or self.finished.outcome != "interrupted":
            return None
        status = self.finished.exit_status
        return f"signal {status - 128}" if status > 128 else "the loss of its hosts"

    @property
    def has_measured(self) -> bool:
        """Whether any block was finished."""
        return any(contest.blocks for contest in self.contests)

    @property
    def first_blocks_s(self) -> float | None:
        """About how long a block of each point takes, where the time ended in the first ones; None where unknown."""
        known = [contest.needs_ns / 1e9 for contest in self.contests if contest.needs_ns]
        return mean(known) * sum(not contest.is_skipped for contest in self.contests) if known else None

    @cached_property
    def failures(self) -> Sequence[TrialFailed]:
        """The failed trials."""
        return self.events(TrialFailed)

    @cached_property
    def expectations(self) -> Sequence[ExpectationChecked]:
        """The outcome of each expectation, in the order of the spec."""
        return _of_kind(ExpectationChecked, self.derived)

    @cached_property
    def crossovers(self) -> Sequence[CrossoverLocated]:
        """The crossovers along all axes."""
        return _of_kind(CrossoverLocated, self.derived)

    @cached_property
    def capacities(self) -> Sequence[CapacityFound]:
        """Up to which rate each variant holds the objective."""
        return _of_kind(CapacityFound, self.derived)

    @cached_property
    def capacity_verdicts(self) -> Sequence[CapacityJudged]:
        """Which variant holds the objective at the highest rate, for each line of rates."""
        return _of_kind(CapacityJudged, self.derived)

    @cached_property
    def _derived_by_point(self) -> Mapping[str, Sequence[Event]]:
        found: dict[str, list[Event]] = {}
        for event in self.derived:
            if isinstance(event, AboutPoint):
                found.setdefault(event.point_id, []).append(event)
        return found


def _of_kind(kind: type[E], events: Iterable[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def _event(kind: type[E], record: Record) -> E:
    """Return a record that this program wrote as an event; the journal checked it, so it is not validated again."""
    return kind.model_construct(**{key: value for key, value in record.items() if key not in COMMON})


@dataclass(frozen=True)
class Replay:
    """How far a run has come: its plan, its contests, the time of its blocks, and the records kept.

    With several hosts, `spent_s` is the time of the host that worked longest.
    """

    plan: Plan
    contests: Sequence[Contest]
    spent_s: float
    kept: Sequence[Record]


def replay(records: Iterable[Record]) -> Replay:
    """Return how far a run has come, from its journal's records.

    Events derived before a run was resumed are left out: they are derived again. Raises JournalDamaged if the first
    record is not `run.started`, if this program can't read the spec, or if a time is impossible.
    """
    unread = iter(records)
    started = next(unread)
    if started["event"] != "run.started":
        raise JournalDamaged("the journal does not begin with run.started", remedy="name the journal of a run")
    plan = replace(_plan_of(started), level_split=started["level_split"])
    contests = {point.id: Contest(plan, point) for point in plan.points}
    kept = [started]
    spent_ns: Counter[str | None] = Counter()
    for record in unread:
        name = record["event"]
        if contest := contests.get(record.get("point_id", "")):
            check_times(record)
            add_event(contest, record)
        if name not in _KEPT:  # most of all records
            continue
        if name == "run.resumed":
            kept = [each for each in kept if each["event"] not in DERIVED]
        elif name == "variant.unavailable":
            for contest in contests.values():
                contest.withdraw(record["variant"])
        elif name == "block.finished":
            spent_ns[record.get("host")] += record["elapsed_ns"]
        kept.append(record)
    return Replay(plan, list(contests.values()), max(spent_ns.values(), default=0) / 1e9, kept)


def check_times(record: Record) -> None:
    """Raise JournalDamaged for a time that no run can have measured, even if the checksum of its line is right."""
    for name, least in LEAST.items():
        value = record.get(name, least)
        if value is None or type(value) is list:  # not known, or the reference loop's
            continue
        if type(value) is not int or value < least:
            what = f"record {record['seq']} ({record['event']}) has {name}: {value}, which no run can have measured"
            raise JournalDamaged(what, remedy="restore the file from a copy")


def _plan_of(started: Mapping[str, Any]) -> Plan:
    """Return the plan of a run; its spec was valid for the version that wrote it."""
    spec = json.loads(started["spec"])
    try:
        # parsing it again applies the converters, and needs no positions
        items = [Items(**read) for read in started.get("items", ())]
        return plan_experiment(Experiment.model_validate(spec), started["effective_cores"], items)
    except ValidationError as error:
        problem = problem_of(error.errors()[0], spec)
    except SpecProblem as error:
        problem = error
    raise JournalDamaged(
        f"its spec is none that this program reads: {problem.problem.what}",
        where=f"run {started['run_id']} of {started['experiment']}",
        remedy=f"read it with the version that wrote it, {started['versions'].get('orchestrator', 'an older one')}",
    )


def fold(records: Iterable[Record]) -> Results:
    """Return the results of a journal's records; `records` is read again for events that do not stay in memory."""
    replayed = replay(records)
    kept = replayed.kept
    derived = derive(replayed.plan, replayed.contests)
    finished = next((record for record in kept if record["event"] == "run.finished"), None)
    return Results(
        plan=replayed.plan,
        contests=replayed.contests,
        derived=derived,
        differences=_differences(derived, kept, replayed.contests),
        run_id=kept[0]["run_id"],
        started_at=kept[0]["ts"],
        started=_event(RunStarted, kept[0]),
        finished=_event(RunFinished, finished) if finished else None,
        _kept=kept,
        _all=records,
    )


def _differences(derived: Sequence[Event], records: Sequence[Record], contests: Sequence[Contest]) -> list[str]:
    """Return how the journal's derived events differ from the recomputed ones; a run that was cut off has none."""
    found = [text for contest in contests for text in contest.differences]
    journaled = [record for record in records if record["event"] in DERIVED - {"run.finished"}]
    version = next((record["stats_version"] for record in journaled), STATS_VERSION)
    if version != STATS_VERSION:
        return [*found, f"the journal's figures are of version {version} of the statistics, these of {STATS_VERSION}"]
    if journaled and len(journaled) != len(derived):
        found.append(f"the journal holds {len(journaled)} derived events, recomputing gives {len(derived)}")
    for event, theirs in zip(derived, journaled, strict=False):
        ours = event.fields()
        found += [
            f"{event.event} at {ours.get('point') or ours['points']}: "
            f"{key} is {theirs.get(key)!r} in the journal, recomputed {value!r}"
            for key, value in ours.items()
            if not _is_same(value, theirs.get(key))
        ]
    return found


def _is_same(ours: object, theirs: object) -> bool:
    """Return whether two values of an event are the same, figures within `SAME`."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=SAME, abs_tol=SAME)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return ours.keys() == theirs.keys() and all(_is_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, Sequence) and isinstance(theirs, Sequence) and not isinstance(ours, str):
        return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))
    return ours == theirs
