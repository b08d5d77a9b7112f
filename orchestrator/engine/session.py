"""One run from a plan to its exit status: probe, begin or go on, measure, derive, report."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from ..analysis import verdict
from ..analysis.contest import Contest
from ..analysis.results import Results, fold, replay
from ..analysis.stats import LOOKS, STATS_VERSION
from ..archive import resume, status
from ..archive.resume import CutOff, Policy
from ..errors import JournalDamaged, Unwritable, first_of
from ..interpreters.identity import differences
from ..interpreters.probe import Probed
from ..journal.event import Event
from ..journal.raw_events import (
    ContextSampled,
    HostJoined,
    HostLeft,
    RunFinished,
    RunResumed,
    RunStarted,
    TrialFailed,
    VariantExcluded,
    VariantUnavailable,
)
from ..journal.read import EVENTS_FILE, Records
from ..journal.write import Journal, create, new_run_id, reopen
from ..log import diagnostics
from ..machine import host, spin
from ..spec import document
from ..spec.load import Source
from ..spec.plan import Plan, canonical
from ..supervisor.process import Interrupt, Interrupted, RunnerEnvironment, runner_environment
from .conductor import Conductor
from .executor import BlockExecutor, HostsLost
from .local import here
from .progress import show_cursor, watching

T = TypeVar("T")

COMMIT_S = 2.0
"""As long as git may take to say which commit is checked out, in a large repository."""

TRIAL_BYTES, ROUNDS = 700, 10
"""What a trial takes in the journal, and how many rounds a block has: about, to tell whether there is room."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    results: Results
    status: int
    directory: Path


Place = Callable[
    [Plan, Source, RunnerEnvironment, Interrupt], AbstractAsyncContextManager[tuple[Probed, BlockExecutor]]
]
"""Where blocks run: this machine, or others."""


def run(
    plan: Plan, source: Source, runs: Path, policy: Policy, tell: Callable[[str], None], place: Place = here
) -> RunOutcome:
    """Measure what is planned and return how it ended; the journal below `runs` then holds everything.

    It goes on with a run that was cut off where `policy` says so. `tell` takes the run's directory. Raises BadInput
    before anything is written, Unwritable, JournalDamaged, Busy and HostsLost.
    """
    _check_room(plan, runs)
    return _in_loop(_run, plan, source, runs, policy, tell, place)


def interruptible(work: Callable[[RunnerEnvironment, Interrupt], T]) -> T:
    """Return what `work` returns; it runs in a thread, and a signal ends it by SystemExit, runners and all."""

    async def watched() -> T:
        async with _watching_signals() as (runner_env, interrupt, signals):
            return await _in_thread(signals, work, runner_env, interrupt)

    return _in_loop(watched)


def _in_loop(main: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    try:
        return anyio.run(main, *arguments)
    except BaseExceptionGroup as group:
        raise first_of(group) from None


SAME_S = 1.0
"""Two hang-ups within this time are one."""


@asynccontextmanager
async def _watching_signals() -> AsyncIterator[tuple[RunnerEnvironment, Interrupt, list[int]]]:
    """Yield the runner_env, an interrupt that a signal sets, and the list that receives the signals."""
    with runner_environment() as runner_env, closing(Interrupt()) as interrupt:
        signals: list[int] = []
        async with anyio.create_task_group() as group:
            await group.start(_interrupt_on_signal, interrupt, signals)
            yield runner_env, interrupt, signals
            group.cancel_scope.cancel()


async def _interrupt_on_signal(interrupt: Interrupt, received: list[int], *, task_status: Any) -> None:
    """Set the interrupt at the first signal; the second one ends this process there and then.

    The reaper cleans up after it. What was ignored from the start (nohup) stays ignored. A terminal that is closed
    sends SIGHUP twice at once, from the shell and from the system, which is no wish to force the end.
    """
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    watched = [number for number in ending if signal.getsignal(number) != signal.SIG_IGN]
    with anyio.open_signal_receiver(*watched) as signals:
        task_status.started()
        first_s = 0.0
        async for number in signals:
            if number == signal.SIGHUP and number in received and time.monotonic() - first_s < SAME_S:
                continue
            if received:
                show_cursor()
                os._exit(128 + number)
            received.append(number)
            first_s = time.monotonic()
            interrupt.set()


async def _in_thread(signals: Sequence[int], work: Callable[..., T], *arguments: Any) -> T:
    """Return what `work` returns; raises SystemExit when a signal has interrupted it."""
    try:
        return await anyio.to_thread.run_sync(work, *arguments)
    except Interrupted:
        raise SystemExit(128 + signals[0]) from None


async def _run(
    plan: Plan, source: Source, runs: Path, policy: Policy, tell: Callable[[str], None], place: Place
) -> RunOutcome:
    async with _watching_signals() as (runner_env, interrupt, signals):
        try:
            async with place(plan, source, runner_env, interrupt) as (probed, executor):
                with _begun(plan, probed, runs, policy) as begun:
                    directory = begun.book.directory
                    tell(str(directory))
                    with status.recorded(directory) as ended:
                        code = await _measure(plan, begun, executor, signals)
                        found = fold(Records(directory / EVENTS_FILE))
                        ended(found)
        except Interrupted:
            raise SystemExit(128 + signals[0]) from None
    return RunOutcome(found, code, directory)


@dataclass(frozen=True)
class OpenRun:
    """A run that is ready to measure, fresh or resumed: where it writes, how it stands, and who hears what is wrong."""

    book: Journal
    store: Callable[[Event], None]
    contests: Sequence[Contest]
    seed: int
    spent_s: float


@contextmanager
def _begun(plan: Plan, probed: Probed, runs: Path, policy: Policy) -> Iterator[OpenRun]:
    """Yield the run to go on with, where there is one that nothing has changed since, or a new one."""
    name = plan.experiment.name
    identity = {**_program(), **probed.identity}
    cut_off = resume.candidate(runs, name, policy)
    if cut_off and (changed := _changed(cut_off.started, plan, identity)):
        note = f"{', '.join(changed)} changed since it was cut off, so a new run begins"
        diagnostics().warning("run.not_resumed", run=str(cut_off.directory), note=note)
        cut_off = None
    elif policy.asked and not cut_off:
        note = "no run of this experiment was cut off, so a new one begins"
        diagnostics().warning("run.not_resumed", runs=str(runs / name), note=note)
    with ExitStack() as stack:
        begun = cut_off and _resumable(stack, plan, cut_off, policy)
        if begun:
            yield begun
            return
    seed = plan.experiment.measure.seed
    seed = secrets.randbelow(2**53) if seed is None else seed
    spec = document.dump(plan.experiment.resolved())
    with create(runs, name, new_run_id(), spec) as book:
        store = _storing(book)
        store(_started(plan, seed, identity, probed.environments))
        for missing in probed.unavailable:
            store(missing)
        contests = [Contest(plan, point) for point in plan.points]
        for contest in contests:
            for missing in probed.unavailable:
                contest.withdraw(missing.variant)
        yield OpenRun(book, store, contests, seed, 0.0)


def _resumable(stack: ExitStack, plan: Plan, cut_off: CutOff, policy: Policy) -> OpenRun | None:
    """Return the run to go on with; None where its journal is no good, unless it was asked for: nobody may be there."""
    try:
        return stack.enter_context(_resumed(plan, cut_off))
    except (JournalDamaged, Unwritable) as error:
        if policy.asked:
            raise
        what = "is damaged" if isinstance(error, JournalDamaged) else "can't be written"
        note = f"its journal {what}, so a new run begins: {error}"
        diagnostics().warning("run.not_resumed", run=str(cut_off.directory), note=note)
        return None


@contextmanager
def _resumed(plan: Plan, cut_off: CutOff) -> Iterator[OpenRun]:
    with reopen(cut_off.directory) as reopened:
        standing = replay(reopened.records)
        book, cut_bytes = reopened.repaired()
        store = _storing(book)
        resumed = RunResumed(
            **_origin(plan, cut_off.started["seed"]),
            cut_ts=cut_off.last_ts,
            cut_bytes=cut_bytes,
            spent_s=round(standing.spent_s, 3),
        )
        store(resumed)
        blocks = sum(len(contest.blocks) for contest in standing.contests)
        about = {"run": str(cut_off.directory), "cut_off": cut_off.last_ts, "blocks": blocks, "cut_bytes": cut_bytes}
        diagnostics().info("run.resumed", **about, note="--fresh would begin a new one")
        yield OpenRun(book, store, standing.contests, resumed.seed, standing.spent_s)


async def _measure(plan: Plan, begun: OpenRun, executor: BlockExecutor, signals: list[int]) -> int:
    """Run the experiment into its journal and return the exit status."""
    begun_s = time.monotonic()
    experiment = plan.experiment
    store = begun.store
    spin_cores = await anyio.to_thread.run_sync(spin.spin_cores, plan.cores)
    with watching(experiment.measure.max_time - begun.spent_s) as watcher:
        store(ContextSampled(when="start", spin_cores=spin_cores, **host.sample()))
        conductor = Conductor(
            plan, begun.contests, executor, store, begun.book.sync, watcher, begun.seed, _warn, spent_s=begun.spent_s
        )
        conducting = time.monotonic(), time.process_time()
        lost: HostsLost | None = None
        try:
            await conductor.run()
        except Interrupted:
            pass
        except HostsLost as error:
            lost = error
            diagnostics().error("hosts.lost", note=str(lost))
        conducted = time.monotonic(), time.process_time()
        derived = verdict.derive(plan, begun.contests)
        for event in derived:
            store(event)
        failures = sum(contest.failures.total() for contest in begun.contests)
        outcome, code = verdict.outcome([event.fields() for event in derived], failures)
        if signals:
            outcome, code = "interrupted", 128 + signals[0]
        elif lost:
            outcome, code = "interrupted", lost.status
        store(
            RunFinished(
                outcome=outcome,
                exit_status=code,
                elapsed_s=round(time.monotonic() - begun_s, 3),
                cpu_s=round(time.process_time(), 3),
                conducting_s=round(conducted[0] - conducting[0], 3),
                conducting_cpu_s=round(conducted[1] - conducting[1], 3),
            )
        )
        begun.book.sync()
    return code


def _warn(note: str) -> None:
    diagnostics().warning("budget.short", note=note)


def _storing(book: Journal) -> Callable[[Event], None]:
    """Return a store for events that tells the user what went wrong, as it happens."""
    log = diagnostics()

    def store(event: Event) -> None:
        book.write(event)
        if isinstance(event, TrialFailed):
            log.warning("trial.failed", point=event.point, variant=event.variant, cause=event.cause, error=event.error)
        elif isinstance(event, VariantExcluded):
            log.warning("variant.excluded", point=event.point, variant=event.variant, failures=event.failures)
        elif isinstance(event, HostJoined):
            log.info("host.joined", host=event.host, address=event.address)
        elif isinstance(event, HostLeft):
            log.warning("host.left", host=event.host, reason=event.reason)
        elif isinstance(event, VariantUnavailable):
            log.warning("variant.unavailable", variant=event.variant, reason=event.reason, remedy=event.remedy)

    return store


def _changed(started: Mapping[str, Any], plan: Plan, identity: Mapping[str, str]) -> list[str]:
    then = {"spec": started["spec_sha256"], **started.get("identity", {})}
    return differences({"spec": _spec_sha256(plan), **identity}, then)


def _started(plan: Plan, seed: int, identity: dict[str, str], environments: dict[str, list[str]]) -> RunStarted:
    return RunStarted(
        **_origin(plan, seed),
        spec=json.dumps(plan.experiment.resolved(), ensure_ascii=False),
        effective_cores=plan.cores,
        level_split=plan.level_split,
        identity=identity,
        commit=_commit(),
        environments=environments,
    )


def _origin(plan: Plan, seed: int) -> dict[str, Any]:
    names = ("orchestrator", "anyio", "numpy", "pydantic")
    return {
        "experiment": plan.experiment.name,
        "spec_sha256": _spec_sha256(plan),
        "seed": seed,
        "command": sys.argv,
        "cwd": str(Path.cwd()),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in names}},
    }


def _commit() -> str | None:
    """Return what is checked out here; None without a repository, without git, or where that takes too long."""
    command = ("git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12")
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # looking must not write to the index
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=COMMIT_S, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _spec_sha256(plan: Plan) -> str:
    return hashlib.sha256(canonical(plan.experiment.resolved()).encode()).hexdigest()


def _program() -> dict[str, str]:
    return {"program": f"orchestrator {_version('orchestrator')}, statistics {STATS_VERSION}"}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _check_room(plan: Plan, runs: Path) -> None:
    """Raise Unwritable when the disk can't hold what the run may write: better now than in the night."""
    measure = plan.experiment.measure
    there = next((directory for directory in (runs, *runs.absolute().parents) if directory.is_dir()), Path())
    # a block takes about a second, or longer
    blocks = min((measure.blocks or LOOKS[-1]) * len(plan.points), measure.max_time)
    needed = round(blocks * len(plan.variants) * (measure.rounds or ROUNDS) * TRIAL_BYTES)
    free = shutil.disk_usage(there).free
    if free < needed:
        what = f"{free / 1e6:.1f} MB are free in {there}, and this run may write {needed / 1e6:.1f} MB"
        raise Unwritable(what, remedy="make room, or choose another directory with --runs")
