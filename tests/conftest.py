"""What every test has in common."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests of each process lock a machine of their own: they run beside each other."""
    directory = Path(tempfile.mkdtemp(prefix="orchestrator-tests-"))
    config.add_cleanup(lambda: _clear(directory))
    os.environ["ORCHESTRATOR_LOCK"] = str(directory / "lock")
    # every command of a test is a fresh process: let them keep what they compile
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for number in (signal.SIGINT, signal.SIGHUP):  # ignored under nohup, and by all that is started from there
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _clear(directory: Path) -> None:
    (directory / "lock").unlink(missing_ok=True)
    directory.rmdir()
