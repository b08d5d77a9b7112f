"""One run, from a plan to its exit status: probe, open the journal, measure, derive the verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..archive.resume import Policy
from ..interpreters.probe import Probed
from ..journal.read import EVENTS_FILE, Records
from ..log import logger
from ..machine import host, spin
from ..spec.load import Source
from ..spec.plan import Plan
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt, Interrupted
from .hosts import BlockExecutor, HostsLost
from .local_host import local_host
from .share import WHOLE, Share
from .signals import in_loop, watching_signals

if TYPE_CHECKING:
    from ..analysis.results import Results
    from .opening import OpenRun


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    results: Results
    status: int
    directory: Path
    signal: int | None = None
    """The signal that came, perhaps too late to change how the run ended."""


Place = Callable[
    [Plan, Source, RunnerEnvironment, Interrupt], AbstractAsyncContextManager[tuple[Probed, BlockExecutor]]
]
"""Where blocks run: on this machine, or on others."""


def run(
    plan: Plan,
    source: Source,
    runs: Path,
    policy: Policy,
    set_holder: Callable[[str], None],
    place: Place = local_host,
    check: Callable[[], object] | None = None,
    share: Share = WHOLE,
) -> RunOutcome:
    """Measure what is planned, and return how it ended; the journal below `runs` then holds everything.

    `policy` says which interrupted run is resumed. `set_holder` is called with the run's directory, and `check` when
    the plan can run, before anything is written; `share` is what the run has of a suite. Raises BadInput before that,
    Unwritable, JournalDamaged and Busy. Lost hosts raise nothing: the outcome has their status.
    """

    async def measured() -> RunOutcome:
        async with watching_signals() as (runner_env, interrupt, signals):
            async with place(plan, source, runner_env, interrupt) as (probed, executor):
                # not at the top: they load numpy and structlog, which `local_host` imports during its probe
                from ..analysis.results import fold
                from ..archive import status
                from .forecast import check_disk_space
                from .opening import open_run

                if check:
                    check()
                check_disk_space(plan, runs)
                with open_run(plan, probed, runs, policy, share) as opened:
                    directory = opened.journal.directory
                    set_holder(str(directory))
                    with status.recorded(directory) as ended:
                        code = await _measure(plan, opened, executor, signals)
                        results = fold(Records(directory / EVENTS_FILE))
                        ended(results)
        return RunOutcome(results, code, directory, signals[0] if signals else None)

    return in_loop(measured)


def identity(plan: Plan, source: Source, place: Place = local_host) -> dict[str, str]:
    """Return what the results of a plan depend on beside its spec; raises BadInput when the plan can't run."""

    async def probed() -> dict[str, str]:
        async with watching_signals() as (runner_env, interrupt, signals):
            async with place(plan, source, runner_env, interrupt) as (found, _):
                from . import origin

                known = origin.identity(plan, found)
        if signals:  # which came too late to interrupt the probe
            raise SystemExit(128 + signals[0])
        return known

    return in_loop(probed)


async def _measure(plan: Plan, opened: OpenRun, executor: BlockExecutor, signals: list[int]) -> int:
    """Run the experiment into its journal, and return the exit status."""
    from ..analysis import verdict
    from ..journal.raw_events import ContextSampled, RunFinished

    begun_s = time.monotonic()
    spin_cores = await anyio.to_thread.run_sync(spin.spin_cores, plan.cores)
    opened.store(ContextSampled(when="start", spin_cores=spin_cores, **host.sample()))
    conducting = time.monotonic(), time.process_time()
    lost = await _conduct(plan, opened, executor)
    conducted = time.monotonic(), time.process_time()
    derived = verdict.derive(plan, opened.contests)
    for event in derived:
        opened.store(event)
    outcome, code = verdict.outcome(derived, opened.contests)
    if signals:
        outcome, code = "interrupted", 128 + signals[0]
    elif lost:
        outcome, code = "interrupted", lost.status
    opened.store(
        RunFinished(
            outcome=outcome,
            exit_status=code,
            elapsed_s=round(time.monotonic() - begun_s, 3),
            cpu_s=round(time.process_time(), 3),
            conducting_s=round(conducted[0] - conducting[0], 3),
            conducting_cpu_s=round(conducted[1] - conducting[1], 3),
        )
    )
    opened.journal.sync()
    return code


async def _conduct(plan: Plan, opened: OpenRun, executor: BlockExecutor) -> HostsLost | None:
    """Run blocks until all is decided, the time is over, or a signal comes; return the error if the hosts are lost."""
    from .conductor import Conductor
    from .progress import watching

    with watching() as watcher:
        stores = opened.store, opened.journal.sync
        given = (plan, opened.contests, executor, *stores, watcher, opened.seed)
        conductor = Conductor(*given, spent_s=opened.spent_s, most_s=opened.most_s)
        try:
            await conductor.run()
        except Interrupted:
            pass
        except HostsLost as error:
            logger().error("hosts.lost", note=str(error))
            return error
    return None
