"""Global variables that calls change are named: workers in other processes have copies of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import findings
from tests.support.place import short

CHANGING = """import asyncio, collections, datetime, functools, heapq, logging, random, threading, time
import limits

calls, free_from, asked_at, last, client = 0, 0.0, None, None, None
kept, rows, seen, recent, sums, groups = [], {}, set(), collections.deque(maxlen=2), {}, collections.defaultdict(list)
memo, table, heap, buffer, tallies = {}, {}, [3], bytearray(4), collections.Counter()
many, settings, lock = list(range(100_000)), {"level": 1}, threading.Lock()
log, draws = logging.getLogger("mine"), random.Random(1)

def counts(n):
    global calls
    calls += 1
    return n
def appends(n):
    kept.append(n)
    return n
def appends_to_many(n): many.append(n)
def nests(n): groups[n].append(n)
def tallies_up(n): tallies[n] += 1
def pushes(n): heapq.heappush(heap, n)
def writes(n): buffer[0] = (buffer[0] + 1) % 100
def rotates(n): recent.append(time.perf_counter())
async def awaits(n):
    kept.append(n)
    await asyncio.sleep(0.002)
async def acomputes(n):
    kept.append(sum(range(30_000)))
    await asyncio.sleep(0)
def locks(n):
    kept.append(n)
    return lock
def _turn():
    global free_from
    with lock: free_from = time.monotonic()
def below(n):
    _turn()
    return n
def elsewhere(n): return limits.wait() and n
def dated(n):
    global asked_at
    asked_at = datetime.datetime.now()
def inside(n): return [(lambda: appends(n))() for _ in range(2)][0]
part = functools.partial(appends, 1)
def five(n):
    global calls, free_from
    calls, free_from = calls + 1, free_from + 1
    kept.append(n)
    tallies[n] += 1
    return appends_to_many(n)
def fills(n): rows[n] = n * n
def collects(n): seen.add(n)

def pure(n): return n * n
def memoizes(n):
    if n not in memo: memo[n] = n * n
    return memo[n]
@functools.lru_cache
def _square(n): return n * n
def cached(n): return [_square(n)][0] + n
def connects(n):
    global client, settings
    if client is None: client, settings = object(), {**settings, "level": 2}
    return n
def connects_for_some(n):
    global client
    if n == 3: client = object()
    return n
def remembers(n):
    global last
    last = n
    return pure(last)
def refills(n):
    rows.clear()
    rows.update({each: each for each in range(n)})
    return len(rows)
def enters(n):
    seen.add(n)
    seen.discard(n)
    return n
def logs(n):
    log.debug("%s", n)
    return n
def chooses(n): return draws.choice([n, n]) or random.random()
def reads(n): return settings["level"] + many[n] + len(kept)
def local(n):
    kept = []
    kept.append(n)
    return len(kept)
class Client:
    def __init__(self): self.calls = 0
    def ask(self, n):
        self.calls += 1
        return n
mine = Client()
def asks(n): return mine.ask(n)
"""

LIMITS = """turns = []
def wait():
    turns.append(1)
    return len(turns)
"""

LINES = CHANGING.splitlines()

CHANGED = {
    "appends": ("kept", "kept.append(n)"),
    "appends_to_many": ("many", "def appends_to_many"),
    "nests": ("groups", "def nests"),
    "tallies_up": ("tallies", "def tallies_up"),
    "pushes": ("heap", "def pushes"),
    "writes": ("buffer", "def writes"),
    "rotates": ("recent", "def rotates"),
    "below": ("free_from", "with lock"),
    "dated": ("asked_at", "asked_at ="),
    "inside": ("kept", "kept.append(n)"),
}
"""By function: the variable that it changes, and how the line begins."""


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(LINES, 1) if line.strip().startswith(text))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CHANGING)
    (tmp_path / "limits.py").write_text(LIMITS)
    return tmp_path


def test_a_global_that_calls_rebind_is_named_first_with_its_line(place: Path) -> None:
    said = findings("mine:counts", "n=1", cwd=place)
    at = f"mine.py, line {line_of('calls += 1')}"
    assert said.startswith(f"Calls change the global `calls` ({at}): in processes and process_per_task each worker ")
    assert "a copy of its own, so what calls keep there (a limit, a count, results) is neither shared nor" in said


@pytest.mark.parametrize("function", short(list(CHANGED), "appends", "appends_to_many", "below"))
def test_a_variable_that_calls_change_is_named_with_its_line(place: Path, function: str) -> None:
    name, line = CHANGED[function]
    said = findings(f"mine:{function}", "n=1", cwd=place)
    assert f"Calls change the global `{name}` (mine.py, line {line_of(line)}): " in said


def test_the_globals_of_a_partial_are_named_too(place: Path) -> None:
    assert "Calls change the global `kept` (" in findings("mine:part", cwd=place)


def test_a_coroutine_is_looked_at_where_processes_of_loops_are_compared(place: Path) -> None:
    said = findings("mine:acomputes", "n=1", cwd=place)
    assert "Calls change the global `kept` (" in said
    assert ": in processes_of_loops each worker has a copy of its own" in said


def test_what_a_function_of_another_module_changes_is_named_with_its_file(place: Path) -> None:
    assert "Calls change the global `turns` (limits.py, line 3): " in findings("mine:elsewhere", "n=1", cwd=place)


def test_three_of_many_are_named(place: Path) -> None:
    said = findings("mine:five", "n=1", cwd=place)
    assert "Calls change the globals `calls` (mine.py, line " in said
    assert said.partition(": ")[0].count("`") == 2 * 3
    assert "and 2 more: in processes" in said


@pytest.mark.parametrize(("function", "name"), [("fills", "rows"), ("collects", "seen")])
def test_what_is_only_filled_is_named_though_equal_calls_leave_it_as_it_is(
    place: Path, function: str, name: str
) -> None:
    said = findings(f"mine:{function}", "--items", "range:0:50", cwd=place)
    assert f"Calls change the global `{name}` (" in said


@pytest.mark.parametrize(
    "function",
    short(
        ["pure", "cached", "connects", "refills", "enters", "logs", "chooses", "reads", "local", "mine.ask", "asks"],
        "pure",
        "connects",
        "refills",
    ),
)
def test_what_calls_leave_as_it_was_is_not_named(place: Path, function: str) -> None:
    assert "Calls change" not in findings(f"mine:{function}", "n=3", cwd=place)


@pytest.mark.parametrize(
    "function", short(["memoizes", "connects_for_some", "remembers", "reads"], "memoizes", "remembers")
)
def test_a_memo_and_what_is_set_up_for_an_item_are_not_named(place: Path, function: str) -> None:
    assert "Calls change" not in findings(f"mine:{function}", "--items", "range:0:50", cwd=place)


@pytest.mark.parametrize("function", ["awaits", "locks"])
def test_nothing_is_said_where_no_processes_are_compared(place: Path, function: str) -> None:
    assert "Calls change" not in findings(f"mine:{function}", "n=1", cwd=place)
