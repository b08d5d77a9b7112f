"""The search for the highest rate at which each variant holds an objective, on synthetic windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.results import fold
from orchestrator.output.text import advise, render
from orchestrator.output.view import View
from tests.support.synthetic import Run, conducted

RATES = [100, 141, 200, 283, 400, 566, 800]


def breaks_above(rate: float) -> Callable[[Mapping[str, Any]], float]:
    """Return latencies in ms: 10, and 90 at rates above the given one."""
    return lambda columns: 10 if columns["arrivals_rate"] <= rate else 90


def searched(times: Mapping[str, Any], objective: Mapping[str, Any] | None = None, **spec: Any) -> Run:
    about = {"arrivals": {"window": "1s"}, "matrix": {"arrivals.rate": RATES}, "measure": {"max_time": "10h"}}
    return conducted(times, objective=dict(objective or {"p90": "50ms"}), **{**about, **spec})


def found(run: Run) -> dict[str, tuple[float | None, float | None, str]]:
    events = [event for event in run.records() if event["event"] == "capacity.found"]
    return {event["variant"]: (event["low_rate"], event["high_rate"], event["decision"]) for event in events}


def sentence(run: Run) -> str:
    (event,) = [event for event in run.records() if event["event"] == "capacity.judged"]
    return str(event["sentence"])


def test_the_capacity_lies_between_two_neighbouring_rates() -> None:
    run = searched({"threads": breaks_above(200), "processes": breaks_above(566)})
    assert found(run) == {"threads": (200, 283, "found"), "processes": (566, 800, "found")}
    assert sentence(run) == (
        "b() at a rate: processes holds p90 within 50 ms at the highest rate: "
        "processes up to a rate between 566 and 800/s; threads up to a rate between 200 and 283/s."
    )


def test_equal_capacities_are_a_tie() -> None:
    run = searched({"threads": breaks_above(200), "processes": breaks_above(200)})
    assert sentence(run).startswith("b() at a rate: threads and processes hold p90 within 50 ms up to the same rates: ")


@pytest.mark.parametrize(
    ("limit", "expected"), [(50, (None, 100, "below")), (900, (800, None, "above")), (100, (100, 141, "found"))]
)
def test_a_capacity_outside_of_all_rates_is_known_to_be_there(limit: float, expected: tuple[Any, ...]) -> None:
    assert found(searched({"threads": breaks_above(limit), "processes": breaks_above(200)}))["threads"] == expected


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([*RATES, 50]), st.sampled_from([*RATES, 50]))
def test_every_capacity_is_found_with_few_rates(one: float, other: float) -> None:
    run = searched({"threads": breaks_above(one), "processes": breaks_above(other)})
    assert all(decision != "undecided" for _, _, decision in found(run).values())
    for variant, limit in (("threads", one), ("processes", other)):
        low, high, _ = found(run)[variant]
        assert (low or 0) <= limit < (high or 1000)
        measured = {task.point.id for task in run.tasks for each in task.variants if each.label == variant}
        assert len(measured) <= 3


def test_a_variant_is_measured_only_at_the_rates_that_are_open_for_it() -> None:
    run = searched({"threads": breaks_above(100), "processes": breaks_above(800)})
    rates = {label: [] for label in ("threads", "processes")}  # type: dict[str, list[float]]
    for task in run.tasks:
        for variant in task.variants:
            rates[variant.label].append(task.point.columns["arrivals_rate"])
    assert set(rates["threads"]) == {283, 141, 100}
    assert set(rates["processes"]) == {283, 566, 800}


def test_a_rate_at_which_the_objective_is_just_held_is_passed_over() -> None:
    run = searched(
        {"threads": lambda columns: columns["arrivals_rate"] / 4, "processes": 10}, {"p90": "50ms"}, noise=0.05
    )
    low, high, decision = found(run)["threads"]
    assert (low, high, decision) == (141, 283, "found")


def test_where_the_lowest_rate_stays_open_nothing_is_said_of_it() -> None:
    just = {"threads": lambda columns: 50 if columns["arrivals_rate"] == 100 else 90, "processes": 10}
    run = searched(just, {"p90": "50ms"}, noise=0.05)
    assert found(run)["threads"] == (None, 141, "undecided")
    assert sentence(run).endswith("threads not at 141/s.")


def test_rates_that_were_not_needed_are_skipped_with_the_reason() -> None:
    run = searched({"threads": breaks_above(200), "processes": breaks_above(200)})
    skipped = [event for event in run.records() if event["event"] == "point.skipped"]
    assert {event["arrivals_rate"] for event in skipped} == {100, 400, 566, 800}
    assert {event["reason"] for event in skipped} == {"no_capacity"}


def test_the_journal_gives_the_same_capacities_again() -> None:
    run = searched({"threads": breaks_above(200), "processes": breaks_above(566)})
    results = fold(run.records())
    assert not results.differences
    assert [event.variant for event in results.capacities] == ["threads", "processes"]


def test_without_rates_those_around_the_given_one_are_searched() -> None:
    run = conducted(
        {"threads": breaks_above(300), "processes": breaks_above(1000)},
        arrivals={"rate": 200},
        objective={"p90": "50ms"},
        measure={"max_time": "10h"},
    )
    assert found(run)["threads"] == (283, 336, "found")
    assert found(run)["processes"] == (951, 1130, "found")


def test_the_answer_begins_with_the_capacities_and_advice_with_what_to_use() -> None:
    results = fold(searched({"threads": breaks_above(200), "processes": breaks_above(566)}).records())
    lines = render(results, View(width=120)).splitlines()
    assert lines[0].startswith("b() at a rate: processes holds p90 within 50 ms at the highest rate")
    assert "processes     566/s" in "\n".join(lines)
    assert not any(line.endswith("best") for line in lines)
    first = advise(results, View(width=120)).splitlines()[0]
    assert first == "Use processes: it holds p90 within 50 ms up to a rate between 566 and 800/s."
