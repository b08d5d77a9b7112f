"""The options of models that start processes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance.runners import (
    fails,
    opened,
    order,
    task,
)
from tests.support.conformance.ways import (
    STARTING,
    each_start_method,
)


@each_start_method
@pytest.mark.parametrize("model", STARTING)
def test_the_start_method_is_proved(runner_env: RunnerEnvironment, model: str, start_method: str) -> None:
    with opened(runner_env, order(model, task("power"), start_method=start_method)) as runner:
        assert runner.ready["actual_start_method"] == start_method


@pytest.mark.parametrize("model", STARTING)
def test_the_default_start_method_is_the_interpreters_own(runner_env: RunnerEnvironment, model: str) -> None:
    script = "import multiprocessing; print(multiprocessing.get_start_method())"
    expected = subprocess.check_output([sys.executable, "-c", script], text=True).strip()
    with opened(runner_env, order(model, task("power"))) as runner:
        assert runner.ready["actual_start_method"] == expected


@pytest.mark.parametrize(
    ("model", "option"),
    [
        ("processes", "chunksize"),
        ("processes:pool=multiprocessing", "chunksize"),
        ("loky", "chunksize"),
        ("joblib", "batch_size"),
        ("mpire", "chunk_size"),
    ],
)
def test_chunks_give_the_same_results(runner_env: RunnerEnvironment, model: str, option: str) -> None:
    chunks: dict[str, Any] = {option: 4}
    asked = order(model, task("uneven", item="i", observe="see"), tasks=11, **chunks)
    with opened(runner_env, asked) as runner:
        assert runner.results() == [i * i for i in range(11)]


@pytest.mark.parametrize("chunksize", [1, 2])
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_workers_are_replaced_after_so_many_tasks(
    runner_env: RunnerEnvironment, start_method: str, chunksize: int
) -> None:
    options: dict[str, Any] = {"start_method": start_method, "max_tasks_per_child": 2, "chunksize": chunksize}
    with opened(
        runner_env, order("processes", task("worker_id", observe="see"), tasks=6 * chunksize, **options)
    ) as runner:
        pids = [pid for pid, _ in runner.results()]
        assert len(pids) == 6 * chunksize
        assert all(pids.count(pid) <= 2 * chunksize for pid in pids)
        assert not set(pids) <= set(runner.ready["worker_pids"])
        assert len(set(runner.ask("prove")["worker_pids"])) == 2


def test_results_stay_right_when_every_task_has_a_worker_of_its_own(runner_env: RunnerEnvironment) -> None:
    options: dict[str, Any] = {"start_method": "spawn", "max_tasks_per_child": 1}
    with opened(runner_env, order("processes", task("square", item="i", observe="see"), tasks=3, **options)) as runner:
        assert runner.results() == [0, 1, 4]


def test_fork_refuses_to_replace_workers(runner_env: RunnerEnvironment) -> None:
    asked = order("processes", task("power"), start_method="fork", max_tasks_per_child=1)
    with (
        fails("exception", "ValueError: max_tasks_per_child is incompatible with the 'fork'"),
        opened(runner_env, asked),
    ):
        pass
