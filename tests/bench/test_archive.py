"""The journals that `make bench` reports on."""

from __future__ import annotations

from pathlib import Path

from orchestrator.analysis.results import fold
from orchestrator.journal.read import EVENTS_FILE, Records
from tests.bench import archive


def test_a_made_journal_can_be_read(tmp_path: Path) -> None:
    run = archive._write(tmp_path, 0, archive._records(8, {"kwargs.n": [1, 2]}))
    assert len(fold(Records(run / EVENTS_FILE)).contests) == 2
