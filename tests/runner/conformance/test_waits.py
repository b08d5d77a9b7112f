"""Waits for locks and executors in accounts of real runners, and the lines that they are in."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.process import Command, default_python
from tests.support.conformance import workloads
from tests.support.conformance.runners import HERE, opened, order


def account(runner_env: RunnerEnvironment, model: str, call: str, form: str = "call", **more: Any) -> dict[str, Any]:
    python = default_python()
    command = Command(python, HERE, preload=runner_env.shims.preload(python))
    with opened(runner_env, order(model, {form: f"workloads:{call}"}, **more), command) as runner:
        runner.ask("warm")
        found: dict[str, Any] = runner.ask("account", repeats=2)
        return found


def test_calls_that_wait_for_each_others_lock_are_told_from_blocked_ones_with_their_lines(
    runner_env: RunnerEnvironment,
) -> None:
    found = account(runner_env, "threads", "hold", tasks=6)
    first = workloads.hold.__code__.co_firstlineno
    assert found["lock_share"] > 0.2
    assert found["lock_at"] == f"hold at workloads.py:{first + 2}"
    assert found["lock_held_at"] == found["blocked_at"] == f"hold at workloads.py:{first + 3}"


def test_workers_that_wait_for_work_wait_for_no_lock(runner_env: RunnerEnvironment) -> None:
    assert account(runner_env, "threads", "burn", tasks=1)["lock_share"] == 0


@pytest.mark.parametrize(
    ("call", "kind", "size"),
    [
        ("wait_in_thread", "default executor", 2),
        ("wait_for_token", "limiter", 2),
        ("wait_for_semaphore", "semaphore", 2),
        ("wait_for_lock", "asyncio lock", 1),
    ],
)
def test_coroutines_that_wait_for_one_of_a_few_places_are_told_from_waiting_ones(
    runner_env: RunnerEnvironment, call: str, kind: str, size: int
) -> None:
    found = account(runner_env, "event_loop", call, "async_call", tasks=6, workers=6)
    assert (found["executor_kind"], found["executor_size"]) == (kind, size)
    assert found["executor_share"] > 0.2
    assert found["executor_wanted"] == (6 if kind == "default executor" else None)
    assert found["executor_at"].startswith(f"{call} at workloads.py:")


def test_coroutines_with_room_for_all_wait_for_no_executor(runner_env: RunnerEnvironment) -> None:
    found = account(runner_env, "event_loop", "wait_in_thread", "async_call", tasks=2, workers=2)
    assert (found["executor_kind"], found["executor_share"]) == (None, 0)


def test_the_bound_of_the_model_itself_is_no_semaphore_of_the_calls(runner_env: RunnerEnvironment) -> None:
    more: dict[str, Any] = {"workers": 2, "task_per": "call"}
    found = account(runner_env, "event_loop", "doze_async", "async_call", tasks=6, **more)
    assert found["executor_share"] == 0


def test_a_callable_without_lines_is_named_as_native_code(runner_env: RunnerEnvironment) -> None:
    python = default_python()
    command = Command(python, HERE, preload=runner_env.shims.preload(python))
    asked = order("sequential", {"call": "time:sleep", "args": [0.05]}, tasks=2)
    with opened(runner_env, asked, command) as runner:
        found = runner.ask("account", repeats=1)
    assert found["blocked_at"] == "time.sleep, native code without lines"


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_lines_of_calls_in_worker_processes_are_named_too(runner_env: RunnerEnvironment, start_method: str) -> None:
    found = account(runner_env, "processes", "burn", tasks=12, start_method=start_method)
    assert found["lines_missing"] is None
    assert found["on_core_at"].startswith("burn at workloads.py")


def test_calls_in_processes_of_their_own_have_no_lines_and_the_account_says_so(runner_env: RunnerEnvironment) -> None:
    found = account(runner_env, "process_per_task", "burn", tasks=2)
    assert found["lines_missing"] == "the calls run in processes that end with them"
    assert found["on_core_at"] is None


def test_tasks_of_a_calls_own_wait_for_an_executor_at_their_line_or_at_none(runner_env: RunnerEnvironment) -> None:
    found = account(runner_env, "event_loop", "wait_in_threads", "async_call", tasks=2, workers=1)
    assert (found["executor_kind"], found["executor_wanted"]) == ("default executor", 4)
    assert found["executor_share"] > 0.2
    assert (found["executor_at"] or "wait_in_thread").startswith("wait_in_thread")


def test_library_code_in_a_task_of_its_own_has_no_line(runner_env: RunnerEnvironment) -> None:
    found = account(runner_env, "event_loop", "wait_in_bare_threads", "async_call", tasks=2, workers=1)
    assert found["executor_share"] > 0.2
    assert found["executor_at"] is None
