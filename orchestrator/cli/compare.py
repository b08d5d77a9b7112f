"""`orchestrator compare`: what has become faster or slower between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..api.outcome import recompute
from ..errors import BROKEN, BadInput
from . import completion
from .app import TableOrJson, app
from .output import NonzeroExit, choose, colour, width, write


@app.command(
    epilog="\b\nExamples:\n  orchestrator compare runs/cpu/20261101T031500000Z-5a5a5a runs/cpu/latest\n"
    "  orchestrator compare last-month/events.jsonl runs/cpu/latest --tolerance 10% --format json | jq .change"
)
def compare(
    before: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="earlier run, as for `report`", autocompletion=completion.runs)
    ],
    after: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="later run of the same experiment", autocompletion=completion.runs)
    ],
    tolerance: Annotated[
        str, typer.Option(metavar="PERCENT", help="largest change to ignore; a larger slowdown exits with status 1")
    ] = "5%",
    format_: TableOrJson = None,
) -> None:
    """Compare two runs, each relative to its reference loop."""
    from ..analysis.compare import compare_runs
    from ..log import logger
    from ..output import changes
    from . import arguments

    shown = choose(format_)
    found = compare_runs(recompute(before), recompute(after), arguments.percentage(tolerance, "--tolerance"))
    for which, names in (("RUN_A", found.only_before), ("RUN_B", found.only_after)):
        for name in names:
            logger().warning("comparison.unshared", sentence=f"only in {which}: {name}", only_in=which, what=name)
    if not found.changes:
        what = f"{before} and {after} share no measured variant at any point"
        raise BadInput(what, remedy="compare runs with finished blocks of the same workload and models")
    write(changes.lines(found) if shown == "json" else changes.table(found, width=width(), colour=colour()))
    if found.regressions:
        worst = max(found.regressions, key=lambda change: change.ratio or 0)
        count = f"{len(found.regressions)} of {len(found.changes)}"
        what = f"{count} slower than the tolerance allows; the slowest: {worst.variant} at {worst.point}"
        raise NonzeroExit(what, BROKEN)
