"""`orchestrator prune`: list or delete old runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Runs, app
from .output import say, write


@app.command(
    epilog="\b\nExamples:\n  orchestrator prune --keep 30\n  orchestrator prune --keep 30 --delete --runs /var/lib/runs"
)
def prune(
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="number of runs to keep of each experiment")],
    runs: Runs = Path("runs"),
    delete: Annotated[bool, typer.Option("--delete", help="delete the runs; without it, only list them")] = False,
) -> None:
    """List or delete the oldest runs of every experiment; runs in progress are kept."""
    from ..archive.prune import delete as remove
    from ..archive.prune import old_runs

    old = old_runs(runs, keep)
    for directory in old:
        if delete:
            remove(directory)
        write(f"{directory}\n")
    if old and not delete:
        say(f"{len(old)} runs would be deleted; to delete them, add --delete")
