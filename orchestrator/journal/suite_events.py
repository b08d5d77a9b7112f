"""Events about a suite of experiments: `run` prints them of several specs; they are in no journal."""

from __future__ import annotations

from typing import Literal

from .event import Event

SuiteOutcome = Literal[
    "decided", "undecided", "expectation_broken", "workload_failed", "interrupted", "error", "skipped", "not_reached"
]


class ExperimentFinished(Event):
    """How one experiment of a suite ended."""

    event: Literal["experiment.finished"] = "experiment.finished"
    experiment: str
    config: str
    run_id: str | None
    directory: str | None
    """Of its run; both are null where there is none."""
    outcome: SuiteOutcome
    """As in `run.finished`; `skipped` where no time was left, `not_reached` after a signal."""
    exit_status: int | None
    """The status that it would have alone; null where it was not reached."""
    elapsed_s: float
    was_done: bool
    """Whether an earlier, interrupted call of the same suite measured it."""
    wins: int
    ties: int
    undecided: int
    """The numbers of points with these verdicts."""
    expectations_held: int
    expectations_broken: int
    expectations_undecided: int
    failures: int
    """The number of failed trials."""
    verdict: str
    """In short: the winners of a single point with the ratio, or the numbers of verdicts."""
    error: str | None


class SuiteFinished(Event):
    """The end of a suite."""

    event: Literal["suite.finished"] = "suite.finished"
    experiments: int
    failed: int
    """The number of experiments with another status than 0."""
    exit_status: int
    elapsed_s: float
    max_time_s: float | None
