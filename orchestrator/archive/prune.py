"""Old runs: listing and deleting them."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import BadInput
from ..journal.read import experiments, is_running, newest_first


def old_runs(runs: Path, keep: int) -> list[Path]:
    """Return the runs below `runs` that are older than the newest `keep` of their experiment, and not in progress."""
    found = [run for experiment in experiments(runs) for run in reversed(newest_first(experiment)[keep:])]
    return [run for run in found if not is_running(run)]


def delete(run: Path) -> None:
    """Delete a run; raises BadInput when that fails."""
    try:
        shutil.rmtree(run)
    except OSError as error:
        raise BadInput(f"cannot delete {run}: {error.strerror}", remedy="delete it by hand") from error
