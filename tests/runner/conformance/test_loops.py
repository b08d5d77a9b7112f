"""Models with event loops, and processes that have several calls in flight."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from orchestrator.runner.account.figures import SHARES
from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance.runners import (
    fails,
    opened,
    order,
    task,
    workers_of,
)


@pytest.mark.parametrize("call", ["sleep", "yield_once"])
def test_trio_explains_the_failure_of_a_coroutine_of_asyncio(
    runner_env: RunnerEnvironment, cwd: Path, call: str
) -> None:
    (cwd / "of_asyncio.py").write_text(
        "import asyncio\n"
        "async def sleep(): await asyncio.sleep(0.001)\n"
        "async def yield_once(): await asyncio.sleep(0)\n"
    )
    asked = order("event_loop:loop=trio", {"async_call": f"of_asyncio:{call}"})
    with (
        opened(runner_env, asked) as runner,
        fails("exception", "under trio can't run .* awaits asyncio; write it with anyio"),
    ):
        runner.ask("warm")


@pytest.mark.parametrize(
    "model", ["processes_of_loops", "threads_of_loops", pytest.param("interpreters_of_loops", marks=pytest.mark.slow)]
)
def test_each_worker_with_a_loop_has_so_many_calls_in_flight(runner_env: RunnerEnvironment, model: str) -> None:
    meeting = task("meet", kwargs={"others": 6}, item="i", observe="see")
    with opened(runner_env, order(model, meeting, tasks=6, concurrency=3)) as runner:
        # all six wait for each other: three in each of the two workers
        assert Counter(map(tuple, runner.results())) == dict.fromkeys(workers_of(runner.ready), 3)


def test_each_process_of_threads_has_so_many_calls_in_flight(runner_env: RunnerEnvironment) -> None:
    asked = order(
        "processes_of_threads", task("meet", kwargs={"others": 6}, item="i", observe="see"), tasks=6, threads=3
    )
    with opened(runner_env, asked) as runner:
        assert set(map(tuple, runner.results())) == set(workers_of(runner.ready))
        assert len(runner.ready["worker_pids"]) == 6


@pytest.mark.parametrize(
    "model", ["processes_of_loops", "threads_of_loops", pytest.param("interpreters_of_loops", marks=pytest.mark.slow)]
)
def test_an_account_of_coroutines_at_once_in_several_loops_splits_all_of_the_time(
    runner_env: RunnerEnvironment, model: str
) -> None:
    with opened(runner_env, order(model, task("doze"), tasks=12, concurrency=3)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=2)
    shares = {part: account[f"{part}_share"] for part in SHARES}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert max(shares, key=lambda part: shares[part]) == "waiting"
    assert account["lanes"] == 2


def test_a_switch_interval_is_set_while_the_workers_are_up(runner_env: RunnerEnvironment) -> None:
    asked = order("threads", task("switch_interval", observe="see"), switch_interval_us=700)
    with opened(runner_env, asked) as runner:
        assert runner.results() == [0.0007] * 4
