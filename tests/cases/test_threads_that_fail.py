"""Exceptions in threads are named with their line: threading is silent about SystemExit, and no caller sees others."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.runner import registry
from tests.support.command import findings, logged, orchestrator, piloted, refused
from tests.support.place import short

FAILING = """import sys, threading, time

def only_in_threads(n):
    if threading.current_thread() is not threading.main_thread():
        sys.exit("no thread")
    return n
def begins(target):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
def leaves(): sys.exit(3)
def breaks(): [].pop(0)
def ends(): sys.exit()
def own_leaves(n): begins(leaves)
def own_breaks(n): begins(breaks)
def own_ends(n): begins(ends)
calls = []
def sometimes(n):
    calls.append(n)
    if len(calls) == 3: sys.exit(5)
    return n
async def asometimes(n): return sometimes(n)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(FAILING)
    return tmp_path


def test_an_exit_outside_of_the_main_thread_is_named_with_its_line(place: Path) -> None:
    said = findings("mine:only_in_threads", "n=3", cwd=place)
    assert "thread_per_task can't run it: in a thread it fails (SystemExit: no thread at mine.py:5)" in said


@pytest.mark.parametrize(
    ("function", "what"),
    [("own_leaves", "SystemExit: 3 at mine.py:11"), ("own_breaks", "IndexError: pop from empty list at mine.py:12")],
)
def test_an_exception_that_ends_a_thread_of_a_call_is_refused_with_its_line(
    place: Path, function: str, what: str
) -> None:
    said = refused(place, f"mine:{function}", "n=3")
    assert f"a thread that mine:{function} starts ends with {what}, and the call returns as if" in said


def test_a_thread_that_ends_itself_without_an_error_is_no_problem(place: Path) -> None:
    assert piloted("mine:own_ends", "n=3", cwd=place)["call"] == "mine:own_ends"


OTHERS = [name for name in registry.NAMES if not name.startswith("interpreters") and name != "process_per_task"]
"""All models that keep their workers."""


@pytest.mark.parametrize("model", short(OTHERS, "threads"))
def test_an_exit_in_a_call_is_named_with_its_line_under_every_model(place: Path, model: str) -> None:
    spec = "workload: {call: 'mine:sometimes', async_call: 'mine:asometimes', kwargs: {n: 3}, check: none}\n"
    (place / "a.yaml").write_text(f"{spec}tasks: 8\nmodels: [{model}]\nmeasure: {{blocks: 1, rounds: 1}}\n")
    done = orchestrator("run", "a.yaml", cwd=place)
    assert done.returncode == errors.FAILED
    failed = logged(done, "trial.failed")
    said = "SystemExit: 5: the function ends the interpreter (sys.exit at mine.py:20)"
    assert {event["error"] for event in failed} == {said}


def test_a_run_names_the_exception_that_ended_a_thread_of_a_call(place: Path) -> None:
    spec = "workload: {call: 'mine:own_leaves', kwargs: {n: 3}}\ntasks: 4\nmodels: [threads, processes]\n"
    (place / "a.yaml").write_text(f"{spec}measure: {{blocks: 1, rounds: 1}}\n")
    said = orchestrator("run", "a.yaml", cwd=place).stderr
    assert said.count("a thread that mine:own_leaves starts ends with SystemExit: 3 at mine.py:11") >= 2


CONTEXT = """
import contextvars, decimal
tenant = contextvars.ContextVar("tenant", default="none")
tenant.set("acme")
decimal.getcontext().prec = 60
def who(n): return f"{tenant.get()} {n}"
def root(n): return str(decimal.Decimal(n).sqrt())
"""


@pytest.mark.parametrize("function", ["who", "root"])
def test_a_function_that_needs_the_context_of_the_main_thread_is_not_run_in_bare_threads(
    tmp_path: Path, function: str
) -> None:
    (tmp_path / "mine.py").write_text(CONTEXT)
    said = findings(f"mine:{function}", "n=3", cwd=tmp_path)
    assert "thread_per_task can't run it: in a thread it gives another result; it needs a copy of the main" in said
    assert "threads can't run it" not in said
    assert "threads and" not in said
    assert "submit `contextvars.copy_context().run` with it to a ThreadPoolExecutor" in said


def test_a_result_that_has_changed_by_then_is_not_said_to_differ_in_a_thread(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import time\nbegun = time.time()\ndef late(): return time.time() > begun + 0.3\n"
    )
    assert "in a thread" not in findings("mine:late", cwd=tmp_path)
