"""How many workers a model has, and which of its calls run at once."""

from __future__ import annotations

import itertools
from pathlib import Path

from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance import workloads
from tests.support.conformance.runners import (
    eventually,
    living,
    opened,
    order,
    task,
    workers_of,
)
from tests.support.conformance.ways import (
    ONE_WORKER,
    OTHER_PROCESSES,
    STANDING,
    base,
    each_form,
    each_standing_way,
    each_way_per_task,
)
from tests.support.conformance.workloads import TOKEN, marks


@each_standing_way
def test_the_proved_workers_are_as_many_as_were_asked_for(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"), workers=3)) as runner:
        threads = runner.ready["worker_threads"]
        assert len(set(threads)) == len(threads) == (1 if model in ONE_WORKER else 3)
        pids = set(runner.ready["worker_pids"])
        if model in OTHER_PROCESSES:
            assert len(pids) == 3
            assert runner.process.pid not in pids
        else:
            assert pids == {runner.process.pid}


@each_standing_way
def test_as_many_calls_as_workers_are_in_flight_at_once(runner_env: RunnerEnvironment, model: str) -> None:
    at_once = 1 if model == "sequential" else 3
    # two calls for each worker, since some ways send two together: the first calls wait for each other
    asked = order(model, task("meet", kwargs={"others": at_once}, item="i", observe="see"), workers=3, tasks=6)
    with opened(runner_env, asked) as runner:
        # so each of them is in a worker of its own, and those are the proved ones
        assert set(map(tuple, runner.results())) == set(workers_of(runner.ready))


@each_way_per_task
def test_all_tasks_are_in_flight_at_once_each_in_a_worker_of_its_own(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("meet", kwargs={"others": 5}, item="i", observe="see"), tasks=5)
    with opened(runner_env, asked) as runner:
        pids, threads = zip(*runner.results(), strict=True)
        assert len(set(threads)) == 5
        assert len(set(pids)) == (5 if model in OTHER_PROCESSES else 1)
        assert (runner.process.pid in pids) is not (model in OTHER_PROCESSES)


@each_way_per_task
def test_no_worker_per_task_is_left_after_a_batch(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("worker_id", observe="see"), tasks=5)) as runner:
        workers = {pid for pid, _ in runner.results()} - {runner.process.pid}
        assert not workers & living(runner.process.pid)
        # the kernel takes a joined thread from the list a moment later
        assert eventually(lambda: len(list(Path(f"/proc/{runner.process.pid}/task").iterdir())) == 1)


@each_form
def test_never_more_calls_than_workers_are_in_flight(runner_env: RunnerEnvironment, model: str, twin: bool) -> None:
    workers = 2 if model in STANDING else 16
    with opened(runner_env, order(model, task("interval", twin, observe="see"), workers=workers, tasks=16)) as runner:
        intervals = runner.results()
    # an end comes before a start at the same nanosecond
    changes = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    in_flight = max(itertools.accumulate(change for _, change in changes))
    assert 1 <= in_flight <= (1 if model == "sequential" or (base(model) == "event_loop" and not twin) else workers)


@each_standing_way
def test_all_workers_are_up_before_the_first_trial(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("worker_id", initializer="begin", setup="resource", observe="see"), workers=3)
    with opened(runner_env, asked) as runner:
        # startup_ns is a figure of its own, and waits for the slowest initializer
        assert runner.ready["startup_ns"] >= workloads.START_NS
        began = marks("begun")
        seen = set(map(tuple, runner.results()))
        assert seen <= set(workers_of(runner.ready))
        assert marks("begun") == began
        after = runner.ask("prove")
        assert after["event"] == "proved"
        assert workers_of(after) == workers_of(runner.ready)


@each_standing_way
def test_the_initializer_runs_once_in_every_worker(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("power", initializer="begin", setup="resource"), workers=3)
    with opened(runner_env, asked) as runner:
        runner.ask("warm")
        runner.trial()
        expected = [f"{pid} {thread} {TOKEN}" for pid, thread in workers_of(runner.ready)]
        assert sorted(marks("begun")) == sorted(expected)


@each_way_per_task
def test_the_initializer_runs_before_every_call_where_workers_do_not_last(
    runner_env: RunnerEnvironment, model: str
) -> None:
    asked = order(model, task("begun", initializer="begin", setup="resource", observe="see"), tasks=3)
    with opened(runner_env, asked) as runner:
        before = len(marks("begun"))
        assert runner.results() == [True] * 3
        assert len(set(marks("begun")[before:])) == 3


def test_threads_started_later_run_the_initializer_too(runner_env: RunnerEnvironment) -> None:
    asked = order("threads", task("begun", initializer="end_idle_threads", observe="see"), workers=3, tasks=9)
    with opened(runner_env, asked) as runner:
        for _ in range(3):  # every batch ends the threads that idled before it, and starts new ones
            assert runner.results() == [True] * 9
