"""Where this user's caches of the program lie: they may be deleted at any time, and are made again."""

from __future__ import annotations

import os
from pathlib import Path


def directory(otherwise: Path | None = None) -> Path:
    """Return the directory, which need not exist; for a user without HOME below `otherwise`, if that is given."""
    # what is relative is to be ignored (XDG base directory specification)
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = os.environ.get("HOME") or otherwise or Path("~").expanduser()
    return (given if given.is_absolute() else Path(home) / ".cache") / "orchestrator"
