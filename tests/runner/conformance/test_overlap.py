"""Calls beside each other: the overlap of a function with itself, and CPU time."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance import workloads
from tests.support.conformance.runners import (
    opened,
    order,
    task,
)
from tests.support.conformance.ways import (
    ONE_WORKER,
    STANDING,
    each_way,
    needs,
)
from tests.support.conformance.workloads import marks


@pytest.mark.parametrize("model", [name for name in STANDING if name not in ONE_WORKER and not needs(name).pickles])
def test_the_function_runs_in_one_worker_alone_and_in_two_at_once(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("mark_call"), workers=3)) as runner:
        before = len(marks("calls"))
        answer = runner.ask("overlap", within_ns=60_000_000_000)
        made = marks("calls")[before:]
        assert answer["event"] == "overlapped"
        assert len(answer["alone_ns"]) == len(answer["together_ns"]) > 0
        assert min(answer["alone_ns"] + answer["together_ns"]) > 0
        # every pair: `calls` in one worker, then as many in each of two
        calls = answer["calls"]
        alone, together = Counter(made[-3 * calls : -2 * calls]), Counter(made[-2 * calls :])
        assert list(alone.values()) == [calls]
        assert list(together.values()) == [calls, calls]


def test_a_function_that_would_take_too_long_has_no_overlap_measured(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("threads", task("nap"), workers=2)) as runner:
        assert runner.ask("overlap", within_ns=1_000_000) == {
            "event": "overlapped",
            "calls": 1,
            "alone_ns": [],
            "together_ns": [],
        }


@each_way
def test_the_cpu_time_of_every_worker_is_counted(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("burn"), workers=2, tasks=4)) as runner:
        runner.ask("warm")
        assert runner.trial()["cpu_ns"] >= 4 * workloads.BURN_NS
