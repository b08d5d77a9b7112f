"""The hooks of a workload: setup, initializer, reset and observe."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance.runners import (
    fails,
    opened,
    order,
    task,
)
from tests.support.conformance.ways import (
    each_model,
    each_way,
)
from tests.support.conformance.workloads import TOKEN, marks


@each_way
def test_setup_is_entered_once_and_left_at_the_end(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", setup="resource"))) as runner:
        runner.ask("warm")
        runner.trial(repeats=2)
        assert marks("setup") == ["entered"]
        runner.close_requests()
        assert runner.status() == 0
        assert marks("setup") == ["entered", "left"]


@each_model
def test_setup_is_left_when_a_call_fails(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail", item="i", setup="resource"))) as runner:
        with fails("exception"):
            runner.trial()
        runner.status()
        assert marks("setup") == ["entered", "left"]


@each_model
def test_reset_runs_before_every_batch(runner_env: RunnerEnvironment, model: str, cwd: Path) -> None:
    with opened(runner_env, order(model, task("count", item="i", reset="reset"), tasks=3)) as runner:
        runner.ask("warm")
        (cwd / "calls").unlink()
        runner.trial(repeats=2)
        done = [line.split()[0] for line in marks("calls")]
        assert done == ["reset", "call", "call", "call"] * 2


@each_model
def test_reset_is_not_timed(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("count", item="i", reset="reset"), tasks=3)) as runner:
        asked_ns = time.monotonic_ns()
        wall_ns = runner.trial()["wall_ns"]
        elapsed_ns = time.monotonic_ns() - asked_ns
        reset_ns = sum(int(line.split()[1]) for line in marks("calls") if line.startswith("reset"))
        assert wall_ns + reset_ns <= elapsed_ns


@each_model
def test_observe_sees_the_results_and_initargs(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("square", item="i", setup="resource", observe="see_all"))) as runner:
        assert runner.trial()["observed"] == {"sum": 0 + 1 + 4 + 9, "token": TOKEN}


@pytest.mark.parametrize(
    ("observe", "error"),
    [
        ("see_no_dict", "TypeError: observe returned a list, expected a flat dict"),
        ("see_what_json_has_not", "ValueError: observe returned .*: Out of range float values are not JSON compliant"),
        (
            "see_too_large",
            "ValueError: observe returned count=120892581961462917.*, which takes more than 64 bits",
        ),
    ],
)
def test_what_the_log_cannot_hold_is_refused_of_observe(
    runner_env: RunnerEnvironment, observe: str, error: str
) -> None:
    with opened(runner_env, order("sequential", task("power", observe=observe))) as runner, fails("exception", error):
        runner.trial()
