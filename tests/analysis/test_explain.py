"""Causes and advice, from accounts made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.journal.derived_events import VariantExplained
from orchestrator.output.grid import plain
from orchestrator.output.lines import explanation
from orchestrator.output.parts import first_cause
from orchestrator.runner import registry as models
from orchestrator.runner.account.figures import FIGURES, SHARES
from tests.support.synthetic import Run, conducted

US = 1_000
WAITING: dict[str, Any] = {"call_blocked_ns": 9_000_000, "alone_blocked_ns": 9_000_000, "alone_cpu_ns": 100_000}
"""Calls that wait nearly all of the time."""


def explained(run: Run, variant: str) -> dict[str, Any]:
    (event,) = [
        e.fields() for e in run.derived() if e.event == "variant.explained" and e.fields()["variant"] == variant
    ]
    return event


def why(model: str = "threads", others: tuple[str, ...] = ("sequential",), **account: Any) -> dict[str, Any]:
    """Return the explanation of a variant with this account; it takes 10 ms, the others take `slower` ms."""
    slower = account.pop("slower", 20.0)
    spec = {key: account.pop(key) for key in ("tasks", "workload", "matrix", "models") if key in account}
    spec.setdefault("tasks", 4)
    times = {model: 10.0, **dict.fromkeys(others, slower)}
    return explained(conducted(times, accounts={model: account}, **spec), model)


def test_nothing_is_explained_without_an_account() -> None:
    run = conducted({"sequential": 20, "threads": 10})
    assert not [event for event in run.derived() if event.event == "variant.explained"]


def test_at_most_two_causes_are_named_the_larger_first() -> None:
    event = why(gil=0.4, blocked=0.1, dispatch=0.2, idle=0.06)
    assert (event["causes"], event["cause_shares"]) == (["gil", "dispatch"], [0.4, 0.2])
    assert event["why"] == ("waiting for the GIL 40 % of the workers' time; dispatch 20 % (calls of 5 ms)")


def test_a_loss_below_the_least_is_no_cause() -> None:
    event = why(gil=0.04)
    assert event["causes"] == ["on_core"]
    assert event["why"] == "on a core 96 % of the workers' time (1.9 of 2 cores busy)"


def test_a_loss_within_its_own_noise_is_no_cause() -> None:
    run = conducted({"sequential": 20, "threads": 10}, accounts={"threads": {"dispatch": 0.1}})
    accounts = [event for event in run.stored if event.event == "account.measured"]
    assert accounts
    for block, share in zip(run.contests[0].blocks, (0.0, 0.3) * 10, strict=False):
        block.accounts["threads"].dispatch_share = share
    assert "dispatch" not in explained(run, "threads")["causes"]


def test_an_account_of_a_disturbed_batch_does_not_count_beside_others() -> None:
    run = conducted({"sequential": 20, "threads": 10}, accounts={"threads": {"wall_ns": 10_000_000}}, tasks=4)
    first, *others = (block for block in run.contests[0].blocks if "threads" in block.accounts)
    first.accounts["threads"].dispatch_share, first.accounts["threads"].wall_ns = 0.9, 40_000_000
    event = explained(run, "threads")
    assert (event["accounts"], event["instrumented_ratio"]) == (len(others), pytest.approx(1, abs=0.01))
    assert "dispatch" not in event["causes"]


def test_shares_are_all_of_the_time() -> None:
    event = why(gil=0.4, blocked=0.1, dispatch=0.2, idle=0.06)
    assert sum(event[f"{name}_share"] for name in SHARES) == pytest.approx(1, abs=0.001)


def test_an_estimated_share_of_the_gil_is_marked() -> None:
    assert why(gil=0.4, gil_source="estimated")["why"].endswith("of the workers' time (estimated)")


def test_an_estimate_that_contradicts_the_measured_share_is_shown() -> None:
    assert "(estimated from blocked time: 10 %)" in why(gil=0.4, gil_share_estimated=0.1)["why"]
    assert "estimated" not in why(gil=0.4, gil_share_estimated=0.33)["why"]


SLOWER: dict[str, Any] = {"contention": 0.6, "alone_cpu_ns": 28_000_000}


def test_calls_that_take_more_of_a_core_in_parallel_are_slower_together() -> None:
    event = why(**SLOWER, contended_objects="CONFIG (dict)")
    assert event["causes"][0] == "contention"
    assert event["why"] == (
        "slower together 60 % of the workers' time (70 ms of CPU a call instead of 28 ms; threads share CONFIG (dict))"
    )
    assert event["advice"] == "give each thread its own copy: they share CONFIG (dict)"


def test_what_threads_share_can_be_not_found() -> None:
    assert (
        "(70 ms of CPU a call instead of 28 ms; what the threads share was not found)"
        in (why(**SLOWER, contended_objects="")["why"])
    )


def test_the_machines_own_part_of_contention_is_named_apart() -> None:
    event = why(**SLOWER, contention_machine_share=0.55)
    assert "; the machine itself 55 %: a loop that shares nothing loses as much)" in event["why"]
    assert event["advice"] is None


def test_contention_beside_other_processes_is_named_as_not_known() -> None:
    event = why(contention=None, contention_missing="other processes used the cores")
    assert event["missing"] == ["contention_share"]
    assert event["contention_share"] is None
    assert event["causes"] == ["on_core"]
    shown = plain(explanation(VariantExplained.model_construct(**event), []))
    assert "(contention is not known: other processes used the cores)" in shown


def test_a_search_for_shared_objects_that_failed_is_named_as_missing() -> None:
    event = why(**SLOWER, objects_missing="the search failed (ValueError: no)")
    assert event["missing"] == ["contended_objects"]
    assert "what the threads share is not known" in event["why"]
    assert event["advice"] == "use `processes`: they share no objects"


def test_more_workers_than_cores_wait_for_a_core() -> None:
    assert "waiting for a core 50 % of the workers' time (4 workers on 2 cores)" in why(run_queue=0.5, lanes=4)["why"]


@pytest.mark.parametrize(
    ("free_cores", "reason"),
    [
        (1.2, "other processes used it"),
        (2.0, "the workers and the thread that submits calls shared a core; other processes used little"),
    ],
    ids=["used", "free"],
)
def test_others_are_named_for_a_wait_for_a_core_only_if_they_used_cores(free_cores: float, reason: str) -> None:
    accounts = {"threads": {"run_queue": 0.5, "lanes": 2}}
    run = conducted({"sequential": 20, "threads": 10}, accounts=accounts, free_cores=free_cores, tasks=4)
    assert f"waiting for a core 50 % of the workers' time ({reason})" in explained(run, "threads")["why"]


def test_a_plain_loop_waits_for_a_core_that_others_use() -> None:
    account = {"lanes": 1, "in_own_thread": True, "run_queue": 0.5}
    run = conducted({"sequential": 20, "threads": 10}, accounts={"sequential": account})
    assert "(other processes used it)" in explained(run, "sequential")["why"]


def test_a_plain_loop_that_waits_for_a_core_is_contaminated() -> None:
    run = conducted({"sequential": 20, "threads": 10}, accounts={"sequential": {"lanes": 1, "run_queue": 0.06}})
    assert explained(run, "sequential")["contaminated"]
    (verdict,) = [event.fields() for event in run.derived() if event.event == "verdict.reached"]
    assert "contaminated" in verdict["warnings"]


def test_workers_that_wait_for_a_core_are_not_contaminated() -> None:
    assert not why(run_queue=0.5, lanes=2)["contaminated"]


def test_calls_blocked_longer_than_a_call_alone_share_a_resource() -> None:
    alone: dict[str, Any] = {"blocked": 0.9, "call_blocked_ns": 9_000_000, "calls": 4}
    assert (
        "(longer than in a call alone: calls share a resource, or a lock in native code)"
        in why(**alone, alone_blocked_ns=2_000_000)["why"]
    )
    assert "(I/O, sleep)" in why(**alone, alone_blocked_ns=9_000_000)["why"]


def test_without_the_shim_waits_for_locks_are_among_the_blocked_time() -> None:
    estimated: dict[str, Any] = {"gil_source": "estimated", "gil_share_estimated": 0.0, "blocked": 0.9, "calls": 4}
    assert "(I/O, locks, sleep)" in why(**estimated, alone_blocked_ns=9_000_000)["why"]
    assert "calls share a lock or another resource" in why(**estimated, alone_blocked_ns=2_000_000)["why"]


def test_calls_that_wait_for_each_others_lock_are_told_from_calls_that_wait_for_a_thread_of_their_own() -> None:
    assert "waiting for a lock 80 % of the workers' time (held by other calls)" in why(lock=0.8)["why"]
    own = why(lock=0.9, alone_lock_ns=9_000_000, outside_cpu_ns=9_000_000)["why"]
    assert "(the workload's own threads or processes ran meanwhile)" in own
    assert "a call alone waits too" in why(lock=0.9, alone_lock_ns=9_000_000)["why"]


def test_a_call_that_waits_somewhat_longer_for_its_own_threads_is_not_advised_to_hold_a_lock_for_less_time() -> None:
    own = why(lock=0.7, alone_lock_ns=4_000_000, calls=4)
    assert "(a call alone waits too: for its own threads, queue or event)" in own["why"]
    assert "hold the lock" not in (own["advice"] or "")
    assert (
        "hold the lock" in why(lock=0.7, alone_lock_ns=200_000, calls=4, others=("sequential", "processes"))["advice"]
    )


def test_an_executor_that_is_too_small_is_named_with_its_size_and_a_wider_one() -> None:
    about: dict[str, Any] = {
        "executor_kind": "default executor",
        "executor_size": 6,
        "executor_wanted": 60,
        "is_async": True,
        "in_own_thread": True,
    }
    event = why("event_loop", executor=0.8, tasks=30, lanes=1, **about)
    assert event["causes"][0] == "executor"
    assert "waiting for an executor thread 80 % of the time (the default executor has 6 threads on this" in event["why"]
    assert event["advice"] == (
        "use a wider executor, such as `loop.set_default_executor(ThreadPoolExecutor(60))`: "
        "6 threads serve up to 60 calls at once"
    )


def test_a_lock_of_coroutines_is_named_as_one_and_no_executor_is_advised_for_it() -> None:
    about: dict[str, Any] = {"executor_kind": "asyncio lock", "executor_size": 1, "executor_at": "pay at shop.py:7"}
    event = why("event_loop", executor=0.8, tasks=30, lanes=1, is_async=True, in_own_thread=True, **about)
    assert "waiting for a lock of asyncio 80 % of the time (held by other calls; pay at shop.py:7)" in event["why"]
    assert event["advice"].startswith("hold the lock for less time")
    assert first_cause(VariantExplained.model_construct(**event)) == "asyncio lock 80 %"


def test_no_executor_of_very_many_threads_is_advised() -> None:
    about: dict[str, Any] = {"executor_kind": "executor", "executor_size": 6, "executor_wanted": 5000}
    event = why("event_loop", executor=0.8, tasks=30, lanes=1, is_async=True, in_own_thread=True, **about)
    assert "`ThreadPoolExecutor(200)`" in event["advice"]


def test_calls_blocked_by_threads_of_the_workload_are_distinguished_from_io() -> None:
    assert (
        "(the workload's own threads or processes ran meanwhile)" in why(blocked=0.9, outside_cpu_ns=9_000_000)["why"]
    )


def test_pickling_is_named_with_its_sizes() -> None:
    event = why("processes", serialisation=0.41, call_bytes=1 << 20, result_bytes=1 << 11)
    assert "pickling 41 % of the workers' time (1 MiB per call, 2 KiB per result)" in event["why"]
    assert event["advice"].startswith("send less")
    assert event["copied_bytes"] == 4 * ((1 << 20) + (1 << 11))


def test_too_few_calls_leave_workers_idle() -> None:
    assert "(2 calls for 4 workers)" in why(idle=0.5, calls=2, lanes=4)["why"]
    assert "(3 calls do not divide evenly among 2 workers)" in why(idle=0.25, calls=3)["why"]


def test_a_long_call_at_the_end_leaves_workers_idle() -> None:
    event = why(idle=0.3, longest_call_ns=15_000_000, longest_share=0.75)
    assert "(the longest call takes 75 % of the batch)" in event["why"]
    assert event["advice"].startswith("start the longest calls first")


def test_a_plain_function_blocks_an_event_loop() -> None:
    event = why("event_loop", lanes=1, dispatch=0.02, in_own_thread=True)
    assert event["causes"][0] == "loop_blocked"
    assert event["why"].startswith("event loop blocked by a plain function 98 % of the time")


def test_a_coroutine_does_not_block_its_loop() -> None:
    event = why("event_loop", lanes=1, waiting=0.8, dispatch=0.1, in_own_thread=True, is_async=True)
    assert event["causes"] == ["waiting", "dispatch"]
    assert event["why"].endswith("; event loop overhead 10 %")


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["io.yaml", "--quiet", "kwargs.n=5", "models=[sequential]"], "io.yaml kwargs.n=5"),
        (["--quiet", "--wait", "2h", "io.yml", "kwargs.n=5"], "io.yml kwargs.n=5"),
        (["kwargs.n=5", "io.yaml"], "io.yaml kwargs.n=5"),
        (["specs/nightly", "kwargs.n=5"], "specs/nightly kwargs.n=5"),
    ],
)
def test_the_command_to_try_keeps_the_spec_and_the_overrides_of_the_run(words: list[str], again: str) -> None:
    tried = VariantExplained.model_construct(**{**why(gil=0.5), "try_overrides": ["models=[threads]"]})
    said = plain(explanation(tried, ["orchestrator", "run", *words]))
    assert said.endswith(f"; try: orchestrator run {again} 'models=[threads]'")


def test_greenlets_that_wait_are_no_blocked_calls() -> None:
    event = why("gevent", lanes=1, waiting=0.8, dispatch=0.1, in_own_thread=True)
    assert event["why"] == "all calls waiting 80 % of the time (I/O, sleep); event loop overhead 10 %"


def test_threads_are_advised_for_calls_that_block_all_greenlets() -> None:
    event = why("gevent", lanes=1, in_own_thread=True, blocked=0.9, **WAITING)
    assert event["why"] == "blocked in calls 90 % of the time (without letting other calls run)"
    assert event["advice"] == "use `threads`: the calls wait in code that lets no other one run"


def test_threads_are_advised_for_a_loop_blocked_by_calls_that_wait() -> None:
    event = why("event_loop", lanes=1, in_own_thread=True, blocked=0.9, **WAITING)
    assert event["advice"] == "use `threads`, or make the function `async`"
    assert event["try_overrides"] == ['models=["event_loop", "sequential", "threads"]']


def test_a_function_is_not_advised_to_be_async_where_one_is_in_the_contest() -> None:
    models = [{"model": "event_loop", "label": name, "call": f"a:{name}"} for name in ("plain", "coroutine")]
    blocked = {"lanes": 1, "in_own_thread": True, "blocked": 0.9, **WAITING}
    accounts = {"plain": blocked, "coroutine": {"is_async": True, "waiting": 0.9}}
    run = conducted({"plain": 20.0, "coroutine": 10.0}, models=models, accounts=accounts)
    advised = [each["advice"] for each in run.records() if each["event"] == "variant.explained"]
    assert advised == ["use `threads`: calls can wait at the same time", None]


def test_processes_are_advised_for_a_loop_blocked_by_calls_that_compute() -> None:
    event = why("event_loop", lanes=1, in_own_thread=True)
    assert event["advice"] == "use `processes`: the calls compute and do not wait"


def test_processes_are_advised_for_threads_that_wait_for_the_gil() -> None:
    event = why(gil=0.5)
    assert event["advice"] == "use `processes`: each has its own GIL"
    assert event["try_overrides"] == ['models=["threads", "sequential", "processes"]']


def test_a_model_of_the_contest_is_advised_only_where_it_was_faster() -> None:
    accounts = {"threads": {"gil": 0.5}}
    faster = conducted({"sequential": 20, "threads": 20, "processes": 12}, accounts=accounts)
    assert explained(faster, "threads")["advice"] == "use `processes`: each has its own GIL"
    assert explained(faster, "threads")["try_overrides"] == []
    slower = conducted({"sequential": 20, "threads": 20, "processes": 30}, accounts=accounts)
    assert explained(slower, "threads")["advice"] is None


def test_chunks_are_advised_for_short_calls_with_what_they_would_save() -> None:
    small: dict[str, Any] = {"call_cpu_ns": 8 * US, "longest_call_ns": 8 * US, "calls": 4000, "tasks": 4000}
    event = why("processes", dispatch=0.91, **small)
    assert event["advice"] == ("use `chunksize: 128`: it would cut the dispatch of calls of 8 us from 91 % to 7 %")
    assert event["try_overrides"] == ["matrix.chunksize=[1, 128]"]


def test_chunks_stay_small_enough_to_balance_the_load() -> None:
    event = why("processes", dispatch=0.9, call_cpu_ns=8 * US, calls=40, tasks=40)
    assert event["try_overrides"] == ["matrix.chunksize=[1, 4]"]


def test_no_command_is_given_where_an_entry_of_the_spec_has_no_room_for_the_option() -> None:
    small: dict[str, Any] = {"call_cpu_ns": 8 * US, "longest_call_ns": 8 * US, "calls": 4000, "tasks": 4000}
    entries = ["sequential", "processes", {"model": "processes", "pool": "anyio", "label": "to_process"}]
    event = why("processes", others=("sequential", "to_process"), dispatch=0.91, models=entries, **small)
    assert event["advice"].startswith("use `chunksize: 128`")
    assert event["try_overrides"] == []


def test_chunks_are_not_advised_for_a_pool_that_has_none() -> None:
    small: dict[str, Any] = {"call_cpu_ns": 8 * US, "longest_call_ns": 8 * US, "calls": 4000, "tasks": 4000}
    entries = ["sequential", {"model": "processes", "pool": "anyio", "label": "to_process"}]
    event = why("to_process", dispatch=0.91, models=entries, **small)
    assert "chunksize" not in event["advice"]


def test_a_plain_loop_is_advised_for_short_calls_in_threads() -> None:
    event = why(dispatch=0.7, call_cpu_ns=8 * US, slower=9.0)
    assert event["advice"] == (
        "do more work per call, or use a plain loop: calls of 8 us are too short to pay for their dispatch"
    )


@pytest.mark.parametrize("name", [name for name in models.NAMES if models.load(name).WORKERS == "per_task"])
def test_a_model_with_a_worker_per_task_names_the_one_that_keeps_them(name: str) -> None:
    assert models.load(name).needs({}).pool in models.NAMES


def test_a_pool_is_advised_instead_of_a_worker_per_call() -> None:
    event = why("process_per_task", dispatch=0.7, call_cpu_ns=8_000_000, longest_call_ns=8_000_000)
    assert event["advice"] == "use `processes`, which starts its workers only once"


def test_more_workers_are_advised_where_workers_are_blocked() -> None:
    event = why(blocked=0.95, call_blocked_ns=5_000_000, alone_blocked_ns=5_000_000, tasks=20, calls=20)
    assert event["advice"] == "use more workers, 8 instead of 2: more calls can wait at the same time"
    assert event["try_overrides"] == ["matrix.workers=[2, 8]"]


def test_more_workers_are_not_advised_where_one_call_takes_most_of_the_batch() -> None:
    ns = why(blocked=0.95, tasks=20, calls=20)["wall_ns"]
    uneven = {"longest_share": 0.4, "longest_call_ns": round(0.7 * ns)}
    assert "use more workers" not in (why(blocked=0.95, tasks=20, calls=20, **uneven)["advice"] or "")


def test_no_more_workers_than_calls_are_advised() -> None:
    assert why(blocked=0.95, tasks=2, calls=2)["advice"] is None


def test_more_workers_than_cores_are_not_advised_where_the_cores_are_busy() -> None:
    assert why(blocked=0.3, tasks=20, calls=20)["advice"] is None


def test_processes_are_advised_where_a_plain_loop_leaves_a_core_idle() -> None:
    event = why("sequential", others=("threads",), lanes=1, in_own_thread=True)
    assert event["advice"] == "use `processes`: 1 of 2 cores was idle"


def test_processes_are_not_advised_for_a_core_that_other_programs_use() -> None:
    alone = {"sequential": {"lanes": 1, "in_own_thread": True}}
    run = conducted({"sequential": 10, "threads": 20}, accounts=alone, tasks=4, free_cores=1.1)
    assert explained(run, "sequential")["advice"] is None


def test_entries_with_options_get_no_override() -> None:
    models = [{"model": "threads", "label": "mine"}, "sequential"]
    run = conducted({"mine": 10.0, "sequential": 20.0}, accounts={"mine": {"gil": 0.5}}, models=models)
    event = explained(run, "mine")
    assert (event["advice"], event["try_overrides"]) == ("use `processes`: each has its own GIL", [])


def test_the_slowdown_by_the_instruments_is_reported() -> None:
    assert why(wall_ns=11_000_000)["instrumented_ratio"] == pytest.approx(1.1, abs=0.02)


def test_a_part_of_a_batch_has_no_slowdown() -> None:
    assert why(calls=3, tasks=4)["instrumented_ratio"] is None


def test_a_verdict_lists_the_causes() -> None:
    run = conducted({"sequential": 20, "threads": 10}, accounts={"threads": {"gil": 0.5}})
    (verdict,) = [event.fields() for event in run.derived() if event.event == "verdict.reached"]
    assert verdict["why"] == ["threads: waiting for the GIL 50 % of the workers' time"]


def test_as_many_workers_are_advised_as_keep_the_cores_busy() -> None:
    alone: dict[str, Any] = {
        "alone_cpu_ns": 5_000_000,
        "alone_blocked_ns": 10_000_000,
        "lanes": 16,
        "matrix": {"workers": [16]},
    }
    event = why("processes", run_queue=0.62, blocked=0.06, tasks=64, calls=64, **alone)
    assert event["advice"] == "use `workers: 6`: that keeps the cores busy, and more only queue for them"
    assert why("processes", run_queue=0.3, tasks=64, calls=64, **{**alone, "lanes": 6})["advice"] is None


def test_a_plain_loop_is_not_advised_for_calls_that_wait_or_where_it_is_slower() -> None:
    small: dict[str, Any] = {"call_cpu_ns": 8 * US, "alone_cpu_ns": 8 * US}
    assert "plain loop" not in why(dispatch=0.7, slower=9.0, **small, alone_blocked_ns=50 * US)["advice"]
    assert "plain loop" not in why(dispatch=0.7, slower=20.0, **small)["advice"]
    assert why(gil=0.6, slower=20.0, **small)["advice"] is None


def test_coroutines_get_no_advice_about_dispatch() -> None:
    event = why("event_loop", dispatch=0.9, lanes=1, in_own_thread=True, is_async=True, call_cpu_ns=8 * US)
    assert event["advice"] is None


def test_only_models_that_can_run_a_coroutine_function_are_advised() -> None:
    event = why("event_loop", others=("threads",), lanes=1, in_own_thread=True, is_async=True, tasks=4)
    assert event["causes"] == ["on_core"]
    assert event["advice"] is None
    twin = {"call": "a:b", "async_call": "a:c"}
    event = why("event_loop", others=("threads",), lanes=1, in_own_thread=True, is_async=True, workload=twin)
    assert event["advice"] == "use `processes`: 1 of 2 cores was idle"


def test_a_lock_that_two_workers_share_is_named_and_more_workers_are_not_advised() -> None:
    locked: dict[str, Any] = {
        "blocked": 0.92,
        "call_blocked_ns": 9_000_000,
        "alone_blocked_ns": 5_000_000,
        "alone_cpu_ns": 0,
    }
    event = why(**locked, tasks=20, calls=4)
    assert "calls share a resource, or a lock in native code" in event["why"]
    assert event["advice"] is None


def test_nothing_is_advised_where_a_call_uses_both_cores_by_itself() -> None:
    event = why("sequential", others=("threads",), lanes=1, in_own_thread=True, outside_cpu_ns=20_000_000)
    assert event["why"] == "on a core 100 % of the time (2.0 of 2 cores busy)"
    assert event["advice"] is None


def test_a_loop_that_queues_behind_threads_of_its_own_is_not_contaminated() -> None:
    event = why("sequential", others=("threads",), lanes=1, run_queue=0.3, outside_cpu_ns=10_000_000)
    assert not event["contaminated"]
    assert "waiting for a core 30 % (the workload's own threads or processes used it)" in event["why"]


def test_a_function_that_hardly_runs_does_not_block_its_loop() -> None:
    event = why("event_loop", lanes=1, in_own_thread=True, dispatch=0.97)
    assert event["causes"] == ["dispatch"]


def test_a_submitting_process_that_waits_for_its_gil_is_distinguished_from_calls_that_do() -> None:
    small: dict[str, Any] = {"call_cpu_ns": 8 * US, "calls": 4000, "tasks": 4000}
    event = why("processes", gil=0.4, dispatch=0.5, dispatch_gil_share=0.4, **small)
    assert event["why"].endswith("dispatch waiting for the GIL of the submitting process 40 %")
    assert "chunksize" in event["advice"]
    event = why("processes", gil=0.4, dispatch_gil_share=0.01)
    assert event["why"].startswith("waiting for the GIL 40 % of the workers' time")
    assert event["advice"] is None


def test_idle_workers_are_named_first_where_a_worker_per_task_leaves_most_of_the_time_idle() -> None:
    event = why("thread_per_task", gil=0.41, idle=0.47)
    assert event["why"] == ("idle 47 % of the workers' time (each worker ends with its call); waiting for the GIL 41 %")
    assert (event["causes"], event["cause_shares"]) == (["gil"], [0.41])
    assert "idle" not in why("thread_per_task", gil=0.47, idle=0.41)["why"]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_the_account_is_explained(name: str) -> None:
    assert name in why()


def test_a_figure_of_the_account_is_the_median_over_the_blocks() -> None:
    run = conducted({"sequential": 20, "threads": 10}, accounts={"threads": {}})
    accounts = [block.accounts["threads"] for block in run.contests[0].counting if block.accounts]
    assert len(accounts) > 2
    for account in accounts:
        account.voluntary_switches = 30
    accounts[0].voluntary_switches = 9000
    assert explained(run, "threads")["voluntary_switches"] == 30
