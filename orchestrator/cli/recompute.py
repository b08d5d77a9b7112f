"""Results recomputed from journals, with warnings about torn, damaged and differing ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DAMAGED, JournalDamaged
from .output import NonzeroExit

if TYPE_CHECKING:
    from ..analysis.results import Results

MOST_DIFFERENCES = 10
"""The most differences between a journal and its recomputation that are shown one by one."""


def recompute(run: Path) -> Results:
    """Return the results of a run, computed from its journal; an incomplete last record is left out, with a warning."""
    from ..analysis.results import fold
    from ..journal.read import Records, find
    from ..log import diagnostics

    records = Records(find(run))
    results = fold(records)
    if records.torn_at is not None:
        note = "the last record is incomplete and was left out"
        diagnostics().warning("journal.torn", file=str(records.file), offset=records.torn_at, note=note)
    return results


def warn_of_differences(run: Path, results: Results) -> None:
    """Warn of each recorded figure that the recomputation does not reproduce."""
    from ..log import diagnostics

    for difference in results.differences[:MOST_DIFFERENCES]:
        diagnostics().warning("journal.differs", run=str(run), what=difference)
    if (more := len(results.differences) - MOST_DIFFERENCES) > 0:
        diagnostics().warning("journal.differs", run=str(run), what=f"and {more} more figures")


def report_damaged(damaged: Sequence[JournalDamaged]) -> None:
    """Warn of each journal that was left out; raises NonzeroExit when there are any."""
    from .. import units
    from ..log import diagnostics

    for error in damaged:
        diagnostics().warning("journal.damaged", what=str(error), note="the run is left out")
    if damaged:
        raise NonzeroExit(f"{units.count(len(damaged), 'run')} left out; the first: {damaged[0]}", DAMAGED)
