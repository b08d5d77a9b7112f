"""Which run to go on with: the newest one of an experiment that was cut off, if nothing has changed since."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Busy, Failure
from ..journal.read import first_and_last, is_running, newest_first

STOPPED_BY_HAND = 128 + signal.SIGINT


@dataclass(frozen=True)
class Policy:
    """When to go on with a run that was cut off.

    Unless it is `asked` for, only with the very last run, if that did not end by its user's Ctrl-C, and if it was cut
    off at most `within_s` ago; none at all where that is None.
    """

    asked: bool = False
    within_s: float | None = None


NEVER = Policy()


@dataclass(frozen=True)
class CutOff:
    """A run that can go on: where it lies, the event that began it, and when the last record was written."""

    directory: Path
    started: Mapping[str, Any]
    last_ts: str


def candidate(runs: Path, experiment: str, policy: Policy) -> CutOff | None:
    """Return the run to go on with; raises JournalDamaged for one that was asked for, and Busy while it is written."""
    if not policy.asked and policy.within_s is None:
        return None
    for directory in newest_first(runs / experiment):
        try:
            ends = first_and_last(directory)
        except Failure:
            if policy.asked:
                raise
            return None
        if ends and not _is_finished(ends[1]) and (policy.asked or _is_wanted(ends[1], policy)):
            if is_running(directory):
                raise Busy(f"another process writes {directory}", remedy="wait for it to end, or use --fresh")
            return CutOff(directory, ends[0], ends[1]["ts"])
        if not policy.asked:
            return None
    return None


def _is_finished(last: Mapping[str, Any]) -> bool:
    return bool(last["event"] == "run.finished" and last["outcome"] != "interrupted")


def _is_wanted(last: Mapping[str, Any], policy: Policy) -> bool:
    if last["event"] == "run.finished" and last["exit_status"] == STOPPED_BY_HAND:
        return False
    age_s = (datetime.now(UTC) - datetime.fromisoformat(last["ts"])).total_seconds()
    # a clock that has jumped back makes it negative: it was not long ago then, for all we know
    return age_s <= (math.inf if policy.within_s is None else policy.within_s)
