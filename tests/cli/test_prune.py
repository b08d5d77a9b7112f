"""`orchestrator prune` and the functions that were sent by value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.command import in_process

OLD_S = 1_000_000_000.0
NEWER, OLDER = "20261102T000000000Z-aaaaaa", "20261101T000000000Z-bbbbbb"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs, each of its own function, and two functions that no run names, one of them written just now."""
    found = tmp_path / "runs"
    functions = found / ".functions"
    functions.mkdir(parents=True)
    for name in ("f_1", "f_2", "f_3", "f_4"):
        for file in (functions / f"{name}.py", functions / f"{name}.pickle"):
            file.touch()
            if name != "f_4":
                os.utime(file, (OLD_S, OLD_S))
    for run, function in ((NEWER, "f_1"), (OLDER, "f_2")):
        (found / "x" / run).mkdir(parents=True)
        (found / "x" / run / "events.jsonl").touch()
        (found / "x" / run / "spec.yaml").write_text(f"workload: {{call: 'runs/.functions/{function}.py:f'}}\n")
    return found


def left(runs: Path) -> set[str]:
    return {file.stem for file in (runs / ".functions").iterdir()}


def test_functions_that_no_kept_run_names_are_deleted_after_a_day(runs: Path, tmp_path: Path) -> None:
    in_process("prune", "--keep", "1", "--delete", cwd=tmp_path)
    assert left(runs) == {"f_1", "f_4"}
    assert not (runs / "x" / OLDER).exists()


def test_without_delete_what_would_be_deleted_is_counted(runs: Path, tmp_path: Path) -> None:
    done = in_process("prune", "--keep", "1", cwd=tmp_path)
    assert "1 run and 4 files would be deleted; to delete them, add --delete" in done.stderr
    assert left(runs) == {"f_1", "f_2", "f_3", "f_4"}
