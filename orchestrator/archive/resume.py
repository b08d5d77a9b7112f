"""Which run to resume: the newest interrupted one of an experiment."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Busy, Failure
from ..journal.read import first_and_last, is_running, newest_first

STOPPED_BY_HAND = 128 + signal.SIGINT

WITHIN = "24h"
"""An interrupted run that is no older is resumed, unless `WITHIN_VARIABLE` has another time."""

WITHIN_VARIABLE = "ORCHESTRATOR_RESUME_WITHIN"


def allowed_age() -> str:
    """Return how old a run may be to be resumed without being asked for, such as "24h"."""
    return os.environ.get(WITHIN_VARIABLE) or WITHIN


@dataclass(frozen=True)
class Policy:
    """When to resume an interrupted run.

    When it is `asked` for, the newest interrupted run. Otherwise only the latest run, if it was interrupted at most
    `within_s` ago, and not by Ctrl-C; none when `within_s` is None.
    """

    asked: bool = False
    within_s: float | None = None


@dataclass(frozen=True)
class CutOff:
    """An interrupted run: its directory, its first event, and the time of its last record."""

    directory: Path
    started: Mapping[str, Any]
    last_ts: str


def candidate(runs: Path, experiment: str, policy: Policy) -> CutOff | None:
    """Return the run to resume; raises Busy while it is being written, and JournalDamaged if it was asked for."""
    if not policy.asked and policy.within_s is None:
        return None
    for directory in newest_first(runs / experiment):
        try:
            ends = first_and_last(directory)
        except Failure:
            if policy.asked:
                raise
            return None
        if ends and _is_wanted(ends[1], policy):
            if is_running(directory):
                remedy = "wait until it ends, or start a new run (--fresh, fresh=True)"
                raise Busy(f"another process is writing {directory}", remedy=remedy)
            return CutOff(directory, ends[0], ends[1]["ts"])
        if not policy.asked:
            return None
    return None


def _is_wanted(last: Mapping[str, Any], policy: Policy) -> bool:
    if last["event"] == "run.finished":
        is_by_hand = last["exit_status"] == STOPPED_BY_HAND
        if last["outcome"] != "interrupted" or (is_by_hand and not policy.asked):
            return False
    age_s = (datetime.now(UTC) - datetime.fromisoformat(last["ts"])).total_seconds()
    # a clock that was set back makes it negative: then the run counts as recent
    return policy.asked or age_s <= (policy.within_s or 0.0)
