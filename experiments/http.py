"""Fetching over HTTP: urllib3 and requests for threads, httpx and aiohttp for the event loop.

The server is on loopback, a process of its own for every runner: the project's (`server`), or nginx (`nginx`). How much
of a core it uses is observed, and it warns where that is so much that the server is measured, too.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import serving
from .extra import missing

if TYPE_CHECKING:
    import aiohttp
    import httpx
    import urllib3

CLIENTS = ("urllib3", "requests", "httpx", "aiohttp")

TIMEOUT_S = 10.0
"""Time limit of a request, so that a hanging server gives a failed trial and not an endless run."""

BUSY_SHARE = 0.7
"""Above this share of a core, the server limits the clients."""

BODIES = (0, 100, 1_000, 10_000, 100_000, 1_000_000)
"""The sizes of the files that nginx serves."""

CONNECTIONS = 256
"""Connections that a client keeps: more than the workers of any config, so no client waits for its pool."""


@dataclass(frozen=True)
class Address:
    """A running server: its address and process id."""

    name: str
    url: str
    pid: int

    def gone(self, error: Exception) -> ConnectionError:
        """Return the exception for a server that does not answer."""
        return ConnectionError(f"{self.name} at {self.url} does not answer: {type(error).__name__}: {error}")


# --- the servers: `setup`


@contextmanager
def server() -> Iterator[Address]:
    """Run the project's own server, on a port that the system chooses, as long as the runner lives."""
    program = str(Path(__file__).with_name("http_server.py"))
    command = [sys.executable, "-I", "-S", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"the HTTP server did not start: it ended with status {process.wait()}")
            yield Address("the HTTP server", f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.kill()


@contextmanager
def nginx() -> Iterator[Address]:
    """Run nginx as one process that serves files of `BODIES` bytes from a temporary directory, without waiting."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as directory:
        place = Path(directory)
        for size in BODIES:
            (place / str(size)).write_bytes(b"x" * size)

        def start(port: int, log: IO[bytes]) -> serving.Server:
            (place / "nginx.conf").write_text(configuration(place, port))
            command = ["nginx", "-p", f"{place}/", "-c", "nginx.conf", "-e", "stderr"]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def listens(process: serving.Server) -> bool:
            file = place / "nginx.pid"  # it is written when the port is taken
            return file.exists() and file.read_text().strip() == str(process.pid)

        with serving.serving("nginx", start, listens, place / "log") as (port, pid):
            yield Address("nginx", f"http://127.0.0.1:{port}", pid)


def configuration(place: Path, port: int) -> str:
    """Return the nginx configuration: one process, no log, a file for each size."""
    temporary = "".join(
        f"  {kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        "daemon off; master_process off; pid nginx.pid;\n"
        "events { worker_connections 1024; }\n"
        "http {\n"
        f"  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; root {place};\n{temporary}"
        f"  server {{ listen 127.0.0.1:{port};\n"
        "    location / { rewrite ^/([0-9]+)/0$ /$1 break; return 400 'nginx does not wait: set latency_ms to 0'; }\n"
        "  }\n}\n"
    )


def unavailable() -> tuple[str, str] | None:
    """Say which of the clients can't be had here."""
    return missing(*CLIENTS)


def unavailable_nginx() -> tuple[str, str] | None:
    """Return what is missing for `nginx`."""
    if shutil.which("nginx") is None:
        return "nginx is not installed", "install it (Debian: apt install nginx-light), or take `setup: server`"
    return unavailable()


# --- the clients: `initializer`, or `async_initializer`, makes one

address: Address
pool: urllib3.PoolManager
session: httpx.AsyncClient | aiohttp.ClientSession
of_thread = threading.local()


def urllib3_pool(given: Address) -> None:
    """Create the connection pool that all threads of a process share."""
    import urllib3

    global address, pool
    address = given
    pool = urllib3.PoolManager(maxsize=CONNECTIONS, retries=False, timeout=TIMEOUT_S)


def requests_session(given: Address) -> None:
    """Create a session for each thread: sessions can't be shared."""
    import requests

    global address
    address = given
    of_thread.session = requests.Session()


@asynccontextmanager
async def httpx_client(given: Address) -> AsyncIterator[None]:
    """Open the client of a loop, and close it."""
    import httpx

    global address, session
    address = given
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits) as session:
        yield


@asynccontextmanager
async def aiohttp_session(given: Address) -> AsyncIterator[None]:
    """Open the session of a loop, and close it."""
    import aiohttp

    global address, session
    address = given
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session:
        yield


# --- the calls: each fetches one body and returns how many bytes came


def with_urllib3(item: int, size: int, latency_ms: float, spread: str, keep_alive: bool) -> int:
    """Fetch with urllib3."""
    import urllib3

    try:
        response = pool.request("GET", url(item, size, latency_ms, spread), headers=headers(keep_alive))
    except urllib3.exceptions.HTTPError as error:
        raise address.gone(error) from error
    return received(response.status, response.data)


def with_requests(item: int, size: int, latency_ms: float, spread: str, keep_alive: bool) -> int:
    """Fetch with requests."""
    import requests

    asked = url(item, size, latency_ms, spread)
    try:
        response = of_thread.session.get(asked, headers=headers(keep_alive), timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise address.gone(error) from error
    return received(response.status_code, response.content)


async def with_httpx(item: int, size: int, latency_ms: float, spread: str, keep_alive: bool) -> int:
    """Fetch with httpx, in the event loop."""
    import httpx

    assert isinstance(session, httpx.AsyncClient)
    try:
        response = await session.get(url(item, size, latency_ms, spread), headers=headers(keep_alive))
    except httpx.HTTPError as error:
        raise address.gone(error) from error
    return received(response.status_code, response.content)


async def with_aiohttp(item: int, size: int, latency_ms: float, spread: str, keep_alive: bool) -> int:
    """Fetch with aiohttp, in the event loop."""
    import aiohttp

    assert isinstance(session, aiohttp.ClientSession)
    try:
        async with session.get(url(item, size, latency_ms, spread), headers=headers(keep_alive)) as response:
            return received(response.status, await response.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise address.gone(error) from error


def url(item: int, size: int, latency_ms: float, spread: str) -> str:
    """Return the URL of a body; call number `item` waits equally long in every batch and model.

    `spread` is `constant`, or `exponential`: many are soon there, some take several times the mean.
    """
    wait_ms = {
        "constant": lambda: latency_ms,
        "exponential": lambda: random.Random(item).expovariate(1 / latency_ms) if latency_ms else 0.0,
    }[spread]()
    return f"{address.url}/{size}/{round(wait_ms * 1000)}"


def headers(keep_alive: bool) -> dict[str, str]:
    """Return the headers of a request; without `keep_alive` every one opens a connection of its own."""
    return {} if keep_alive else {"Connection": "close"}


def received(status: int, body: bytes) -> int:
    """Return the number of bytes received; raises ValueError for a wrong answer."""
    if status != 200:
        raise ValueError(f"{address.name} answered with status {status}: {body[:80].decode(errors='replace').strip()}")
    return len(body)


# --- how busy the server was: `reset` and `observe`

began = (0, 0)


def look(given: Address) -> None:
    """Record the time and the server's CPU time before a batch."""
    global began
    began = time.perf_counter_ns(), used_ns(given.pid)


def busy(results: object, given: Address) -> dict[str, Any]:
    """Return the server's share of a core during the batch, with a warning above 70 %."""
    share = (used_ns(given.pid) - began[1]) / max(1, time.perf_counter_ns() - began[0])
    warning = f"{given.name} used more than {BUSY_SHARE:.0%} of a core, so it is measured, too"
    return {"server_cpu_share": round(share, 3), "warning": warning if share > BUSY_SHARE else None}


def used_ns(pid: int) -> int:
    """Return the CPU time of another process, by the number of its clock (clock_getcpuclockid(3) on Linux)."""
    return time.clock_gettime_ns((~pid << 3) | 2)
