"""The ASGI workload: its application, its server, and what is said of a server that is gone."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import anyio
import pytest

from experiments import asgi
from tests.support.waiting import until


def answered(path: str) -> tuple[int, bytes]:
    """Return status and body of what the application answers, without a server."""
    sent: list[asgi.Message] = []

    async def main() -> None:
        async def receive() -> asgi.Message:
            return {"type": "http.request"}

        async def send(message: asgi.Message) -> None:
            sent.append(message)

        await asgi.app({"type": "http", "path": path}, receive, send)

    anyio.run(main)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("endpoint", asgi.ENDPOINTS)
def test_every_endpoint_answers(endpoint: str) -> None:
    assert answered(f"/{endpoint}/1") == (200, b"ok")


@pytest.mark.parametrize("path", ["/", "/wait", "/wait/x", "/other/1", "/wait/1/2"])
def test_an_unknown_path_is_answered_with_what_to_ask_for(path: str) -> None:
    assert answered(path) == (404, b"ask for /<compute, wait, block or thread>/<milliseconds>")


def test_a_plain_def_leaves_the_loop_free_and_a_blocking_async_def_does_not() -> None:
    async def ticks(endpoint: str) -> int:
        count = 0
        task = asyncio.ensure_future(asgi.ENDPOINTS[endpoint](50))
        while not task.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(ticks("block")) <= 2 < asyncio.run(ticks("thread"))


def test_without_uvicorn_the_package_and_the_remedy_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    missing = asgi.unavailable()
    assert missing and "uvicorn" in missing[0] and missing[1].startswith("install the extra")


async def fetched(address: asgi.Address, endpoint: str) -> int:
    async with asgi.client(address):
        return await asgi.ask(endpoint, 1)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_uvicorn_serves_with_one_worker_and_with_two_and_leaves_none(
    workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uvicorn")
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    with asgi.uvicorn() as address:
        assert [anyio.run(fetched, address, endpoint) for endpoint in asgi.ENDPOINTS] == [2] * 4
        own = group(address.pid)
        assert len(own) >= int(workers)
    until(lambda: not group(address.pid))


def group(pgid: int) -> list[int]:
    """Return the processes of a group that are alive."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended meanwhile
        if int(group) == pgid and state != "Z":
            found.append(int(file.parent.name))
    return found


@pytest.mark.slow
def test_a_server_that_dies_is_named_in_the_error_of_a_request() -> None:
    pytest.importorskip("uvicorn")
    with asgi.uvicorn() as address:
        os.killpg(address.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError, match=r"^uvicorn at http://127.0.0.1:\d+ does not answer: Client"):
            anyio.run(fetched, address, "wait")
