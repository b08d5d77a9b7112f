"""Advice without YAML: as a new user asks for it, on functions good and bad."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import errors
from orchestrator.advice import design, draft, pilot
from orchestrator.advice.facts import Facts
from orchestrator.advice.findings import findings
from orchestrator.advice.question import Question
from orchestrator.analysis.looks import first_look, first_tie_look
from orchestrator.analysis.results import fold
from orchestrator.api import advising
from orchestrator.api.advising import Answering
from orchestrator.engine.signals import interruptible
from orchestrator.errors import BadInput
from orchestrator.journal.derived_events import VariantCompared
from orchestrator.journal.read import Records
from orchestrator.machine import lock
from orchestrator.output.formats import render
from orchestrator.runner import registry
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import loads
from orchestrator.spec.plan import Plan
from tests.support.command import events, in_process, orchestrator
from tests.support.facts import FACTS
from tests.support.processes import owned
from tests.support.synthetic import conducted
from tests.support.waiting import PATIENCE_S, until

# --- which experiment answers the question

CORES = 2


def designed(asked: Question | None = None, **facts: Any) -> Plan:
    asked = asked or Question("mine:work", {"n": 7})
    text = written(asked, CORES, **facts)
    found = Facts(**{**FACTS, **facts})
    shown = findings(asked, found, design.design(asked, found, CORES))
    return plan_experiment(loads(text, "advice", {("findings",): (shown, "findings")})[0], CORES)


def written(asked: Question, cores: int, **facts: Any) -> str:
    found = Facts(**{**FACTS, **facts})
    return draft.spec(asked, found, design.design(asked, found, cores), "orchestrator run a.yaml")


def workers(made: Plan) -> dict[str, int | None]:
    return {variant.label: variant.workers for variant in made.variants}


def test_a_plain_function_meets_every_model() -> None:
    assert list(workers(designed(wall_ns=3_000_000))) == list(registry.STANDARD)


def test_the_spec_has_the_reason_for_each_model_that_is_left_out() -> None:
    refused, failed = {"interpreters": "Python 3.11 has none"}, {"processes": "it ends"}
    experiment, _ = loads(written(Question("mine:work", {}), 2, refused=refused, failed=failed), "advice")
    assert experiment.left_out == refused | failed


def test_an_async_function_is_awaited_one_by_one_and_all_at_once() -> None:
    refused = dict.fromkeys(set(registry.NAMES) - {"event_loop"}, "a coroutine function")
    made = designed(is_async=True, refused=refused, wall_ns=5_000_000, cpu_share=0.002)
    assert workers(made) == {"event_loop(workers=1)": 1, "event_loop(workers=6)": 6}
    assert made.baseline.label == "event_loop(workers=1)"
    assert made.points[0].tasks == 6


ASYNC: dict[str, Any] = {
    "is_async": True,
    "refused": dict.fromkeys(set(registry.STANDARD) - {"event_loop"}, "a coroutine function"),
}


def test_a_coroutine_that_computes_is_compared_in_one_loop_and_in_a_loop_for_each_core() -> None:
    made = designed(**ASYNC)
    assert workers(made) == {"event_loop": CORES, "processes_of_loops": CORES}
    assert made.baseline.label == "event_loop"
    said = "It computes, so calls in flight in one event loop take turns on one core."
    assert made.experiment.findings[0] == said


def test_loops_that_are_asked_for_share_the_calls_in_flight() -> None:
    """A coroutine that waits needs calls in flight, not as many processes."""
    asked = Question("mine:work", {"n": 7}, models=["event_loop", "processes_of_loops"])
    made = designed(asked, **ASYNC, wall_ns=5_000_000, cpu_share=0.002)
    assert workers(made) == {"event_loop": 6, "processes_of_loops": CORES}
    assert made.variants[1].options["concurrency"] == 3


def test_a_coroutine_that_also_computes_is_compared_with_an_event_loop_on_each_core() -> None:
    made = designed(**ASYNC, wall_ns=17_000_000, cpu_share=0.29)
    assert workers(made) == {"event_loop(workers=1)": 1, "event_loop(workers=4)": 4, "processes_of_loops": CORES}
    expected = (
        "It computes for 29 % of its time, so one event loop completes at most 3.4 times as many calls as a plain loop."
    )
    assert expected in made.experiment.findings


def test_a_coroutine_that_computes_and_cannot_travel_has_the_reason() -> None:
    made = designed(**ASYNC, unpicklable="can't be pickled (TypeError: no)")
    assert list(workers(made)) == ["event_loop(workers=1)", "event_loop(workers=20)"]
    expected = (
        "processes_of_loops can't run it: its results can't be pickled (TypeError: no); return what can be pickled"
    )
    assert any(found.startswith(expected) for found in made.experiment.findings)


def test_calls_that_compute_get_a_worker_for_each_core() -> None:
    assert workers(designed())["threads"] == CORES


@pytest.mark.parametrize(("busy", "expected"), [(0.5, 4), (0.25, 8), (0.01, 16)])
def test_calls_that_wait_get_more_workers_than_cores(busy: float, expected: int) -> None:
    assert workers(designed(cpu_share=busy))["threads"] == expected


@pytest.mark.parametrize(
    ("wall_ns", "tasks"),
    [(1_000, 64), (1_000_000, 20), (3_000_000, 8), (20_000_000, 4), (100_000_000, 2), (10_000_000_000, 2)],
)
def test_a_batch_is_the_smaller_the_longer_a_call_takes(wall_ns: int, tasks: int) -> None:
    assert designed(wall_ns=wall_ns).points[0].tasks == tasks


@pytest.mark.parametrize(
    ("asked", "wall_ns", "tasks"),
    [
        ({"workers": [8]}, 1_000_000_000, 8),
        ({"workers": [2, 6]}, 1_000, 66),
        ({"workers": [3000]}, 1_000, 256),
        ({"models": ["sequential", {"model": "threads", "workers": 8}]}, 1_000_000_000, 8),
        ({"workers": [8], "tasks": 4}, 1_000_000_000, 4),
    ],
    ids=["long calls", "several", "too many", "of one model", "tasks given"],
)
def test_a_batch_has_as_many_calls_for_each_of_the_workers_asked_for(
    asked: dict[str, Any], wall_ns: int, tasks: int
) -> None:
    question = Question("mine:work", {"n": 7}, **asked)
    assert designed(question, wall_ns=wall_ns, cpu_share=0.01).points[0].tasks == tasks


def test_no_item_is_taken_twice_for_more_workers() -> None:
    asked = Question("mine:work", {}, items=[1, 2, 3], workers=[8])
    assert design.design(asked, Facts(**{**FACTS, "items": 3, "tried": 3}), CORES).tasks == 3


def test_short_calls_are_also_sent_several_at_a_time() -> None:
    made = designed(wall_ns=10_000)
    assert {"processes(chunksize=1)", "processes(chunksize=8)"} <= workers(made).keys()
    assert "processes" in workers(designed(wall_ns=3_000_000))


def test_results_that_cannot_travel_leave_processes_out_and_say_so() -> None:
    made = designed(unpicklable="can't be pickled (TypeError: no)")
    assert not [variant for variant in made.variants if registry.load(variant.model).needs(variant.options).pickles]
    expected = (
        "interpreters, processes and process_per_task can't run it: its results can't be pickled (TypeError: no); "
        "return what can be pickled: text, numbers, or a dict of them."
    )
    assert expected in made.experiment.findings


def test_results_that_differ_from_call_to_call_are_not_checked_and_that_is_said() -> None:
    assert designed().experiment.workload.check == "same"
    made = designed(incomparable="two calls gave results that are not equal")
    assert made.experiment.workload.check == "none"
    assert "Results are not checked: two calls gave results that are not equal." in made.experiment.findings


def test_a_process_for_each_call_is_left_out_where_starting_them_takes_longer_than_all_else() -> None:
    made = designed(process_ns=60_000_000)
    assert "process_per_task" not in workers(made)
    assert "Left out: process_per_task, because a process takes 60 ms to start and end." in made.experiment.findings
    assert "process_per_task" in workers(designed(process_ns=60_000_000, wall_ns=30_000_000))
    assert "process_per_task" not in workers(designed(Question("mine:work", {}, tasks=1000)))


def test_a_first_call_that_took_much_longer_is_reported() -> None:
    (found,) = designed(first_ns=1_500_000_000).experiment.findings
    assert found.startswith("The first call took 1.5 s: ")
    assert not designed().experiment.findings


def test_what_the_user_asks_for_is_taken() -> None:
    made = designed(Question("mine:work", {"n": "1e3"}, python="3.13t", tasks=7, max_time_s=5))
    (point,) = made.points
    assert (point.tasks, made.experiment.measure.max_time) == (7, 5)
    assert point.workload["kwargs"] == {"n": "1e3"}
    assert {variant.python for variant in made.variants} == {"3.13t"}


def test_calls_that_are_parallel_by_themselves_come_few_at_a_time_and_that_is_said() -> None:
    made = designed(cpu_share=1.9)
    assert made.points[0].tasks == 2
    assert list(workers(made)) == ["sequential", "threads"]
    assert made.experiment.findings[0].startswith("It is parallel by itself: a call keeps 1.9 cores busy")


def test_slow_calls_get_time_for_a_first_look() -> None:
    quick, slow, slowest = (
        made.experiment.measure.max_time or 0
        for made in (designed(), designed(wall_ns=50_000_000), designed(wall_ns=5_000_000_000))
    )
    assert 18 <= quick < slow < 100
    assert slowest == 300


def test_the_time_for_a_tie_is_that_of_the_blocks_at_which_the_run_can_find_one() -> None:
    asked, found = Question("mine:work", {"n": 7}), Facts(**FACTS)
    made = designed(asked)
    assert len(made.variants) > 2
    planned = design.design(asked, found, CORES)
    block_s = design._block_s(found, planned.tasks, [variant.model for variant in made.variants], None, CORES)
    assert planned.needed_s / block_s == first_tie_look(made) == 8
    assert planned.first_look_s / block_s == first_look(made) == 4


readable = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" \n\t"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | readable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(readable, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.integers(1, 10**11),
    st.floats(0, 3),
    st.sampled_from([None, "results can't be compared with == (ValueError)"]),
    st.sampled_from([None, "TypeError: 'x': {y}\n# z"]),
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), values, max_size=3),
    st.integers(1, 64),
)
@settings(max_examples=100)
def test_whatever_is_found_out_makes_a_spec_that_can_be_planned(
    wall_ns: int, busy: float, incomparable: str | None, unpicklable: str | None, kwargs: dict[str, Any], cores: int
) -> None:
    facts = {
        "wall_ns": wall_ns,
        "cpu_share": busy,
        "incomparable": incomparable,
        "unpicklable": unpicklable,
    }
    experiment, _ = loads(written(Question("mine:work", kwargs), cores, **facts), "advice")
    made = plan_experiment(experiment, cores)
    assert made.points[0].workload.get("kwargs", {}) == kwargs
    assert made.points[0].tasks % cores == 0 or made.points[0].tasks >= design.FEWEST_TASKS


# --- what is said


def said(run: Any) -> list[str]:
    return all_said(run.records())


def all_said(records: list[dict[str, Any]]) -> list[str]:
    """Return the choice and all reasons for it, as --details has them."""
    parts = render("advice", fold(records), width=200, details=True).split("\n\n")
    return next(part for part in parts[2:] if part.startswith(("Use ", "No advice"))).splitlines()


def test_a_win_is_advised_with_its_ratio_and_when_the_start_up_pays() -> None:
    lines = said(
        conducted({"sequential": 20, "threads": 20, "processes": 10}, tasks=4, noise=0.00001, measure={"blocks": 8})
    )
    assert lines[0] == "Use processes (2 workers), 2.00 [2.00, 2.00] times as fast as a plain loop."
    assert "- Against a plain loop, the start-up of processes (12 ms) pays off after 2 batches of 4 calls." in lines


def test_a_win_that_holds_at_this_load_only_is_advised_with_that() -> None:
    lines = said(conducted({"sequential": 20, "threads": 14}, free_cores=0.5, noise=0.00001))
    assert lines[0].startswith("Use threads (2 workers) at this load, 1.43 ")


def test_a_plain_loop_is_advised_where_nothing_is_faster() -> None:
    assert said(conducted({"sequential": 10, "threads": 20}))[0] == "Use a plain loop: nothing else is faster."


def test_of_a_tie_the_simplest_is_advised() -> None:
    lines = said(conducted({"sequential": 20, "threads": 10, "processes": 10}, noise=0.00001))
    assert lines[0].startswith(
        "Use threads (2 workers), the simplest of 2 that tie, 2.00 [2.00, 2.00] times as fast as"
    )


def test_what_is_undecided_is_advised_with_reserve() -> None:
    run = conducted({"sequential": 40, "threads": 10, "processes": 10.1}, noise=0.5, measure={"max_time": "15s"})
    assert said(run)[0].startswith("Use threads (2 workers) until more is known, ")


def test_before_a_look_the_variant_that_always_led_is_advised() -> None:
    lines = said(conducted({"sequential": 20, "threads": 10}, measure={"max_time": "3s"}))
    assert lines[0] == (
        "Use threads (2 workers) until more is known, 2.00 times as fast as a plain loop: "
        "it is the simplest that no other has beaten so far."
    )


def test_before_a_look_a_loop_that_was_behind_in_every_block_is_not_advised() -> None:
    run = conducted({"sequential": 60, "threads": 20.3, "processes": 20}, noise=0.02, measure={"max_time": "3s"})
    assert said(run)[0].startswith("Use threads (2 workers) until more is known, ")
    (verdict,) = [event for event in run.records() if event["event"] == "verdict.reached"]
    assert verdict["sentence"].endswith("; for now, choose threads.")


def test_where_every_other_variant_failed_nothing_is_said_of_its_speed() -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 9})
    assert said(run)[0] == (
        "Use a plain loop: every other variant failed, so nothing is known of its speed against them."
    )


def test_a_start_method_that_is_not_in_the_name_of_the_advised_variant_is_said() -> None:
    models = ["sequential", {"model": "processes", "start_method": "spawn"}]
    lines = said(conducted({"sequential": 20, "processes": 10}, models=models))
    assert any("The workers of processes are started by `start_method: spawn`." in line for line in lines)


def test_a_loop_that_repeats_a_plain_one_is_not_said_to_have_failed() -> None:
    run = conducted({"sequential": 20, "event_loop": 20, "processes": 10}, fails={"processes": 9})
    assert said(run)[0] == (
        "Use a plain loop: every variant of another kind failed, so nothing is known of its speed against them."
    )
    (verdict,) = [event for event in run.records() if event["event"] == "verdict.reached"]
    assert verdict["sentence"].endswith("sequential wins: every variant of another kind failed.")


@pytest.mark.parametrize(
    ("overlap", "cores", "conclusion"),
    [
        (1.0, 2.0, "100 % [100, 100] of their time: the code releases the GIL."),
        (2.0, 2.0, "0 % [0, 0] of their time: the code holds the GIL."),
        (1.6, 2.0, ": the code releases the GIL for part of it."),
        (2.0, 1.0, ", but other processes left only 1 of 2 cores, so this says little about the GIL."),
        (1.0, 1.0, ": the code releases the GIL."),
    ],
)
def test_the_advice_on_threads_says_whether_the_code_releases_the_gil(
    overlap: float, cores: float, conclusion: str
) -> None:
    run = conducted({"sequential": 20, "threads": 20}, overlap=overlap, free_cores=cores, noise=0.00001)
    line = said(run)[-1]
    assert line.startswith("- Two threads ran in parallel for ")
    assert line.endswith(conclusion)


def test_the_overlap_of_threads_in_fewer_than_three_blocks_is_not_said() -> None:
    def is_said(max_time: str) -> bool:
        run = conducted({"sequential": 20, "threads": 20}, overlap=1.0, measure={"max_time": max_time})
        return any("in parallel for" in line for line in said(run))

    assert not is_said("2s") and is_said("3s")


def test_threads_that_disturb_each_other_say_nothing_of_the_gil() -> None:
    run = conducted({"sequential": 20, "threads": 10}, overlap=4.4, noise=0.00001)
    assert (
        "- Two threads at once took 4.4 times as long as one alone: their calls disturb each other, so this says "
        "nothing about the GIL."
    ) in said(run)


def test_processes_are_advised_with_the_lock_that_they_do_not_share() -> None:
    locked = {"threads": {"lock": 0.4, "lock_held_at": "save at shop.py:5"}}
    run = conducted({"sequential": 20, "threads": 20, "processes": 8}, noise=0.00001, accounts=locked)
    text = (
        "Threads wait for each other's lock, held in save at shop.py:5. The workers of processes have their "
        "own: what it protects (a file, a rate, a shared counter) is not protected between them."
    )
    assert text in " ".join(said(run))


def slowed(threads_cores: float, **account: Any) -> list[str]:
    """Return what is said of calls in threads that slow each other; the threads take half as long as the loop."""
    accounts = {"threads": {"wall_ns": 10_000_000, **account}}
    cores = {"sequential": 1.0, "threads": threads_cores}
    run = conducted({"sequential": 20, "threads": 10}, tasks=4, cores=cores, noise=0.00001, accounts=accounts)
    return [line for line in said(run) if "slow each other" in line]


def test_calls_that_take_more_of_a_core_than_in_a_plain_loop_are_said_to_slow_each_other() -> None:
    (said,) = slowed(2.4)
    assert said.startswith("- Calls in threads slow each other: a call takes 1.20 [1.02, 1.41] times the CPU time")


@pytest.mark.parametrize("cores", [2.0, 2.15])
def test_calls_that_take_little_more_of_a_core_are_not_said_to_slow_each_other(cores: float) -> None:
    assert slowed(cores) == []


def test_contention_in_an_account_is_said_before_what_the_trials_show() -> None:
    assert slowed(2.4, contention=0.3, alone_cpu_ns=7_000_000) == [
        "- Calls in threads slow each other: 10 ms of CPU a call instead of 7 ms; memory or caches are shared."
    ]


@pytest.mark.parametrize("account", [{"gil": 0.2}, {"blocked": 0.6}, {"lanes": 4}], ids=["gil", "waits", "queues"])
def test_calls_that_wait_or_share_a_core_are_not_said_to_slow_each_other(account: dict[str, Any]) -> None:
    assert slowed(2.4, **account) == []


def test_a_call_that_took_long_in_a_disturbed_account_of_equal_calls_is_not_named() -> None:
    longest = {"longest_call_ns": 35_000_000, "longest_share": 0.8}
    run = conducted(
        {"sequential": 20, "threads": 10}, tasks=4, accounts={"threads": {"wall_ns": 40_000_000, **longest}}
    )
    assert not [line for line in said(run) if "longest call" in line]


@pytest.mark.parametrize("times", [{"sequential": 20, "threads": 11}, {"sequential": 20, "threads": 30}])
def test_a_call_that_takes_much_of_the_batch_is_said_before_the_gil(times: dict[str, float]) -> None:
    longest = {"longest_call_ns": 5_000_000, "longest_share": 0.4, "longest_item": "data/025.bin"}
    accounts = {"threads": {"lanes": 2, "calls": 40, "wall_ns": 10_000_000, **longest}}
    run = conducted(times, tasks=40, overlap=2.0, free_cores=2.0, noise=0.00001, accounts=accounts)
    assert said(run)[1] == (
        "- The longest call, with item data/025.bin, takes 50 % of the batch of threads: start the longest calls "
        "first, or split them."
    )


def test_calls_that_wait_for_a_lock_are_never_said_to_hold_the_gil() -> None:
    locked = {"threads": {"lock": 0.4, "lock_held_at": "ask at shop.py:7"}}
    run = conducted({"sequential": 20, "threads": 20}, overlap=2.0, free_cores=2.0, noise=0.00001, accounts=locked)
    assert said(run)[-1].endswith(
        "calls wait 40 % of the workers' time for each other's lock, held in ask at shop.py:7, "
        "so this says nothing about the GIL."
    )


@pytest.mark.parametrize(
    ("low", "high", "conclusion"),
    [
        (0.0, 0.42, ": too wide an interval to say whether the code releases the GIL; run it again, or for longer."),
        (0.2, 0.42, ": the code releases the GIL for part of it."),
        (0.2, 1.0, ": the code releases the GIL for at least part of it."),
    ],
)
def test_the_advice_on_the_gil_goes_no_further_than_the_interval(low: float, high: float, conclusion: str) -> None:
    run = conducted({"sequential": 20, "threads": 20}, overlap=1.8, free_cores=2.0)
    results = fold(run.records())
    bounds = {"parallel_share_low": low, "parallel_share_high": high}
    derived = [
        event.model_copy(update=bounds)
        if isinstance(event, VariantCompared) and event.parallel_share is not None
        else event
        for event in results.derived
    ]
    text = render("advice", replace(results, derived=derived), width=300)
    (line,) = [line for line in text.splitlines() if "Two threads" in line]
    assert line.endswith(conclusion)


def test_nothing_is_said_of_a_gil_that_is_not_there() -> None:
    run = conducted({"sequential": 20, "threads": 20}, overlap=1.0)
    records = [dict(event, gil=False) if event["event"] == "runner.ready" else event for event in run.records()]
    assert all_said(records)[1].endswith("this interpreter has no GIL.")


def test_a_function_that_is_parallel_by_itself_is_reported_as_such() -> None:
    run = conducted({"sequential": 20, "threads": 20})
    records = [
        {**event, "cpu_ns": 2 * event["wall_ns"]} if event["event"] == "trial.finished" else event
        for event in run.records()
    ]
    text = render("advice", fold(records), width=200)
    assert "- The function is parallel by itself: alone, it keeps 2.0 cores busy." in text


@pytest.mark.parametrize(("busy", "is_said"), [(1.0, True), (2.0, False)])
def test_calls_that_are_parallel_by_themselves_are_not_said_to_share_a_lock(busy: float, *, is_said: bool) -> None:
    waiting = {"blocked": 0.6, "call_blocked_ns": 9_000_000, "alone_blocked_ns": 1_000_000}
    accounts: dict[str, Any] = {"threads": waiting, "sequential": {"lanes": 1}}
    cores = {"sequential": busy, "threads": busy}
    run = conducted({"sequential": 20, "threads": 20}, cores=cores, accounts=accounts)
    text = render("advice", fold(run.records()), width=200)
    assert ("They share a lock in native code" in text) == is_said


def test_a_finding_that_a_function_is_parallel_by_itself_is_repeated_by_no_other_line() -> None:
    said = "It is parallel by itself: a call keeps 2.0 cores busy, so calls at once compete for the cores."
    run = conducted({"sequential": 20, "threads": 20}, findings=[said])
    records = [
        {**event, "cpu_ns": 2 * event["wall_ns"]} if event["event"] == "trial.finished" else event
        for event in run.records()
    ]
    text = render("advice", fold(records), width=200)
    assert text.count("parallel by itself") == 1
    assert said in text


def test_a_loop_of_calls_that_are_parallel_by_themselves_is_advised_although_threads_win_by_little() -> None:
    run = conducted({"sequential": 20, "threads": 19}, noise=0.001)
    records = [
        {**event, "cpu_ns": 2 * event["wall_ns"]} if event["event"] == "trial.finished" else event
        for event in run.records()
    ]
    text = render("advice", fold(records), width=200)
    assert text.startswith(
        "Use a plain loop: its calls are parallel by themselves, and threads is not surely 1.1 times"
    )


def test_a_saved_spec_ends_with_what_it_can_be_held_to(tmp_path: Path) -> None:
    results = fold(
        conducted({"sequential": 20, "threads": 10, "processes": 25}, noise=0.00001, measure={"blocks": 8}).records()
    )
    text = draft.saved("models: [sequential, threads, processes]\nworkload: {call: a:b}\nname: x\n", results.derived)
    assert "#   - {of: threads, metric: speedup, min: 1.6}  # measured: 2.00 [2.00, 2.00]" in text
    assert "#   - {of: processes, metric: speedup, max: 1.0}  # measured: 0.80 [0.80, 0.80]" in text
    start = text.index("# expect:")
    uncommented = text[:start] + "".join(line.removeprefix("# ") + "\n" for line in text[start:].splitlines())
    assert [claim.min for claim in loads(uncommented, "saved")[0].expect] == [1.6, None]


# --- the command, on real functions

FUNCTIONS = """
import os, sys, threading, time, contextlib

def work(n: int, base: int = 3): return sum(range(n)) + base
async def fetch(seconds: float = 0.002):
    import asyncio
    await asyncio.sleep(seconds)
    return seconds
def where(): return __file__, sys.prefix, os.getcwd()
def needs(a: int, b: str = "x", *, c: float): pass
def positional(data, /): pass
def generate(): yield 1
def lazy(): return (i for i in range(3))
def hidden(): return fetch()
class Thing:
    def method(self): pass
    @staticmethod
    def static(): return 1
    @classmethod
    def of_class(cls): return cls.__name__
def reads(): return input("name? ")
def leaves(): sys.exit(7)
def dies(): os._exit(3)
def raises(): return {}["k"]
def shouts():
    for _ in range(20): os.write(1, b"\\xff" * 100_000)
    return 1
def moves():
    os.chdir("/")
    return 1
def lock(): return threading.Lock()
anonymous = lambda: 1
number = 7
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    return tmp_path


def advised(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return orchestrator("advise", *arguments, "--max-time", "4s", cwd=place)


def test_advice_is_json_lines_where_stdout_is_no_terminal(place: Path) -> None:
    done = advised(place, "mine:work", "n=100")
    assert done.returncode == errors.OK
    shown = events(done.stdout)
    assert [event["event"] for event in shown if not event["event"].startswith("variant.")] == [
        "verdict.reached",
        "run.finished",
    ]
    tried = {event["model"] for event in shown if event["event"] == "variant.compared"}
    assert tried | {"process_per_task"} == HERE  # which is left out where a process takes long to start
    assert events(done.stderr)[0]["event"] == "function.piloted"


@pytest.mark.slow
def test_an_async_function_needs_no_word_more(place: Path) -> None:
    compared = [event for event in events(advised(place, "mine:fetch").stdout) if event["event"] == "variant.compared"]
    assert [event["model"] for event in compared] == ["event_loop", "event_loop"]


@pytest.mark.slow
def test_the_journal_holds_advice_like_any_run(place: Path) -> None:
    advised(place, "mine:work", "n=100")
    done = orchestrator("report", "runs/advise-mine.work", "--format", "advice", cwd=place)
    assert done.stdout.startswith(("Use ", "No advice"))
    assert "\nquestion: Which model runs the function mine:work best? A call took " in done.stdout


@pytest.mark.slow
def test_the_experiment_is_saved_as_it_was_run_and_runs_again(place: Path) -> None:
    assert advised(place, "mine:work", "n=100", "base=1_000", "--save", "work.yaml").returncode == 0
    started = next(iter(Records(place / "runs/advise-mine.work/latest/events.jsonl")))
    again = orchestrator("run", "work.yaml", "measure.max_time=5s", cwd=place)
    assert again.returncode == 0
    restarted = next(iter(Records(place / "runs/advise-mine.work/latest/events.jsonl")))
    assert restarted["run_id"] != started["run_id"]
    specs = [json.loads(event["spec"]) for event in (started, restarted)]
    assert [spec.pop("measure")["max_time"] for spec in specs] == ["4s", "5s"]
    assert [bool(spec.pop("findings")) for spec in specs] == [True, False]  # they are of the time when they were seen
    assert specs[0] == specs[1]
    text = (place / "work.yaml").read_text()
    command = f"cd {place} && {sys.executable} -m orchestrator run {place}/work.yaml"
    assert f"#   15 3 * * * {command} --quiet --wait 2h\n" in text


def test_a_file_that_is_there_is_not_written_over(place: Path) -> None:
    (place / "mine.yaml").write_text("mine")
    done = advised(place, "mine:work", "n=1", "--save", "mine.yaml")
    assert done.returncode == errors.BAD_INPUT
    assert "mine.yaml already exists; name another file, or delete it" in done.stderr
    assert (place / "mine.yaml").read_text() == "mine"
    assert not (place / "runs").exists()


def test_a_file_that_is_there_is_refused_before_the_wait_for_the_machine(place: Path) -> None:
    (place / "mine.yaml").write_text("mine")
    with lock.hold():
        done = in_process("advise", "mine:work", "n=1", "--save", "mine.yaml", "--wait", "1h", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "mine.yaml already exists" in done.stderr


def test_a_spec_that_cannot_be_saved_after_the_run_is_a_warning(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    advising._save(place / "nowhere" / "a.yaml", "models: []")
    assert json.loads(capsys.readouterr().err)["event"] == "spec.unsaved"


def test_the_command_in_a_saved_spec_names_the_program_as_it_was_started(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(question: Question, answering: Answering, set_holder: object) -> NoReturn:
        raise BadInput(answering.again)

    (place / "project").mkdir()
    monkeypatch.setattr("orchestrator.api.advising.answer", refuse)
    done = in_process("advise", "mine:work", "n=1", "--project", "project", "--save", "a.yaml", cwd=place)
    assert f"cd {place / 'project'} && {place / 'orchestrator'} run {place / 'a.yaml'}" in done.stderr


@pytest.mark.slow
def test_a_project_is_run_from_its_directory_under_its_own_interpreter(tmp_path: Path) -> None:
    project, here = tmp_path / "project", tmp_path / "here"
    here.mkdir()
    package = project / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text(FUNCTIONS)
    venv = [sys.executable, "-m", "uv", "-q", "venv", "--python", sys.executable, str(project / ".venv")]
    subprocess.run(venv, check=True)
    done = advised(
        here,
        "app.tasks:where",
        "--project",
        "../project",
        "--python",
        "../project/.venv/bin/python",
        "--save",
        "a.yaml",
    )
    assert done.returncode == 0
    started, *others = list(Records(here / "runs/advise-app.tasks.where/latest/events.jsonl"))
    assert started["cwd"] == str(project)
    ready = next(event for event in others if event["event"] == "runner.ready")
    assert ready["executable"] == str(project / ".venv" / "bin" / "python")
    assert f"cd {project} && {sys.executable} -m orchestrator run {here}/a.yaml" in (here / "a.yaml").read_text()
    assert not list(project.glob("runs"))


@pytest.mark.parametrize(
    "call",
    [
        "mine:moves",
        *(
            pytest.param(call, marks=pytest.mark.long)
            for call in ("mine:shouts", "mine:Thing.static", "mine:Thing.of_class")
        ),
    ],
)
@pytest.mark.slow
def test_what_a_function_does_to_its_process_stays_there(place: Path, call: str) -> None:
    done = advised(place, call)
    assert done.returncode == 0
    assert events(done.stdout)[-1]["event"] == "run.finished"


@pytest.mark.slow
@pytest.mark.long
def test_text_with_line_breaks_and_errors_with_escapes_make_a_spec_all_the_same(place: Path) -> None:
    (place / "odd.py").write_text(
        "class Odd:\n    def __reduce__(self): raise TypeError('no \\x1b[31m, \\u2028')\ndef odd(text): return Odd()\n"
    )
    done = advised(place, "odd:odd", 'text="a\\nb"', "--save", "odd.yaml")
    assert done.returncode == 0
    assert orchestrator("plan", "odd.yaml", cwd=place).returncode == 0


@pytest.mark.parametrize("body", ["list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})", "os.getpid()"])
@pytest.mark.slow
def test_results_that_differ_between_processes_are_not_compared(place: Path, body: str) -> None:
    (place / "own.py").write_text(f"import os\ndef own(): return {body}\n")
    done = advised(place, "own:own")
    assert done.returncode == 0
    expected = "Results are not checked: two processes gave results that are not equal."
    assert expected in events(done.stderr)[0]["findings"]
    failures = {event["failures"] for event in events(done.stdout) if event["event"] == "variant.compared"}
    assert failures == {0}


@pytest.mark.slow
def test_a_function_that_starts_a_loop_of_its_own_is_not_called_in_one(place: Path) -> None:
    (place / "own.py").write_text(
        "import asyncio\nasync def wait(): await asyncio.sleep(0.001)\ndef own(): asyncio.run(wait())\n"
    )
    done = advised(place, "own:own")
    assert done.returncode == 0
    assert "event_loop can't run it: in a running event loop it fails (RuntimeError: " in done.stderr
    assert "event_loop" not in {event.get("model") for event in events(done.stdout)}


def test_a_function_that_can_be_called_only_once_is_reported_as_such(place: Path) -> None:
    (place / "once.py").write_text("import os\ndef once(): os.remove('it')\n")
    (place / "it").touch()
    done = orchestrator("advise", "once:once", cwd=place)
    assert done.returncode == errors.FAILED
    expected = "orchestrator: once:once failed when it was called: after 1 good call: FileNotFoundError"
    assert done.stderr.startswith(expected)
    assert done.stderr.endswith("; pass a function that can be called many times, since every model does so\n")


@pytest.mark.slow
@pytest.mark.long
def test_names_may_have_letters_of_all_languages(place: Path) -> None:
    (place / "größen.py").write_text("def größe(länge): return länge * 2\n", encoding="utf-8")
    done = advised(place, "größen:größe", "länge=5")
    assert done.returncode == 0
    assert (place / "runs" / "advise-gr__en.gr__e").is_dir()


def test_a_module_that_hides_one_of_the_interpreters_own_is_named(place: Path) -> None:
    project = place / "project"
    project.mkdir()
    (project / "mine.py").write_text(FUNCTIONS)
    (project / "types.py").write_text("")
    done = orchestrator("advise", "mine:work", "n=1", "--project", "project", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    expected = f"orchestrator: {project}/types.py hides the standard library's 'types'"
    assert done.stderr.startswith(expected)


def test_one_coroutine_in_a_batch_has_nothing_to_run_beside_it(place: Path) -> None:
    done = orchestrator("advise", "mine:fetch", "--tasks", "1", cwd=place)
    expected = "orchestrator: --tasks: a batch of one call can't run in parallel; use 2 or more\n"
    assert (done.returncode, done.stderr) == (errors.BAD_INPUT, expected)


@pytest.mark.long
def test_what_would_take_very_long_is_done_only_when_asked_for(place: Path) -> None:
    (place / "slow.py").write_text("import time\ndef slow(): time.sleep(8)\n")
    done = orchestrator("advise", "slow:slow", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert re.match(r"orchestrator: a call takes 8(\.\d+)? s, so a verdict takes about ", done.stderr)
    assert "; reduce the work of one call, or allow the time: --max-time " in done.stderr
    assert not (place / "runs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_pilot_leaves_no_process(place: Path, number: signal.Signals) -> None:
    (place / "slow.py").write_text("import time\ndef slow():\n    open('called', 'w').close()\n    time.sleep(600)\n")
    running = owned(subprocess.Popen([sys.executable, "-m", "orchestrator", "advise", "slow:slow"], cwd=place))
    until((place / "called").exists, running)
    running.send_signal(number)
    assert running.wait(PATIENCE_S) == 128 + number
    assert not living_in(place)


def living_in(place: Path) -> set[int]:
    """Return the processes with the working directory `place`."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == place:
                found.add(int(process.name))
        except OSError:  # it has just ended
            continue
    return found - {os.getpid()}


@pytest.mark.slow
def test_a_saved_spec_is_there_before_the_run_ends(place: Path) -> None:
    command = [sys.executable, "-m", "orchestrator", "advise", "mine:work", "n=100", "--save", "work.yaml"]
    running = owned(subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    until(lambda: list(place.glob("runs/*/2*/events.jsonl")), running)
    running.send_signal(signal.SIGTERM)
    running.wait(PATIENCE_S)
    assert orchestrator("plan", "work.yaml", cwd=place).returncode == 0


@pytest.mark.slow
def test_a_budget_too_short_for_a_verdict_is_reported_before_the_run(place: Path) -> None:
    done = orchestrator("advise", "mine:work", "n=50_000", "--tasks", "50", "--max-time", "1s", cwd=place)
    shown = events("\n".join(done.stderr.splitlines()[:2]))
    assert [event["event"] for event in shown] == ["function.piloted", "budget.short"]


@pytest.mark.parametrize("call", ["mine:lock", pytest.param("mine:anonymous", marks=pytest.mark.long)])
@pytest.mark.slow
def test_what_cannot_be_sent_is_compared_without_processes(place: Path, call: str) -> None:
    done = advised(place, call)
    assert done.returncode == 0
    compared = {event["model"] for event in events(done.stdout) if event["event"] == "variant.compared"}
    assert compared == {name for name in registry.STANDARD if not registry.load(name).needs({}).pickles}


HERE = {name for name in registry.STANDARD if registry.unavailable(name, {}) is None}
"""The models that this interpreter has."""

BAD = {
    "arguments missing": (
        ["mine:needs"],
        2,
        "mine:needs(a: int, b: str = 'x', *, c: float): missing a required argument: 'a'; "
        "give a: int, c: float, each as name=value: orchestrator advise mine:needs a=... c=...",
    ),
    "an argument too many": (["mine:work", "n=1", "m=2"], 2, "mine:work(n: int, base: int = 3) does not take"),
    "an argument that the items give": (
        ["mine:positional", "1", "--items", "range:0:3"],
        2,
        "mine:positional(data, /) does not take these arguments: too many positional arguments; "
        "give the arguments it takes, each as name=value; each item is an argument, too\n",
    ),
    "arguments without names": (
        ["mine:positional", "data=1"],
        2,
        "mine:positional(data, /) does not take these kwargs: 'data' parameter is positional only, "
        "but was passed as a keyword; positional-only arguments can't be passed by name: give them by position",
    ),
    "a generator": (
        ["mine:generate"],
        2,
        "mine:generate is a generator function: calling it runs nothing; name a function",
    ),
    "a generator returned": (
        ["mine:lazy"],
        2,
        "mine:lazy returns a generator: calling it runs nothing; name a function",
    ),
    "a coroutine returned": (["mine:hidden"], 2, "mine:hidden returns a coroutine, but is no `async def`; name a"),
    "a class": (
        ["mine:Thing"],
        2,
        "mine:Thing is a class: calling it only makes an object; name a function that does some work with it, such as "
        "mine:Thing.method with setup mine:Thing: orchestrator advise mine:Thing.method --setup mine:Thing",
    ),
    "a method": (["mine:Thing.method"], 2, "mine:Thing.method is a method, and needs an object of Thing; give "),
    "a builtin method": (["builtins:str.upper"], 2, "builtins:str.upper is a method, and needs an object of str; "),
    "a number": (["mine:number"], 2, "mine:number is an int, not a function; name a callable"),
    "no such function": (
        ["mine:wrok"],
        2,
        "mine has no function 'wrok'; did you mean 'work'? orchestrator advise mine:work",
    ),
    "no such module": (["nowhere:f"], 2, "no module named 'nowhere'; name the project's directory with --project, or"),
    "no function named": (["mine:"], 2, '"mine:" names no function; write one colon and a name: orchestrator advise m'),
    "no such file": (["mime.py:work"], 2, "no file 'mime.py' in "),
    "an argument twice": (["mine:work", "n=1", "n=2"], 2, 'argument "n=2": n is given twice; keep one of them'),
    "not YAML": (["mine:work", "n=["], 2, 'argument "n=[": n: not YAML: '),
    "stdin": (["mine:reads"], 2, "mine:reads reads its standard input at mine.py:"),
    "sys.exit": (["mine:leaves"], 3, "mine:leaves: the function ends the interpreter (sys.exit at mine.py:"),
    "os._exit": (["mine:dies"], 3, "mine:dies: the function ends the interpreter (os._exit at mine.py:"),
    "an exception": (["mine:raises"], 3, "mine:raises failed when it was called: KeyError: 'k' (File "),
    "text read as a list": (
        ["json:loads", "s=[1]"],
        3,
        "json:loads failed when it was called: TypeError: the JSON object must be str, bytes or bytearray, not list (",
    ),
    "no Python": (
        ["mine:work", "n=1", "--python", "/bin/ls"],
        2,
        "--python: /bin/ls is no Python interpreter; name one",
    ),
    "no such Python": (["mine:work", "n=1", "--python", "9.9"], 2, '--python: no interpreter "9.9" here, only'),
    "no such project": (
        ["mine:work", "--project", "nowhere"],
        2,
        "--project: nowhere: No such file or directory; name",
    ),
    "no such directory": (["mine:work", "n=1", "--save", "no/x.yaml"], 2, "--save: no directory "),
    "no duration": (["mine:work", "n=1", "--max-time", "5"], 2, '--max-time: "5" is not a duration from 1ms to 500h; '),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_reported_with_a_remedy_and_nothing_is_written(place: Path, name: str) -> None:
    arguments, status, message = BAD[name]
    done = in_process("advise", *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"orchestrator: {message}")
    assert done.stderr.count("\n") == 1
    assert "; " in done.stderr
    assert {path.name for path in place.iterdir()} <= {"mine.py", "__pycache__"}


def test_a_python_too_old_to_measure_in_is_reported_with_the_oldest(place: Path) -> None:
    old = place / "python2"
    old.write_text("#!/bin/sh\necho 2 7 18 1 python2\n")
    old.chmod(0o755)
    done = orchestrator("advise", "mine:work", "n=1", "--python", "./python2", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr == (
        f"orchestrator: --python: {place}/python2 is Python 2.7, too old to measure in; name one of 3.10 or newer\n"
    )


def test_an_anyio_that_cannot_be_imported_is_reported_with_the_command_that_installs_it(place: Path) -> None:
    project = place / "project"
    project.mkdir()
    (project / "mine.py").write_text(FUNCTIONS)
    (project / "anyio").mkdir()
    (project / "anyio/__init__.py").write_text("raise ImportError('broken')\n")
    done = orchestrator("advise", "mine:fetch", "--project", "project", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "anyio can't be imported: broken; install it: " in done.stderr
    assert done.stderr.endswith("/python -m pip install anyio\n")


def test_a_function_that_runs_for_ever_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "mine.py").write_text("import time\ndef hang(): time.sleep(600)\n")
    monkeypatch.chdir(place)
    monkeypatch.setattr(pilot, "TIMEOUT_S", 1.5)
    expected = (
        r"importing and calling mine:hang took longer than 1.5 s, in which it waited at mine.py:2: it used .* s of a "
        r"core; see what it waits for, such as a lock that is still held or an event; or ask for less work in one call"
    )
    with pytest.raises(errors.WorkloadFailed, match=expected):
        interruptible(lambda runner_env, interrupt: pilot.pilot(Question("mine:hang", {}), runner_env, interrupt))
    assert not living_in(place)


def test_items_that_never_come_are_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "mine.py").write_text("import time\ndef items(): yield time.sleep(600)\ndef work(item): pass\n")
    monkeypatch.chdir(place)
    monkeypatch.setattr(pilot, "TIMEOUT_S", 1.0)
    asked = Question("mine:work", {}, items="mine:items")
    expected = "importing mine:work, reading its items and calling it took longer than 1 s"
    with pytest.raises(errors.WorkloadFailed, match=expected):
        interruptible(lambda runner_env, interrupt: pilot.pilot(asked, runner_env, interrupt))
