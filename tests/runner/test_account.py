"""The split of the workers' time, from made-up stamps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runner.account.clocks import GilSpans
from orchestrator.runner.account.executors import Waits
from orchestrator.runner.account.figures import COLUMNS, SHARES, complete
from orchestrator.runner.account.fold import TIMELINE, Budget
from orchestrator.runner.account.of_calls import OfCalls, longest_call_ns, longest_share
from orchestrator.runner.account.stamps import Passage, Taken, settled
from orchestrator.runner.loops import lag

OWN = (1, 1)


def taken(thread: int, begun: int, ended: int, **more: Any) -> Taken:
    """Return a call on a core from begin to end, unless `more` says otherwise."""
    fields: dict[str, Any] = {
        "pid": 2,
        "thread": thread,
        "begun": begun,
        "ended": ended,
        "busy_ns": ended - begun,
        "cpu_ns": ended - begun,
        "run_queue_ns": 0,
        "gil_ns": 0,
        "gil_before": 0,
        "arrived": None,
        "returned": None,
        "memory": None,
    }
    return Taken(**{**fields, **more})


def split(*calls: Taken, until: int, lanes: int = 2, per_task: bool = False, **more: Any) -> dict[str, int]:
    """Return the parts of one batch from 0 to `until`, without those that are 0."""
    budget = Budget(lanes, OWN, per_task)
    begun, ended = more.get("begun", (0, 0, 0, 0)), more.get("ended", (until, 0, 0, 0))
    gil_spans = GilSpans(more.get("gil_waits", []), more.get("gil_holds", []))
    budget.add(begun, ended, calls, gil_spans, more.get("executor_waits"))
    return {name: ns for name, ns in budget.sums.items() if ns}


def test_workers_that_compute_all_the_time_are_on_a_core() -> None:
    assert split(taken(1, 0, 100), taken(2, 0, 100), until=100) == {"on_core": 200}


def test_the_time_of_a_call_neither_on_a_core_nor_waiting_was_blocked() -> None:
    call = taken(1, 0, 100, cpu_ns=30, run_queue_ns=20, gil_ns=10)
    assert split(call, until=100, lanes=1) == {"on_core": 30, "run_queue": 20, "gil": 10, "blocked": 40}


def test_a_call_that_waited_for_a_lock_was_not_blocked_meanwhile() -> None:
    call = taken(1, 0, 100, cpu_ns=30, lock_ns=50)
    assert split(call, until=100, lanes=1) == {"on_core": 30, "lock": 50, "blocked": 20}


def test_a_loop_waits_for_an_executor_while_a_call_waits_for_a_thread_of_it() -> None:
    call = taken(1, 0, 100, pid=1, busy_ns=20, cpu_ns=20)
    waits = Waits()
    waits.spans(("default executor", 6)).extend([(10, 40), (20, 60)])
    parts = split(call, until=100, ended=(100, 20, 0, 0), executor_waits=waits)
    assert parts == {"on_core": 20, "executor": 40, "waiting": 40}


def test_clocks_that_disagree_by_some_ns_make_no_negative_share() -> None:
    assert split(settled(taken(1, 0, 100, cpu_ns=103)), until=100, lanes=1) == {"on_core": 100}


def test_a_wait_for_a_core_that_two_clocks_count_is_taken_out_of_neither_work_nor_the_identity() -> None:
    call = settled(taken(1, 0, 100, cpu_ns=30, run_queue_ns=90, gil_ns=60))
    assert split(call, until=100, lanes=1) == {"on_core": 30, "run_queue": 10, "gil": 60}


def test_the_time_before_and_between_calls_is_dispatch() -> None:
    assert split(taken(1, 10, 40), taken(1, 50, 100), until=100, lanes=1) == {"on_core": 80, "dispatch": 20}


def test_a_worker_is_idle_once_no_call_is_left_to_begin() -> None:
    assert split(taken(1, 0, 30), taken(2, 0, 100), until=100) == {"on_core": 130, "idle": 70}


def test_a_worker_is_idle_only_after_the_last_call_has_begun() -> None:
    calls = taken(1, 0, 20), taken(2, 0, 50), taken(2, 50, 100)
    assert split(*calls, until=100) == {"on_core": 120, "dispatch": 30, "idle": 50}


def test_the_time_after_the_last_call_is_dispatch_of_all_workers() -> None:
    assert split(taken(1, 0, 90), taken(2, 0, 90), until=100) == {"on_core": 180, "dispatch": 20}


def test_workers_without_a_call_are_idle() -> None:
    assert split(taken(1, 0, 100), until=100, lanes=3) == {"on_core": 100, "idle": 200}


def test_a_worker_per_task_is_idle_after_its_call() -> None:
    calls = taken(1, 10, 30), taken(1, 20, 100)
    assert split(*calls, until=100, per_task=True) == {"on_core": 100, "dispatch": 30, "idle": 70}


def test_a_gap_in_which_something_is_pickled_is_serialisation() -> None:
    sent = Passage(0, 5, 8, 10)  # pickled here until 5, unpickled there from 8
    back = Passage(90, 92, 95, 99)
    call = taken(1, 10, 90, arrived=sent, returned=back)
    assert split(call, until=100, lanes=1) == {"on_core": 80, "serialisation": 5 + 2 + 2 + 4, "dispatch": 7}


def test_unpickling_while_the_worker_computes_costs_nothing() -> None:
    first = taken(1, 0, 50, returned=Passage(50, 50, 60, 80))
    assert split(first, taken(1, 50, 100), until=100, lanes=1) == {"on_core": 100}


def test_a_gap_in_which_the_submitting_thread_waits_for_the_gil_is_a_wait_for_the_gil() -> None:
    calls = taken(1, 0, 40), taken(1, 60, 100)
    assert split(*calls, until=100, lanes=1, gil_waits=[(42, 55)]) == {"on_core": 80, "gil": 13, "dispatch": 7}


def test_a_gap_in_which_the_worker_waits_for_the_gil_is_a_wait_for_the_gil() -> None:
    calls = taken(1, 0, 40, gil_before=5), taken(1, 60, 100, gil_before=20)
    assert split(*calls, until=100, lanes=1) == {"on_core": 80, "gil": 15, "dispatch": 5}


def test_a_gap_in_which_another_call_has_the_gil_is_a_wait_for_it() -> None:
    calls = taken(1, 0, 40), taken(1, 80, 120), taken(2, 40, 80)
    parts = split(*calls, until=120, gil_holds=[(0, 40), (42, 79), (80, 120)])
    # the second worker waits for the first one's two calls, but is idle once none is left to begin
    assert parts == {"on_core": 120, "gil": 37 + 40, "dispatch": 3, "idle": 40}


def test_a_gap_counts_once_for_a_gil_that_the_worker_and_the_submitting_thread_wait_for() -> None:
    calls = taken(1, 0, 40, gil_before=5), taken(1, 60, 100, gil_before=20)
    parts = split(*calls, until=100, lanes=1, gil_waits=[(42, 52)], gil_holds=[(41, 55)])
    assert parts == {"on_core": 80, "gil": 15, "dispatch": 5}


def test_the_wait_for_the_gil_within_a_call_is_no_wait_between_calls() -> None:
    calls = taken(1, 0, 40, cpu_ns=30, gil_ns=10, gil_before=5), taken(1, 60, 100, gil_before=20)
    assert split(*calls, until=100, lanes=1) == {"on_core": 70, "gil": 10 + 5, "dispatch": 15}


def test_the_wait_for_the_gil_within_a_call_of_ones_own_thread_counts_once() -> None:
    call = taken(1, 10, 90, pid=1, cpu_ns=70, gil_ns=10)
    parts = split(call, until=100, lanes=1, begun=(0, 0, 0, 0), ended=(100, 75, 0, 13))
    assert parts == {"on_core": 70, "gil": 10 + 3, "dispatch": 5, "waiting": 12}


def test_a_loop_that_neither_computes_nor_queues_between_its_steps_is_waiting() -> None:
    call = taken(1, 10, 90, pid=1, busy_ns=30, cpu_ns=30)
    parts = split(call, until=100, begun=(0, 0, 0, 0), ended=(100, 45, 5, 0))
    assert parts == {"on_core": 30, "run_queue": 5, "dispatch": 15, "waiting": 50}


def test_replaced_workers_take_the_lanes_of_earlier_ones() -> None:
    calls = [taken(thread, thread * 10, thread * 10 + 10) for thread in range(10)]
    assert split(*calls, until=100, lanes=1) == {"on_core": 100}


def test_batches_add_up() -> None:
    budget = Budget(1, OWN, per_task=False)
    for start in (0, 1000):
        budget.add((start, 0, 0, 0), (start + 100, 0, 0, 0), [taken(1, start, start + 60)], GilSpans([], []))
    assert (budget.batches, budget.calls, budget.wall_ns) == (2, 2, 200)
    assert budget.shares() == {**dict.fromkeys(SHARES, 0.0), "on_core": 0.6, "dispatch": 0.4}


def test_the_longest_call_is_a_share_of_all_calls() -> None:
    calls = [taken(1, 0, 40, gil_ns=10, cpu_ns=30), taken(2, 0, 90)]
    assert (longest_call_ns(calls), longest_share(calls)) == (90, 0.75)


def test_a_coroutine_is_as_long_as_from_its_begin_to_its_end() -> None:
    calls = [taken(1, 0, 100, pid=1, busy_ns=5, cpu_ns=5), taken(1, 5, 100, pid=1, busy_ns=20, cpu_ns=20)]
    assert longest_share(calls) == pytest.approx(100 / 195)


def test_a_figure_of_the_calls_is_the_median_of_the_batches() -> None:
    of_calls = OfCalls()
    for ns in (60, 10, 30):
        of_calls.add([taken(1, 0, ns), taken(2, 0, 10)])
    assert of_calls.figures() == {"longest_call_ns": 30, "longest_share": 0.75}


def test_only_the_first_calls_are_kept_one_by_one() -> None:
    budget = Budget(1, OWN, per_task=False)
    budget.add((0, 0, 0, 0), (10**6, 0, 0, 0), [taken(1, at, at + 1) for at in range(0, 4000, 2)], GilSpans([], []))
    assert len(budget.timeline["begun_ns"]) == TIMELINE
    assert budget.timeline["begun_ns"][1] == 2


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Taken], int, list[tuple[int, int]]]:
    calls = []
    for thread in range(draw(st.integers(1, 4))):
        at = 0
        for _ in range(draw(st.integers(0, 4))):
            begun = at + draw(st.integers(0, 50))
            ended = begun + draw(st.integers(1, 50))
            parts = [draw(st.integers(0, ended - begun)) for _ in range(4)]
            spent = dict(zip(("cpu_ns", "run_queue_ns", "gil_ns", "lock_ns"), parts, strict=True))
            moments = [begun - draw(st.integers(0, 9)), begun, ended, ended + draw(st.integers(0, 9))]
            sent = {"arrived": Passage(*moments), "returned": Passage(*moments)}
            calls.append(settled(taken(thread, begun, ended, **spent, **sent)))
            at = ended
    if not calls:
        calls = [taken(0, 0, 1)]
    until = max(call.ended for call in calls) + draw(st.integers(0, 50))
    waits = [(begun, begun + draw(st.integers(0, 30))) for begun in draw(st.lists(st.integers(0, until), max_size=4))]
    return calls, until, waits


@given(batches(), st.integers(4, 6), st.booleans())
def test_the_parts_are_all_of_the_workers_time_and_none_is_negative(
    batch: tuple[list[Taken], int, list[tuple[int, int]]], lanes: int, per_task: bool
) -> None:
    calls, until, waits = batch
    budget = Budget(lanes, OWN, per_task)
    budget.add((0, 0, 0, 0), (until, 0, 0, 0), calls, GilSpans(waits[:2], waits[2:]))
    assert min(budget.sums.values()) >= 0
    assert sum(budget.sums.values()) == budget.lanes * until
    assert budget.sums["on_core"] == sum(call.cpu_ns for call in calls)


@pytest.mark.parametrize("per_task", [True, False])
def test_an_account_of_one_call_is_whole(per_task: bool) -> None:
    assert sum(split(taken(1, 3, 7), until=10, lanes=1, per_task=per_task).values()) == 10


def test_an_event_waits_for_half_of_the_turn_in_the_median() -> None:
    found = lag([1_000_000], wall_ns=1_000_000)
    assert found["loop_lag_p50_ns"] == pytest.approx(500_000, abs=1000)
    assert found["loop_lag_p99_ns"] == pytest.approx(990_000, abs=1000)
    assert found["loop_longest_ns"] == 1_000_000


def test_an_event_outside_of_turns_does_not_wait() -> None:
    assert lag([400_000], wall_ns=1_000_000)["loop_lag_p50_ns"] == 0


def test_without_a_loop_there_is_no_lag() -> None:
    assert set(lag([], wall_ns=1).values()) == {None}


def test_a_value_without_a_declared_figure_is_refused() -> None:
    with pytest.raises(KeyError, match="no_such: not declared"):
        complete(COLUMNS, {**dict.fromkeys(COLUMNS), "no_such": 1})


def test_a_declared_figure_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError, match="lane"):
        complete(COLUMNS, dict.fromkeys(COLUMNS[1:]))


def test_the_columns_of_a_timeline_are_equally_long() -> None:
    budget = Budget(1, OWN, per_task=False)
    budget.add((0, 0, 0, 0), (100, 0, 0, 0), [taken(1, 0, 40), taken(1, 60, 100)], GilSpans([], []))
    assert budget.timeline.pop("wall_ns") == 100
    assert {name: len(column) for name, column in budget.timeline.items()} == dict.fromkeys(COLUMNS, 2)
