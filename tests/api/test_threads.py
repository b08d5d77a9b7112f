"""Work in a thread of its own: its result, its errors, and that it ends with the caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from orchestrator.api.threads import awaited, blocking
from orchestrator.engine.signals import Stop, interruptible
from orchestrator.errors import BadInput
from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.interrupt import Interrupt
from tests.support.processes import children
from tests.support.waiting import until


def test_the_result_comes_from_another_thread() -> None:
    assert blocking(lambda _: threading.get_ident()) != threading.get_ident()


def test_an_error_is_raised_in_the_caller() -> None:
    def fails(_: Stop) -> None:
        raise BadInput("no", remedy="yes")

    with pytest.raises(BadInput, match="no; yes"):
        blocking(fails)


def test_a_loop_can_be_running_where_it_is_asked_for() -> None:
    async def inside() -> int:
        return blocking(lambda _: anyio.run(anyio.lowlevel.checkpoint) or 7)

    assert anyio.run(inside) == 7


def waits(stop: Stop) -> bool:
    """Wait for an interrupt that only the stop sets, in a runner environment."""

    def work(_: RunnerEnvironment, interrupt: Interrupt) -> bool:
        os.read(interrupt.fileno(), 1)
        return True

    return interruptible(work)


def test_ctrl_c_ends_the_work_and_is_raised() -> None:
    ended: list[bool] = []
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        blocking(lambda stop: ended.append(waits(stop)))
    assert ended == [True]


def test_what_the_handler_of_another_signal_raises_ends_the_work_too() -> None:
    def late(*_: object) -> None:
        raise TimeoutError("too late")

    ended: list[bool] = []
    before = signal.signal(signal.SIGUSR1, late)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
    try:
        with pytest.raises(TimeoutError, match="too late"):
            blocking(lambda stop: ended.append(waits(stop)))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended == [True]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_ends_the_work_first(backend: str) -> None:
    ended: list[bool] = []

    def work(stop: Stop) -> None:
        ended.append(waits(stop))

    async def cancelled() -> None:
        with anyio.move_on_after(0.2):
            await awaited(work)

    anyio.run(cancelled, backend=backend)
    assert ended == [True]


def test_the_loop_runs_on_meanwhile() -> None:
    async def both() -> list[str]:
        order: list[str] = []
        has_run = threading.Event()

        async def other() -> None:
            order.append("other")
            has_run.set()

        def work(_: Stop) -> None:
            assert has_run.wait(60)
            order.append("work")

        async with anyio.create_task_group() as group:
            group.start_soon(awaited, work)
            group.start_soon(other)
        return order

    assert anyio.run(both) == ["other", "work"]


INTERRUPTED = """
import time, orchestrator

def wait(): time.sleep(0.01)

try:
    orchestrator.compare(wait, models=["sequential", "processes"], max_time="60s")
except KeyboardInterrupt:
    print("interrupted", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_ctrl_c_during_a_run_leaves_no_process_and_the_caller_alive(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(INTERRUPTED)
    command = [sys.executable, "script.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as script:
        try:
            until(lambda: any(tmp_path.glob("runs/compare-wait/2*/events.jsonl")), script)
            assert children(script.pid)
            script.send_signal(signal.SIGINT)
            assert script.stdout and script.stdout.readline() == "interrupted\n"
            assert not children(script.pid)
        finally:
            script.kill()
    (journal,) = tmp_path.glob("runs/compare-wait/2*/events.jsonl")
    assert '"outcome":"interrupted"' in journal.read_text().splitlines()[-1]
