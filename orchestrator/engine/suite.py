"""Runs several experiments in turn within one time limit; after an interruption, only the unfinished ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import errors
from ..archive import suite as archive
from ..archive.resume import Policy
from ..archive.suite import SuiteRecord
from ..errors import BadInput, Failure
from ..log import logger
from ..machine import host
from ..spec.load import Source
from ..spec.plan import Plan
from . import session
from .forecast import MOST_S
from .local_host import local_host
from .session import Place, RunOutcome
from .share import Share, fair_s
from .signals import exiting_on_signal

if TYPE_CHECKING:
    from ..analysis.results import Results

NO_TIME = "no time of --max-time was left"
NOT_REACHED = "not reached: the suite ended before it"


@dataclass(frozen=True)
class Planned:
    """One spec, as it is in the working directory, and its plan."""

    config: Path
    plan: Plan
    source: Source

    @property
    def name(self) -> str:
        return self.plan.experiment.name

    @property
    def most_s(self) -> float:
        """The longest time that the spec allows."""
        return self.plan.experiment.measure.max_time or MOST_S


@dataclass(frozen=True)
class Job(Planned):
    """One experiment of a suite."""

    command: Sequence[str]
    """The command that runs it alone."""
    least_s: float = 0.0
    """The shortest time in which it can measure anything."""


@dataclass(frozen=True)
class Ending:
    """How one experiment of a suite ended."""

    job: Job
    status: int | None
    """None when it was not reached."""
    outcome: RunOutcome | None = None
    """None when there is no run, or no whole one."""
    error: str | None = None
    elapsed_s: float = 0.0
    was_done: bool = False
    """Measured by an earlier call of the same suite."""
    was_skipped: bool = False
    """Not measured, because no time was left."""
    signal: int | None = None
    """The signal that ended the suite during this experiment or right after it."""


@dataclass(frozen=True)
class Setting:
    """Where and how a suite runs."""

    runs: Path
    policy: Policy
    set_holder: Callable[[str], None]
    place: Place = local_host
    max_time_s: float | None = None


def identities(jobs: Sequence[Job]) -> dict[str, dict[str, str]]:
    """Return what the results of each experiment depend on; raises BadInput with the problems of all that can't run."""
    found: dict[str, dict[str, str]] = {}
    refused: list[str] = []
    for job in jobs:
        with own_processors(job.plan):
            try:
                found[job.name] = session.identity(job.plan, job.source)
            except BadInput as error:
                refused.append(str(error))
    if refused:
        raise BadInput("\n".join(dict.fromkeys("\n".join(refused).splitlines())))
    return found


def run(
    jobs: Sequence[Job], setting: Setting, known: dict[str, dict[str, str]], on_end: Callable[[Ending], None]
) -> list[Ending]:
    """Measure the experiments one after the other, and return how each ended; after a signal, no other is begun.

    `known` are the identities of experiments that were probed. `on_end` is called with each ending as it comes. An
    experiment that an interrupted call of the same suite has finished is not measured again, if nothing has changed
    that its results depend on. An error ends only its own experiment.
    """
    record = archive.opened(setting.runs, [job.name for job in jobs], setting.policy)
    begun_s = time.monotonic() - record.spent_s
    endings: list[Ending] = []
    for place, job in enumerate(jobs):
        share = Share(command=job.command)
        if setting.max_time_s is not None:
            left_s = setting.max_time_s - (time.monotonic() - begun_s)
            share = Share(fair_s(left_s, [each.most_s for each in jobs[place:]]), job.command)
        ending = _ended(job, setting, record, known, share)
        if ending.outcome and not ending.was_done:
            begun_s -= _resumed_s(ending.outcome.results)
        endings.append(_reported(ending, on_end))
        if stopped_by := endings[-1].signal:
            record.stop(128 + stopped_by)
            return endings + [Ending(each, None, error=NOT_REACHED) for each in jobs[place + 1 :]]
    record.delete()
    return endings


def _ended(job: Job, setting: Setting, record: SuiteRecord, known: dict[str, dict[str, str]], share: Share) -> Ending:
    """Return how an experiment ended, in the interrupted call or now."""
    try:
        with exiting_on_signal():
            return _done(job, setting, record, known) or _measured(job, setting, record, share)
    except SystemExit as end:  # a signal before the first block, or after the last one
        assert isinstance(end.code, int)
        return Ending(job, end.code, error=f"ended by signal {end.code - 128}", signal=end.code - 128)


def _reported(ending: Ending, on_end: Callable[[Ending], None]) -> Ending:
    """Return an ending after `on_end`, with the status of what went wrong there."""
    try:
        with exiting_on_signal():
            on_end(ending)
    except Failure as error:  # of the output; what was measured is in the journal
        return replace(ending, status=errors.worst([ending.status or 0, error.status]), error=str(error))
    except SystemExit as end:
        assert isinstance(end.code, int)
        return replace(ending, signal=end.code - 128)
    return ending


def _done(job: Job, setting: Setting, record: SuiteRecord, known: dict[str, dict[str, str]]) -> Ending | None:
    """Return how an experiment ended in the interrupted call of this suite; None if it has to be measured."""
    started = record.started_if_finished(job.name)
    if started is None:
        return None
    from ..analysis.results import fold
    from ..journal.read import EVENTS_FILE, Records
    from . import origin

    directory = setting.runs / job.name / record.runs[job.name]
    try:
        with own_processors(job.plan):
            identity = known.get(job.name) or session.identity(job.plan, job.source, setting.place)
        if changed := origin.changed(started, job.plan, identity):
            note = f"{', '.join(changed)} changed since the suite was interrupted, so it is measured again"
            logger().warning("experiment.not_resumed", run=str(directory), note=note)
            return None
        results = fold(Records(directory / EVENTS_FILE))
    except Failure as error:
        logger().warning("experiment.not_resumed", run=str(directory), note=str(error))
        return None
    assert results.finished is not None
    note = "finished by the interrupted suite; use --fresh to measure it again"
    logger().info("experiment.done", run=str(directory), note=note)
    status = results.finished.exit_status
    return Ending(job, status, RunOutcome(results, status, directory), None, _elapsed_s(results), was_done=True)


def _measured(job: Job, setting: Setting, record: SuiteRecord, share: Share) -> Ending:
    """Measure an experiment, and return how it ended; an error becomes its ending."""
    if share.most_s is not None and share.most_s < job.least_s:
        logger().warning("experiment.skipped", experiment=job.name, note=NO_TIME)
        return Ending(job, errors.UNDECIDED, error=NO_TIME, was_skipped=True)

    def set_holder(directory: str) -> None:
        setting.set_holder(directory)
        record.begin(job.name, Path(directory).name)

    begun_s = time.monotonic()
    try:
        with own_processors(job.plan):
            given = (setting.runs, setting.policy, set_holder, setting.place)
            outcome = session.run(job.plan, job.source, *given, share=share)
    except Failure as error:
        return _failed(job, error.status, str(error), time.monotonic() - begun_s)
    except Exception as bug:  # the other experiments do not depend on it
        what = f"internal error: {type(bug).__name__}: {bug}; please report it"
        return _failed(job, errors.BUG, what, time.monotonic() - begun_s)
    if outcome.status <= 128:
        record.spend(_elapsed_s(outcome.results))
    return Ending(job, outcome.status, outcome, None, _elapsed_s(outcome.results), signal=outcome.signal)


def _failed(job: Job, status: int, error: str, elapsed_s: float) -> Ending:
    logger().error("experiment.failed", experiment=job.name, exit_status=status, note=error)
    return Ending(job, status, error=error, elapsed_s=elapsed_s)


def _elapsed_s(results: Results) -> float:
    """Return the time of a run, with that before it was interrupted and resumed."""
    return (results.finished.elapsed_s if results.finished else 0.0) + _resumed_s(results)


def _resumed_s(results: Results) -> float:
    from ..journal.raw_events import RunResumed

    return next((event.spent_s for event in reversed(results.events(RunResumed))), 0.0)


@contextmanager
def own_processors(plan: Plan) -> Iterator[None]:
    """Bind this process to the processors of an experiment, where its spec names some."""
    with host.affinity_kept():
        if processors := plan.experiment.limits.cpus:
            host.keep_to(processors)
        yield
