"""`orchestrator verify`: check the journal of a run."""

from __future__ import annotations

from .. import errors
from .app import Run, app
from .output import NonzeroExit, write


@app.command(epilog="\b\nExample:\n  orchestrator verify runs/cpu/latest")
def verify(run: Run) -> None:
    """Check a journal: every byte, and that each planned trial of each finished block is recorded once."""
    from .. import units
    from ..archive import audit
    from ..journal.read import Records, find

    audited = audit.audit(Records(find(run)))
    write(audit.render(audited))
    if audited.problems:
        count = units.count(len(audited.problems), "problem")
        raise NonzeroExit(f"{count} found in {audited.file}", errors.DAMAGED)
