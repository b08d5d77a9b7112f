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
