"""Files for what reads hyperfine's export."""

from __future__ import annotations

import json
from statistics import mean, stdev
from typing import Any

import pytest

from orchestrator.analysis.results import Results, fold
from orchestrator.output import formats
from tests.support import hostile
from tests.support.synthetic import conducted


@pytest.fixture(scope="module")
def results() -> Results:
    run = conducted({"sequential": 20, "threads": 10, "event_loop": 1}, fails={"event_loop": 2}, matrix={"tasks": [4]})
    return fold(run.records())


def render(results: Results) -> dict[str, list[dict[str, Any]]]:
    return {name: json.loads(content)["results"] for name, content in formats.files("hyperfine", results).items()}


def test_a_point_is_a_file_and_a_variant_that_ran_is_a_command(results: Results) -> None:
    ((name, found),) = render(results).items()
    assert name == "hyperfine/b-x-4.json"
    assert [each["command"] for each in found] == ["sequential", "threads"]


def test_a_time_is_the_median_of_a_block_as_in_the_table(results: Results) -> None:
    (found,) = render(results).values()
    compared = {event.variant: event for event in results.about(results.plan.points[0]).compared}
    for each in found:
        about = compared[each["command"]]
        assert len(each["times"]) == about.blocks
        assert each["median"] == pytest.approx((about.wall_ns or 0) / 1e9)


def test_a_variant_far_behind_has_a_time_for_every_block() -> None:
    records = [
        record
        for record in conducted({"sequential": 400, "threads": 10}, measure={"blocks": 8}).records()
        if not (record["event"] == "trial.finished" and record["variant"] == "sequential" and record["round"] > 0)
    ]
    (found,) = render(fold(records)).values()
    assert {each["command"]: len(each["times"]) for each in found} == {"sequential": 8, "threads": 8}


def test_the_figures_are_those_that_hyperfine_makes_of_its_times(results: Results) -> None:
    (found,) = render(results).values()
    for each in found:
        times = each["times"]
        assert each["mean"] == pytest.approx(mean(times))
        assert each["stddev"] == pytest.approx(stdev(times))
        assert (each["min"], each["max"]) == (min(times), max(times))
        assert each["exit_codes"] == [0] * len(times)


def test_what_is_not_known_is_left_out(results: Results) -> None:
    (found,) = render(results).values()
    assert not any({"user", "system"} & each.keys() for each in found)


def test_parameters_are_texts_as_hyperfine_has_them(results: Results) -> None:
    (found,) = render(results).values()
    assert found[1]["parameters"] == {"tasks": "4", "workers": "2"}


def test_one_block_has_no_deviation() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"max_time": "0.5s"})
    assert [each["stddev"] for found in render(fold(run.records())).values() for each in found] == [None, None]


def test_several_points_are_named_by_what_differs() -> None:
    run = conducted({"sequential": 20, "threads": 10}, matrix={"kwargs.n": [1, 2], "tasks": [4]})
    assert list(render(fold(run.records()))) == ["hyperfine/n-1.json", "hyperfine/n-2.json"]


@pytest.mark.slow
def test_any_text_in_a_run_is_shown_as_printable_text() -> None:
    files = render(fold(hostile.records()))
    assert len(files) == len(hostile.TEXTS) + 5
    for found in files.values():
        assert len({each["command"] for each in found}) == 2 * len(hostile.TEXTS)
        assert not any("\x1b" in value or "\u202e" in value for each in found for value in each["parameters"].values())


def test_a_run_without_a_block_that_counts_gives_no_file() -> None:
    records = conducted({"sequential": 20, "threads": 10}).records()
    assert render(fold([event for event in records if event["event"] != "block.finished"])) == {}
