"""A program whose output goes to a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from .processes import owned
from .waiting import PATIENCE_S


def on_terminal(
    command: Sequence[str], directory: Path, env: Mapping[str, str], errors: IO[str] | None = None
) -> tuple[int, str]:
    """Return the exit status of a program and what its terminal got, with all colours.

    `errors` is a file for stderr, which else goes to the terminal, too.
    """
    reading, writing = pty.openpty()
    pipes = {"stdin": subprocess.DEVNULL, "stdout": writing, "stderr": errors or writing}
    process = owned(subprocess.Popen(command, cwd=directory, env=env, **pipes))  # type: ignore[call-overload]
    os.close(writing)
    try:
        text = b"".join(_read(reading)).decode().replace("\r\n", "\n")
    finally:
        os.close(reading)
    return process.wait(PATIENCE_S), text


def _read(terminal: int) -> Iterator[bytes]:
    """Yield what a terminal gets until its last writer has closed it, which Linux reports as EIO."""
    try:
        while chunk := os.read(terminal, 65536):
            yield chunk
    except OSError:
        return
