"""An ASGI application under uvicorn, and the client that asks it: `def` or `async def`, one worker or two?

Endpoints: `compute` (a loop in `async def`), `wait` (`await asyncio.sleep`), `block` (`time.sleep` in `async def`) and
`thread` (the same `time.sleep` in a plain `def`, in the 40 threads of anyio's default limiter, as in Starlette).
The application needs no framework. The server is on loopback, with processes of its own for every runner.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import serving
from .extra import missing

if TYPE_CHECKING:
    import aiohttp

ROOT = Path(__file__).resolve().parents[1]

TIMEOUT_S = 10.0
"""Time limit of a request."""

CONNECTIONS = 1000
"""Connections that the client keeps: so many requests can be open at once."""

Message = dict[str, Any]


# --- the application


def compute(ms: float) -> int:
    """Compute for so long on this machine, by the CPU time of the thread."""
    until, n = time.thread_time() + ms / 1e3, 0
    while time.thread_time() < until:
        n += sum(range(1000))
    return n


async def computes(ms: float) -> None:
    compute(ms)


async def waits(ms: float) -> None:
    await asyncio.sleep(ms / 1e3)


async def blocks(ms: float) -> None:
    time.sleep(ms / 1e3)  # the mistake that is measured: the loop serves nothing else meanwhile


async def threads(ms: float) -> None:
    from anyio import to_thread

    await to_thread.run_sync(time.sleep, ms / 1e3)


ENDPOINTS: dict[str, Callable[[float], Awaitable[None]]] = {
    "compute": computes,
    "wait": waits,
    "block": blocks,
    "thread": threads,
}


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer `/<endpoint>/<milliseconds>`."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, body = 200, b"ok"
    try:
        _, endpoint, ms = scope["path"].split("/")
        asked, taken = ENDPOINTS[endpoint], float(ms)
    except (KeyError, ValueError):
        status, body = 404, b"ask for /<compute, wait, block or thread>/<milliseconds>"
    else:
        await asked(taken)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# --- the server: `setup`


@dataclass(frozen=True)
class Address:
    """A running server: its address and process id."""

    url: str
    pid: int


@contextmanager
def uvicorn() -> Iterator[Address]:
    """Run the application under uvicorn, in as many processes as its variable WEB_CONCURRENCY says."""

    def start(port: int, log: IO[bytes]) -> serving.Server:
        options = ["--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning"]
        command = [sys.executable, "-m", "uvicorn", f"{__name__}:app", *options]
        return subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    with tempfile.TemporaryDirectory(prefix="uvicorn-") as directory:
        with serving.serving("uvicorn", start, _answers, Path(directory) / "log", _stop) as (port, pid):
            yield Address(f"http://127.0.0.1:{port}", pid)


def _answers(process: serving.Server) -> bool:
    """Return whether the server answers a request."""
    import urllib.request

    arguments = process.args
    assert isinstance(arguments, list)
    port = arguments[arguments.index("--port") + 1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/wait/0", timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _stop(process: serving.Server) -> None:
    """Kill the server with its workers, which are of its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def unavailable() -> tuple[str, str] | None:
    """Say which of the packages can't be had here."""
    return missing("uvicorn", "aiohttp")


# --- the client: `async_initializer` and `async_call`

address: Address
session: aiohttp.ClientSession


@asynccontextmanager
async def client(given: Address) -> AsyncIterator[None]:
    """Open the session of a loop, and close it."""
    import aiohttp

    global address, session
    address = given
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session:
        yield


async def ask(endpoint: str, ms: float) -> int:
    """Ask an endpoint that takes so long, and return the length of its answer."""
    import aiohttp

    try:
        async with session.get(f"{address.url}/{endpoint}/{ms:g}") as response:
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        what = f"uvicorn at {address.url} does not answer: {type(error).__name__}: {error}"
        raise ConnectionError(what) from error
    if response.status != 200:
        raise ValueError(f"uvicorn answered with status {response.status}: {body[:80].decode(errors='replace')}")
    return len(body)
