"""What only repeats a plain loop is measured and shown, and is no rival of it."""

from __future__ import annotations

from typing import Any

from tests.support.synthetic import conducted

TIMES = {"sequential": 20.0, "event_loop": 20.0, "threads": 30.0}


def verdict(times_ms: dict[str, float], **spec: Any) -> tuple[str, list[str], int]:
    found = conducted(times_ms, **spec)
    (reached,) = [event for event in found.records() if event["event"] == "verdict.reached"]
    return reached["verdict"], reached["winners"], reached["blocks"]


def chosen_early(times_ms: dict[str, float], **spec: Any) -> str:
    """Return what is recommended after so few blocks that there is no interval."""
    found = conducted(times_ms, measure={"max_time": "3s"}, **spec)
    (reached,) = [event for event in found.records() if event["event"] == "verdict.reached"]
    assert (reached["verdict"], reached["ratio_low"]) == ("undecided", None)
    return str(reached["recommended"])


def test_a_plain_loop_wins_without_being_parted_from_a_loop_that_repeats_it() -> None:
    assert verdict(TIMES) == ("win", ["sequential"], 4)


def test_a_loop_that_repeats_a_plain_one_never_wins() -> None:
    assert verdict({**TIMES, "event_loop": 15.0}) == ("win", ["sequential"], 4)


def test_threads_that_take_turns_are_rivals_where_two_others_would_not_be_left() -> None:
    assert verdict({**TIMES, "threads": 15.0}) == ("win", ["threads"], 4)
    assert verdict({**TIMES, "threads": 20.5}, noise=0.1)[2] > 4


def test_a_loop_that_repeats_a_plain_one_is_dropped_with_it() -> None:
    assert verdict({"sequential": 20.0, "event_loop": 10.5, "threads": 10.0})[:2] == ("win", ["threads"])


def test_a_loop_and_what_repeats_it_are_compared_where_they_are_alone() -> None:
    assert verdict({"sequential": 20.0, "event_loop": 30.0}) == ("win", ["sequential"], 4)


def test_coroutines_in_a_loop_are_rivals() -> None:
    workload = {"call": "a:b", "async_call": "a:c"}
    assert verdict({**TIMES, "event_loop": 10.0}, workload=workload)[:2] == ("win", ["event_loop"])


def test_a_pool_of_one_worker_is_no_rival_of_a_plain_loop() -> None:
    models = ["sequential", {"model": "threads", "workers": 1}, {"model": "processes", "workers": 2}]
    times_ms = {"sequential": 20.0, "threads": 19.0, "processes": 30.0}
    assert verdict(times_ms, models=models)[:2] == ("win", ["sequential"])


def test_a_lead_no_larger_than_that_of_a_repeated_loop_is_not_advised_before_an_interval() -> None:
    noisy = {"sequential": 40.0, "event_loop": 25.0}
    assert chosen_early({**noisy, "processes": 27.0, "threads": 60.0}) == "sequential"
    assert chosen_early({**noisy, "processes": 20.0, "threads": 60.0}) == "processes"


def test_of_two_that_lead_the_one_that_leads_by_more_than_noise_is_advised_before_an_interval() -> None:
    times_ms = {"sequential": 40.0, "event_loop": 30.0, "threads": 32.0, "processes": 25.0}
    assert chosen_early(times_ms) == "processes"
