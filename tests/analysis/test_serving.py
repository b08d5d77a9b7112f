"""Verdicts about calls that arrive at a rate, on synthetic windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestrator.analysis.results import fold
from orchestrator.output import tables
from orchestrator.output.text import render
from orchestrator.output.view import View
from tests.support.synthetic import Run, conducted

AT_200: dict[str, Any] = {"arrivals": {"rate": 200}, "measure": {"metric": "p90", "max_time": "1h"}}


def at(**ms: float) -> Callable[[Mapping[str, Any]], float]:
    """Return latencies in ms by rate, from `at_100=20`."""
    return lambda columns: ms[f"at_{columns['arrivals_rate']:g}"]


def sentences(run: Run) -> list[str]:
    return [event["sentence"] for event in run.records() if event["event"] == "verdict.reached"]


def test_a_win_names_the_latency_and_how_many_times_as_long_the_rival_needs() -> None:
    run = conducted({"event_loop": 30, "threads": 10}, **AT_200)
    (sentence,) = sentences(run)
    assert sentence.startswith("b() at 200/s: threads answers with p90 ")
    assert " ms; event_loop needs 3.0" in sentence
    assert " times as long, after 4 blocks" in sentence


def test_equal_latencies_tie() -> None:
    (sentence,) = sentences(conducted({"event_loop": 30, "threads": 30}, **AT_200))
    assert "event_loop and threads tie within 3 % with p90 " in sentence


def test_a_rival_whose_calls_do_not_end_is_saturated() -> None:
    run = conducted({"event_loop": 5000, "threads": 10}, **AT_200)
    (sentence,) = sentences(run)
    assert "; event_loop is saturated at 0/s, after " in sentence
    served = {event["variant"]: event for event in run.records() if event["event"] == "variant.served"}
    assert (served["event_loop"]["latency_p90_ns"], served["event_loop"]["is_saturated"]) == (None, True)
    assert "p90" in served["event_loop"]["beyond_drain"]


def test_where_calls_arrive_no_variant_has_only_the_first_round_or_no_warm_up() -> None:
    run = conducted({"event_loop": 5000, "threads": 10}, **AT_200)
    assert not any(task.in_first_round or task.without_warmup for task in run.tasks)


def test_the_winner_changes_along_the_rates() -> None:
    times = {"event_loop": at(at_100=10, at_200=20, at_400=90), "threads": at(at_100=15, at_200=25, at_400=30)}
    spec: dict[str, Any] = {"arrivals": {}, "matrix": {"arrivals.rate": [100, 200, 400]}, "measure": AT_200["measure"]}
    run = conducted(times, **spec)
    (found,) = [event for event in run.records() if event["event"] == "crossover.located"]
    assert found["sentence"].startswith("b() at a rate: threads beats event_loop from rate between 200 and 400 on")
    assert (found["axis"], found["levels"]) == ("arrivals_rate", [100, 200, 400])


def test_expectations_take_latencies_and_rates() -> None:
    expect = [
        {"of": "threads", "metric": "p90", "max": "50ms"},
        {"of": "event_loop", "metric": "p90", "max": "50ms"},
        {"of": "event_loop", "metric": "achieved_rate", "min": 190},
    ]
    run = conducted({"event_loop": 90, "threads": 10}, expect=expect, **AT_200)
    checked = [event for event in run.records() if event["event"] == "expectation.checked"]
    assert [event["outcome"] for event in checked] == ["held", "broken", "held"]
    assert checked[0]["max"] == 50_000_000


def test_figures_of_batches_are_null() -> None:
    run = conducted({"sequential": 30, "threads": 10}, **AT_200)
    for event in run.records():
        if event["event"] == "variant.compared":
            assert {event[key] for key in ("ideal_share", "parallel_share", "drift", "break_even_batches")} == {None}


# --- the account of the calls

PARTS: dict[str, Any] = {
    "event_loop": {"queued": 10, "waiting": 90},
    "threads": {"queued": 60, "gil": 30, "blocked": 10},
}


def accounted(**parts: Any) -> dict[str, dict[str, Any]]:
    """Return how each variant served the calls, by its label."""
    run = conducted({"event_loop": 30, "threads": 10}, accounts={**PARTS, **parts}, **AT_200)
    return {event["variant"]: event for event in run.records() if event["event"] == "variant.served"}


def test_the_shares_of_the_time_of_calls_add_up_to_1() -> None:
    for event in accounted().values():
        shares = [value for name, value in event.items() if name.startswith("call_") and value is not None]
        assert sum(shares) == pytest.approx(1) and event["accounts"] >= 1


def test_a_part_that_is_not_measured_has_no_share() -> None:
    found = accounted(threads={"queued": 60, "gil": None, "blocked": 40})["threads"]
    assert (found["call_gil_share"], found["call_queued_share"]) == (None, 0.6)


def test_without_an_account_there_is_no_share_and_no_column() -> None:
    results = fold(conducted({"event_loop": 30, "threads": 10}, **AT_200).records())
    (found,) = [results.about(contest.point) for contest in results.contests]
    assert {event.accounts for event in found.served} == {event.call_queued_share for event in found.served} == {None}
    assert "why" not in tables.compared(found).headers


@pytest.mark.parametrize("details", [False, True])
def test_the_table_says_where_most_of_the_time_of_calls_went(details: bool) -> None:
    run = conducted({"event_loop": 30, "threads": 10}, accounts=PARTS, **AT_200)
    shown = render(fold(run.records()), View(width=160, details=details))
    assert "why" in shown and "queued 60 %" in shown and "awaiting 90 %" in shown


def test_all_parts_of_the_time_of_calls_are_in_the_details() -> None:
    run = conducted({"event_loop": 30, "threads": 10}, accounts=PARTS, **AT_200)
    (found,) = [fold(run.records()).about(point).served for point in run.plan.points]
    grid = tables.calls_time(found)
    assert grid is not None
    assert grid.headers == ["calls' time", "queued", "GIL", "blocked", "awaiting"]
    assert grid.rows[1] == ["threads", "60 %", "30 %", "10 %", "0 %"]
