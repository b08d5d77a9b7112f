"""What all experiments below a directory have come to, from the ends of their journals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import JournalDamaged
from .read import ending, experiments, is_running, newest_first

LATEST_RUNS = 20  # so many runs of an experiment are read for its trend


@dataclass(frozen=True)
class RunEnd:
    """How a run ended."""

    run_id: str
    finished: Mapping[str, Any] | None
    """Its last event; None when it was cut off, or is still going."""
    verdicts: Sequence[Mapping[str, Any]]
    expectations: Mapping[str, int]
    """How many of them have each outcome."""


@dataclass(frozen=True)
class Overview:
    """An experiment with its latest runs."""

    name: str
    count: int
    """The number of all its runs."""
    ends: Sequence[RunEnd]
    """Of the latest runs, the newest first."""
    is_running: bool


def overviews(runs: Path) -> list[Overview]:
    """Return every experiment that has runs, by name; raises BadInput when the directory can't be read."""
    found = [(each, newest_first(each)) for each in experiments(runs)]
    return [
        Overview(each.name, len(own), [_end(run) for run in own[:LATEST_RUNS]], is_running(own[0]))
        for each, own in found
        if own
    ]


def _end(run: Path) -> RunEnd:
    try:
        records = ending(run)
    except JournalDamaged:  # without one, the others are of interest all the same
        records = []
    finished = records[-1] if records and records[-1]["event"] == "run.finished" else None
    checked = Counter(record["outcome"] for record in records if record["event"] == "expectation.checked")
    return RunEnd(run.name, finished, [each for each in records if each["event"] == "verdict.reached"], checked)
