"""Commands that are run and waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def run(command: Sequence[str]) -> int:
    """Return the status of a command, without input; its output is discarded."""
    nothing = subprocess.DEVNULL
    return subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, check=False).returncode


async def run_async(command: Sequence[str]) -> int:
    """Do the same without blocking the event loop."""
    import anyio

    nothing = subprocess.DEVNULL
    done = await anyio.run_process(command, stdin=nothing, stdout=nothing, stderr=nothing, check=False)
    return done.returncode
