"""What calls leave open, and the memory that they keep, is said by `advise` with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import findings, in_process, logged, orchestrator, piloted, refused
from tests.support.place import short

KEEPING = """import asyncio, collections, functools, os, resource, socket, tempfile, tracemalloc

def narrow(): resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
left, cache, lines, recent, seen = [], {}, [], collections.deque(maxlen=2), []
def files(n):
    narrow()
    left.append(open(__file__))
def sockets(n):
    narrow()
    left.extend(socket.socketpair())
async def afiles(n):
    narrow()
    left.append(open(os.devnull))
    await asyncio.sleep(0)
def wide(n): left.append(open(__file__))
def closes(n):
    with open(__file__) as file: return len(file.read())
def drops(n): return len(open(__file__).read())
def returns(n): return open(__file__)
def connects_once(n):
    if not left: left.append(open(__file__))
    return n
def in_a_cycle(n):
    holder = [open(__file__)]
    holder.append(holder)
    return n

def keeps(n):
    lines.append(bytearray(n))
    return n
async def akeeps(n):
    lines.append(bytearray(n))
    await asyncio.sleep(0)
def caches(n):
    cache[n] = bytearray(10_000)
    return n
def allocates(n):
    rows = [bytearray(1_000) for _ in range(n)]
    return len(rows)
def fills(n):
    return sum(len(part) for part in [str(each) * 50 for each in range(n)])
def once(n):
    if "table" not in cache: cache["table"] = list(range(n))
    return len(cache["table"])
def bounded(n):
    recent.append(bytearray(n))
    return n
def cycles(n):
    rows = [bytearray(n)]
    rows.append(rows)
    return n
def counts(n):
    seen.append(n)
    return n
def forks(n):
    lines.append(bytearray(n))
    if (child := os.fork()) == 0: os._exit(tracemalloc.is_tracing())
    if os.waitpid(child, 0)[1]: raise ValueError("its memory is traced")
    return n
def exhausts(n): return [open(os.devnull) for _ in range(n)]
"""

LINES = {
    text.split("(")[0].split()[-1]: number for number, text in enumerate(KEEPING.splitlines(), 1) if "def " in text
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(KEEPING)
    return tmp_path


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("files", "1 file (mine.py)"),
        ("sockets", "2 sockets"),
        pytest.param("afiles", "1 file (/dev/null)", marks=pytest.mark.long),
    ],
)
def test_calls_that_leave_something_open_are_refused_where_few_can_follow(
    place: Path, function: str, what: str
) -> None:
    said = refused(place, f"mine:{function}", "n=9")
    assert f"mine:{function} leaves {what} open at each call (mine.py:{LINES[function] + 2})" in said
    assert "its process can open no more (ulimit -n: 256); close them in the function" in said


def test_what_calls_leave_open_is_said_where_many_can_follow(place: Path) -> None:
    said = findings("mine:wide", "n=9", cwd=place)
    assert f"Each call leaves 1 file (mine.py) open (mine.py:{LINES['wide']}), and after about " in said


@pytest.mark.parametrize(
    "function", short(["closes", "drops", "returns", "connects_once", "in_a_cycle"], "returns", "connects_once")
)
def test_what_is_closed_or_opened_once_is_not_left_open(place: Path, function: str) -> None:
    assert "leaves" not in findings(f"mine:{function}", "n=9", cwd=place)


@pytest.mark.parametrize("function", short(["keeps", "akeeps"], "keeps"))
def test_memory_that_calls_keep_is_said_with_its_amount_and_line(place: Path, function: str) -> None:
    said = findings(f"mine:{function}", "n=1_200_000", cwd=place)
    assert f"It keeps 1.14 MiB a call (allocated at mine.py:{LINES[function] + 1})" in said


def test_processes_that_calls_fork_are_not_traced(place: Path) -> None:
    said = findings("mine:forks", "n=1_200_000", cwd=place)
    assert f"It keeps 1.14 MiB a call (allocated at mine.py:{LINES['forks'] + 1})" in said


def test_a_cache_that_grows_with_each_item_is_said_to(place: Path) -> None:
    said = findings("mine:caches", "--items", "range:0:5000", cwd=place)
    assert f"KiB a call with another item (allocated at mine.py:{LINES['caches'] + 1})" in said


@pytest.mark.parametrize(
    "function", short(["allocates", "fills", "once", "bounded", "cycles", "counts"], "allocates", "once", "bounded")
)
def test_memory_that_is_freed_or_bounded_is_not_kept(place: Path, function: str) -> None:
    assert "It keeps" not in findings(f"mine:{function}", "n=5_000", cwd=place)


def test_a_pilot_that_runs_out_of_descriptors_names_the_cause(place: Path) -> None:
    done = in_process("advise", "mine:exhausts", "n=1_000_000", cwd=place)
    assert done.returncode == errors.FAILED
    assert "Too many open files" in done.stderr
    assert "calls open more files or sockets than they close" in done.stderr
    assert "close them in the function" in done.stderr


@pytest.mark.long
def test_workers_that_run_out_of_descriptors_name_the_cause_with_its_line(place: Path) -> None:
    spec = "workload: {call: 'mine:wide', kwargs: {n: 9}, check: none}\ntasks: 200\n"
    models = "models: [sequential, threads, processes, {model: processes, pool: multiprocessing, label: pool}]\n"
    bounds = "limits: {open_files: 64}\nmeasure: {blocks: 1, rounds: 1}\n"
    (place / "a.yaml").write_text(spec + models + bounds)
    done = orchestrator("run", "a.yaml", cwd=place)
    failed = logged(done, "trial.failed")
    cause = f"calls open more files or sockets than they close (mine.py:{LINES['wide']})"
    assert {event["variant"] for event in failed if cause in event["error"]} == {
        "sequential",
        "threads",
        "processes",
        "pool",
    }


def test_a_deep_call_is_not_traced(place: Path) -> None:
    (place / "mine.py").write_text(
        "import sys\nsys.setrecursionlimit(90_000)\ndef depth(n): return 0 if n == 0 else 1 + depth(n - 1)\n"
    )
    assert piloted("mine:depth", "n=20_000", cwd=place)["call"] == "mine:depth"
