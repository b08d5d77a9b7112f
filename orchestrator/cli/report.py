"""`orchestrator report`: recompute the results of a run from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..api.outcome import recompute
from ..errors import BadInput
from ..output import formats
from .app import Details, Force, Run, app, format_option
from .outcome import drawn, warn_of_differences
from .output import choose, write

PAGES = formats.names("page")


@app.command(
    epilog="\b\nExamples:\n  orchestrator report runs/cpu/latest --format json | jq .sentence\n"
    "  orchestrator report runs/cpu/latest --format html\n"
    "  orchestrator report runs/cpu/latest --format png --output pictures"
)
def report(
    run: Run,
    format_: Annotated[
        str | None,
        format_option(*formats.names("text", "page"), about=f"; {', '.join(PAGES)} write files"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="directory for the files, created if absent [default: the run's directory for html, else here]",
        ),
    ] = None,
    force: Force = False,
    details: Details = False,
) -> None:
    """Recompute tables, verdicts and charts of a run from its journal."""
    from ..journal.read import find

    shown = choose(format_, formats.names("text", "page"))
    if output is not None and shown not in PAGES:
        what = f"the format {shown} is printed, and only {', '.join(PAGES)} write files"
        raise BadInput(what, where="--output", remedy="redirect the output, or name one of them with --format")
    results = recompute(run)
    if shown in PAGES:
        here = find(run).parent
        # a run's own page may be overwritten: it can always be made again from the journal
        own = output is None and shown == "html" and here.resolve().name == results.run_id
        made = formats.files(shown, results)
        if not made:
            raise BadInput(f"{run} has no finished block to draw", remedy="name another run")
        written = formats.write(made, output or (here if own else Path()), replace=force or own)
        write("".join(f"{path}\n" for path in written))
    else:
        page = find(run).with_name(formats.PAGE)
        write(drawn(shown, results, details=details, run=run, page=str(page) if page.exists() else None))
    warn_of_differences(run, results)
