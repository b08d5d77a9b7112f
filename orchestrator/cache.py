"""Where this user's caches of the program lie: they may be deleted at any time, and are made again."""

from __future__ import annotations

import os
from pathlib import Path


def directory(otherwise: Path | None = None) -> Path:
    """Return the directory, which need not exist; below `otherwise` for a user without a home."""
    # what is relative is to be ignored (XDG base directory specification)
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = os.environ.get("HOME") or otherwise or Path("/tmp") / f"user-{os.getuid()}"
    return (Path(given) if os.path.isabs(given) else Path(home) / ".cache") / "orchestrator"  # noqa: PTH117  # of text
