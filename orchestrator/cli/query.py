"""`orchestrator query`: SQL over all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput, JournalDamaged
from .app import Runs, app
from .outcome import report_damaged
from .output import write


@app.command(
    epilog="\b\nExamples:\n  orchestrator query 'select experiment, verdict, count(*) from verdicts group by all'\n"
    "  orchestrator query --csv 'select run_id, variant, wall_ns from trials where counts' > trials.csv\n"
    "  orchestrator query 'describe blocks'"
)
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="one SELECT statement, in DuckDB's SQL")],
    runs: Runs = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="print JSON lines")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
) -> None:
    """Query all runs with SQL.

    The views are runs, trials, windows, blocks, variants, latencies, accounts, verdicts, contexts.
    """
    from ..extras import need

    need("query", "duckdb")
    if json and csv:
        raise BadInput("--json and --csv contradict each other", remedy="keep one of them")
    from ..output import query as asking
    from ..output import rows

    damaged: list[JournalDamaged] = []
    render = rows.FORMATS["json" if json else "csv"] if json or csv else rows.as_table
    with asking.asked(runs, sql, damaged) as answer:
        for part in render(answer.columns, answer.rows):
            write(part)
    report_damaged(damaged)
