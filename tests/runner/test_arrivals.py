"""Windows of an open loop: calls of real models in this process, at intended times."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from itertools import accumulate, pairwise
from typing import Any

import pytest

from orchestrator.runner import arrivals, loops, registry
from orchestrator.runner.__main__ import _drive
from orchestrator.runner.arrival_times import offsets_ns
from orchestrator.runner.arrivals import Window
from orchestrator.runner.call import Call
from orchestrator.runner.models import thread_per_task
from tests.support.arrivals import calls_of
from tests.support.conformance.ways import HERE_TOO, needs, parts

MS = 1_000_000
SUBMITTING = [way for way in HERE_TOO if needs(way).submits and not needs(way).yields]  # gevent patches its process
CORE = ["sequential", "event_loop", "threads", "threads:pool=futures", "thread_per_task", "threads_of_loops"]
released = threading.Event()


def nap(item: int) -> None:
    time.sleep(0.001)


async def nap_async(item: int) -> None:
    await asyncio.sleep(0.001)


async def forever(item: int) -> None:
    await asyncio.sleep(3600)


def until_released(item: int) -> None:
    released.wait(10)


def odd_fails(item: int) -> None:
    if item % 2:
        raise ValueError(f"odd: {item}")


def second_kills(item: int) -> None:
    if item == 1:
        os._exit(1)


def leaves(item: int) -> None:
    raise SystemExit(3)


def window(
    way: str,
    function: Callable[..., Any],
    offsets: list[int],
    drain_ns: int = 5000 * MS,
    after: Callable[[], object] = lambda: None,
) -> Window:
    """Return a window of calls of a function under a model with two workers."""
    name, options = parts(way)
    model, call = registry.load(name), Call(function, {}, item=0)
    found: list[Window] = []

    async def main() -> None:
        async with model.open(call, 2, options, None) as workers:
            assert workers.submit
            found.append(await arrivals.run(workers.submit, call, range(100), offsets, drain_ns))
            after()

    run(needs(way).loop, main)
    return found[0]


def run(loop: str | None, main: Callable[[], Awaitable[None]]) -> None:
    if loop is None:
        _drive(main())  # type: ignore[arg-type]  # a coroutine
    else:
        loops.run(loop, main)


@pytest.mark.parametrize(
    "way", [way if way in CORE else pytest.param(way, marks=pytest.mark.long) for way in SUBMITTING]
)
def test_every_call_is_submitted_started_and_ended_in_this_order_after_its_intended_start(way: str) -> None:
    found = window(way, nap, [0, 2 * MS, 2 * MS, 7 * MS])
    assert [call.outcome for call in calls_of(found)] == ["ended"] * 4
    for call in calls_of(found):
        assert call.started_ns is not None and call.ended_ns is not None
        assert call.intended_ns <= call.submitted_ns <= call.started_ns <= call.ended_ns - MS
        assert call.latency_ns == call.ended_ns - call.intended_ns
        assert call.late_ns == call.submitted_ns - call.intended_ns


@pytest.mark.parametrize("way", CORE)
def test_intended_starts_are_the_offsets_from_the_start_of_the_window(way: str) -> None:
    found = window(way, nap, [0, MS, 3 * MS])
    assert [call.intended_ns - found.begun_ns for call in calls_of(found)] == [0, MS, 3 * MS]
    assert found.drained_ns >= max(call.ended_ns or 0 for call in calls_of(found))


@pytest.mark.parametrize("way", CORE)
def test_failed_calls_are_counted_with_their_errors_and_the_others_go_on(way: str) -> None:
    found = window(way, odd_fails, [0, MS, 2 * MS, 3 * MS])
    assert [call.outcome for call in calls_of(found)] == ["ended", "failed", "ended", "failed"]
    assert str(calls_of(found)[3].error).startswith("ValueError: odd: 3 (tests/runner/test_arrivals.py:")
    assert found.count("failed") == 2


@pytest.mark.parametrize("way", CORE)
def test_a_call_that_exits_is_a_failed_call(way: str) -> None:
    error = str(calls_of(window(way, leaves, [0, MS]))[1].error)
    assert error.startswith("SystemExit: 3 (tests/runner/test_arrivals.py:")


def test_a_call_that_is_cancelled_before_its_thread_begins_is_not_made() -> None:
    made: list[int] = []
    future: Future[None] = Future()
    future.cancel()
    thread_per_task._fulfil(future, made.append, 1)
    assert future.cancelled()
    assert made == []


def test_calls_after_the_loss_of_a_worker_fail() -> None:
    found = window("processes", second_kills, [0, 50 * MS, 300 * MS, 301 * MS])
    assert [call.outcome for call in calls_of(found)][1:] == ["failed"] * 3
    assert "BrokenProcessPool" in str(calls_of(found)[3].error)


def test_coroutines_overlap_and_no_more_than_the_workers_are_in_flight() -> None:
    found = window("event_loop", nap_async, [0] * 6)
    begun = [(call.started_ns or 0, 1) for call in calls_of(found)]
    ended = [(call.ended_ns or 0, -1) for call in calls_of(found)]
    assert max(accumulate(step for _, step in sorted(begun + ended))) == 2


@pytest.mark.parametrize("way", ["event_loop", "threads_of_loops"])
def test_coroutines_that_never_end_are_cancelled_after_the_drain(way: str) -> None:
    found = window(way, forever, [0, MS, 2 * MS], drain_ns=20 * MS)
    assert [call.outcome for call in calls_of(found)] == ["cancelled"] * 3
    assert calls_of(found)[0].latency_ns is None
    assert found.drained_ns - found.begun_ns >= 22 * MS


@pytest.mark.parametrize("way", ["sequential", "threads:pool=futures"])
def test_calls_that_cannot_be_cancelled_are_left_running_and_those_behind_them_are_cancelled(way: str) -> None:
    released.clear()
    found = window(way, until_released, [0] * 5, drain_ns=500 * MS, after=released.set)
    running = 1 if way == "sequential" else 2
    assert [call.outcome for call in calls_of(found)] == ["running"] * running + ["cancelled"] * (5 - running)


@pytest.mark.parametrize("way", ["sequential", "event_loop"])
def test_a_window_without_arrivals_ends(way: str) -> None:
    assert calls_of(window(way, nap, [])) == []


def test_a_model_takes_batches_after_a_window() -> None:
    call = Call(nap, {}, item=0)
    results: list[Any] = []

    async def main() -> None:
        async with registry.load("threads_of_loops").open(call, 2, {}, None) as workers:
            assert workers.submit
            await arrivals.run(workers.submit, call, [0], [0, MS], 1000 * MS)
            results.extend(await workers.bind(call)([1, 2, 3]))

    _drive(main())
    assert results == [None] * 3


def test_items_are_taken_in_turn() -> None:
    seen: list[int] = []
    call = Call(seen.append, {}, item=0)

    async def main() -> None:
        async with registry.load("sequential").open(call, 1, {}, None) as workers:
            assert workers.submit
            await arrivals.run(workers.submit, call, [5, 6], [0, 0, 0], 1000 * MS)

    _drive(main())
    assert seen == [5, 6, 5]


def test_models_that_only_take_batches_are_refused_with_this_reason() -> None:
    problem = registry.no_arrivals("mpire", {})
    assert problem
    assert problem.what == "mpire takes calls in batches only"
    assert registry.no_arrivals("threads", {}) is None


@pytest.mark.parametrize("process", ["poisson", "constant"])
def test_the_same_seed_gives_the_same_arrivals(process: str) -> None:
    first = offsets_ns(process, 1000, 500 * MS, seed=7)
    assert first == offsets_ns(process, 1000, 500 * MS, seed=7) != offsets_ns(process, 1000, 500 * MS, seed=8)
    assert first == sorted(first)
    assert first[0] >= 0 and first[-1] < 500 * MS


def test_constant_arrivals_are_equally_spaced() -> None:
    found = offsets_ns("constant", 1000, 500 * MS, seed=1)
    assert len(found) == 500
    assert {later - earlier for earlier, later in pairwise(found)} <= {MS - 1, MS, MS + 1}


def test_poisson_arrivals_have_the_rate_and_exponential_gaps() -> None:
    found = offsets_ns("poisson", 1000, 100_000 * MS, seed=1)
    assert len(found) == pytest.approx(100_000, rel=0.02)
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert sum(gap > MS for gap in gaps) / len(gaps) == pytest.approx(0.3679, rel=0.03)


def test_an_unknown_process_is_refused() -> None:
    with pytest.raises(ValueError, match="known: poisson, constant"):
        offsets_ns("gauss", 1, MS, seed=1)
