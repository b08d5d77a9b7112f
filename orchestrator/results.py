"""Results: what a journal says, recomputed from its raw events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .contest import Contest
from .errors import JournalDamaged
from .events import SCHEMA
from .plan import Plan, plan
from .spec import Experiment
from .stats import STATS_VERSION
from .verdict import derive


@dataclass(frozen=True)
class Results:
    """Everything that reports are made from.

    `derived` are the recomputed events as plain data, in the order of the log. `differences` name what the journal's
    own derived events say otherwise.
    """

    plan: Plan
    events: Sequence[Mapping[str, Any]]
    contests: Sequence[Contest]
    derived: Sequence[dict[str, Any]]
    differences: Sequence[str]

    @property
    def started(self) -> Mapping[str, Any]:
        """The event that begins the journal."""
        return self.events[0]

    @property
    def finished(self) -> Mapping[str, Any] | None:
        """The event that ends the journal; None when the run was cut off."""
        return next(iter(self.named("run.finished")), None)

    def named(self, *names: str) -> list[Mapping[str, Any]]:
        """Return the raw events of these names, in the order of the journal."""
        return [event for event in self.events if event["event"] in names]


def fold(events: Sequence[Mapping[str, Any]]) -> Results:
    """Return the results of a journal's events; raises JournalDamaged when it does not begin with a run."""
    started = events[0]
    if started.get("event") != "run.started":
        raise JournalDamaged("the journal does not begin with run.started", remedy="name the journal of a run")
    # the run has checked this spec: parsing it again applies the converters, and needs no positions
    experiment = Experiment.model_validate(json.loads(started["spec"]))
    planned = plan(experiment, started["effective_cores"])
    unavailable = [event["variant"] for event in events if event["event"] == "variant.unavailable"]
    contests = {point.id: Contest(planned, point, unavailable) for point in planned.points}
    for event in events:
        if event.get("point_id") in contests:
            contests[event["point_id"]].add(event)
    derived = [
        {"event": event.event, "schema": SCHEMA, "run_id": started["run_id"], **event.fields()}
        for event in derive(planned, list(contests.values()))
    ]
    return Results(
        plan=planned,
        events=events,
        contests=list(contests.values()),
        derived=derived,
        differences=_differences(derived, events, contests.values()),
    )


def _differences(derived: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], contests: Any) -> list[str]:
    """Return how the journal's derived events differ from the recomputed ones; a run that was cut off has none."""
    found = [text for contest in contests for text in contest.differences]
    names = {event["event"] for event in derived}
    journaled = [event for event in events if event["event"] in names]
    version = next((event["stats_version"] for event in journaled), STATS_VERSION)
    if version != STATS_VERSION:
        return [*found, f"the journal's figures are of version {version} of the statistics, these of {STATS_VERSION}"]
    if journaled and len(journaled) != len(derived):
        found.append(f"the journal holds {len(journaled)} derived events, recomputing gives {len(derived)}")
    for ours, theirs in zip(derived, journaled, strict=False):
        found += [
            f"{ours['event']} at {ours['point']}: {key} is {theirs.get(key)!r} in the journal, recomputed {value!r}"
            for key, value in ours.items()
            if theirs.get(key) != value
        ]
    return found
