"""The HTTP workload: its servers, its clients, and what is said of a server that is busy or gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import mean
from typing import Any

import anyio
import pytest

from experiments import http, serving
from tests.support.paths import ROOT
from tests.support.processes import is_alive
from tests.support.waiting import until

PLAIN: dict[str, tuple[Callable[..., int], Callable[[http.Address], None]]] = {
    "urllib3": (http.with_urllib3, http.urllib3_pool),
    "requests": (http.with_requests, http.requests_session),
}
ASYNC: dict[str, tuple[Any, Callable[[http.Address], AbstractAsyncContextManager[None]]]] = {
    "httpx": (http.with_httpx, http.httpx_client),
    "aiohttp": (http.with_aiohttp, http.aiohttp_session),
}
CLIENTS = [*PLAIN, *ASYNC]
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


def fetch(client: str, address: http.Address, **asked: Any) -> int:
    """Return the result of one call of a client, and close its connections."""
    kwargs = {"item": 0, "size": 1000, "latency_ms": 0.0, "spread": "constant", "keep_alive": True, **asked}
    if client in PLAIN:
        call, begin = PLAIN[client]
        begin(address)
        try:
            return call(**kwargs)
        finally:
            http.pool.clear() if client == "urllib3" else http.of_thread.session.close()

    async def main() -> int:
        call, open_client = ASYNC[client]
        async with open_client(address):
            received: int = await call(**kwargs)
            return received

    return anyio.run(main)


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_the_whole_body(client: str, keep_alive: bool) -> None:
    with http.server() as address:
        sizes = [fetch(client, address, size=size, keep_alive=keep_alive) for size in (0, 1, 1_000_000)]
    assert sizes == [0, 1, 1_000_000]


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_is_no_body_is_an_error(client: str) -> None:
    with http.server() as address, pytest.raises(ValueError, match="the HTTP server answered with status 400"):
        fetch(client, address, size=-1)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_names_a_server_that_is_gone(client: str) -> None:
    with http.server() as address:
        os.kill(address.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError, match=f"the HTTP server at {address.url} does not answer"):
            fetch(client, address)


def test_the_server_answers_after_the_time_asked_for() -> None:
    with http.server() as address:
        began_s = time.monotonic()
        fetch("urllib3", address, latency_ms=50)
        assert time.monotonic() - began_s >= 0.05


def test_a_request_that_comes_in_pieces_is_answered_once() -> None:
    with http.server() as address, socket.create_connection(("127.0.0.1", int(address.url.rpartition(":")[2]))) as own:
        own.sendall(b"GET /3/0 HTTP/1.1\r\nConn")
        time.sleep(0.05)
        own.sendall(b"ection: close\r\n\r\n")
        received = b""
        while part := own.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\nxxx")


def test_a_server_ends_with_its_setup() -> None:
    with http.server() as address:
        assert is_alive(address.pid)
    assert not is_alive(address.pid)


def test_a_server_ends_when_the_process_that_started_it_was_killed() -> None:
    starting = (
        "import time\nfrom experiments import http\n"
        "with http.server() as a:\n    print(a.pid, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starting], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())


def test_a_call_waits_equally_long_in_every_batch_and_as_asked_for_in_the_mean(here: http.Address) -> None:
    def waits(spread: str) -> list[int]:
        return [int(http.url(item, 10, 8, spread).rpartition("/")[2]) for item in range(2000)]

    assert set(waits("constant")) == {8000}
    assert waits("exponential") == waits("exponential")
    assert mean(waits("exponential")) == pytest.approx(8000, rel=0.1)
    assert {http.url(item, 10, 0, "exponential") for item in range(9)} == {"http://127.0.0.1:1/10/0"}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> http.Address:
    address = http.Address("this process", "http://127.0.0.1:1", os.getpid())
    monkeypatch.setattr(http, "address", address, raising=False)
    return address


def test_a_server_that_uses_most_of_a_core_is_warned_of(here: http.Address) -> None:
    began_ns = time.thread_time_ns()
    http.look(here)
    while time.thread_time_ns() - began_ns < 100_000_000:
        pass
    seen = http.busy([], here)
    assert seen["server_cpu_share"] > 0.1
    assert (seen["warning"] is not None) == (seen["server_cpu_share"] > 0.7)


def test_a_server_that_idles_is_not_warned_of(here: http.Address) -> None:
    http.look(here)
    time.sleep(0.1)
    assert http.busy([], here)["warning"] is None


@pytest.mark.slow
def test_a_server_that_dies_is_a_failed_trial_that_names_it_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "fatal.py").write_text(
        "import os, signal\n"
        "from experiments import http\n"
        "def fetch(**kwargs):\n"
        "    try:\n"
        "        os.close(os.open('killed', os.O_CREAT | os.O_EXCL))\n"
        "        os.kill(http.address.pid, signal.SIGKILL)\n"
        "    except FileExistsError:\n"
        "        pass\n"
        "    return http.with_urllib3(**kwargs)\n"
    )
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    (tmp_path / "a.yaml").write_text(
        "workload:\n  call: fatal:fetch\n  setup: experiments.http:server\n"
        "  initializer: experiments.http:urllib3_pool\n"
        "  item: item\n  kwargs: {size: 10, latency_ms: 0, spread: constant, keep_alive: true}\n"
        "models: [sequential]\nmeasure: {blocks: 2, rounds: 2}\n"
    )
    command = [sys.executable, "-m", "orchestrator", "run", "a.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    lines = (tmp_path / "runs/a/latest/events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    (failed,) = [event for event in events if event["event"] == "trial.failed"]
    assert "the HTTP server at http://127.0.0.1:" in failed["error"]
    assert [event["event"] for event in events if event["event"] == "block.finished"] == ["block.finished"] * 2
    assert done.returncode == 3


def test_missing_clients_are_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert http.unavailable() is None
    monkeypatch.setattr(http, "CLIENTS", ("urllib3", "no_such_client"))
    remedy = f"install the extra: {sys.executable} -m pip install -e '.[workloads]'"
    assert http.unavailable() == ("no module no_such_client", remedy)


def test_a_missing_nginx_is_named_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    what, remedy = http.unavailable_nginx() or ("", "")
    assert what == "nginx is not installed"
    assert remedy.startswith("install it (Debian: apt install nginx-light)")


@needs_nginx
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_a_body_of_nginx(client: str) -> None:
    with http.nginx() as address:
        assert [fetch(client, address, size=size) for size in (0, 100_000)] == [0, 100_000]
        with pytest.raises(ValueError, match="nginx answered with status 400: nginx does not wait"):
            fetch(client, address, latency_ms=1)
    assert not is_alive(address.pid)


@needs_nginx
def test_nginx_takes_another_port_where_one_is_in_use(monkeypatch: pytest.MonkeyPatch, taken_port: int) -> None:
    free = serving.free_port()
    ports = iter([taken_port, free])
    monkeypatch.setattr(serving, "free_port", lambda: next(ports))
    with http.nginx() as address:
        assert address.url == f"http://127.0.0.1:{free}"
        assert fetch("urllib3", address) == 1000


@needs_nginx
def test_nginx_that_finds_no_port_is_reported_with_the_last_one(
    monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    monkeypatch.setattr(serving, "free_port", lambda: taken_port)
    monkeypatch.setattr(serving, "PORTS_TRIED", 1)
    with pytest.raises(RuntimeError, match=f"nginx did not start on port {taken_port}: .*Address already in use"):
        with http.nginx():
            pass


@needs_nginx
def test_nginx_leaves_nothing_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with http.nginx() as address:
        fetch("requests", address)
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
