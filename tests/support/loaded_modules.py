"""The modules that a command loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator import errors


def loaded(*words: str, cwd: Path, env: dict[str, str] | None = None, status: int = errors.OK) -> set[str]:
    """Return the modules that the program has loaded when it ends, with this status."""
    listing = (
        f"import sys, atexit; sys.argv = {['orchestrator', *words]};"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "from orchestrator.cli.main import main; main()"
    )
    command = [sys.executable, "-c", listing]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status
    return set(done.stderr.split())
