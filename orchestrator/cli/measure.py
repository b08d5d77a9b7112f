"""`run` of one spec: check that there is time, hold the machine, measure, print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .outcome import print_outcome, write_page
from .output import say

if TYPE_CHECKING:
    from ..archive.resume import Policy
    from ..cluster.scheduler import Cluster
    from ..engine.session import Place
    from ..spec.plan import Plan


@dataclass(frozen=True)
class Asked:
    """What the command line of `run` says beside the specs."""

    overrides: list[str]
    runs: Path
    policy: Policy
    cluster: Cluster | None
    wait_s: float
    max_time_s: float | None
    quiet: bool
    report: bool
    shown: str
    """The format of the results."""
    details: bool


def measure(config: Path, asked: Asked) -> None:
    """Measure one spec, and print its results; raises NonzeroExit and what `session.run` raises."""
    from . import arguments

    plan, source = arguments.load_plan(config, asked.overrides, asked.cluster)
    place, held = place_and_lock(asked)
    from ..engine.session import run
    from ..engine.share import Share

    check = partial(check_time, plan, asked.runs, asked.max_time_s)
    if asked.wait_s:
        check()  # before the wait, which may be in vain
    with held as set_holder:
        given = (asked.runs, asked.policy, set_holder, place, None if asked.wait_s else check)
        outcome = run(plan, source, *given, share=Share(asked.max_time_s))
        page = write_page(outcome) if asked.report else None
    if outcome.status or not asked.quiet:
        print_outcome(outcome, asked.shown, to_resume([config], asked), details=asked.details, page=page)


def to_resume(configs: list[Path], asked: Asked) -> str:
    """Return the command that resumes what was interrupted."""
    return shlex.join(["orchestrator", "run", *map(str, configs), *asked.overrides, "--resume"])


def check_time(plan: Plan, runs: Path, most_s: float | None) -> float:
    """Return the shortest time in which a run can measure anything, in seconds.

    Says on a terminal how long a verdict may take, and warns when there is not so much time.

    `most_s` is the longest time beside what the spec says. Raises BadInput when there is no time for a block.
    """
    from ..engine.forecast import check_time, expectation, forecast, too_short
    from ..log import diagnostics

    expected = forecast(plan, runs)
    check_time(plan, expected, most_s)
    if short := too_short(plan, expected, most_s):
        diagnostics().warning("budget.short", experiment=plan.experiment.name, note=short)
    if sys.stderr.isatty():
        source = "as in the latest run" if expected.is_recorded else "unless batches are long"
        say(f"{plan.experiment.name}: {expectation(expected.win_s, expected.tie_s)} ({source})")
    return expected.least_s


def place_and_lock(asked: Asked) -> tuple[Place, AbstractContextManager[Callable[[str], None]]]:
    """Return where blocks run, and the lock of this machine, if blocks may run on it."""
    from ..machine import lock

    if asked.cluster is None:
        from ..engine.local_host import local_host

        return local_host, lock.hold(asked.wait_s)
    from ..cluster.dask import joined

    # a worker on this machine locks it for each of its blocks
    held = lock.hold(asked.wait_s) if asked.cluster.workers_here else nullcontext(lambda _: None)
    return partial(joined, asked.cluster), held
