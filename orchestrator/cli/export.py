"""`orchestrator export`: write a run as files for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..api.outcome import recompute
from ..errors import BadInput
from ..output import formats
from . import completion
from .app import Force, Run, app
from .outcome import warn_of_differences
from .output import write


@app.command(
    epilog="\b\nExamples:\n  orchestrator export runs/cpu/latest --to csv --output tables\n"
    "  orchestrator export runs/cpu --to pyperf && cd pyperf && pyperf compare_to sequential.json threads.json\n"
    "  orchestrator export runs/cpu/latest --to markdown --force"
)
def export(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            autocompletion=completion.one_of(*formats.names("export")),
            help="; ".join(f"{name}: {formats.FORMATS[name].about}" for name in formats.names("export")),
        ),
    ] = "csv",
    output: Annotated[Path, typer.Option(metavar="DIR", help="directory for the files, created if absent")] = Path(),
    force: Force = False,
) -> None:
    """Write a run as files for other tools."""
    known = formats.names("export")
    if to not in known:
        raise BadInput(f'no format "{to}"', where="--to", remedy=f"name one of {', '.join(known)}")
    results = recompute(run)
    files = formats.files(to, results)
    if not files:
        what = f"{run} has no finished block, so the format {to} would be empty"
        raise BadInput(what, remedy="export it to csv, or export a longer run")
    write("".join(f"{path}\n" for path in formats.write(files, output, replace=force)))
    warn_of_differences(run, results)
