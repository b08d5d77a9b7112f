"""Files that hold the expected outputs."""

from __future__ import annotations

import os
from pathlib import Path

UPDATES = bool(os.environ.get("ORCHESTRATOR_UPDATE_GOLDEN"))
"""Whether expected outputs are written anew, as `make golden` does."""


def check(file: Path, found: str) -> None:
    """Check that an output is the one that a file holds; in an update, write it there first."""
    if UPDATES:
        file.write_text(found)
    assert found == file.read_text(), "changed on purpose? then `make golden`"
