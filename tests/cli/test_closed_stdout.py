"""A program whose standard output is closed has nowhere to write its results to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator import errors


def test_results_that_a_closed_stdout_loses_are_an_error(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "orchestrator", "schema", "spec"]
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == errors.UNWRITABLE
    assert "cannot write to standard output: it is closed; redirect it" in done.stderr
