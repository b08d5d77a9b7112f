"""Whether the disk has room for a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..analysis.stats import LOOKS
from ..errors import Unwritable
from ..spec.plan import Plan

TRIAL_BYTES, ROUNDS = 700, 10
"""About the size of a trial in the journal, and the rounds of a block."""


def check_disk_space(plan: Plan, runs: Path) -> None:
    """Raise Unwritable when the disk is too full for what the run may write."""
    measure = plan.experiment.measure
    there = next((directory for directory in (runs, *runs.absolute().parents) if directory.is_dir()), Path())
    # a block takes about a second, or longer
    blocks = min((measure.blocks or LOOKS[-1]) * len(plan.points), measure.max_time)
    needed = round(blocks * len(plan.variants) * (measure.rounds or ROUNDS) * TRIAL_BYTES)
    free = shutil.disk_usage(there).free
    if free < needed:
        what = f"{free / 1e6:.1f} MB are free in {there}, and this run may write {needed / 1e6:.1f} MB"
        raise Unwritable(what, remedy="make room, or choose another directory with --runs")
