"""The record of a suite that is not over: which runs are its own, so that a repeated command goes on where it ended.

The file lies beside the experiments, and is deleted when the suite is over. It holds the ids of the runs, the time
spent, and the signal that ended the suite; how each run ended is in its journal. It is written atomically, so a suite
that is killed leaves a valid record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Failure
from ..files import replace_file
from ..journal.read import first_and_last
from ..jsonl import dumps
from ..units import utc_now
from .resume import STOPPED_BY_HAND, Policy


@dataclass
class SuiteRecord:
    """A suite that is not over."""

    file: Path
    runs: dict[str, str] = field(default_factory=dict)
    """The id of the run of each experiment that has begun."""
    spent_s: float = 0.0
    """The time of the runs that ended."""
    updated: str = ""
    exit_status: int | None = None
    """128+N when signal N ended the suite."""

    def begin(self, experiment: str, run_id: str) -> None:
        """Record that a run of the suite begins."""
        self.runs[experiment] = run_id
        self._write()

    def spend(self, seconds: float) -> None:
        """Record the time of a run that ended."""
        self.spent_s += seconds
        self._write()

    def stop(self, status: int) -> None:
        """Record that a signal ended the suite."""
        self.exit_status = status
        if self.runs:
            self._write()

    def delete(self) -> None:
        """Delete the record: the suite is over."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)

    def started_if_finished(self, experiment: str) -> Mapping[str, Any] | None:
        """Return the first event of the suite's run of an experiment if that came to its end, else None."""
        directory = self.file.parent / experiment / self.runs.get(experiment, "")
        if experiment not in self.runs:
            return None
        try:
            ends = first_and_last(directory)
        except Failure:
            return None
        is_finished = ends and ends[1]["event"] == "run.finished" and ends[1]["outcome"] != "interrupted"
        return ends[0] if ends and is_finished else None

    def _write(self) -> None:
        self.updated = utc_now()
        about = {name: value for name, value in asdict(self).items() if name != "file"}
        with suppress(OSError):  # most likely a full disk, which the run itself reports
            self.file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.file, dumps(about) + b"\n")


def opened(runs: Path, experiments: Sequence[str], policy: Policy) -> SuiteRecord:
    """Return the record of the suite of these experiments below `runs`: the interrupted one that `policy` resumes, or
    an empty one."""
    key = hashlib.sha256("\n".join(sorted(experiments)).encode()).hexdigest()[:12]
    file = runs / f".suite-{key}.json"
    with suppress(OSError, ValueError, TypeError):
        found = SuiteRecord(file, **json.loads(file.read_bytes()))
        if _is_wanted(found, policy):
            found.exit_status = None
            return found
    return SuiteRecord(file)


def _is_wanted(record: SuiteRecord, policy: Policy) -> bool:
    """Return whether to go on with an interrupted suite, by the same rules as with a run."""
    if policy.asked or policy.within_s is None:
        return policy.asked
    if record.exit_status == STOPPED_BY_HAND:
        return False
    last = max([record.updated, *(_last_ts(record.file.parent / name / run) for name, run in record.runs.items())])
    return (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds() <= policy.within_s


def _last_ts(directory: Path) -> str:
    """Return when the last record of a run was written, empty when that is unknown."""
    with suppress(Failure):
        if ends := first_and_last(directory):
            return str(ends[1]["ts"])
    return ""
