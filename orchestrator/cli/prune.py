"""`orchestrator prune`: list or delete old runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput
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
    """List or delete the oldest runs of every experiment.

    Runs in progress are kept. So are functions that were sent by value, as long as a run names them.
    """
    from ..api.by_value import unused
    from ..journal.read import experiments, is_running, newest_first
    from ..units import count, listed

    found = [run for experiment in experiments(runs) for run in reversed(newest_first(experiment)[keep:])]
    old = [run for run in found if not is_running(run)]
    files = unused(runs, old)
    for path in (*old, *files):
        try:
            if delete:
                _delete(path)
        except OSError as error:
            raise BadInput(f"cannot delete {path}: {error.strerror}", remedy="delete it by hand") from error
        write(f"{path}\n")
    if (old or files) and not delete:
        what = listed([count(len(old), "run")] * bool(old) + [count(len(files), "file")] * bool(files))
        say(f"{what} would be deleted; to delete them, add --delete")


def _delete(path: Path) -> None:
    """Delete the directory of a run, or a file; raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
