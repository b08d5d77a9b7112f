"""The commands that measure, or show what would be: run, advise, plan."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BUSY, BadInput

if TYPE_CHECKING:
    from ..analysis.results import Results
    from ..cluster.scheduler import Cluster
    from ..engine.session import Place, RunOutcome
    from ..machine import lock
    from ..spec.load import Source
    from ..spec.plan import Plan

from .app import Config, Format, KeepReport, Overrides, Runs, Wait, app
from .output import NonzeroExit, format_of, say, show, write


@app.command(
    epilog="\b\nExamples:\n  orchestrator run configs/cpu.yaml kwargs.n=50_000 measure.max_time=30s\n"
    "  orchestrator run configs/cpu.yaml --quiet --wait 2h --log-file cpu.log   # from cron, see docs/cron.md"
)
def run(
    config: Config,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the newest run that was cut off, however long ago")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin a new run, whatever was cut off")] = False,
    resume_within: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            envvar="ORCHESTRATOR_RESUME_WITHIN",
            help="go on with a run cut off so lately",
        ),
    ] = "24h",
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            envvar="ORCHESTRATOR_CLUSTER",
            help="run blocks on the workers of a Dask cluster, as in tcp://host:8786; local:4 to try it",
        ),
    ] = None,
    wait: Wait = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", envvar="ORCHESTRATOR_QUIET", help="print nothing if the status is 0"),
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="ORCHESTRATOR_LOG_FILE", help="append the messages to it, as JSON lines"),
    ] = None,
    report: KeepReport = True,
    format_: Format = None,
) -> None:
    """Measure an experiment and say which model wins."""
    shown = format_of(format_)
    if resume and fresh:
        raise BadInput("--resume and --fresh contradict each other", remedy="keep one of them")
    from .. import log
    from . import arguments as given

    within_s, wait_s = given.seconds(resume_within, "--resume-within"), given.seconds(wait, "--wait") or 0.0
    with log.diverted(quiet=quiet, file=log_file):
        workers = _cluster(cluster) if cluster else None
        plan, source = _load_plan(config, overrides, workers)
        place, held = _place(workers, wait_s)
        from ..archive.resume import NEVER, Policy
        from ..engine.session import run as measure
        from .plan import shortage

        if short := shortage(plan, runs):
            log.diagnostics().warning("budget.short", note=short)
        policy = NEVER if fresh else Policy(asked=resume, within_s=within_s)
        with held as tell:
            ended = measure(plan, source, runs, policy, tell, place)
            _keep_report(ended, report)
        if ended.status or not quiet:
            _tell(ended, shown)


@app.command(
    epilog="\b\nExamples:\n  orchestrator advise json:loads s='\"[1, 2]\"'\n"
    "  orchestrator advise app.pages:fetch url=http://localhost:8000/ --python .venv/bin/python --save fetch.yaml\n"
    "  orchestrator advise mymodule:parse --over size=100:1_000_000"
)
def advise(
    function: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="plain or async, unchanged")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="arguments of every call, read as YAML")
    ] = None,
    python: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="the interpreter: a path such as .venv/bin/python, or 3.13t")
    ] = None,
    project: Annotated[Path, typer.Option(help="the directory to import from and to run in")] = Path(),
    tasks: Annotated[int | None, typer.Option(min=1, help="calls in one batch; chosen by the time of a call")] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="at most so long, such as 60s; 18s for calls of a millisecond")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the experiment as YAML, to run again")
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(metavar="NAME=LOW:HIGH", help="a range of an argument: say also where in it the winner changes"),
    ] = None,
    runs: Runs = Path("runs"),
    wait: Wait = None,
    report: KeepReport = True,
    format_: Format = None,
) -> None:
    """Say which model runs a function best, and with --over from what size on.

    No YAML is needed: the function is tried, and compared under every model that can run it.
    """
    shown = format_of(format_, people="advice")
    from ..advice.design import Question
    from ..machine import lock
    from . import arguments as given
    from .advise import advise

    keywords = given.keywords(arguments or ())
    asked = Question(
        call=given.reference(function),
        kwargs=keywords,
        python=_absolute_python(python),
        tasks=tasks,
        max_time_s=given.seconds(max_time, "--max-time"),
        over=given.over(over, keywords),
    )
    runs, save = runs.absolute(), save and save.absolute()
    wait_s = given.seconds(wait, "--wait") or 0.0
    _enter(project)
    with lock.hold(wait_s) as tell:
        ended = advise(asked, runs, save, tell)
        _keep_report(ended, report)
    _tell(ended, shown)


@app.command(epilog="\b\nExample:\n  orchestrator plan configs/cpu.yaml 'matrix.workers=[1,2,4]'")
def plan(config: Config, overrides: Overrides = None, runs: Runs = Path("runs")) -> None:
    """Show points, variants and the expected times, without measuring."""
    plan, _ = _load_plan(config, overrides)
    from .plan import preview

    write(preview(plan, runs))


def _tell(ended: RunOutcome, shown: str) -> None:
    """Print how a run ended; raises NonzeroExit when its status is not 0."""
    show(shown, ended.results)
    if ended.status:
        raise NonzeroExit(_last_line(ended.results), ended.status)


def _keep_report(ended: RunOutcome, wanted: bool) -> None:
    """Write the page of a run beside its journal; not of one that a signal has ended, which is to end soon."""
    from ..files import replace_file
    from ..log import diagnostics
    from ..output.formats import PAGE, files, has_files

    finished = ended.results.finished or {}
    if not wanted or not has_files() or finished.get("outcome") == "interrupted":
        return
    file = ended.directory / PAGE
    try:
        (content,) = files("html", ended.results).values()
        replace_file(file, content)
    except Exception as error:  # whatever it is: what was measured stands, and its status is told
        diagnostics().warning("report.unwritten", file=str(file), error=str(error))
    else:
        if sys.stderr.isatty():
            say(f"to look at: {file}")


def _absolute_python(python: str | None) -> str | None:
    """Return the interpreter as it is meant here, before another directory is entered."""
    return os.path.abspath(python) if python and os.sep in python else python  # noqa: PTH100  # links of a venv stay


def _enter(directory: Path) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise BadInput(f"{directory}: {error.strerror}", where="--project", remedy="name a directory") from error


def _cluster(address: str) -> Cluster:
    """Return the cluster that is named; raises BadInput, also where the package for it is missing."""
    from ..extras import need

    need("--cluster", "distributed")
    from ..cluster.scheduler import parse_address

    return parse_address(address)


def _place(cluster: Cluster | None, wait_s: float) -> tuple[Place, AbstractContextManager[lock.SetRun]]:
    """Return where blocks run, and what holds this machine meanwhile, if blocks may run on it."""
    from ..machine import lock

    if cluster is None:
        from ..engine.local import here

        return here, lock.hold(wait_s)
    from ..cluster.dask import joined

    # a worker on this machine locks it for each of its blocks
    held = lock.hold(wait_s) if cluster.workers_here else nullcontext(lambda _: None)
    return partial(joined, cluster), held


def _load_plan(config: Path, overrides: list[str] | None, cluster: Cluster | None = None) -> tuple[Plan, Source]:
    """Return the plan of a spec for this machine, or for the hosts of a cluster; raises BadInput."""
    from ..runner.problem import Problem
    from ..spec.load import load
    from ..spec.problem import SpecProblem

    experiment, source = load(config, overrides or [])
    # imported only now: what is wrong with a spec should be told at once
    from ..machine.host import effective_cores, keep_to
    from ..spec.expand import plan_experiment

    if cluster:
        cores = cluster.cores()
    elif experiment.limits.cpus and (missing := keep_to(experiment.limits.cpus)):
        place = ("limits", "cpus", experiment.limits.cpus.index(missing[0]))
        what = f"no processor {missing[0]} to run on here"
        problem = Problem("processor_missing", what, "name those of `taskset -p $$`")
        raise source.failure(SpecProblem(place, problem))
    else:
        cores = effective_cores()
    try:
        return plan_experiment(experiment, cores), source
    except SpecProblem as problem:
        raise source.failure(problem) from problem


def _last_line(results: Results) -> str:
    """Return what went wrong, in one line."""
    if results.ended_by:
        lost_hosts = results.finished is not None and results.finished["exit_status"] == BUSY
        return f"ended by {results.ended_by}" + "; run again to go on" * lost_hosts
    broken = [event for event in results.expectations if event["outcome"] == "broken"]
    failed = results.named("trial.failed")
    if broken and not failed:
        return f"expectation broken: {_claim(broken[0])}"
    if failed:
        first = failed[0]
        place = f"{first['variant']} at {first['point']}"
        return f"{len(failed)} trials failed; the first: {place}: {' '.join(first['error'].split())}"
    undecided = next(event for event in results.expectations if event["outcome"] == "undecided")
    return f"expectation undecided: {_claim(undecided)}: {undecided['reason'] or 'the interval holds the bound'}"


def _claim(event: Mapping[str, Any]) -> str:
    return f"{event['metric']} of {event['of']} at {event['point']}"
