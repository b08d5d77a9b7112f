"""The commands that read what runs have left: report, compare, export, history, query, verify."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import errors
from ..errors import BadInput, JournalDamaged
from ..output import formats
from ..output.export import formats as exports
from . import completion

if TYPE_CHECKING:
    from ..analysis.results import Results

from .app import Force, Run, Runs, TableOrJson, app
from .output import NonzeroExit, choose, colour, show, width, write

MOST_DIFFERENCES = 10
"""Of those between a journal and what is recomputed from it, that are told one by one."""


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
            metavar="|".join((*formats.FORMATS, *formats.FILES)),
            autocompletion=completion.one_of(*formats.FORMATS, *formats.FILES),
            help=f"of the output; JSON lines where stdout is no terminal; {', '.join(formats.FILES)} are files",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="directory for files; made if absent; without it html goes to the run's own"),
    ] = None,
    force: Force = False,
) -> None:
    """Recompute tables, verdicts and charts from a run's journal alone."""
    from ..journal.read import find
    from ..output.export import formats as exports

    shown = choose(format_, (*formats.FORMATS, *formats.FILES), "table")
    if output is not None and shown not in formats.FILES:
        what = f"{shown} is printed, and only {', '.join(formats.FILES)} are files"
        raise BadInput(what, where="--output", remedy="redirect the output, or name one of them with --format")
    results = _recomputed(run)
    if shown in formats.FILES:
        here = find(run).parent
        # a run's own page is made again from the journal as often as anybody likes
        own = output is None and shown == "html" and here.resolve().name == results.started["run_id"]
        made = formats.files(shown, results)
        if not made:
            raise BadInput(f"{run} has no finished block, so there is nothing to draw", remedy="name another run")
        written = exports.write(made, output or (here if own else Path()), replace=force or own)
        write("".join(f"{path}\n" for path in written))
    else:
        show(shown, results)
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
    from ..analysis.compare import compare_runs
    from ..log import diagnostics
    from ..output import changes
    from . import arguments

    shown = choose(format_, ("table", "json"), "table")
    found = compare_runs(_recomputed(before), _recomputed(after), arguments.percentage(tolerance, "--tolerance"))
    for which, names in (("RUN_A", found.only_before), ("RUN_B", found.only_after)):
        for name in names:
            diagnostics().warning("comparison.unshared", only_in=which, what=name)
    if not found.changes:
        what = f"{before} and {after} share no variant at any point"
        raise BadInput(what, remedy="compare runs of one experiment with the same workload and models")
    write(changes.lines(found) if shown == "json" else changes.table(found, width=width(), colour=colour()))
    if found.regressions:
        worst = max(found.regressions, key=lambda change: change.ratio or 0)
        count = f"{len(found.regressions)} of {len(found.changes)}"
        raise NonzeroExit(
            f"{count} slower beyond the tolerance, most of all {worst.variant} at {worst.point}", errors.BROKEN
        )


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
            autocompletion=completion.one_of(*exports.FORMATS),
            help="csv, parquet: tables; pyperf, hyperfine: times for these tools; chrome-trace: a timeline for"
            " ui.perfetto.dev; markdown: a report for a pull request",
        ),
    ] = "csv",
    output: Annotated[Path, typer.Option(metavar="DIR", help="directory for the files; made if absent")] = Path(),
    force: Force = False,
) -> None:
    """Write a run as files for other tools."""
    if to not in exports.FORMATS:
        raise BadInput(f'no format "{to}"', where="--to", remedy=f"name one of {', '.join(exports.FORMATS)}")
    results = _recomputed(run)
    files = exports.render(to, results)
    if not files:
        what = f"{run} has no block that counts, so there is nothing for {to}"
        raise BadInput(what, remedy="export it to csv, or a run that measured longer")
    write("".join(f"{path}\n" for path in exports.write(files, output, replace=force)))
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
    from ..extras import need
    from ..output.export import formats as exports
    from . import arguments

    need("history", "duckdb")
    from ..analysis.history import SQL
    from ..analysis.history import history as found
    from ..output import query, trend

    shown, within = choose(format_, ("table", "json"), "table"), arguments.percentage(tolerance, "--tolerance")
    damaged: list[JournalDamaged] = []
    with query.opened(runs, ("runs", "blocks"), damaged, arguments.name(name)) as connection:
        cursor = connection.execute(SQL, [name])
        columns = [column[0] for column in cursor.description or ()]
        entries = found([dict(zip(columns, row, strict=True)) for row in cursor.fetchall()], within)
    if not entries and not damaged:
        remedy = "name an experiment that has runs there, or another directory with --runs"
        raise BadInput(f"{runs / name} holds no run with a finished block", remedy=remedy)
    if html:
        from ..output.formats import EXTRA

        need("--html", *EXTRA)
        from ..output.html import history_page

        page = history_page.render(name, entries, within)
        write("".join(f"{path}\n" for path in exports.write(page, runs / name, replace=True, where="--runs")))
    elif shown == "json":
        write(trend.as_json(entries))
    else:
        write(trend.as_table(entries, tolerance=within, width=width(), colour=colour()))
    tell_of_damaged(damaged)


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
    from ..extras import need

    need("query", "duckdb")
    if json and csv:
        raise BadInput("--json and --csv contradict each other", remedy="keep one of them")
    from ..output import query as asking
    from . import answers

    damaged: list[JournalDamaged] = []
    with asking.asked(runs, sql, damaged) as answer:
        if json or csv:
            text = answers.FORMATS["json" if json else "csv"](answer.columns, answer.rows)
        else:
            text = answers.as_table(answer.columns, answer.rows)
        for part in text:
            write(part)
    tell_of_damaged(damaged)


@app.command(epilog="\b\nExample:\n  orchestrator verify runs/cpu/latest")
def verify(run: Run) -> None:
    """Check a run's journal: every byte of it, and that each planned trial of each finished block is there once."""
    from ..archive import audit
    from ..journal.read import Records, find

    audited = audit.audit(Records(find(run)))
    write(audit.render(audited))
    if audited.problems:
        raise NonzeroExit(f"{len(audited.problems)} things are wrong with {audited.file}", errors.DAMAGED)


def _recomputed(run: Path) -> Results:
    """Return what the journal of a run says; a torn tail is left out, and said so on stderr."""
    from ..analysis.results import fold
    from ..journal.read import Records, find
    from ..log import diagnostics

    records = Records(find(run))
    results = fold(records)
    if records.torn_at is not None:
        file = str(records.file)
        diagnostics().warning("journal.torn", file=file, offset=records.torn_at, note="the tail is left out")
    return results


def tell_of_damaged(damaged: Sequence[JournalDamaged]) -> None:
    """Say which journals were left out, and raise NonzeroExit when there are any."""
    from .. import units
    from ..log import diagnostics

    for error in damaged:
        diagnostics().warning("journal.damaged", what=str(error), note="the run is left out")
    if damaged:
        raise NonzeroExit(f"{units.count(len(damaged), 'run')} left out; the first: {damaged[0]}", errors.DAMAGED)


def _warn_of_differences(run: Path, results: Results) -> None:
    from ..log import diagnostics

    for difference in results.differences[:MOST_DIFFERENCES]:
        diagnostics().warning("journal.differs", run=str(run), what=difference)
    if (more := len(results.differences) - MOST_DIFFERENCES) > 0:
        diagnostics().warning("journal.differs", run=str(run), what=f"and {more} more figures")
