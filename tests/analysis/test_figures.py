"""The figures beside a ratio."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.analysis import figures
from orchestrator.journal.derived_events import VariantCompared
from tests.support.derived import compared
from tests.support.synthetic import Run, conducted


def test_every_figure_of_a_variant_is_a_field_with_an_interval() -> None:
    names = {f"{figure.__name__}{end}" for figure in figures.OF_VARIANT for end in ("", "_low", "_high")}
    assert names <= set(VariantCompared.model_fields), "declare them in orchestrator/events/derived.py"


def shares(run: Run, variant: str) -> tuple[float | None, ...]:
    event = compared(run, variant)
    return tuple(event[f"parallel_share{end}"] for end in ("_low", "", "_high"))


def test_a_longer_start_up_pays_off_by_the_gain_of_each_batch() -> None:
    run = conducted({"sequential": 20, "threads": 40, "processes": 15})
    assert compared(run, "processes")["break_even_batches"] == 3  # 12 ms of start-up, 5 ms a batch
    assert compared(run, "threads")["break_even_batches"] is None
    assert compared(run, "sequential")["break_even_batches"] is None


def test_a_start_up_that_is_not_longer_pays_off_at_once() -> None:
    assert compared(conducted({"sequential": 20, "threads": 15}), "threads")["break_even_batches"] == 0


@pytest.mark.parametrize(("overlap", "share"), [(1.0, 1), (1.25, 0.75), (1.5, 0.5), (2.0, 0)])
def test_the_parallel_share_is_the_time_that_two_threads_save(overlap: float, share: float) -> None:
    low, found, high = shares(conducted({"sequential": 20, "threads": 15}, overlap=overlap), "threads")
    assert low is not None and found is not None and high is not None
    assert low <= found <= high
    assert found == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("overlap", "share"), [(0.8, 1), (2.5, 0)])
def test_a_share_stays_between_0_and_1(overlap: float, share: float) -> None:
    run = conducted({"sequential": 20, "threads": 15}, overlap=overlap)
    assert shares(run, "threads") == (share, share, share)


def test_a_share_has_no_interval_with_too_few_blocks() -> None:
    run = conducted({"sequential": 20, "threads": 15}, overlap=1.5, measure={"max_time": "3s"})
    low, share, high = shares(run, "threads")
    assert (low, high) == (None, None)
    assert share == pytest.approx(0.5, abs=0.02)


def test_there_is_no_parallel_share_where_no_overlap_was_measured() -> None:
    assert shares(conducted({"sequential": 20, "threads": 10}), "threads") == (None, None, None)


def test_a_model_with_a_worker_for_each_task_has_as_many_calls_in_flight() -> None:
    run = conducted({"sequential": 20, "thread_per_task": 10}, tasks=4)
    assert compared(run, "thread_per_task")["ideal_share"] == pytest.approx(1, abs=0.02)


def test_observed_values_are_summarised_over_all_trials() -> None:
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_pids": 1, "observed_name": "a"})
    (pids, name) = figures.observed(run.contests[0], "threads")
    assert (pids.metric, pids.trials, pids.value) == ("observed.pids", 4 * 5, 1)
    assert (name.metric, name.value, name.mean) == ("observed.name", "a", None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0, 3], (2, None, 0, 3, 1.0)),
        ([True, True], (1, True, True, True, 1.0)),
        ([True, False], (2, None, False, True, 0.5)),
        ([1, "one"], (2, None, None, None, None)),
        ([1, True], (2, None, None, None, None)),
    ],
)
def test_values_that_change_have_a_range_and_a_mean(values: list[Any], expected: tuple[Any, ...]) -> None:
    found = figures._summary("observed_x", [{"observed_x": value} for value in values])
    assert (found.distinct, found.value, found.low, found.high, found.mean) == expected


def test_observed_values_have_derived_events_of_their_own() -> None:
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_all": True})
    events = [event for event in run.records() if event["event"] == "variant.observed"]
    assert [(event["variant"], event["metric"], event["value"]) for event in events] == [
        ("sequential", "observed.all", True),
        ("threads", "observed.all", True),
    ]
    assert events[0]["low"] is True


def ideal(run: Run, variant: str) -> tuple[float | None, ...]:
    event = compared(run, variant)
    return tuple(event[f"ideal_share{end}"] for end in ("_low", "", "_high"))


def test_a_share_of_the_ideal_has_an_interval_that_may_exceed_1() -> None:
    low, share, high = ideal(conducted({"sequential": 20, "threads": 10.01}, tasks=4, noise=0.02), "threads")
    assert low is not None and share is not None and high is not None
    assert low <= share <= high
    assert low < 1 < high


def test_without_a_sequential_variant_the_ideal_follows_from_the_calls_of_the_account() -> None:
    alone = {"alone_cpu_ns": 5_000_000, "alone_blocked_ns": 0, "calls": 4}
    run = conducted({"threads": 20, "processes": 12.5}, tasks=4, accounts={"threads": alone, "processes": alone})
    assert ideal(run, "threads")[1] == pytest.approx(0.5, abs=0.01)
    assert ideal(run, "processes")[1] == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("made", "known"), [(4, True), (3, False)])
def test_unequal_calls_give_an_ideal_only_where_all_of_them_were_timed_alone(made: int, known: bool) -> None:
    alone = {"alone_cpu_ns": 5_000_000, "alone_blocked_ns": 0, "alone_calls": made, "longest_share": 0.5}
    run = conducted({"threads": 20, "event_loop": 20}, tasks=4, accounts={"threads": alone})
    assert (ideal(run, "threads")[1] is not None) is known


def test_calls_that_wait_are_limited_by_the_workers_and_not_by_the_cores() -> None:
    alone = {"alone_cpu_ns": 0, "alone_blocked_ns": 5_000_000, "call_cpu_ns": 0, "call_blocked_ns": 5_000_000}
    run = conducted(
        {"threads": 5, "event_loop": 6},
        tasks=4,
        matrix={"workers": [4]},
        accounts={"threads": {**alone, "calls": 4}},
    )
    assert ideal(run, "threads")[1] == pytest.approx(1, abs=0.02)
    assert ideal(run, "event_loop") == (None, None, None)


def test_a_batch_takes_as_long_as_its_longest_call_at_least() -> None:
    uneven = {"calls": 4, "longest_share": 0.7}
    run = conducted({"sequential": 20, "processes": 14}, tasks=4, accounts={"sequential": uneven})
    assert ideal(run, "processes")[1] == pytest.approx(1, abs=0.02)


def test_calls_that_are_alike_are_not_split_between_workers() -> None:
    run = conducted({"sequential": 30, "processes": 20}, tasks=3)
    assert ideal(run, "processes")[1] == pytest.approx(1, abs=0.02)


def test_the_ideal_does_not_follow_from_another_version_of_the_code() -> None:
    models = [{"model": "sequential", "label": "now"}, {"model": "sequential", "path": "old", "label": "before"}]
    run = conducted({"now": 30, "before": 20}, models=models)
    assert ideal(run, "before")[1] == ideal(run, "now")[1] == 1


def test_a_call_that_uses_two_cores_leaves_none_for_a_second_worker() -> None:
    run = conducted({"sequential": 20, "threads": 20}, tasks=4, cores={"sequential": 2})
    assert ideal(run, "sequential")[1] == pytest.approx(1)
    assert ideal(run, "threads")[1] == pytest.approx(1, abs=0.02)
