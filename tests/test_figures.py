"""The figures beside a ratio."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import figures
from tests.synthetic import Run, conducted


def compared(run: Run, variant: str) -> dict[str, Any]:
    events = [event for event in run.records() if event["event"] == "variant.compared"]
    return next(event for event in events if event["variant"] == variant)


def shares(run: Run, variant: str) -> tuple[float | None, ...]:
    event = compared(run, variant)
    return tuple(event[f"parallel_share{end}"] for end in ("_low", "", "_high"))


def test_a_slower_start_is_paid_for_by_what_every_batch_gains() -> None:
    run = conducted({"sequential": 20, "threads": 40, "processes": 15})
    assert compared(run, "processes")["break_even_batches"] == 3  # 12 ms of start-up, 5 ms a batch
    assert compared(run, "threads")["break_even_batches"] is None
    assert compared(run, "sequential")["break_even_batches"] is None


def test_a_start_that_is_not_slower_pays_from_the_first_batch() -> None:
    assert compared(conducted({"sequential": 20, "threads": 15}), "threads")["break_even_batches"] == 0


def test_two_workers_that_halve_the_time_ran_fully_parallel() -> None:
    low, share, high = shares(conducted({"sequential": 20, "threads": 10}, tasks=4), "threads")
    assert low == pytest.approx(1, abs=0.02)
    assert share == pytest.approx(1, abs=0.02)
    assert high == pytest.approx(1, abs=0.02)


def test_two_workers_that_save_a_quarter_ran_half_parallel() -> None:
    low, share, high = shares(conducted({"sequential": 20, "threads": 15}, tasks=4), "threads")
    assert low is not None and share is not None and high is not None
    assert low < share < high
    assert share == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("ms", [20, 30])
def test_workers_that_gain_nothing_did_not_run_parallel(ms: float) -> None:
    _, share, _ = shares(conducted({"sequential": 20, "threads": ms}, tasks=4), "threads")
    assert share == pytest.approx(0, abs=0.02)


def test_one_task_has_nothing_to_run_beside() -> None:
    assert shares(conducted({"sequential": 20, "threads": 20}, tasks=1), "threads") == (None, None, None)


def test_without_a_sequential_run_of_the_same_nothing_is_told_of_parallelism() -> None:
    assert shares(conducted({"event_loop": 20, "threads": 10}, tasks=4), "threads") == (None, None, None)


def test_a_worker_for_each_task_counts_for_as_many() -> None:
    run = conducted({"sequential": 20, "thread_per_task": 10}, tasks=4)
    assert compared(run, "thread_per_task")["ideal_share"] == pytest.approx(1, abs=0.02)


def test_what_was_observed_is_summed_up_over_all_trials() -> None:
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_pids": 1, "observed_who": "me"})
    (pids, who) = figures.observed(run.contests[0], "threads")
    assert (pids.metric, pids.trials, pids.value) == ("observed.pids", 8 * 5, 1)
    assert (who.metric, who.value, who.mean) == ("observed.who", "me", None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0, 3], (2, None, 0, 3, 1.0)),
        ([True, True], (1, True, True, True, 1.0)),
        ([True, False], (2, None, False, True, 0.5)),
        ([1, "one"], (2, None, None, None, None)),
        ([1, True], (2, None, 1, 1, 1.0)),
    ],
)
def test_values_that_change_are_told_by_their_range_and_mean(values: list[Any], expected: tuple[Any, ...]) -> None:
    found = figures._summary("observed_x", [{"observed_x": value} for value in values])
    assert (found.distinct, found.value, found.low, found.high, found.mean) == expected


def test_observed_values_are_derived_events_of_their_own() -> None:
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_all": True})
    events = [event for event in run.records() if event["event"] == "variant.observed"]
    assert [(event["variant"], event["metric"], event["value"]) for event in events] == [
        ("sequential", "observed.all", True),
        ("threads", "observed.all", True),
    ]
    assert events[0]["low"] is True
