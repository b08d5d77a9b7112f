"""A function that ends the interpreter is named as such, with the line that does it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.advice import pilot
from tests.support.command import events, in_process, orchestrator

ENDING = """import ctypes, os, signal, sys
def leaves(n): sys.exit(0)
def gone(n): os._exit(0)
def killed(n): os.kill(os.getpid(), signal.SIGKILL)
def aborts(n): os.abort()
def crashes(n): ctypes.string_at(0)
calls = []
def later(n):
    calls.append(n)
    if len(calls) > 5:
        raise SystemExit
def group(n): os.killpg(os.getpgrp(), signal.SIGKILL)
def minus(n): os.kill(-os.getpgrp(), signal.SIGTERM)
"""

WAYS = {
    "leaves": "sys.exit at ending.py:2",
    "gone": "os._exit at ending.py:3",
    "killed": "os.kill at ending.py:4",
    "aborts": "os.abort at ending.py:5",
    "crashes": "it was killed by SIGSEGV at ending.py:6",
    "later": "sys.exit at ending.py:11",
    "group": "os.killpg at ending.py:12",
    "minus": "os.kill at ending.py:13",
}


@pytest.mark.parametrize("function", WAYS)
def test_advise_names_the_line_that_ends_the_interpreter(tmp_path: Path, function: str) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    done = in_process("advise", f"ending:{function}", "n=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (errors.FAILED, "")
    assert f"the function ends the interpreter ({WAYS[function]})" in done.stderr


GROUP = """import asyncio
async def fails(n): raise ValueError(f"no {n}")
async def both(n):
    async with asyncio.TaskGroup() as group:
        group.create_task(fails(n))
        group.create_task(fails(n + 1))
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no TaskGroup")
def test_the_exceptions_of_a_group_are_shown_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(GROUP)
    said = in_process("advise", "ending:both", "n=1", cwd=tmp_path).stderr
    assert "(2 sub-exceptions): ValueError: no 1 at ending.py:2; ValueError: no 2 at ending.py:2" in said


def test_a_run_names_the_line_that_ends_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    (tmp_path / "spec.yaml").write_text(
        "workload: {call: 'ending:leaves', kwargs: {n: 1}}\nmodels: [sequential, threads]\n"
    )
    done = orchestrator("run", "spec.yaml", cwd=tmp_path)
    assert done.returncode == errors.FAILED
    assert "SystemExit: 0: the function ends the interpreter (sys.exit at ending.py:2)" in done.stderr


def test_a_call_that_waits_for_ever_is_said_to_wait_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stuck.py").write_text("import threading\ndef takes(n): threading.Event().wait()\n")
    monkeypatch.setattr(pilot, "TIMEOUT_S", 1.5)
    said = in_process("advise", "stuck:takes", "n=1", cwd=tmp_path).stderr
    assert "took longer than 1.5 s, in which it waited at stuck.py:2" in said


STUCK = """import threading
held, calls = threading.Lock(), []
def takes(n): held.acquire()
def turns(n):
    calls.append(n)
    while len(calls) > 2: pass
"""


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("takes", "call 2 never ended after 1 good call: it still waited at stuck.py:3"),
        ("turns", "call 3 never ended after 2 good calls: it still computed at stuck.py:6"),
    ],
)
def test_a_call_that_never_ends_after_good_ones_is_said_with_its_number_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, what: str
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    monkeypatch.setattr(pilot, "TIMEOUT_S", 2.5)
    said = in_process("advise", f"stuck:{function}", "n=1", cwd=tmp_path).stderr
    assert f"stuck:{function}: {what}" in said
    assert "see what " in said


DRY = """import queue
def jobs(count):
    filled = queue.Queue()
    for n in range(count): filled.put(n)
    return filled
class Client:
    def __init__(self): self.inbox = jobs(20)
    def ask(self): return self.inbox.get()
some, none, client = jobs(20), queue.SimpleQueue(), Client()
def takes(): return some.get() * 2
def first(): return none.get()
"""


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("takes", "takes from the queue some, which is empty after 20 calls, and then waits for ever at dry.py:10"),
        ("client.ask", "takes from the queue self.inbox, which is empty after 20 calls, and then waits for ever"),
        ("first", "takes from the queue none, which is empty, and then waits for ever at dry.py:11"),
    ],
)
def test_a_queue_that_runs_dry_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, what: str
) -> None:
    (tmp_path / "dry.py").write_text(DRY)
    monkeypatch.setattr(pilot, "TIMEOUT_S", 2.5)
    said = in_process("advise", f"dry:{function}", cwd=tmp_path).stderr
    assert f"dry:{function} {what}" in said
    assert "as an argument, and give one to each call with --items" in said


def test_calls_that_are_only_slow_are_not_said_to_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow.py").write_text("import time\ndef work(n): time.sleep(n)\n")
    monkeypatch.setattr(pilot, "TIMEOUT_S", 2.5)
    said = in_process("advise", "slow:work", "n=1", cwd=tmp_path).stderr
    assert "took longer than 2.5 s, in which it waited at slow.py:2" in said


def test_a_call_that_fails_names_its_item(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("def half(n): return 1 / (n - 7)\n")
    said = in_process("advise", "some:half", "--items", "range:0:20", cwd=tmp_path).stderr
    assert "failed when it was called with the item 7: after " in said
    assert " with other items: ZeroDivisionError" in said
    assert "leave that item out" in said


def test_a_function_that_kills_its_parent_is_named_as_a_cause(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text("import os\ndef kills(n): os.kill(os.getppid(), 9)\n")
    said = in_process("advise", "parent:kills", "n=1", cwd=tmp_path).stderr
    assert "was killed" in said
    assert "see whether the function sends a signal to its parent" in said


def test_a_warning_of_python_is_no_cause_of_a_crash(tmp_path: Path) -> None:
    (tmp_path / "closing.py").write_text("import os\ndef closes(n): os.closerange(3, 4096)\n")
    said = in_process("advise", "closing:closes", "n=1", cwd=tmp_path).stderr
    assert "the runner exited with status " in said
    assert "Warning" not in said
    assert "closes files that it has not opened" in said


HANGING = """import time
def work(n):
    if n == 5: time.sleep(10_000)
"""


def test_a_call_that_never_ends_names_its_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    monkeypatch.setattr(pilot, "TIMEOUT_S", 2.5)
    said = in_process("advise", "hanging:work", "--items", "range:0:20", cwd=tmp_path).stderr
    assert " with the item 5 never ended after " in said


def test_a_call_that_never_ends_in_a_run_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    (tmp_path / "spec.yaml").write_text(
        "name: x\nworkload: {call: 'hanging:work', items: 'range:0:10'}\nmodels: [sequential, threads, processes]\n"
        "measure: {timeout: 1s, max_time: 30s}\n"
    )
    done = orchestrator("run", "spec.yaml", "--no-report", cwd=tmp_path)
    assert done.returncode == errors.FAILED
    recorded = events((tmp_path / "runs/x/latest/events.jsonl").read_text())
    failed = {event["variant"]: event["error"] for event in recorded if event["event"] == "trial.failed"}
    assert len(failed) == 3
    assert set(failed.values()) == {"no answer within 1 s: it was still at hanging.py:3"}
