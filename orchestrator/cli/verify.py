"""`orchestrator verify`: check the journal of a run."""

from __future__ import annotations

from .. import errors
from .app import Run, app
from .output import NonzeroExit, write


@app.command(epilog="\b\nExample:\n  orchestrator verify runs/cpu/latest")
def verify(run: Run) -> None:
    """Check the bytes and the trials of a journal.

    Every byte must be as written, and each planned trial of each finished block must be recorded once.
    """
    from .. import units
    from ..archive.audit import Audit
    from ..journal.read import Records, find

    file = find(run)
    audit = Audit(Records(file))
    write(str(audit))
    if audit.problems:
        raise NonzeroExit(f"{units.count(len(audit.problems), 'problem')} found in {file}", errors.DAMAGED)
