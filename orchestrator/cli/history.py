"""`orchestrator history`: each variant's time over all runs of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BadInput, JournalDamaged
from . import completion
from .app import Runs, TableOrJson, app
from .outcome import report_damaged
from .output import choose, colour, width, write

if TYPE_CHECKING:
    from ..analysis.history import Entry


@app.command(
    epilog="\b\nExamples:\n  orchestrator history cpu\n  orchestrator history cpu --html\n"
    "  orchestrator history cpu --format json | jq 'select(.change == \"slower\")'"
)
def history(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="name of the experiment", autocompletion=completion.experiments)
    ],
    runs: Runs = Path("runs"),
    tolerance: Annotated[
        str, typer.Option(metavar="PERCENT", help="largest change since the previous run to ignore")
    ] = "5%",
    html: Annotated[bool, typer.Option("--html", help="write history.html beside the runs")] = False,
    format_: TableOrJson = None,
) -> None:
    """Show each variant's time over all runs of an experiment.

    Times are multiples of that of the reference loop in the same blocks.
    """
    from ..extras import need
    from ..output import formats
    from . import arguments

    need("history", "duckdb")
    from ..output import trend

    shown, within = choose(format_), arguments.percentage(tolerance, "--tolerance")
    damaged: list[JournalDamaged] = []
    entries = _entries(runs, arguments.name(name), within, damaged)
    if html:
        need("--html", *formats.PAGE_EXTRA)
        from ..output.html import history_page

        page = history_page.render(name, entries, within)
        write("".join(f"{path}\n" for path in formats.write(page, runs / name, replace=True, where="--runs")))
    elif shown == "json":
        write(trend.as_json(entries))
    else:
        write(trend.as_table(entries, tolerance=within, width=width(), colour=colour()))
    report_damaged(damaged)


def _entries(runs: Path, name: str, tolerance: float, damaged: list[JournalDamaged]) -> list[Entry]:
    """Return the history of an experiment; raises BadInput when it has none."""
    from ..analysis.history import SQL
    from ..analysis.history import history as found
    from ..output import query

    with query.opened(runs, ("runs", "blocks"), damaged, name) as connection:
        cursor = connection.execute(SQL, [name])
        columns = [column[0] for column in cursor.description or ()]
        entries = found([dict(zip(columns, row, strict=True)) for row in cursor.fetchall()], tolerance)
    if not entries and not damaged:
        remedy = "name an experiment that has runs there, or another directory with --runs"
        raise BadInput(f"{runs / name} holds no run with a finished block", remedy=remedy)
    return entries
