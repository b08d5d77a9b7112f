"""Functions that answer from a cache, or that are parallel by themselves: said first, and not raced for long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.journal.read import Records
from tests.support.command import events, findings, in_process, orchestrator, piloted, refused

KEEPING = """
import functools, multiprocessing, time
from concurrent.futures import ThreadPoolExecutor

@functools.lru_cache(maxsize=None)
def route(origin): return sum(range(origin))
@functools.lru_cache(maxsize=2)
def small(origin): return sum(range(origin))
held = {}
def looked_up(origin):
    if origin not in held:
        time.sleep(0.05)
        held[origin] = origin
    return held[origin]
class Map:
    @functools.cached_property
    def size(self):
        time.sleep(0.05)
        return 1
    def ask(self): return self.size

def part(number): return sum(range(100_000))
def pooled(parts):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(part, range(parts))
def isolated(parts):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map(part, range(parts))
"""

SPINNING = """
import hashlib, threading
begun = []
def short(n):
    if not begun:  # as the first call of a library does, whose threads spin when they are new
        begun.append(threading.Thread(target=hashlib.sha256, args=(bytes(4_000_000),)))
        begun[0].start()
    return sum(range(n))
"""

BLOCKING = """
import asyncio, time
async def blocks(n): time.sleep(0.002)
async def computes(n): return sum(range(n))
async def waits(n): await asyncio.sleep(0.002)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(KEEPING)
    (tmp_path / "spinning.py").write_text(SPINNING)
    (tmp_path / "loops.py").write_text(BLOCKING)
    return tmp_path


def test_calls_answered_from_a_cache_are_refused_with_two_remedies(place: Path) -> None:
    said = refused(place, "mine:route", "origin=9")
    assert "keeps its results (functools.lru_cache): all calls but the first were answered from there" in said
    assert "`def fresh(origin): return route.__wrapped__(origin)`" in said
    assert "`items`" in said


def test_batches_answered_from_a_cache_are_refused(place: Path) -> None:
    assert "a batch computes its items once" in refused(place, "mine:route", "--items", "range:0:9")


def test_more_items_than_a_cache_holds_are_measured(place: Path) -> None:
    assert piloted("mine:small", "--items", "range:0:9", cwd=place)["items"] == 9


def test_results_of_a_memory_on_the_disk_are_refused(place: Path) -> None:
    pytest.importorskip("joblib")
    text = "import joblib\nmemory = joblib.Memory('kept', verbose=0)\n@memory.cache\ndef f(n): return n\n"
    (place / "mine.py").write_text(text)
    assert "keeps its results (joblib.Memory)" in refused(place, "mine:f", "n=9")


@pytest.mark.parametrize(
    "asked", [("mine:looked_up", "origin=9"), ("mine:Map.ask", "--setup", "mine:Map")], ids=["dict", "cached_property"]
)
def test_a_cache_of_any_kind_is_said_first(place: Path, asked: tuple[str, ...]) -> None:
    said = findings(*asked, cwd=place)
    assert re.match(r"The first call took \d", said)
    assert "they were answered from what it kept (a cache)" in said
    assert "`items`" in said


def test_a_function_that_starts_a_pool_is_said_first_to_be_parallel(place: Path) -> None:
    said = findings("mine:pooled", "parts=2", cwd=place)
    assert said.startswith("It is parallel by itself: a call starts processes of its own")
    assert (
        "Left out: event_loop, thread_per_task, processes and process_per_task, because each call uses several cores"
        in said
    )


@pytest.mark.long
def test_a_function_that_starts_one_process_is_not_parallel_by_itself(place: Path) -> None:
    assert "parallel by itself" not in findings("mine:isolated", "parts=2", cwd=place)


def noted(place: Path, workload: str, models: str = "sequential, threads") -> dict[str, Any]:
    """Return the verdict of a run of one block."""
    (place / "a.yaml").write_text(
        f"workload: {{{workload}}}\ntasks: 8\nmodels: [{models}]\nmeasure: {{blocks: 1, rounds: 2}}\n"
    )
    done = orchestrator("run", "a.yaml", cwd=place)
    return next(event for event in events(done.stdout) if event["event"] == "verdict.reached")


def test_short_calls_after_a_dear_first_one_are_timed_in_repeated_batches(place: Path) -> None:
    noted(place, "call: 'mine:looked_up', kwargs: {origin: 9}")
    loops = [
        event
        for event in Records(place / "runs/a/latest/events.jsonl")
        if event["event"] == "point.calibrated" and event["variant"] == "sequential"
    ]
    assert all(event["repeats"] > 8 for event in loops)


def test_a_run_warns_of_answers_from_a_cache(place: Path) -> None:
    verdict = noted(place, "call: 'mine:route', kwargs: {origin: 9}")
    assert "answers_kept" in verdict["warnings"]
    assert verdict["kept_by"] == {"sequential": "functools.lru_cache", "threads": "functools.lru_cache"}


def test_a_run_warns_of_answers_from_a_dictionary(place: Path) -> None:
    verdict = noted(place, "call: 'mine:looked_up', kwargs: {origin: 9}", "sequential, processes")
    assert verdict["kept_by"] == dict.fromkeys(("sequential", "processes"), "a cache, or a source at its end")


def test_advice_begins_with_answers_from_a_cache(place: Path) -> None:
    noted(place, "call: 'mine:looked_up', kwargs: {origin: 9}")
    said = in_process("report", "runs/a/latest", "--format", "advice", cwd=place).stdout
    assert said.startswith("Calls after the first computed next to nothing: answered by a cache")
    assert said.count("computed next to nothing") == 1


@pytest.mark.long
def test_a_run_names_the_cached_function_below(place: Path) -> None:
    (place / "mine.py").write_text(
        "import functools, time\n@functools.cache\ndef table(n): time.sleep(0.02); return [n]\n"
        "def price(n): return table(n)[0]\n"
    )
    assert noted(place, "call: 'mine:price', kwargs: {n: 9}")["kept_by"]["threads"] == "functools.lru_cache of table"


@pytest.mark.long
def test_a_first_call_that_imports_is_no_cache(place: Path) -> None:
    (place / "other.py").write_text("import time\ntime.sleep(0.05)\n")
    (place / "mine.py").write_text("def f(n):\n    import other\n    return n\n")
    assert "answers_kept" not in noted(place, "call: 'mine:f', kwargs: {n: 9}")["warnings"]


def test_a_run_warns_of_a_function_that_starts_processes(place: Path) -> None:
    assert "parallel_by_itself" in noted(place, "call: 'mine:pooled', kwargs: {parts: 2}")["warnings"]


def test_a_source_that_is_read_to_its_end_by_the_first_call_is_said(place: Path) -> None:
    (place / "mine.py").write_text("source = iter(['line'] * 400_000)\ndef count(): return sum(1 for _ in source)\n")
    said = findings("mine:count", cwd=place)
    assert "with other results: it may have read a source to its end" in said


def test_threads_that_spin_when_they_are_new_do_not_make_a_function_parallel(place: Path) -> None:
    asked = ["spinning:short", "--items", "jsonl:sizes"]
    (place / "sizes").write_text("20000\n" * 8)
    assert "parallel by itself" not in findings(*asked, cwd=place)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("blocks", "It waits in a blocking call and never lets its event loop run anything else"),
        ("computes", "It computes and never lets its event loop run anything else"),
    ],
)
def test_a_coroutine_that_blocks_its_loop_is_named(place: Path, function: str, said: str) -> None:
    assert findings(f"loops:{function}", "n=100000", cwd=place).startswith(said)


def test_a_coroutine_that_waits_has_no_finding(place: Path) -> None:
    assert findings("loops:waits", "n=100000", cwd=place) == ""
