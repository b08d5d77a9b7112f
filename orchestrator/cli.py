"""The command line: what can be asked, and how each end of the program becomes an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import completion, errors
from .errors import BadInput, Failure, JournalDamaged, JournalUnwritable

if TYPE_CHECKING:
    from . import lock
    from .loading import Source
    from .plan import Plan
    from .results import Results
    from .run import Ended, Place

app = typer.Typer(
    name="orchestrator",
    help="Say which concurrency model runs a Python function best, and by how much.",
    epilog=(
        "\b\nExamples:\n  orchestrator advise mymodule:parse path=data.json\n"
        "  orchestrator run configs/cpu.yaml tasks=8\n  orchestrator plan configs/io.yaml\n"
        "  orchestrator report runs/cpu/latest\n  orchestrator schema spec > spec.schema.json"
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="the YAML spec", autocompletion=completion.specs)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="override the spec: tasks=8 measure.max_time=10s"),
]
Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="a run's directory, or its experiment's for the latest, or a journal",
        autocompletion=completion.runs,
    ),
]
Runs = Annotated[Path, typer.Option("--runs", envvar="ORCHESTRATOR_RUNS", help="directory that holds the runs")]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait", metavar="TIME", envvar="ORCHESTRATOR_WAIT", help="wait so long for another run on this machine to end"
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="table|advice|json",
        help="of the output; JSON lines where stdout is no terminal",
        autocompletion=completion.one_of("table", "advice", "json"),
    ),
]
TableOrJson = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="table|json",
        help="JSON lines where stdout is no terminal",
        autocompletion=completion.one_of("table", "json"),
    ),
]
KeepReport = Annotated[
    bool,
    typer.Option("--report/--no-report", envvar="ORCHESTRATOR_REPORT", help="write report.html beside the journal"),
]
Force = Annotated[bool, typer.Option("--force", help="overwrite files that exist")]

MOST_DIFFERENCES = 10
"""Of those between a journal and what is recomputed from it, that are told one by one."""


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
    shown = _format(format_)
    if resume and fresh:
        raise BadInput("--resume and --fresh contradict each other", remedy="keep one of them")
    from . import arguments as given
    from . import log

    within_s, wait_s = given.seconds(resume_within, "--resume-within"), given.seconds(wait, "--wait") or 0.0
    with log.diverted(quiet=quiet, file=log_file):
        place, held = _place(cluster, wait_s)
        planned, source = _planned(config, overrides, cluster)
        from .preview import shortage
        from .resume import NEVER, Policy
        from .run import run as measure

        if short := shortage(planned, runs):
            log.diagnostics().warning("budget.short", note=short)
        policy = NEVER if fresh else Policy(asked=resume, within_s=within_s)
        with held as tell:
            ended = measure(planned, source, runs, policy, tell, place)
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
    shown = _format(format_, people="advice")
    from . import arguments as given
    from . import lock
    from .advise import advise
    from .design import Asked

    keywords = given.keywords(arguments or ())
    asked = Asked(
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
    with lock.machine(wait_s) as tell:
        ended = advise(asked, runs, save, tell)
        _keep_report(ended, report)
    _tell(ended, shown)


@app.command(epilog="\b\nExample:\n  orchestrator plan configs/cpu.yaml 'matrix.workers=[1,2,4]'")
def plan(config: Config, overrides: Overrides = None, runs: Runs = Path("runs")) -> None:
    """Show points, variants and the expected times, without measuring."""
    planned, _ = _planned(config, overrides)
    from .preview import preview

    _write(preview(planned, runs))


@app.command(
    epilog="\b\nExamples:\n  orchestrator report runs/cpu/latest --format json | jq .sentence\n"
    "  orchestrator report runs/cpu/latest --format html\n"
    "  orchestrator report runs/cpu/latest --format png --output pictures"
)
def report(
    run: Run,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="table|txt|advice|json|html|png|svg",
            autocompletion=completion.one_of("table", "txt", "advice", "json", "html", "png", "svg"),
            help="of the output; JSON lines where stdout is no terminal; html, png and svg are files",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="directory for files; made if absent; without it html goes to the run's own"),
    ] = None,
    force: Force = False,
) -> None:
    """Recompute tables, verdicts and charts from a run's journal alone."""
    from . import exports, journal, reports

    shown = _known(format_, (*reports.FORMATS, *reports.FILES), "table")
    if output is not None and shown not in reports.FILES:
        what = f"{shown} is printed, and only {', '.join(reports.FILES)} are files"
        raise BadInput(what, where="--output", remedy="redirect the output, or name one of them with --format")
    results = _recomputed(run)
    if shown in reports.FILES:
        here = journal.find(run).parent
        # a run's own page is made again from the journal as often as anybody likes
        own = output is None and shown == "html" and here.resolve().name == results.started["run_id"]
        made = reports.files(shown, results)
        if not made:
            raise BadInput(f"{run} has no finished block, so there is nothing to draw", remedy="name another run")
        written = exports.write(made, output or (here if own else Path()), replace=force or own)
        _write("".join(f"{path}\n" for path in written))
    else:
        _print(shown, results)
    _warn_of_differences(run, results)


@app.command(
    epilog="\b\nExamples:\n  orchestrator compare runs/cpu/20261101T031500000Z-5a5a5a runs/cpu/latest\n"
    "  orchestrator compare last-month/events.jsonl runs/cpu/latest --tolerance 10% --format json | jq .change"
)
def compare(
    before: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="the earlier run, as for `report`", autocompletion=completion.runs)
    ],
    after: Annotated[
        Path,
        typer.Argument(metavar="RUN_B", help="the later run of the same experiment", autocompletion=completion.runs),
    ],
    tolerance: Annotated[
        str, typer.Option(metavar="PERCENT", help="a change of up to so much is none; surely slower ends with status 1")
    ] = "5%",
    format_: TableOrJson = None,
) -> None:
    """Say what has become faster or slower between two runs, against each block's reference loop."""
    import shutil

    from . import arguments as given
    from .comparison import compare_runs
    from .log import diagnostics
    from .reports import changes

    shown = _known(format_, ("table", "json"), "table")
    found = compare_runs(_recomputed(before), _recomputed(after), given.percentage(tolerance, "--tolerance"))
    for which, names in (("RUN_A", found.only_before), ("RUN_B", found.only_after)):
        for name in names:
            diagnostics().warning("comparison.unshared", only_in=which, what=name)
    if not found.changes:
        what = f"{before} and {after} share no variant at any point"
        raise BadInput(what, remedy="compare runs of one experiment with the same workload and models")
    colour, width = _colour(), shutil.get_terminal_size((120, 24)).columns
    _write(changes.lines(found) if shown == "json" else changes.table(found, width=width, colour=colour))
    if found.regressions:
        worst = max(found.regressions, key=lambda change: change.ratio or 0)
        count = f"{len(found.regressions)} of {len(found.changes)}"
        raise Said(f"{count} slower beyond the tolerance, most of all {worst.variant} at {worst.point}", errors.BROKEN)


@app.command(
    epilog=(
        "\b\nExamples:\n  orchestrator export runs/cpu/latest --to csv --output tables\n"
        "  orchestrator export runs/cpu --to pyperf && cd pyperf && pyperf compare_to sequential.json threads.json\n"
        "  orchestrator export runs/cpu/latest --to markdown --force"
    )
)
def export(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            autocompletion=completion.one_of("chrome-trace", "csv", "hyperfine", "markdown", "parquet", "pyperf"),
            help="csv, parquet: tables; pyperf, hyperfine: times for these tools; chrome-trace: a timeline for"
            " ui.perfetto.dev; markdown: a report for a pull request",
        ),
    ] = "csv",
    output: Annotated[Path, typer.Option(metavar="DIR", help="directory for the files; made if absent")] = Path(),
    force: Force = False,
) -> None:
    """Write a run as files for other tools."""
    from . import exports

    if to not in exports.FORMATS:
        raise BadInput(f'no format "{to}"', where="--to", remedy=f"name one of {', '.join(exports.FORMATS)}")
    results = _recomputed(run)
    files = exports.render(to, results)
    if not files:
        what = f"{run} has no block that counts, so there is nothing for {to}"
        raise BadInput(what, remedy="export it to csv, or a run that measured longer")
    _write("".join(f"{path}\n" for path in exports.write(files, output, replace=force)))
    _warn_of_differences(run, results)


@app.command(
    epilog="\b\nExamples:\n  orchestrator history cpu\n  orchestrator history cpu --html\n"
    "  orchestrator history cpu --format json | jq 'select(.change == \"slower\")'"
)
def history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the experiment", autocompletion=completion.experiments)],
    runs: Runs = Path("runs"),
    tolerance: Annotated[
        str, typer.Option(metavar="PERCENT", help="a change of up to so much since the run before is none")
    ] = "5%",
    html: Annotated[bool, typer.Option("--html", help="write history.html beside the runs, to look at")] = False,
    format_: TableOrJson = None,
) -> None:
    """Show each variant's time over all runs of an experiment, as a multiple of the reference loop."""
    import shutil

    from . import arguments as given
    from . import exports
    from .extras import need

    need("history", "duckdb")
    from . import query
    from .history import SQL
    from .history import history as found
    from .reports import trend

    shown, within = _known(format_, ("table", "json"), "table"), given.percentage(tolerance, "--tolerance")
    damaged: list[JournalDamaged] = []
    with query.opened(runs, ("runs", "blocks"), damaged, given.name(name)) as connection:
        cursor = connection.execute(SQL, [name])
        columns = [column[0] for column in cursor.description or ()]
        entries = found([dict(zip(columns, row, strict=True)) for row in cursor.fetchall()], within)
    if not entries and not damaged:
        remedy = "name an experiment that has runs there, or another directory with --runs"
        raise BadInput(f"{runs / name} holds no run with a finished block", remedy=remedy)
    if html:
        from .reports import EXTRA

        need("--html", *EXTRA)
        from .reports import history_page

        page = history_page.render(name, entries, within)
        _write("".join(f"{path}\n" for path in exports.write(page, runs / name, replace=True, where="--runs")))
    elif shown == "json":
        _write(trend.as_json(entries))
    else:
        width = shutil.get_terminal_size((120, 24)).columns
        _write(trend.as_table(entries, tolerance=within, width=width, colour=_colour()))
    _tell_of_damaged(damaged)


@app.command(
    epilog="\b\nExamples:\n  orchestrator query 'select experiment, verdict, count(*) from verdicts group by all'\n"
    "  orchestrator query --csv 'select run_id, variant, wall_ns from trials where counts' > trials.csv\n"
    "  orchestrator query 'describe blocks'"
)
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="one SELECT, in DuckDB's SQL")],
    runs: Runs = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="print JSON lines")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
) -> None:
    """Ask all runs in SQL: the views are runs, trials, blocks, variants, verdicts and contexts."""
    from .extras import need

    need("query", "duckdb")
    if json and csv:
        raise BadInput("--json and --csv contradict each other", remedy="keep one of them")
    from . import query as asking
    from .reports import answers

    damaged: list[JournalDamaged] = []
    with asking.asked(runs, sql, damaged) as answer:
        if json or csv:
            text = answers.FORMATS["json" if json else "csv"](answer.columns, answer.rows)
        else:
            text = answers.as_table(answer.columns, answer.rows)
        for part in text:
            _write(part)
    _tell_of_damaged(damaged)


@app.command(epilog="\b\nExample:\n  orchestrator doctor --format json | jq '.findings[].what'")
def doctor(
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="text|json",
            help="of the output; JSON where stdout is no terminal",
            autocompletion=completion.one_of("text", "json"),
        ),
    ] = None,
) -> None:
    """Say what makes this machine noisy, and what to do about it."""
    from . import doctor as examination

    formats = {"text": examination.render, "json": examination.as_json}
    shown = _known(format_, formats, "text")
    machine = examination.examine()
    _write(formats[shown](machine, list(examination.diagnose(machine))))


@app.command(epilog="\b\nExample:\n  orchestrator verify runs/cpu/latest")
def verify(run: Run) -> None:
    """Check a run's journal: every byte of it, and that each planned trial of each finished block is there once."""
    from . import audit, journal

    audited = audit.audit(journal.Records(journal.find(run)))
    _write(audit.render(audited))
    if audited.problems:
        raise Said(f"{len(audited.problems)} things are wrong with {audited.file}", errors.DAMAGED)


@app.command(
    epilog="\b\nExamples:\n  orchestrator prune --keep 30\n  orchestrator prune --keep 30 --delete --runs /var/lib/runs"
)
def prune(
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="runs of each experiment to keep: the newest")],
    runs: Runs = Path("runs"),
    delete: Annotated[bool, typer.Option("--delete", help="delete them; without it, they are only named")] = False,
) -> None:
    """Name the oldest runs of every experiment, or delete them; never the newest, and none that is going on."""
    from . import pruning

    old = pruning.old(runs, keep)
    for directory in old:
        if delete:
            pruning.delete(directory)
        _write(f"{directory}\n")
    if old and not delete:
        _say(f"{len(old)} runs would be deleted; do it with --delete")


@app.command(
    epilog="\b\nExamples:\n  orchestrator models --python all\n  orchestrator models --python 3.14 | jq .reason"
)
def models(
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION|PATH|all", help="an interpreter to ask, may be repeated; this one without"),
    ] = None,
    format_: TableOrJson = None,
) -> None:
    """List the models, what each can run, and which interpreters here have it."""
    import shutil

    from . import catalogue

    found = catalogue.catalogue(python or [])
    if _known(format_, ("table", "json"), "table") == "json":
        _write(catalogue.as_json(found))
    else:
        _write(catalogue.as_table(found, shutil.get_terminal_size((120, 24)).columns))


@app.command(epilog="\b\nExample:\n  orchestrator schema spec > spec.schema.json")
def schema(
    what: Annotated[
        str,
        typer.Argument(metavar="spec|events", help="which schema", autocompletion=completion.one_of("spec", "events")),
    ],
) -> None:
    """Print the JSON Schema of the spec or of the log."""
    from .schemas import SCHEMAS

    if what not in SCHEMAS:
        raise BadInput(f'no schema "{what}"', remedy=f"name one of {', '.join(SCHEMAS)}")
    _write(SCHEMAS[what]())


def _recomputed(run: Path) -> Results:
    """Return what the journal of a run says; a torn tail is left out, and said so on stderr."""
    from . import journal
    from .log import diagnostics
    from .results import fold

    records = journal.Records(journal.find(run))
    results = fold(records)
    if records.torn_at is not None:
        file = str(records.file)
        diagnostics().warning("journal.torn", file=file, offset=records.torn_at, note="the tail is left out")
    return results


def _tell_of_damaged(damaged: Sequence[JournalDamaged]) -> None:
    """Say which journals were left out, and raise Said when there are any."""
    from . import units
    from .log import diagnostics

    for error in damaged:
        diagnostics().warning("journal.damaged", what=str(error), note="the run is left out")
    if damaged:
        raise Said(f"{units.count(len(damaged), 'run')} left out; the first: {damaged[0]}", errors.DAMAGED)


def _warn_of_differences(run: Path, results: Results) -> None:
    from .log import diagnostics

    for difference in results.differences[:MOST_DIFFERENCES]:
        diagnostics().warning("journal.differs", run=str(run), what=difference)
    if (more := len(results.differences) - MOST_DIFFERENCES) > 0:
        diagnostics().warning("journal.differs", run=str(run), what=f"and {more} more figures")


def _tell(ended: Ended, shown: str) -> None:
    """Print how a run ended; raises Said when its status is not 0."""
    _print(shown, ended.results)
    if ended.status:
        raise Said(_last_line(ended.results), ended.status)


def _keep_report(ended: Ended, wanted: bool) -> None:
    """Write the page of a run beside its journal; not of one that a signal has ended, which is to end soon."""
    from . import journal, reports
    from .log import diagnostics

    finished = ended.results.finished or {}
    if not wanted or not reports.has_files() or finished.get("outcome") == "interrupted":
        return
    file = ended.directory / reports.PAGE
    try:
        (content,) = reports.files("html", ended.results).values()
        journal.replace_file(file, content)
    except Exception as error:  # whatever it is: what was measured stands, and its status is told
        diagnostics().warning("report.unwritten", file=str(file), error=str(error))
    if sys.stderr.isatty():
        _say(f"to look at: {file}")


def _absolute_python(python: str | None) -> str | None:
    """Return the interpreter as it is meant here, before another directory is entered."""
    return os.path.abspath(python) if python and os.sep in python else python  # noqa: PTH100  # links of a venv stay


def _enter(directory: Path) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise BadInput(f"{directory}: {error.strerror}", where="--project", remedy="name a directory") from error


class Said(Exception):
    """The end of a run with a status other than 0, and its last line on stderr."""

    def __init__(self, line: str, status: int) -> None:
        super().__init__(line)
        self.status = status


def main() -> None:
    """Run the program: every end is an exit status, and every failure one plain last line on stderr."""
    _open_streams()
    try:
        app()
    except (Failure, Said) as end:
        _say(str(end))
        sys.exit(end.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as bug:
        _say(f"internal error: {type(bug).__name__}: {bug}; {_innermost(bug)}; please report it")
        sys.exit(errors.BUG)


def _open_streams() -> None:
    """Open on /dev/null what was closed of the standard streams, so that no file of ours gets their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the program runs


def _place(cluster: str | None, wait_s: float) -> tuple[Place, AbstractContextManager[lock.Tell]]:
    """Return where blocks run, and what holds this machine meanwhile, if blocks may run on it."""
    from . import lock

    if cluster is None:
        from .local import here

        return here, lock.machine(wait_s)
    from .extras import need

    need("--cluster", "distributed")
    from .cluster import dask, scheduler

    is_here = scheduler.address_of(cluster)[1] > 0
    # a worker on this machine locks it for each of its blocks
    return partial(dask.joined, cluster), lock.machine(wait_s) if is_here else nullcontext(lambda _: None)


def _planned(config: Path, overrides: list[str] | None, cluster: str | None = None) -> tuple[Plan, Source]:
    """Return the plan of a spec for this machine, or for the hosts of a cluster; raises BadInput."""
    from .loading import load
    from .problems import Problem

    experiment, source = load(config, overrides or [])
    # imported only now: what is wrong with a spec should be told at once
    from .host import effective_cores, keep_to
    from .planning import plan

    if cluster:
        from .cluster import scheduler

        cores = scheduler.cores(cluster)
    elif experiment.limits.cpus and (missing := keep_to(experiment.limits.cpus)):
        place = ("limits", "cpus", experiment.limits.cpus.index(missing[0]))
        raise source.failure(
            Problem(place, f"no processor {missing[0]} to run on here", "name those of `taskset -p $$`")
        )
    else:
        cores = effective_cores()
    try:
        return plan(experiment, cores), source
    except Problem as problem:
        raise source.failure(problem) from problem


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else "nowhere"


def _say(text: str) -> None:
    from .text import printable

    with suppress(OSError):  # nobody reads it: the status still speaks
        for line in text.splitlines() or [""]:
            sys.stderr.write(f"orchestrator: {printable(line)}\n")
        sys.stderr.flush()


def _format(asked: str | None, people: str = "table") -> str:
    """Return the format to print in; `people` is the one for a terminal."""
    from .reports import FORMATS

    return _known(asked, FORMATS, people)


def _known(asked: str | None, formats: Iterable[str], people: str) -> str:
    """Return the format asked for, else the one for `people` on a terminal and JSON elsewhere; raises BadInput."""
    if asked is None:
        return people if sys.stdout.isatty() else "json"
    if asked not in formats:
        raise BadInput(f'no format "{asked}"', where="--format", remedy=f"name one of {', '.join(formats)}")
    return asked


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _print(shown: str, results: Results) -> None:
    import shutil

    from .reports import render

    width = shutil.get_terminal_size((120, 24)).columns
    _write(render(shown, results, width=width, colour=_colour()))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to write must not fail again at the exit
        if isinstance(error, BrokenPipeError):
            return  # the reader has gone: nothing more to tell it; the status stands
        raise JournalUnwritable(f"cannot write to standard output: {error.strerror}", remedy="make room") from error


def _last_line(results: Results) -> str:
    """Return what went wrong, in one line."""
    if results.finished and results.finished["outcome"] == "interrupted":
        status = results.finished["exit_status"]
        return f"ended by signal {status - 128}" if status > 128 else "the hosts were lost; run again to go on"
    checked = [event for event in results.derived if event["event"] == "expectation.checked"]
    broken = [event for event in checked if event["outcome"] == "broken"]
    failed = results.named("trial.failed")
    if broken and not failed:
        return f"expectation broken: {_claim(broken[0])}"
    if failed:
        first = failed[0]
        place = f"{first['variant']} at {first['point']}"
        return f"{len(failed)} trials failed; the first: {place}: {' '.join(first['error'].split())}"
    undecided = next(event for event in checked if event["outcome"] == "undecided")
    return f"expectation undecided: {_claim(undecided)}: {undecided['reason'] or 'the interval holds the bound'}"


def _claim(event: dict[str, Any]) -> str:
    return f"{event['metric']} of {event['of']} at {event['point']}"
