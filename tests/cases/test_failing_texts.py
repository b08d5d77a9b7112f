"""Objects of the user whose `__str__` or `__repr__` fails do not hide what went wrong."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator import errors
from tests.support.command import in_process, orchestrator

SILENT = """import time
class Silent(Exception):
    def __str__(self): raise RuntimeError("no text")
class Shy:
    def __eq__(self, other): raise Silent
    def __repr__(self): raise RuntimeError("no text")
    __hash__ = object.__hash__
def fails(n): raise Silent
def shy(n):
    result = Shy()
    result.made_at = time.perf_counter()
    return result
"""

NAMED = "Silent: (its message fails with RuntimeError)"


def test_advise_names_an_exception_whose_message_fails(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(SILENT)
    done = in_process("advise", "silent:fails", "n=1", cwd=tmp_path)
    assert done.returncode == errors.FAILED
    assert NAMED in done.stderr


def test_a_run_records_an_exception_whose_message_fails_with_its_traceback(tmp_path: Path) -> None:
    failed = _failures(tmp_path, "fails")
    assert {event["error"] for event in failed} == {NAMED}
    assert all("silent.py" in event["traceback"] for event in failed)


def test_a_run_names_an_exception_without_a_message_where_results_are_compared(tmp_path: Path) -> None:
    failed = _failures(tmp_path, "shy")
    assert all(f"result 0 can't be compared with ==: {NAMED}" in event["error"] for event in failed)


def _failures(place: Path, function: str) -> list[dict[str, str]]:
    """Return the failed trials of a run that calls the function."""
    (place / "silent.py").write_text(SILENT)
    (place / "spec.yaml").write_text(
        f"name: x\nworkload: {{call: 'silent:{function}', kwargs: {{n: 1}}}}\ntasks: 2\nmodels: [sequential, threads]\n"
    )
    assert orchestrator("run", "spec.yaml", "--no-report", cwd=place).returncode == errors.FAILED
    lines = (place / "runs/x/latest/events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "trial.failed"]
