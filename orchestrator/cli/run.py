"""`orchestrator run`: measure an experiment."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BadInput
from ..output.formats import names
from .app import Config, Details, Format, KeepReport, Overrides, Runs, Wait, app
from .outcome import print_outcome, write_page
from .output import choose, say

if TYPE_CHECKING:
    from ..cluster.scheduler import Cluster
    from ..engine.session import Place
    from ..spec.plan import Plan


@app.command(
    epilog="\b\nExamples:\n  orchestrator run configs/cpu.yaml kwargs.n=50_000 measure.max_time=30s\n"
    "  orchestrator run configs/cpu.yaml --quiet --wait 2h --log-file cpu.log   # from cron, see docs/cron.md"
)
def run(
    config: Config,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="resume the newest interrupted run, however old it is")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="start a new run; resume nothing")] = False,
    resume_within: Annotated[
        str,
        typer.Option(
            metavar="TIME", envvar="ORCHESTRATOR_RESUME_WITHIN", help="resume an interrupted run no older than TIME"
        ),
    ] = "24h",
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            envvar="ORCHESTRATOR_CLUSTER",
            help="run blocks on the workers of a Dask cluster, such as tcp://host:8786, or local:4 for a trial",
        ),
    ] = None,
    wait: Wait = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", envvar="ORCHESTRATOR_QUIET", help="print nothing if the status is 0")
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="ORCHESTRATOR_LOG_FILE", help="append messages to FILE as JSON lines"),
    ] = None,
    report: KeepReport = True,
    format_: Format = None,
    details: Details = False,
) -> None:
    """Measure an experiment and report which model wins."""
    shown = choose(format_, names("text"))
    if resume and fresh:
        raise BadInput("--resume and --fresh contradict each other", remedy="keep one of them")
    from .. import log
    from ..extras import need
    from . import arguments as given

    within_s, wait_s = given.seconds(resume_within, "--resume-within"), given.seconds(wait, "--wait") or 0.0
    with log.diverted(quiet=quiet, file=log_file):
        workers = None
        if cluster:
            need("--cluster", "distributed")
            from ..cluster.scheduler import parse_address

            workers = parse_address(cluster)
        plan, source = given.load_plan(config, overrides, workers)
        place, held = _place(workers, wait_s)
        from ..archive.resume import Policy
        from ..engine.session import run as measure

        policy = Policy() if fresh else Policy(asked=resume, within_s=within_s)
        check = partial(_check_time, plan, runs)
        if wait_s:
            check()  # before the wait, which may be in vain
        with held as set_holder:
            outcome = measure(plan, source, runs, policy, set_holder, place, None if wait_s else check)
            page = write_page(outcome) if report else None
        if outcome.status or not quiet:
            command = ["orchestrator", "run", str(config), *(overrides or []), "--resume"]
            print_outcome(outcome, shown, shlex.join(command), details=details, page=page)


def _check_time(plan: Plan, runs: Path) -> None:
    """Say how long a verdict may take, on a terminal; warn when there is not so much time.

    Raises BadInput when there is no time for a block.
    """
    from ..engine.forecast import check_time, expectation, forecast, too_short
    from ..log import diagnostics

    expected = forecast(plan, runs)
    check_time(plan, expected)
    if short := too_short(plan, expected):
        diagnostics().warning("budget.short", note=short)
    if sys.stderr.isatty():
        source = "as in the latest run" if expected.is_recorded else "unless batches are long"
        say(f"{expectation(expected.win_s, expected.tie_s)} ({source})")


def _place(cluster: Cluster | None, wait_s: float) -> tuple[Place, AbstractContextManager[Callable[[str], None]]]:
    """Return where blocks run, and the lock of this machine, if blocks may run on it."""
    from ..machine import lock

    if cluster is None:
        from ..engine.local_host import local_host

        return local_host, lock.hold(wait_s)
    from ..cluster.dask import joined

    # a worker on this machine locks it for each of its blocks
    held = lock.hold(wait_s) if cluster.workers_here else nullcontext(lambda _: None)
    return partial(joined, cluster), held
