"""`run` of one spec: check that there is time, hold the machine, measure, and write the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..machine import lock
from .outcome import write_page

if TYPE_CHECKING:
    from ..archive.resume import Policy
    from ..cluster.scheduler import Cluster
    from ..engine.session import Place, RunOutcome
    from ..spec.load import Source
    from ..spec.plan import Plan


@dataclass(frozen=True)
class Setting:
    """How a spec is measured, beside what it says itself."""

    runs: Path
    policy: Policy
    cluster: Cluster | None = None
    wait_s: float = 0.0
    """How long to wait for another run on this machine to end."""
    max_time_s: float | None = None
    report: bool = True
    """Whether to write the page beside the journal."""
    hold: Callable[[float], AbstractContextManager[Callable[[str], None]]] = lock.hold


def measure(
    plan: Plan,
    source: Source,
    setting: Setting,
    *,
    command: Sequence[str] = (),
    expected: Callable[[str], None] | None = None,
) -> tuple[RunOutcome, Path | None]:
    """Return how a run of a plan ended, and its page, if it has one; raises what `session.run` raises.

    `command` is what the journal has as the run's own, in the place of that of this program. `expected` is called with
    a sentence on how long a verdict may take.
    """
    place, held = place_and_lock(setting)
    from ..engine.session import run
    from ..engine.share import Share
    from ..journal.write import check_writable

    check = partial(forecast_time, plan, setting.runs, setting.max_time_s, expected)
    if setting.wait_s:  # before the wait, which may be in vain
        check_writable(setting.runs)
        check()
    with held as set_holder:
        given = (setting.runs, setting.policy, set_holder, place, None if setting.wait_s else check)
        outcome = run(plan, source, *given, share=Share(setting.max_time_s, command))
        page = write_page(outcome) if setting.report else None
    return outcome, page


def forecast_time(plan: Plan, runs: Path, most_s: float | None, announce: Callable[[str], None] | None = None) -> float:
    """Return the shortest useful run in seconds; raises BadInput if there is no time for a block.

    Calls `announce` with a sentence on how long a verdict may take, and warns if there is less time. `most_s` is a
    limit in addition to that of the spec.
    """
    from ..engine.forecast import check_time, forecast, time_to_verdict, too_short
    from ..log import logger

    found = forecast(plan, runs)
    check_time(plan, found, most_s)
    if short := too_short(plan, found, most_s):
        logger().warning("budget.short", experiment=plan.experiment.name, note=short)
    if announce:
        by_design = "if every variant keeps up" if plan.experiment.arrivals else "unless batches are long"
        origin = "as in the latest run" if found.is_recorded else by_design
        announce(f"{plan.experiment.name}: {time_to_verdict(found.win_s, found.tie_s)} ({origin})")
    return found.least_s


def place_and_lock(setting: Setting) -> tuple[Place, AbstractContextManager[Callable[[str], None]]]:
    """Return where blocks run, and the lock of this machine, if blocks may run on it."""
    if setting.cluster is None:
        from ..engine.local_host import local_host

        return local_host, setting.hold(setting.wait_s)
    from ..cluster.dask import joined

    # a worker on this machine locks it for each of its blocks
    held = setting.hold(setting.wait_s) if setting.cluster.workers_here else nullcontext(lambda _: None)
    return partial(joined, setting.cluster), held
