"""What every test has in common."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests of each process lock a machine of their own: they run beside each other."""
    directory = Path(tempfile.mkdtemp(prefix="orchestrator-tests-"))
    config.add_cleanup(lambda: _clear(directory))
    os.environ["ORCHESTRATOR_LOCK"] = str(directory / "lock")


def _clear(directory: Path) -> None:
    (directory / "lock").unlink(missing_ok=True)
    directory.rmdir()
