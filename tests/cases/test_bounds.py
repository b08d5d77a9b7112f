"""An executor or a semaphore that all calls share bounds how many run at once, and is named in a finding."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import findings, in_process, orchestrator

SHARING = """import asyncio, functools, threading, time, types
import anyio
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

def work(n): time.sleep(0.001)
pool, wide, processes, old = ThreadPoolExecutor(1), ThreadPoolExecutor(64), ProcessPoolExecutor(1), ThreadPool(1)
app = types.SimpleNamespace(executor=pool)
def draw(n): return pool.submit(work, n).result()
def inner(n): return (lambda: pool.submit(work, n).result())()
def attribute(n): return app.executor.submit(work, n).result()
def given(n, by=pool): return by.submit(work, n).result()
def closed_over(by):
    @functools.wraps(work)
    def closure(n): return by.submit(work, n).result()
    del closure.__wrapped__
    return closure
closure = closed_over(pool)
def half_closed(by):
    def half(n): return by.submit(work, n).result() if n else later
    later = None
    del later
    return half
half = half_closed(pool)
class Client:
    def __init__(self): self.threads = pool
    def ask(self, n): return self.threads.submit(work, n).result()
client = Client()
def old_one(n): return old.apply(work, (n,))
def in_process(n): return processes.submit(work, n).result()
async def awaits(n): await asyncio.get_running_loop().run_in_executor(pool, work, n)
gate, turns = asyncio.Semaphore(4), threading.BoundedSemaphore(3)
tokens, roomy = anyio.CapacityLimiter(2), threading.Semaphore(1000)
async def gated(n):
    async with gate: await asyncio.sleep(0.001)
def in_turns(n):
    with turns: work(n)
async def limited(n):
    async with tokens: await anyio.sleep(0.001)
def roomily(n):
    with roomy: work(n)
def wide_enough(n): return wide.submit(work, n).result()
def own(n):
    with ThreadPoolExecutor(1) as own: return own.submit(work, n).result()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SHARING)
    return tmp_path


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("draw", "pool"),
        ("inner", "pool"),
        ("attribute", "app.executor"),
        ("given", "by"),
        ("closure", "by"),
        ("half", "by"),
        ("client.ask", "self.threads"),
        ("old_one", "old"),
        ("awaits", "pool"),
    ],
)
def test_an_executor_with_fewer_threads_than_workers_is_named(place: Path, function: str, name: str) -> None:
    said = findings(f"mine:{function}", "n=1", cwd=place)
    assert f"Calls hand their work to {name}, an executor with 1 thread that all calls of a process share" in said
    assert "at most 1 of their tasks run at once: give it more threads, or call the function itself" in said


@pytest.mark.long
def test_a_pool_of_processes_is_named_as_such(place: Path) -> None:
    said = findings("mine:in_process", "n=1", cwd=place)
    assert "to processes, an executor with 1 process that all calls of a process share" in said
    assert "give it more processes" in said


@pytest.mark.parametrize("function", ["wide_enough", "own"])
def test_an_executor_that_bounds_nothing_is_not_named(place: Path, function: str) -> None:
    assert "an executor with" not in findings(f"mine:{function}", "n=1", cwd=place)


@pytest.mark.parametrize(
    ("function", "name", "most"), [("gated", "gate", 4), ("in_turns", "turns", 3), ("limited", "tokens", 2)]
)
def test_a_semaphore_is_named_with_the_number_that_it_lets_through(
    place: Path, function: str, name: str, most: int
) -> None:
    said = findings(f"mine:{function}", "n=1", cwd=place)
    assert f"Calls take {name}, which lets {most} calls of a process through at once: more of them only wait." in said


def test_a_semaphore_that_lets_many_through_is_not_named(place: Path) -> None:
    assert "through at once" not in findings("mine:roomily", "n=1", cwd=place)


SERVER = """import socket, time
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        with listener.accept()[0] as connection:
            connection.recv(1)
            time.sleep(0.01)
            connection.sendall(b"x")
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a server that takes one connection at a time."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield int(server.stdout.readline())
        server.kill()


def test_a_server_that_takes_one_call_at_a_time_is_named(tmp_path: Path, port: int) -> None:
    (tmp_path / "mine.py").write_text(
        "import socket\ndef ask(port):\n    with socket.create_connection(('127.0.0.1', port)) as link:\n"
        "        link.sendall(b'x')\n        return link.recv(1)\n"
    )
    (tmp_path / "a.yaml").write_text(
        f"workload: {{call: 'mine:ask', kwargs: {{port: {port}}}}}\ntasks: 4\n"
        "models: [sequential, {model: threads, workers: 4}]\nmeasure: {blocks: 2, rounds: 2}\n"
    )
    orchestrator("run", "a.yaml", cwd=tmp_path)
    said = in_process("report", "runs/a/latest", "--format", "advice", cwd=tmp_path).stdout
    assert "Calls at once wait for each other: a call in threads" in said
    assert "serves few calls at a time" in said
