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
from .verdict import derive


@dataclass(frozen=True)
class Results:
    """Everything that reports are made from.

    `derived` are the recomputed events as plain data, in the order of the log. `differences` name what the journal's
    own derived events say otherwise.
    """

    plan: Plan
    started: Mapping[str, Any]
    contests: Sequence[Contest]
    derived: Sequence[dict[str, Any]]
    failed: Sequence[Mapping[str, Any]]
    blocks: Sequence[Mapping[str, Any]]
    finished: Mapping[str, Any] | None
    differences: Sequence[str]


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
        started=started,
        contests=list(contests.values()),
        derived=derived,
        failed=[event for event in events if event["event"] == "trial.failed"],
        blocks=[event for event in events if event["event"] == "block.finished"],
        finished=next((event for event in events if event["event"] == "run.finished"), None),
        differences=_differences(derived, events, contests.values()),
    )


def _differences(derived: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], contests: Any) -> list[str]:
    """Return how the journal's derived events differ from the recomputed ones; a run that was cut off has none."""
    found = [text for contest in contests for text in contest.differences]
    names = {event["event"] for event in derived}
    journaled = [event for event in events if event["event"] in names]
    if journaled and len(journaled) != len(derived):
        found.append(f"the journal holds {len(journaled)} derived events, recomputing gives {len(derived)}")
    for ours, theirs in zip(derived, journaled, strict=False):
        found += [
            f"{ours['event']} at {ours['point']}: {key} is {theirs.get(key)!r} in the journal, recomputed {value!r}"
            for key, value in ours.items()
            if theirs.get(key) != value
        ]
    return found
