"""Runner processes and the pipes to them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment
from orchestrator.supervisor.group import RunnerGroup
from orchestrator.supervisor.interrupt import Interrupt, Interrupted
from orchestrator.supervisor.process import OUTPUT_KEPT, Command, RunnerFailed, default_python
from orchestrator.supervisor.reaper import Reaper, ReaperFailed
from tests.support.processes import is_alive


@pytest.fixture(scope="module")
def runner_env() -> Iterator[RunnerEnvironment]:
    with runner_environment() as made:
        yield made


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    made = Interrupt()
    yield made
    made.close()


@pytest.fixture
def workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import os, signal, sys, time\n"
        "def hang(): time.sleep(1000)\n"
        "def take_ten_seconds(): time.sleep(10)\n"
        "def hang_with_handler():\n"
        "    signal.signal(signal.SIGTERM, lambda *_: os.mkdir('terminated'))\n"
        "    time.sleep(1000)\n"
        "def shout(): os.write(2, b'x' * 50_000_000 + b'end')\n"
        "def babble(): os.write(1, bytes(range(256)))\n"
    )
    return tmp_path


def opened(runner_group: RunnerGroup, function: str) -> None:
    runner_group.start("a", Command(default_python()))
    order = {"model": "sequential", "workers": 1, "options": {}, "tasks": 1, "workload": {"call": f"mine:{function}"}}
    runner_group.ask("a", {"op": "prepare", **order}, 30)
    runner_group.ask("a", {"op": "open"}, 30)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_reaper_that_cannot_start_is_said_and_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    before = descriptors()
    with pytest.raises(ReaperFailed, match="can't be started: No such file"), Reaper(str(tmp_path)):
        pass
    assert descriptors() == before


def test_an_interrupt_from_another_thread_ends_the_wait_for_a_runner(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    with RunnerGroup(runner_env, interrupt) as runner_group:
        opened(runner_group, "hang")
        pid = runner_group.runners["a"].pid
        timer = threading.Timer(0.2, interrupt.set)
        timer.start()
        with pytest.raises(Interrupted):
            runner_group.ask("a", {"op": "warm"}, 60)
        timer.join()
    assert not is_alive(pid)


def test_an_interrupt_ends_a_request_that_is_longer_than_a_runner_reads(
    runner_env: RunnerEnvironment, interrupt: Interrupt, tmp_path: Path
) -> None:
    deaf = tmp_path / "python"
    deaf.write_text("#!/bin/sh\nexec sleep 1000\n")
    deaf.chmod(0o755)
    with RunnerGroup(runner_env, interrupt) as runner_group:
        runner_group.start("a", Command(str(deaf)))
        timer = threading.Timer(0.2, interrupt.set)
        timer.start()
        with pytest.raises(Interrupted):
            runner_group.ask("a", {"op": "x" * 10_000_000}, 60)
        timer.join()


def test_a_request_longer_than_a_pipe_holds_is_answered(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    asked = {"call": "mine:hang", "kwargs": {"x": "y" * 1_000_000}}
    variants = [{"model": "sequential", "workers": 1, "options": {}, "tasks": 1, "workload": asked}]
    with RunnerGroup(runner_env, interrupt) as runner_group:
        runner_group.start("a", Command(default_python()))
        assert runner_group.ask("a", {"op": "probe", "variants": variants}, 60)["problems"][0]["field"] == "kwargs"


def test_a_deadline_ends_the_wait_for_a_call_that_would_end_later(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    with RunnerGroup(runner_env, interrupt) as runner_group:
        opened(runner_group, "take_ten_seconds")
        pid = runner_group.runners["a"].pid
        with pytest.raises(RunnerFailed, match=r"no answer within 0\.3 s") as failed:
            runner_group.ask("a", {"op": "warm"}, 0.3)
        assert failed.value.cause == "timeout"
    assert not is_alive(pid)


def test_a_runner_that_hangs_gets_a_sigterm_before_it_is_killed(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    with RunnerGroup(runner_env, interrupt) as runner_group:
        opened(runner_group, "hang_with_handler")
        with pytest.raises(RunnerFailed, match="no answer within"):
            runner_group.ask("a", {"op": "warm"}, 3)
    assert (workload / "terminated").is_dir()


def test_a_runner_that_was_late_is_asked_no_more(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    with RunnerGroup(runner_env, interrupt) as runner_group:
        opened(runner_group, "hang")
        with pytest.raises(RunnerFailed, match="no answer within"):
            runner_group.ask("a", {"op": "warm"}, 0.3)
        with pytest.raises(RunnerFailed, match="has not answered an earlier request"):
            runner_group.ask("a", {"op": "warm"}, 30)


def test_a_flood_of_output_is_drained_and_its_end_kept(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    with RunnerGroup(runner_env, interrupt) as runner_group:
        opened(runner_group, "shout")
        runner_group.ask("a", {"op": "warm"}, 60)
        os.kill(runner_group.runners["a"].pid, signal.SIGKILL)
        with pytest.raises(RunnerFailed) as failed:
            runner_group.ask("a", {"op": "warm"}, 60)
    assert failed.value.output.endswith("end")
    assert failed.value.output.startswith(f"[{50_000_003 - OUTPUT_KEPT} bytes before this are not kept]")
    assert len(failed.value.output) < OUTPUT_KEPT + 100


def test_output_that_is_no_text_is_replaced(
    runner_env: RunnerEnvironment, interrupt: Interrupt, workload: Path
) -> None:
    with RunnerGroup(runner_env, interrupt) as runner_group:
        opened(runner_group, "babble")
        runner_group.ask("a", {"op": "warm"}, 60)
        os.kill(runner_group.runners["a"].pid, signal.SIGKILL)
        with pytest.raises(RunnerFailed) as failed:
            runner_group.ask("a", {"op": "warm"}, 60)
    assert "\ufffd" in failed.value.output


def test_an_interpreter_that_is_not_there_is_a_failure(runner_env: RunnerEnvironment, interrupt: Interrupt) -> None:
    with (
        RunnerGroup(runner_env, interrupt) as runner_group,
        pytest.raises(RunnerFailed, match="cannot start /no/python: No such file"),
    ):
        runner_group.start("a", Command("/no/python"))


def test_a_runner_group_leaves_no_descriptor_open(runner_env: RunnerEnvironment, workload: Path) -> None:
    def once() -> None:
        interrupt = Interrupt()
        with RunnerGroup(runner_env, interrupt) as runner_group:
            opened(runner_group, "babble")
        interrupt.close()

    once()
    before = descriptors()
    for _ in range(5):
        once()
    assert descriptors() == before


def test_the_runner_environment_is_deleted_after_its_block() -> None:
    with runner_environment() as runner_env:
        assert (runner_env.runner / "orchestrator_runner" / "__main__.py").is_file()
        assert (runner_env.borrowed / "anyio" / "__init__.py").is_file()
    assert not runner_env.runner.exists()
