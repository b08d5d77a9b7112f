"""Running a server on a free port, with another try if a program takes that port first."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PORTS_TRIED = 5
STARTING_S = 10.0
"""Time limit for the start of a server."""

IN_USE = "Address already in use"

Server = subprocess.Popen[bytes]


@contextmanager
def serving(
    name: str,
    start: Callable[[int, IO[bytes]], Server],
    is_ready: Callable[[Server], bool],
    log: Path,
    stop: Callable[[Server], None] = Server.kill,
) -> Iterator[tuple[int, int]]:
    """Yield the port of a server and its process id.

    `start` gets a port and the open `log`. Raises RuntimeError with what the log says when the server does not get
    ready in time.
    """
    port, said = 0, ""
    for _ in range(PORTS_TRIED):
        port = free_port()
        with log.open("wb") as output:
            process = start(port, output)
        with process:
            try:
                if _gets_ready(process, is_ready):
                    yield port, process.pid
                    return
            finally:
                stop(process)
        said = log.read_text(errors="replace")
        if IN_USE not in said:
            break
    lines = said.splitlines() or ["it said nothing"]
    raise RuntimeError(f"{name} did not start on port {port}: {next((x for x in lines if IN_USE in x), lines[-1])}")


def _gets_ready(process: Server, is_ready: Callable[[Server], bool]) -> bool:
    until_s = time.monotonic() + STARTING_S
    while process.poll() is None and time.monotonic() < until_s:
        if is_ready(process):
            return True
        time.sleep(0.005)
    return False


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
