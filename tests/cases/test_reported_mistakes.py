"""Mistakes that people report about threads, processes and loops get the remedy that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import findings, in_process
from tests.support.place import short

MISTAKES = """import asyncio, contextlib, functools, io, multiprocessing, os, random

def guarded(n): return n * factor
def local(n):
    def inner(k): return k
    with multiprocessing.get_context("fork").Pool(1) as pool: return pool.map(inner, range(n))
async def nap(n): await asyncio.sleep(0)
async def runs(n): return asyncio.run(nap(n))
@functools.lru_cache
def cached(n): return sum(n)

def grabs(n):
    with contextlib.redirect_stdout(io.StringIO()) as out: print(n)
    return out.getvalue()
def names(n):
    os.environ["REGION"] = str(n)
    return n
def seeds(n):
    random.seed(n)
    return random.random()

if __name__ == "__main__":
    factor = 3
"""

REMEDIES = {
    "guarded": 'factor is set only under `if __name__ == "__main__":` (line 23), which no import runs',
    "local": "processes get functions by name: move inner to the level of its module",
    "runs": "await the coroutine in the place of running it",
    "cached": "must be hashable; name `def fresh(given): return cached(tuple(given))`",
}

CHANGES = {
    "grabs": "A call redirects a standard stream (mine.py, line 13), for all threads of its process",
    "names": "A call sets environment variables (mine.py, line 16), for all threads of its process",
    "seeds": "A call seeds the shared random numbers (mine.py, line 19), for all threads of its process",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MISTAKES)
    return tmp_path


@pytest.mark.parametrize("function", REMEDIES)
def test_a_mistake_that_is_often_reported_gets_its_remedy(place: Path, function: str) -> None:
    done = in_process("advise", f"mine:{function}", "n=[3]" if function == "cached" else "n=3", cwd=place)
    assert done.returncode == errors.FAILED
    assert REMEDIES[function] in done.stderr


@pytest.mark.parametrize("function", short(list(CHANGES), "names"))
def test_what_a_call_changes_for_all_threads_is_said_with_its_line(place: Path, function: str) -> None:
    assert CHANGES[function] in findings(f"mine:{function}", "n=3", cwd=place)


SHARED = """import dataclasses, http.client, sqlite3, threading, time, warnings
local, db = threading.local(), sqlite3.connect(":memory:")
local.db = db
with sqlite3.connect("some.db") as made: made.execute("create table if not exists t (x)")
def own(n): return local.db.execute("select ?", (n,)).fetchone()[0]
def shared(n): return db.execute("select ?", (n,)).fetchone()[0]
def writes(n):
    with sqlite3.connect("some.db", timeout=0) as mine:
        mine.execute("begin immediate")
        time.sleep(0.01)
    mine.close()
    return n
def unanswered(n): raise http.client.CannotSendRequest("Request-sent")
def warned(n): warnings.warn("old", DeprecationWarning)
def retry(function):
    def inner(n): return function(n)
    return inner
@retry
def hidden(n): return sum(range(n))
@dataclasses.dataclass
class Rule:
    test: object
def rules(n): return [Rule(lambda: n) for _ in range(n)]
warnings.simplefilter("error", DeprecationWarning)
"""

SAID = {
    "own": "it was set in the main thread only: open one in each worker, by `initializer`",
    "shared": "a connection belongs to its thread: open one in each worker, by `initializer`",
    "writes": "SQLite has one writer at a time: connect with a longer `timeout=`, or write in one worker",
    "hidden": "put @functools.wraps on what it returns (retry.<locals>.inner)",
    "rules": "the attribute test of Rule is a local function; put a function at the level of its module there",
}


@pytest.mark.parametrize("function", short(list(SAID), "own", "hidden", "rules"))
def test_why_a_model_cant_run_the_function_has_its_remedy(tmp_path: Path, function: str) -> None:
    (tmp_path / "mine.py").write_text(SHARED)
    assert SAID[function] in findings(f"mine:{function}", "n=3", cwd=tmp_path)


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        ("unanswered", "threads must not share a connection: open one in each worker, by `initializer`"),
        ("warned", "raises the warning: follow it, or leave the filter out"),
    ],
)
def test_a_call_that_fails_for_a_known_reason_has_its_remedy(tmp_path: Path, function: str, remedy: str) -> None:
    (tmp_path / "mine.py").write_text(SHARED)
    assert remedy in in_process("advise", f"mine:{function}", "n=3", cwd=tmp_path).stderr
