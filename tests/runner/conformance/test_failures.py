"""What a runner reports when a workload, a worker or the runner itself fails."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.process import Command, RunnerFailed, default_python
from tests.support.conformance import workloads
from tests.support.conformance.runners import (
    PATIENCE_S,
    eventually,
    fails,
    living,
    new_runner_group,
    opened,
    order,
    task,
)
from tests.support.conformance.ways import (
    CLOUDPICKLING,
    MODELS,
    OTHER_PROCESSES,
    SENDING,
    base,
    each_form,
    each_model,
    each_way,
    every_form,
    over,
)
from tests.support.conformance.workloads import marks


@each_model
def test_a_trial_begins_on_the_core_of_its_round_and_may_leave_it(runner_env: RunnerEnvironment, model: str) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    with opened(runner_env, order(model, task("allowed_cores", observe="see"))) as runner:
        for turn in range(3):
            answer = runner.trial(turn=turn)
            assert answer["core"] == allowed[turn % len(allowed)]
            assert json.loads(answer["observed"]["results"]) == [allowed] * 4


@every_form
def test_an_exception_of_the_workload_comes_out_as_itself(
    runner_env: RunnerEnvironment, model: str, twin: bool
) -> None:
    with opened(runner_env, order(model, task("fail", twin, item="i"))) as runner:
        with fails("exception") as caught:
            runner.trial()
        assert caught.value.error == "ValueError: item 1 is bad"
        assert caught.value.traceback is not None
        assert ", in fail\n" in caught.value.traceback
        assert workloads.__file__ in caught.value.traceback


@pytest.mark.parametrize("model", ["processes", "processes:pool=multiprocessing", "loky"])
def test_an_exception_comes_out_of_a_chunk_too(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("fail", item="i"), tasks=9, chunksize=3)
    with opened(runner_env, asked) as runner, fails("exception", "^ValueError: item 1 is bad$"):
        runner.trial()


@each_model
def test_an_initializer_that_fails_is_reported(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("power", initializer="fail_to_begin"))
    with pytest.raises(RunnerFailed) as caught, opened(runner_env, asked):
        pass
    # a process pool only says that it is broken; the reason stands in the output
    assert caught.value.cause in ("worker_lost", "exception")
    assert "ValueError: this worker can't begin" in caught.value.error + caught.value.output


@each_model
def test_a_failure_is_reported_before_the_other_calls_are_made(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail_first", item="i"), tasks=300)) as runner:
        with fails("exception", "^ValueError: item 0 is bad$"):
            runner.trial()
        assert len(marks("calls")) < 299


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("leave", "SystemExit: 7"),
        ("be_unruly", "Unruly: not to be caught"),
        ("be_cancelled", "CancelledError: by itself"),
    ],
)
@each_form
def test_what_is_no_exception_is_a_failure_too(
    runner_env: RunnerEnvironment, model: str, twin: bool, call: str, error: str
) -> None:
    with opened(runner_env, order(model, task(call, twin))) as runner:
        with fails("exception") as caught:
            runner.trial()
        assert caught.value.error.startswith(error)


@each_model
def test_running_out_of_memory_has_a_cause_of_its_own(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("run_out"))) as runner, fails("memory", "^MemoryError"):
        runner.trial()


@each_model
def test_a_result_that_cannot_be_pickled_fails_only_where_it_must_travel(
    runner_env: RunnerEnvironment, model: str
) -> None:
    with opened(runner_env, order(model, task("unpicklable"))) as runner:
        if model in (*OTHER_PROCESSES, "interpreters_of_loops") and base(model) not in CLOUDPICKLING:
            with fails("exception", "(?i)pickle.*lambda|lambda.*pickle"):
                runner.ask("warm")
        else:
            runner.trial()
            assert runner.ask("digest")["digest"] is None


@over([way for way in SENDING if way != "dask:pool=threads"], MODELS)
def test_an_answer_that_cannot_be_read_is_no_lost_worker(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("unreadable"))) as runner, pytest.raises(RunnerFailed) as caught:
        runner.ask("warm")
    # where a library passes on what pickle has raised, it looks like an exception of the call
    assert caught.value.cause in ("result", "exception")


def test_a_worker_that_ends_in_the_midst_of_its_answer_is_lost(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("process_per_task", task("send_half"))) as runner, fails("worker_lost", "no answer"):
        runner.ask("warm")


def test_more_processes_at_once_than_files_may_be_open_are_refused_with_a_remedy(runner_env: RunnerEnvironment) -> None:
    asked = order("process_per_task", task("power"), workers=10_000_000, tasks=1)
    with (
        fails("exception", "10000000 processes at once need .* lower `tasks`, or raise the limit"),
        opened(runner_env, asked),
    ):
        pass


@over(SENDING, MODELS)
def test_an_exception_that_cannot_be_sent_is_reported_as_such(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail_unsendably"))) as runner, pytest.raises(RunnerFailed) as caught:
        runner.ask("warm")
    # loky's workers end by it
    assert caught.value.cause == ("worker_lost" if base(model) in ("loky", "joblib") else "exception")
    assert re.search("not to be sent|Unsendable", caught.value.error + caught.value.output)


@each_model
def test_os_exit_in_a_call_is_reported(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("die"))) as runner:
        if model in OTHER_PROCESSES:
            with fails("worker_lost"):
                runner.trial()
        else:
            with fails("crash", "exited with status 3"):
                runner.trial()


@each_way
def test_a_killed_runner_is_reported_with_its_signal(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"))) as runner:
        os.kill(runner.process.pid, signal.SIGKILL)
        with fails("signal", "SIGKILL"):
            runner.trial()


@each_model
def test_a_call_that_never_ends_is_cut_off_with_all_its_processes(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("hang"))) as runner:
        group = runner.process.pid
        runner.runner_group.send(base(model), 0)
        assert eventually(lambda: marks("hanging"))
        with fails("timeout", "no answer within 0.05 s"):
            runner.runner_group.receive(base(model), 0.05)
    assert eventually(lambda: not living(group))


@each_model
def test_a_runner_ends_by_itself_when_its_requests_do(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"))) as runner:
        runner.trial()
        assert living(runner.process.pid)
        runner.close_requests()
        assert runner.status() == 0
        assert eventually(lambda: not living(runner.process.pid))


def test_a_runner_without_requests_ends(runner_env: RunnerEnvironment) -> None:
    with new_runner_group(runner_env) as runner_group:
        runner_group.start("idle", Command(default_python()))
        runner_group.leave(["idle"])
        assert runner_env.reaper.status(runner_group.runners["idle"].pid, PATIENCE_S) == 0


def test_an_interpreter_that_cannot_be_started_is_reported(runner_env: RunnerEnvironment, cwd: Path) -> None:
    with new_runner_group(runner_env) as runner_group, fails("crash", "cannot start .*: No such file or directory"):
        runner_group.start("none", Command(str(cwd / "python")))
