"""What can't run a function is a finding of `advise`, not a failure."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.advice import tryout
from tests.support.command import events, findings, orchestrator
from tests.support.synthetic import conducted

FUNCTIONS = """
import multiprocessing, os, signal, threading

def alarmed(n):
    old = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        return sum(range(n))
    finally:
        signal.signal(signal.SIGALRM, old)

class Declined(Exception):
    def __init__(self, order, reason): super().__init__(f"{order}: {reason}")

def settle(order): return Declined(order, "no funds")

home = os.getpid()

def at_home(n):
    if os.getpid() != home:
        os.write(2, b"no licence for another process\\n")
        os._exit(7)
    return sum(range(n))
"""

FARM = "import multiprocessing\n\nmultiprocessing.set_start_method('spawn')\n\ndef crunch(n): return sum(range(n))\n"

SPAWNED = "The workers of processes are spawned (`start_method: spawn`), because forked ones fail: "

BOTH = "processes and process_per_task"
"""Where a process takes long to start, the second one is left out for that."""


def advised(place: Path, call: str, *arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Return what `advise` printed in a few seconds of measuring, and the models that it compared."""
    (place / "odd.py").write_text(FUNCTIONS)
    (place / "farm.py").write_text(FARM)
    done = orchestrator("advise", call, *arguments, "--max-time", "8s", cwd=place)
    compared = {event["model"] for event in events(done.stdout) if event["event"] == "variant.compared"}
    return done, compared


def test_a_function_that_sets_a_signal_handler_is_not_run_in_threads(tmp_path: Path) -> None:
    done, compared = advised(tmp_path, "odd:alarmed", "n=1000")
    assert done.returncode == errors.OK
    assert "threads and thread_per_task can't run it: it sets a signal handler (ValueError: signal only" in done.stderr
    assert "processes" in compared and not compared & {"threads", "thread_per_task"}


def test_results_that_cannot_be_unpickled_leave_processes_out_with_their_class(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(FUNCTIONS)
    why = "its results can't be unpickled (TypeError: Declined.__init__() missing 1 required positional argument"
    said = findings("odd:settle", "order=1", cwd=tmp_path)
    assert f"processes can't run it: {why}" in said.replace(BOTH, "processes")


def test_a_model_that_was_left_out_is_not_advised() -> None:
    account = {"call_cpu_ns": 5_000_000, "lanes": 1, "calls": 4}
    times = {"sequential": 20.0, "threads": 22.0}
    advised = [
        event["advice"]
        for left_out in ({}, {"processes": "it hangs"})
        for event in conducted(times, accounts={"sequential": account}, tasks=4, left_out=left_out).records()
        if event["event"] == "variant.explained"
    ]
    assert advised == ["use `processes`: 1 of 2 cores was idle", None]


@pytest.mark.long
def test_workers_that_die_at_the_import_leave_processes_out_with_the_line(tmp_path: Path) -> None:
    done, compared = advised(tmp_path, "farm:crunch", "n=1000")
    assert done.returncode == errors.OK
    # a process for each call may also be left out because it takes long to start
    assert "can't run it: a worker ended (RuntimeError: context has already been set (farm.py:3))." in done.stderr
    assert "trial.failed" not in done.stderr
    assert not compared & {"processes", "process_per_task"}


def test_forked_workers_that_die_in_a_call_are_spawned_or_left_out_with_their_last_line(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(FUNCTIONS)
    said = findings("odd:at_home", "n=1000", cwd=tmp_path)
    why = "a worker ended (no licence for another process)"
    assert f"{SPAWNED}{why}." in said
    assert f"process_per_task can't run it: {why}." in said


def test_calls_that_fail_beside_each_other_leave_threads_and_processes_out_with_the_line(tmp_path: Path) -> None:
    source = "import socket, time\ndef serves(n):\n    with socket.socket() as own:\n        own.bind(('', n))\n"
    (tmp_path / "odd.py").write_text(f"{source}        time.sleep(0.1)\n")
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    said = findings("odd:serves", f"n={port}", cwd=tmp_path)
    why = "calls at once fail (OSError: [Errno 98] Address already in use at odd.py:4)"
    assert f"threads, thread_per_task, processes and process_per_task can't run it: {why}" in said


def test_calls_that_use_the_same_file_are_to_make_one_each(tmp_path: Path) -> None:
    source = "import pathlib, tempfile, time\naside = pathlib.Path(tempfile.gettempdir()) / 'aside.txt'\n"
    work = "def convert(n):\n    aside.write_text(str(n))\n    time.sleep(0.005)\n    aside.read_text()\n"
    (tmp_path / "odd.py").write_text(f"{source}{work}    aside.unlink()\n    return n\n")
    said = findings("odd:convert", "n=1", cwd=tmp_path)
    why = r"calls at once fail \(FileNotFoundError: [^()]+ at odd.py:\d\)"
    remedy = "calls at once use the same file: let each make one of its own, by `tempfile`"
    assert re.search(rf"threads.* can't run it: {why}; {remedy}\.", said)
    assert re.search(rf"processes.* can't run it: {why}; {remedy}\.", said)


def test_a_file_that_a_worker_process_lacks_is_not_said_to_be_used_by_several_calls(tmp_path: Path) -> None:
    source = "import multiprocessing\ndef read(n):\n    if multiprocessing.parent_process(): open('/none')\n"
    (tmp_path / "odd.py").write_text(f"{source}    return sum(range(n))\n")
    said = findings("odd:read", "n=100000", cwd=tmp_path)
    assert "can't run it: FileNotFoundError: [Errno 2] No such file or directory: '/none' at odd.py:3." in said
    assert "calls at once" not in said


def test_a_result_nested_too_deeply_to_be_pickled_is_to_be_returned_flat(tmp_path: Path) -> None:
    source = (
        "def outline(depth):\n    tree = None\n    for _ in range(depth):\n        tree = [tree]\n    return tree\n"
    )
    (tmp_path / "odd.py").write_text(source)
    said = findings("odd:outline", "depth=100_000", cwd=tmp_path)
    assert "can't run it: its results can't be pickled (RecursionError: " in said
    assert "; return it flat, such as a list of rows: pickle can't follow what is nested so deeply." in said


def test_an_import_that_fails_while_others_make_its_file_is_tried_again(tmp_path: Path) -> None:
    source = "import pathlib, tempfile, time\nmade = pathlib.Path(tempfile.gettempdir()) / 'table.txt'\n"
    make = "if not made.exists():\n    with made.open('w') as file:\n        time.sleep(0.5)\n        file.write('7')\n"
    (tmp_path / "odd.py").write_text(f"{source}{make}table = int(made.read_text())\ndef work(n): return n * table\n")
    assert "can't run it" not in findings("odd:work", "n=1", cwd=tmp_path)


def test_an_import_that_only_one_process_can_do_is_said_to_work_in_one(tmp_path: Path) -> None:
    source = "import fcntl, tempfile, time\nheld = open(tempfile.gettempdir() + '/held', 'w')\n"
    lock = "fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)\ndef work(): time.sleep(0.002); return time.time()\n"
    (tmp_path / "odd.py").write_text(source + lock)
    said = findings("odd:work", cwd=tmp_path)
    why = r"importing odd failed: BlockingIOError: \[Errno 11\] Resource temporarily unavailable \(odd.py, line 3\)"
    assert re.search(rf"can't run it: {why}: it works in one process only, so it must not", said)
    assert "Unusable" not in said and "calls at once" not in said


def test_a_call_that_fails_in_every_worker_process_is_not_said_to_fail_at_once_only(tmp_path: Path) -> None:
    source = "import os\nhome = os.getpid()\ndef work(n):\n    assert os.getpid() == home\n    return sum(range(n))\n"
    (tmp_path / "odd.py").write_text(source)
    said = findings("odd:work", "n=1000000", cwd=tmp_path)
    why = "processes can't run it: AssertionError at odd.py:4"  # starting a process for each may take too long
    assert why in said.replace(BOTH, "processes")


def test_a_reason_that_differs_by_thread_ids_alone_is_said_once(tmp_path: Path) -> None:
    source = "import sqlite3\ndb = sqlite3.connect(':memory:')\n"
    (tmp_path / "mine.py").write_text(f"{source}def ask(n): return db.execute('select 1').fetchall()\n")
    said = findings("mine:ask", "n=1", cwd=tmp_path)
    assert said.count("SQLite objects created in a thread") == 1
    assert "threads and thread_per_task can't run it: " in said


def test_what_several_workers_say_without_an_end_of_line_is_said_once(tmp_path: Path) -> None:
    ends = "        os.write(2, b'cannot reach the license server')\n        os._exit(3)\n"
    source = "import multiprocessing, os\ndef work(n):\n    if multiprocessing.parent_process() is not None:\n"
    (tmp_path / "mine.py").write_text(f"{source}{ends}    return sum(range(n))\n")
    said = findings("mine:work", "n=1000", cwd=tmp_path)
    assert "a worker ended (cannot reach the license server)" in said
    assert "servercannot" not in said


@pytest.mark.parametrize("runs", ["asyncio.run(nap())", "anyio.run(nap)"])
def test_a_function_that_makes_a_loop_for_each_call_is_said_to_have_a_coroutine_to_name(
    tmp_path: Path, runs: str
) -> None:
    code = f"import anyio, asyncio\nasync def nap(): await asyncio.sleep(0.002)\ndef own(): {runs}\n"
    (tmp_path / "mine.py").write_text(code)
    said = findings("mine:own", cwd=tmp_path)
    assert "name the coroutine function itself to compare calls in one event loop." in said


def test_short_calls_that_only_fail_where_they_overlap_leave_threads_out(tmp_path: Path) -> None:
    source = (
        "def _numbers():\n    n = 0\n    while True:\n        sum(range(20_000))\n        n += 1\n        yield n\n"
    )
    (tmp_path / "odd.py").write_text(f"{source}numbers = _numbers()\ndef next_id(): return next(numbers)\n")
    said = findings("odd:next_id", cwd=tmp_path)
    why = "calls at once fail (ValueError: generator already executing at odd.py:8)"
    assert f"threads and thread_per_task can't run it: {why}" in said


CLIENT = """import itertools, time
class Client:
    def get(self, path):
        self.path = path
        time.sleep(0.003)
        return "body of " + self.path
client = Client()
def fetch(number): return client.get(f"/item/{number}")
calls = itertools.count()
def late(): time.sleep(0.003); return next(calls) // 15 % 2
"""


def test_results_that_are_wrong_in_threads_leave_them_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(CLIENT)
    said = findings("odd:fetch", "--items", "range:0:64", cwd=tmp_path)
    assert "threads and thread_per_task can't run it: calls at once give wrong results (result 0 is 'body of" in said
    assert "processes" not in said


def test_results_that_are_wrong_in_processes_leave_them_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "import multiprocessing\ndef where(n): return n if multiprocessing.parent_process() is None else -n\n"
    )
    said = findings("odd:where", "n=1", cwd=tmp_path)
    assert "processes can't run it: workers give wrong results (result 0 is -1, but 1 under a" in said.replace(
        BOTH, "processes"
    )


COUNTING = """import itertools, random, time
class Stats:
    hits = 0
    def hit(self, k=1):
        v = Stats.hits
        time.sleep(0.002)
        Stats.hits = v + k
        return Stats.hits
numbers = itertools.count()
def next_id():
    time.sleep(0.002)
    return next(numbers)
def draw():
    time.sleep(0.002)
    return random.random()
"""


def test_a_counter_that_loses_counts_in_threads_leaves_them_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    said = findings("odd:Stats.hit", "--setup", "odd:Stats", cwd=tmp_path)
    assert re.search(
        r"threads and thread_per_task can't run it: calls at once give results that repeat \((\d+), \1\)", said
    )
    assert "while those of a plain loop all differ." in said


def test_numbers_that_each_process_begins_anew_leave_processes_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    said = findings("odd:next_id", cwd=tmp_path)
    assert re.search(r"process_per_task can't run it: workers give results that repeat \((\d+), \1\)", said)
    assert "while those of a plain loop all differ: each process begins anew, as forked copies of a counter" in said
    assert "calls at once give" not in said


def test_random_results_leave_no_model_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    assert "can't run it" not in findings("odd:draw", cwd=tmp_path)


def test_results_that_a_plain_loop_does_not_repeat_leave_no_model_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(CLIENT)
    assert "can't run it" not in findings("odd:late", cwd=tmp_path)


def test_calls_that_change_their_arguments_get_copies_in_the_try_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("def longer(values):\n    values.append(1)\n    return len(values)\n")
    assert "can't run it" not in findings("odd:longer", "values=[1, 2]", cwd=tmp_path)


METRICS = """import threading, time
lock = threading.Lock()
held = threading.Event()
def flush():
    with lock:
        held.set()
        time.sleep(0.2)
    while True:
        with lock: time.sleep(0.02)
        time.sleep(0.001)
def begin():
    threading.Thread(target=flush, daemon=True).start()
    held.wait()
def count(n):
    with lock:
        return n
begin()
"""


def test_workers_that_hang_for_a_lock_that_a_thread_of_the_import_held_are_named_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryout, "PATIENCE_S", 3.0)
    (tmp_path / "odd.py").write_text(METRICS)
    said = findings("odd:count", "n=1", cwd=tmp_path)
    why = "its workers gave no answer within 3 s (waiting at odd.py:15); its import starts threads, and a forked worker"
    assert f"{SPAWNED}{why} has a copy of their locks, but not of them." in said


def test_workers_that_crash_when_they_are_forked_are_spawned(tmp_path: Path) -> None:
    source = "import os, signal\nhome = os.getpid()\ndef work(n):\n"
    crash = (
        "    if os.getpid() != home:\n        os.kill(os.getpid(), signal.SIGSEGV)\n    return sum(range(20_000 + n))\n"
    )
    (tmp_path / "odd.py").write_text(source + crash)
    said = findings("odd:work", "n=1", cwd=tmp_path)
    # workers that crash at the same time write into each other's lines, so the place may be lost
    assert f"{SPAWNED}a worker ended (Segmentation fault" in said
    assert "process_per_task can't run it: a worker ended (Segmentation fault" in said


def test_the_remedy_of_hanging_workers_is_named_where_spawned_ones_fail_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryout, "PATIENCE_S", 3.0)
    alone = "import multiprocessing\nassert multiprocessing.current_process().name == 'MainProcess'\n"
    (tmp_path / "odd.py").write_text(METRICS + alone)
    said = findings("odd:count", "n=1", cwd=tmp_path)
    assert "processes can't run it" in said.replace(BOTH, "processes")
    assert "but not of them: start workers with `start_method: spawn`, or the threads in a function" in said


def test_workers_that_hang_without_threads_are_named_with_the_line_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryout, "PATIENCE_S", 3.0)
    source = "import os, threading\nhome = os.getpid()\nnever = threading.Event()\ndef work(n):\n"
    (tmp_path / "odd.py").write_text(f"{source}    if os.getpid() != home:\n        never.wait()\n    return n\n")
    said = findings("odd:work", "n=1", cwd=tmp_path)
    assert "can't run it: its workers gave no answer within 3 s (waiting at odd.py:6). " in said + " "
