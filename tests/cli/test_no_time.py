"""A run whose time ends in its first block says so, with a status that schedulers report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import orchestrator

SLOW = "import time\ndef nap(): time.sleep(0.4)\n"
SPEC = """
workload: {call: "slow:nap"}
tasks: 4
models: [sequential, {model: sequential, label: again}]
measure: {max_time: 4s}
"""

pytestmark = pytest.mark.slow


def test_a_run_without_a_finished_block_has_status_4_and_names_the_time_that_one_needs(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "x.yaml").write_text(SPEC)
    done = orchestrator("run", "x.yaml", "--format", "table", "--no-report", cwd=tmp_path)
    assert done.returncode == errors.UNDECIDED, done.stderr
    assert "undecided: no block was finished; one takes about " in done.stdout
    assert "baseline" not in done.stdout
    last = done.stderr.splitlines()[-1]
    assert re.search(r"no block was finished in time; allow about (\d+) s: measure.max_time=\1s$", last)


def test_a_suite_has_the_status_of_an_experiment_without_a_finished_block(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "x.yaml").write_text(SPEC)
    (tmp_path / "y.yaml").write_text(SPEC.replace("4s", "3s"))
    done = orchestrator("run", "x.yaml", "y.yaml", "--no-report", cwd=tmp_path)
    assert done.returncode == errors.UNDECIDED, done.stderr
    assert "x: no block was finished in time; allow about " in done.stderr.splitlines()[-1]
