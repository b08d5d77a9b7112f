"""Interpreters: from what the spec asks for to an executable."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path


def resolve(request: str | None) -> str | None:
    """Return the executable of a version such as `3.13t`, or of a path, or this one's for None; None if not found."""
    if request is None:
        return sys.executable
    if re.fullmatch(r"\d+(\.\d+){0,2}t?", request):
        return shutil.which(f"python{request}")
    path = Path(request).expanduser()
    return str(path.absolute()) if path.is_file() and os.access(path, os.X_OK) else shutil.which(request)
