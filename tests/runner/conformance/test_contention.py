"""The time that threads lose together, on a real interpreter without a GIL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.runner.account.figures import SHARES
from tests.support.command import orchestrator

CODE = """
TABLE = {"key": 1}

def read(n):
    for _ in range(n):
        TABLE["key"]
"""
SPEC = """
name: contended
workload: {call: "shared_table:read", kwargs: {n: 20000}}
tasks: 4
models: [sequential, threads]
measure: {blocks: 2, rounds: 2, max_time: 30s}
"""


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.13t"], indirect=True)
def test_a_run_without_a_gil_splits_all_time_and_names_only_what_is_shared(python: str, cwd: Path) -> None:
    (cwd / "shared_table.py").write_text(CODE)
    (cwd / "contended.yaml").write_text(SPEC)
    done = orchestrator("run", "contended.yaml", f"matrix.python=[{python}]", "--wait", "90s", cwd=cwd)
    (journal,) = cwd.glob("runs/contended/*-*/events.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    accounts = [event for event in events if event["event"] == "account.measured"]
    assert accounts, done.stderr
    for account in accounts:
        assert sum(account[f"{name}_share"] or 0 for name in SHARES) == pytest.approx(1, abs=1e-4)
        assert account["contention_share"] == 0 or account["model"] == "threads"
        named = set((account["contended_objects"] or "").split(", ")) - {""}
        assert named <= {"TABLE (dict)", "argument n (int)"}
