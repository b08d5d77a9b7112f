"""Two versions of the code in the same blocks: how much longer the newer one takes, if that is certain. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

from .. import errors
from ..journal.derived_events import ExpectationChecked
from ..journal.raw_events import TrialFailed, VariantUnavailable
from .compare import side
from .contest import Contest
from .results import Results
from .stats import Ratio

Change = Literal["slower", "faster", "same", "no slower", "undecided", "not compared"]


@dataclass(frozen=True)
class VersionChange:
    """How one variant changed at one point: its time, or a percentile of latency where calls arrive at a rate."""

    point: str
    variant: str
    change: Change
    ratio: Ratio | None = None
    """The time of the newer version divided by that of the base."""
    wall_ns_base: float | None = None
    wall_ns: float | None = None
    reason: str | None = None
    """Why there is nothing to compare."""


class Place(NamedTuple):
    """A line of a file, below the top of the repository."""

    file: str
    line: int


@dataclass(frozen=True)
class SpecChecked:
    """What one spec says about both versions."""

    experiment: str
    changes: Sequence[VersionChange] = ()
    expectations: Sequence[tuple[ExpectationChecked, Place]] = ()
    """The expectations of the spec, each with its place there."""
    failures: Sequence[TrialFailed] = ()
    """The trials of the newer version that failed."""
    places: Mapping[str, Place] | None = None
    """Where the function of each variant is defined, or named."""
    notes: Sequence[str] = ()
    """What could not be compared, and why."""
    error: str | None = None
    """Why there is no run, with its exit status."""
    error_status: int | None = None

    def statuses(self) -> list[int]:
        """Return the exit statuses that apply; something undecided is none, unless an expectation needs it."""
        outcomes = {event.outcome for event, _ in self.expectations}
        is_slower = any(each.change == "slower" for each in self.changes)
        found = [] if self.error_status is None else [self.error_status]
        found += [errors.FAILED] * bool(self.failures) + [errors.BROKEN] * (is_slower or "broken" in outcomes)
        return found + [errors.UNDECIDED] * ("undecided" in outcomes)


def changes(results: Results, pairs: Mapping[str, str], tolerance: float) -> list[VersionChange]:
    """Return how each variant changed at each point; `pairs` has the base of each."""
    return [
        _changed(results, contest, newer, base, tolerance)
        for contest in results.contests
        for newer, base in pairs.items()
    ]


def _changed(results: Results, contest: Contest, newer: str, base: str, tolerance: float) -> VersionChange:
    arrivals = contest.point.arrivals
    point = contest.point.label + (f", {arrivals.metric}" if arrivals else "")
    if absent := _absent(results, contest, base, "the base") or _absent(results, contest, newer, newer):
        return VersionChange(point, newer, "not compared", reason=absent)
    ratio = contest.compare(base, newer, contest.look_level)
    if ratio is None and contest.counting:
        return VersionChange(point, newer, "not compared", reason="no block has the times of both versions")
    if ratio is None:
        return VersionChange(point, newer, "undecided", reason="no block was finished in the time")
    times = _wall_ns(contest, base), _wall_ns(contest, newer)
    return VersionChange(point, newer, version_change(ratio, tolerance), ratio, *times)


def version_change(ratio: Ratio, tolerance: float) -> Change:
    """Return the word for a ratio of times that holds for its whole interval, or for its upper end ("no slower")."""
    word = side(ratio, tolerance)
    is_bounded = ratio.low is not None and ratio.high is not None and ratio.high <= 1 + tolerance
    return "no slower" if word == "undecided" and is_bounded else word


def _absent(results: Results, contest: Contest, label: str, name: str) -> str | None:
    """Return why a variant has no times at a point; None if it has."""
    for missing in results.events(VariantUnavailable):
        if missing.variant == label:
            return f"{name} can't run here: {missing.reason}"
    if label not in contest.excluded:
        return None
    failed = [event for event in results.failures if event.variant == label and event.point_id == contest.point.id]
    if failed and failed[0].cause == "result" and contest.point.workload.get("check", "same") == "same":
        return f"{name} returns something else: {failed[0].error}; workload.check=none compares the times anyway"
    return f"{name} failed: {failed[0].error}" if failed else f"{name} failed"


def _wall_ns(contest: Contest, label: str) -> float | None:
    walls = contest.block_medians(label)
    return median(walls) if walls else None
