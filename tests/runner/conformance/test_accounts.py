"""The account of the workers' time, on real runners."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.runner.account.figures import SHARES
from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.process import Command, default_python
from tests.support.conformance import workloads
from tests.support.conformance.pythons import each_python
from tests.support.conformance.runners import (
    HERE,
    fails,
    opened,
    order,
    probe,
    python_for,
    task,
)
from tests.support.conformance.ways import (
    MODELS,
    ONE_WORKER,
    PER_TASK,
    WAYS,
    base,
    each_model,
    each_way,
    is_here,
    needs,
    over,
)


@each_way
def test_an_account_splits_all_of_the_workers_time(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("nap", twin=False), tasks=6)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=2)
    shares = {name: share for name, share in account.items() if name in [f"{part}_share" for part in SHARES]}
    assert len(shares) == len(SHARES)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert min(shares.values()) >= 0
    waits = "waiting_share" if needs(model).yields else "blocked_share"
    assert shares[waits] > shares["on_core_share"]
    del shares["run_queue_share"]  # what others on the machine take
    assert model in PER_TASK or shares[waits] == max(shares.values())
    lanes = dict.fromkeys(ONE_WORKER, 1) | dict.fromkeys(PER_TASK, 6)
    assert (account["batches"], account["calls"], account["lanes"]) == (2, 6, lanes.get(model, 2))
    assert account["in_own_thread"] == (model in ONE_WORKER)


@each_way
def test_an_account_is_of_the_calls_that_a_batch_makes(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("square", item="i", observe="see"), tasks=7)) as runner:
        runner.ask("warm")
        assert len(runner.ask("account", repeats=1)["timeline"]["lane"]) == 7
        assert runner.results() == [i * i for i in range(7)]


@each_way
def test_only_what_crosses_a_process_is_pickled(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("equal_dict", item="i"), tasks=4)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    crosses = needs(model).pickles
    travels = crosses and model != "dask:pool=threads"  # its results stay in the process
    assert (account["serialisation_share"] > 0, account["result_bytes"] is not None) == (travels, crosses)
    sends_calls = crosses and (base(model), runner.ready.get("actual_start_method")) != ("process_per_task", "fork")
    assert (account["call_bytes"] is not None) == sends_calls


@each_model
def test_a_call_that_fails_in_an_account_is_reported_like_any_other(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail_first", item="i"))) as runner, fails("exception", "item 0 is bad"):
        runner.ask("account", repeats=1)


@over([way for way in WAYS if not needs(way).pickles], MODELS)
def test_reset_also_runs_before_accounted_batches(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("take_job", twin=False, reset="give_jobs"), tasks=4)) as runner:
        assert runner.ask("account", repeats=3)["batches"] == 3


@each_python
@pytest.mark.slow
def test_accounts_are_taken_under_every_interpreter(runner_env: RunnerEnvironment, python: str, version: str) -> None:
    command = Command(python, HERE, preload=runner_env.shims.preload(python))
    with opened(runner_env, order("threads", task("burn")), command) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    has_gil = runner.ready["gil"]
    assert account["gil_source"] == "measured"
    assert (account["gil_share"] > 0.01) == has_gil


def test_without_the_shim_waits_for_the_gil_are_estimated(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("threads", task("burn"))) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    assert account["gil_source"] == "estimated"
    assert account["gil_share"] == account["gil_share_estimated"] > 0


@pytest.mark.parametrize("preloaded", [True, False])
def test_processes_do_not_wait_for_each_others_gil(runner_env: RunnerEnvironment, preloaded: bool) -> None:
    python = default_python()
    command = Command(python, HERE, preload=runner_env.shims.preload(python) if preloaded else None)
    with opened(runner_env, order("processes", task("burn")), command) as runner:
        runner.ask("warm")
        assert runner.ask("account", repeats=1)["gil_share"] < 0.1


def test_a_plain_function_blocks_its_loop_for_the_whole_batch(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("event_loop", task("nap", twin=False), tasks=3)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["loop_longest_ns"] >= 3 * 10_000_000
    assert account["loop_longest_ns"] >= account["loop_lag_p99_ns"] > account["loop_lag_p50_ns"] >= 10_000_000


def test_a_loop_of_waiting_calls_waits_for_most_of_the_time(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("event_loop", task("doze"), tasks=3)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["waiting_share"] > 0.5


def test_the_work_of_a_calls_own_processes_is_accounted_as_outside(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("burn_elsewhere"), tasks=2)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["outside_cpu_ns"] >= 2 * workloads.BURN_NS
    assert account["on_core_share"] < 0.5
    assert min(account[f"{part}_share"] for part in SHARES) >= 0


def test_the_memory_of_all_processes_is_counted_and_peaks_are_remembered(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("processes", task("swell"), tasks=2)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    assert account["peak_pss_bytes"] > workloads.SWOLLEN
    assert 0 < account["worker_private_bytes"] < account["peak_pss_bytes"]


@pytest.mark.slow
def test_interpreters_are_threads_of_one_process_with_a_gil_each(runner_env: RunnerEnvironment) -> None:
    python = python_for("interpreters", {})
    command = Command(python, HERE, preload=runner_env.shims.preload(python))
    with opened(runner_env, order("interpreters", task("burn"), tasks=4), command) as runner:
        assert set(runner.ready["worker_pids"]) == {runner.process.pid}
        assert len(set(runner.ready["worker_threads"])) == 2
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    assert account["gil_source"] == "measured"
    assert account["gil_share"] < 0.1


def test_a_module_that_refuses_subinterpreters_is_reported_with_the_remedy(
    runner_env: RunnerEnvironment, cwd: Path
) -> None:
    refusal = "import _interpreters\nif _interpreters.get_current()[0]: raise ImportError('not in a subinterpreter')\n"
    (cwd / "refuses.py").write_text(refusal + "def f(): pass\n")
    asked = order("interpreters", {"call": "refuses:f"})
    with (
        fails("exception", r"refuses can't be imported .* use `processes`, .*ImportError: not in a"),
        opened(runner_env, asked),
    ):
        pass


def test_a_python_without_interpreters_names_one_that_has_them(runner_env: RunnerEnvironment) -> None:
    if is_here("interpreters"):
        pytest.skip("this one has them")
    (problem,) = probe(runner_env, order("interpreters", task("power")))
    assert problem is not None
    assert (problem["field"], problem["code"]) == ("model", "python_too_old")
    assert problem["what"].endswith("has no InterpreterPoolExecutor")
    assert problem["remedy"] == "run it under 3.14 or newer"
