"""Interpreters: from what the spec asks for to an executable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 10)
"""What the runner needs."""

PATIENCE_S = 10.0

HOW_TO_GET = "install it, or name the path of an executable"
"""The remedy where an interpreter is not found."""


def resolve(request: str | None) -> str | None:
    """Return the executable of a version such as `3.13t`, or of a path, or this one's for None; None if not found."""
    if request is None:
        return sys.executable
    if re.fullmatch(r"\d+(\.\d+){0,2}t?", request):
        return shutil.which(f"python{request}")
    path = Path(request).expanduser()
    return str(path.absolute()) if path.is_file() and os.access(path, os.X_OK) else shutil.which(request)


def complaint(python: str) -> tuple[str, str] | None:
    """Return what is wrong with an executable that has failed as an interpreter, and the remedy; None if not this."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run(
            [python, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        told = None
    match = re.fullmatch(rb"(\d+)\.(\d+)\s*", told.stdout) if told else None
    if match is None:
        return f"{python} is no Python interpreter", "name one, such as .venv/bin/python"
    if (int(match[1]), int(match[2])) < OLDEST:
        what = f"{python} is Python {match[0].decode().strip()}, too old to measure in"
        return what, f"name one of {'.'.join(map(str, OLDEST))} or newer"
    return None
