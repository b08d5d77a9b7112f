"""Reports: recomputed from a journal's records alone, the same each time."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.results import DERIVED, fold
from orchestrator.analysis.stats import STATS_VERSION
from orchestrator.errors import JournalDamaged
from orchestrator.journal.event import COMMON
from orchestrator.output.formats import render
from tests.support import golden
from tests.support.paths import GOLDEN
from tests.support.synthetic import conducted


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    run = conducted(
        {"sequential": 20, "threads": 19.9, "processes": 11, "event_loop": 1},
        fails={"event_loop": 4},
        matrix={"tasks": [1, 4]},
        expect=[{"of": "processes", "min": 1.5}, {"of": "threads", "max": 0.9}, {"of": "event_loop", "min": 1}],
    )
    return run.records()


@pytest.mark.parametrize(("name", "file"), [("table", "table.txt"), ("json", "derived.jsonl")])
def test_a_report_is_as_it_was(records: list[dict[str, Any]], name: str, file: str) -> None:
    found = render(name, fold(records), width=110, details=True)
    golden.check(GOLDEN / file, found)


def test_a_figure_that_the_journal_has_otherwise_differs(records: list[dict[str, Any]]) -> None:
    other = [{**event, "drift": 7.0} if "drift" in event else event for event in records]
    assert any("drift is 7.0 in the journal" in difference for difference in fold(other).differences)


def test_a_figure_that_another_processor_rounds_otherwise_does_not_differ(records: list[dict[str, Any]]) -> None:
    def rounded(value: Any) -> Any:
        if isinstance(value, list):
            return list(map(rounded, value))
        return math.nextafter(value, math.inf) if isinstance(value, float) else value

    other = [
        {key: rounded(value) for key, value in event.items()} if event["event"] in DERIVED else event
        for event in records
    ]
    assert other != records
    assert not fold(other).differences


def test_recomputing_gives_what_the_run_has_stored(records: list[dict[str, Any]]) -> None:
    results = fold(records)
    assert not results.differences
    stored = [event for event in records if event["event"] in {"variant.compared", "verdict.reached"}]
    ours = [event.fields() for event in results.derived if event.event != "expectation.checked"]
    assert [{k: v for k, v in event.items() if k not in COMMON} for event in stored] == ours


def test_a_derived_event_that_was_changed_is_named(records: list[dict[str, Any]]) -> None:
    changed = [dict(event, verdict="tie") if event["event"] == "verdict.reached" else event for event in records]
    assert fold(changed).differences[0].endswith("verdict is 'tie' in the journal, recomputed 'win'")


def test_figures_of_another_version_are_not_compared_one_by_one(records: list[dict[str, Any]]) -> None:
    older = [dict(event, stats_version=0) if "stats_version" in event else event for event in records]
    shown = f"the journal's figures are of version 0 of the statistics, these of {STATS_VERSION}"
    assert fold(older).differences == [shown]


def test_an_early_leaving_that_was_made_up_is_named() -> None:
    records = conducted({"sequential": 20, "threads": 90, "event_loop": 15, "processes": 10}).records()
    changed = [
        dict(event, variant="sequential")
        if event["event"] == "variant.dropped" and event["reason"] == "futility"
        else event
        for event in records
    ]
    assert "the journal drops sequential, recomputing does not" in fold(changed).differences


def test_a_variant_dropped_for_futility_is_marked_in_the_table() -> None:
    run = conducted({"sequential": 20, "threads": 90, "processes": 30, "event_loop": 21})
    assert "0.22 dropped for futility" in render("table", fold(run.records()), width=110, details=True)


def test_what_was_observed_stands_below_the_table() -> None:
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_torn": 0, "observed_all": True})
    table = render("table", fold(run.records()), width=110, details=True)
    assert "observed    torn  all\nsequential  0     true\nthreads     0     true\n" in table


def test_a_look_that_was_changed_is_named(records: list[dict[str, Any]]) -> None:
    changed = [dict(event, best="threads") if event["event"] == "look.taken" else event for event in records]
    assert "the journal says best threads, recomputed processes" in fold(changed).differences[0]


def test_a_journal_that_was_cut_off_is_reported_as_far_as_it_goes(records: list[dict[str, Any]]) -> None:
    ends = [place for place, event in enumerate(records) if event["event"] == "block.finished"]
    results = fold(records[: ends[5] + 3])
    assert results.finished is None
    assert not results.differences
    assert sum(len(contest.blocks) for contest in results.contests) == 6


def test_a_journal_without_its_beginning_is_refused(records: list[dict[str, Any]]) -> None:
    with pytest.raises(JournalDamaged, match=r"does not begin with run\.started"):
        fold(records[1:])


def test_json_lines_are_objects_without_what_only_the_journal_knows(records: list[dict[str, Any]]) -> None:
    lines = [json.loads(line) for line in render("json", fold(records)).splitlines()]
    assert lines[-1]["event"] == "run.finished"
    assert all(not {"seq", "ts", "crc32"} & line.keys() for line in lines)


def test_a_table_without_colour_has_no_escape_codes(records: list[dict[str, Any]]) -> None:
    assert "\x1b" not in render("table", fold(records), width=110)
    assert "\x1b" in render("table", fold(records), width=110, colour=True)


@pytest.mark.slow
@given(st.lists(st.floats(1, 100), min_size=2, max_size=4), st.floats(0.001, 0.5), st.integers(1, 70))
@settings(max_examples=30)
def test_every_run_is_recomputed_to_the_same(times: list[float], noise: float, budget_s: int) -> None:
    names = ["sequential", "event_loop", "threads", "processes"]
    run = conducted(dict(zip(names, times, strict=False)), noise=noise, measure={"max_time": f"{budget_s}s"})
    assert not fold(run.records()).differences


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_table_is_no_wider_than_the_page_and_leaves_no_figure_out(width: int) -> None:
    accounts: dict[str, Any] = {name: {"gil": 0.3, "loop_lag_p99_ns": 10**6} for name in ("event_loop", "threads")}
    run = conducted({"sequential": 20, "event_loop": 20, "threads": 20}, tasks=4, accounts=accounts)
    text = render("table", fold(run.records()), width=width, details=True)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    headings = [line.split() for line in lines if line.startswith(("variant  ", "workers' time  "))]
    words = {word for heading in headings for word in heading}
    assert words >= {"quartiles", "efficiency", "start-up", "failed", "core", "GIL", "lag", "CPU", "memory"}
    assert ("why" in words) == (width == 120)
    assert any(line.startswith("workers' time  on a core   GIL  ") for line in lines)
