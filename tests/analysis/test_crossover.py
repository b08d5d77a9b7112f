"""Where along an axis the winner changes, and which levels are measured to find that out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import errors
from orchestrator.advice import design, draft
from orchestrator.advice.design import Facts, Question, Range
from orchestrator.analysis import crossover, refinement
from orchestrator.analysis.contest import TIE
from orchestrator.analysis.results import fold
from orchestrator.output.formats import render
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import loads
from tests.support.command import events, in_process, orchestrator
from tests.support.facts import FACTS
from tests.support.synthetic import Run, conducted

LEVELS = [10, 18, 32, 56, 100, 180, 320, 560, 1000, 1800, 3200, 5600, 10000]
Time = Callable[[Mapping[str, Any]], float]


def plain(columns: Mapping[str, Any]) -> float:
    return float(columns["kwargs_n"]) / 100


def overtaking(at: float) -> Time:
    """Return the times of one that takes as long as `plain` at this n: half as much for the work, and a hand-over."""
    return lambda columns: at / 200 + columns["kwargs_n"] / 200


def along(times: Mapping[str, float | Time], *, refine: bool = True, levels: Any = None, **more: Any) -> Run:
    measure = {"max_time": "1h", **({"refine": "kwargs.n"} if refine else {}), **more.pop("measure", {})}
    return conducted(times, matrix={"kwargs.n": levels or LEVELS, **more.pop("matrix", {})}, measure=measure, **more)


def located(run: Run) -> list[dict[str, Any]]:
    return [event for event in run.records() if event["event"] == "crossover.located"]


def begun(run: Run) -> list[int]:
    return [n for n, contest in zip(LEVELS, run.contests, strict=True) if contest.blocks]


# --- what is said of a pair


@pytest.mark.parametrize(
    ("faster", "expected"),
    [
        ("aab", [("found", 1, 2)]),
        ("a..b", [("found", 0, 3)]),
        ("a=.b", [("found", 0, 3)]),
        ("..ab.", [("found", 2, 3)]),
        ("aba", [("found", 0, 1), ("found", 1, 2)]),
        ("aaa", [("none", 0, 2)]),
        ("a.a", [("none", 0, 2)]),
        ("a==", [("none", 0, 2)]),
        ("===", [("none", 0, 2)]),
        ("aa..", [("undecided", 1, 3)]),
        ("..aa", [("undecided", 0, 2)]),
        (".a.", [("undecided", 0, 2)]),
        ("...", [("undecided", 0, 2)]),
    ],
)
def test_a_change_lies_between_two_opposite_sure_levels(faster: str, expected: list[tuple[str, int, int]]) -> None:
    told: list[str | None] = [{"=": TIE, ".": None}.get(who, who) for who in faster]
    found = crossover.locate(told, "a", "b")
    assert [(each.decision, each.low, each.high) for each in found] == expected
    assert {each.changes for each in found} == {len(found) if found[0].decision == "found" else 0}


@given(st.lists(st.sampled_from(["a", "b", TIE, None]), min_size=3, max_size=12))
@settings(max_examples=300)
def test_a_change_is_never_told_without_both_sides(faster: list[str | None]) -> None:
    for each in crossover.locate(faster, "a", "b"):
        if each.decision == "found":
            assert (faster[each.low], faster[each.high]) == (each.below, each.above)
            assert not {"a", "b"} & set(faster[each.low + 1 : each.high])
        elif each.decision == "none":
            assert faster[0] is not None and faster[-1] is not None
            assert not {"a", "b"} <= set(faster)


def test_a_change_is_told_with_the_ratios_at_both_sides() -> None:
    (event,) = located(along({"sequential": plain, "processes": overtaking(700)}, noise=0.00001))
    assert (event["axis"], event["low"], event["high"], event["decision"]) == ("kwargs_n", 560, 1000, "found")
    assert (event["from_variant"], event["to_variant"], event["tasks"]) == ("sequential", "processes", 1)
    assert event["sentence"] == (
        "b(n) x 1: processes beats sequential from n between 560 and 1,000 on (at 560 sequential is 1.12 [1.12, 1.13] "
        "times as fast; at 1,000 processes is 1.18 [1.18, 1.18] times as fast)."
    )


def test_a_lead_that_half_a_core_could_take_away_is_told_as_one_at_this_load() -> None:
    times = {"sequential": plain, "processes": overtaking(700)}
    (event,) = located(along(times, tasks=4, cores={"processes": 1.8}))
    assert event["at_this_load"]
    assert " on at this load (" in event["sentence"]


def test_without_a_change_it_is_told_who_is_faster() -> None:
    (event,) = located(along({"sequential": plain, "processes": overtaking(1e6)}))
    assert event["decision"] == "none"
    told = (
        "b(n) x 1: no crossover of sequential and processes for n from 10 to 10,000: sequential is faster at 3 levels."
    )
    assert event["sentence"].replace("5 levels", "3 levels") == told


def test_who_is_always_as_fast_never_overtakes() -> None:
    (event,) = located(along({"sequential": plain, "threads": plain}))
    assert event["sentence"].endswith("for n from 10 to 10,000: they tie at 5 levels.")


def test_noise_is_undecided() -> None:
    times = {"sequential": plain, "threads": plain}
    (event,) = located(along(times, noise=1.0, measure={"max_time": "200s"}))
    assert event["decision"] == "undecided"
    assert event["sentence"] == (
        "b(n) x 1: which of sequential and threads is faster is undecided for n between 10 and 10,000."
    )


def test_without_a_look_nothing_is_said_to_be_known() -> None:
    run = along({"sequential": plain, "threads": overtaking(700)}, measure={"max_time": "5s"})
    assert not located(run)


def test_three_winners_change_twice() -> None:
    times: dict[str, float | Time] = {
        "sequential": plain,
        "threads": overtaking(100),
        "processes": lambda columns: 10 + columns["kwargs_n"] / 400,
    }
    told = [event for event in located(along(times)) if event["of_winners"] and event["decision"] == "found"]
    changes = {(event["from_variant"], event["to_variant"]): (event["low"], event["high"]) for event in told}
    low, high = changes["sequential", "threads"]
    assert low <= 100 <= high
    low, high = changes["threads", "processes"]
    assert low <= 3800 <= high


def test_a_pair_that_changes_twice_is_told_twice() -> None:
    times: dict[str, float | Time] = {
        "sequential": 10,
        "threads": lambda columns: 5 if columns["kwargs_n"] in (2, 3) else 20,
    }
    told = located(along(times, refine=False, levels=[1, 2, 3, 4]))
    assert [(event["to_variant"], event["low"], event["high"]) for event in told] == [
        ("threads", 1, 2),
        ("sequential", 3, 4),
    ]
    assert all(event["sentence"].endswith("; the faster one changes 2 times.") for event in told)


def test_every_combination_of_the_other_columns_has_its_own() -> None:
    def threads(columns: Mapping[str, Any]) -> float:
        return overtaking(700 if columns["tasks"] == 2 else 50)(columns)

    told = located(along({"sequential": plain, "threads": threads}, matrix={"tasks": [2, 4]}))
    assert {event["tasks"]: (event["low"], event["high"]) for event in told} == {2: (560, 1000), 4: (32, 56)}
    assert {event["points"] for event in told} == {"b(n) x 2", "b(n) x 4"}


def test_tasks_are_an_axis_too() -> None:
    def threads(columns: Mapping[str, Any]) -> float:
        return 2 + float(columns["tasks"]) / 2

    def loop(columns: Mapping[str, Any]) -> float:
        return float(columns["tasks"])

    run = conducted({"sequential": loop, "threads": threads}, matrix={"tasks": [1, 2, 8]})
    (event,) = located(run)
    assert (event["axis"], event["low"], event["high"]) == ("tasks", 2, 8)
    assert event["sentence"].startswith("b(): threads beats sequential from tasks between 2 and 8 on")


@pytest.mark.parametrize("matrix", [{"tasks": [1, 2]}, {"kwargs.n": [1, 2, "3"]}, {"kwargs.n": [True, False, 3]}])
def test_what_is_no_axis_of_three_numbers_has_no_crossover(matrix: dict[str, Any]) -> None:
    run = conducted({"sequential": 10, "threads": 20}, matrix=matrix)
    assert not located(run)
    assert len(run.contests[0].blocks) == 8


def test_the_level_is_split_over_the_points_of_an_axis() -> None:
    run = conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 2, 3]})
    assert run.contests[0].level == pytest.approx(0.011 / 3)
    assert [len(contest.blocks) for contest in run.contests] == [11, 11, 11]


def test_who_is_hopeless_at_one_level_stays_for_the_others() -> None:
    times: dict[str, float | Time] = {"sequential": plain, "threads": 1e3, "processes": overtaking(700)}
    assert any(event["low"] == 560 for event in located(along(times)))


@given(st.floats(12, 9000), st.floats(0.001, 0.1), st.booleans())
@settings(max_examples=12)
@pytest.mark.slow
def test_the_interval_holds_the_known_crossing(at: float, noise: float, refine: bool) -> None:
    run = along({"sequential": plain, "processes": overtaking(at)}, noise=noise, refine=refine)
    for event in located(run):
        if event["decision"] == "found":
            assert (event["to_variant"], event["low"] <= at <= event["high"]) == ("processes", True)
        assert event["decision"] != "none" or at < 18 or at > 5600
    assert not fold(run.records()).differences


@given(st.floats(0.001, 0.3), st.sampled_from([1.5, 1.2]))
@settings(max_examples=15)
def test_who_is_faster_everywhere_is_never_said_to_be_overtaken(noise: float, factor: float) -> None:
    times: dict[str, float | Time] = {"sequential": plain, "threads": lambda columns: factor * plain(columns)}
    assert all(event["decision"] != "found" for event in located(along(times, noise=noise)))


# --- which levels are measured


@pytest.mark.parametrize(("count", "places"), [(3, [0, 1, 2]), (4, [0, 1, 3]), (9, [0, 4, 8]), (13, [0, 3, 6, 9, 12])])
def test_both_ends_and_some_levels_between_come_first(count: int, places: list[int]) -> None:
    assert refinement.coarse(count) == places


@pytest.mark.parametrize(
    ("low", "high", "looked", "expected"),
    [
        (0, 4, [0, 4], [(0, 4)]),
        (0, 1, [0, 1], []),
        (0, 4, [0, 2, 4], [(0, 2), (2, 4)]),
        (0, 6, [0, 2, 4, 6], [(0, 2), (4, 6)]),
    ],
)
def test_a_change_is_sought_on_both_sides_of_what_is_undecided(
    low: int, high: int, looked: list[int], expected: list[tuple[int, int]]
) -> None:
    assert refinement.unlooked(low, high, looked) == expected


def test_only_the_levels_around_the_change_are_measured() -> None:
    assert begun(along({"sequential": plain, "processes": overtaking(700)})) == [10, 56, 320, 560, 1000, 1800, 10000]


def test_without_a_change_only_the_first_levels_are_measured() -> None:
    assert begun(along({"sequential": plain, "processes": overtaking(1e6)})) == [10, 56, 320, 1800, 10000]


def test_a_level_with_an_expectation_is_measured_too() -> None:
    expect = [{"of": "processes", "where": {"kwargs.n": 18}, "max": 0.9}]
    run = along({"sequential": plain, "processes": overtaking(700)}, expect=expect)
    assert 18 in begun(run)
    assert [event["outcome"] for event in run.records() if event["event"] == "expectation.checked"] == ["held"]


def test_levels_left_out_are_told_with_the_reason_and_are_in_no_table() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)})
    told = {event["kwargs_n"]: (event["low"], event["high"], event["reason"]) for event in run.named("point.skipped")}
    assert set(told) == set(LEVELS) - set(begun(run))
    assert told[18] == (10, 56, "same_winners")
    assert told[5600] == (1800, 10000, "same_winners")
    verdicts = [event["kwargs_n"] for event in run.records() if event["event"] == "verdict.reached"]
    assert verdicts == begun(run)
    assert "b(n=18)" not in render("table", fold(run.records()), width=110)


def test_a_run_without_a_finished_block_has_no_table_of_levels() -> None:
    records = along({"sequential": plain, "processes": overtaking(700)}).records()
    heading = re.compile(r"^ *n +sequential +processes +best$", re.MULTILINE)
    assert heading.search(render("table", fold(records), width=110))
    assert not heading.search(render("table", fold(records[:2]), width=110))


def test_levels_for_which_there_was_no_time_are_told_as_such() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)}, measure={"max_time": "80s"})
    reasons = {event["kwargs_n"]: event["reason"] for event in run.named("point.skipped")}
    assert reasons[1000] == "no_time"


def test_a_level_at_which_neither_is_faster_gets_what_time_is_left() -> None:
    run = along({"sequential": plain, "processes": overtaking(320)}, noise=0.1, measure={"max_time": "1000s"})
    blocks = dict(zip(LEVELS, (len(contest.blocks) for contest in run.contests), strict=True))
    assert blocks[320] > blocks[10]


def test_a_run_that_was_cut_off_anywhere_comes_to_the_same_levels() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)}, noise=0.00001)
    records = run.records()
    for cut in range(40, len(records), 97):
        again = fold(run.resumed(cut))
        assert not again.differences
        assert [contest.point.columns["kwargs_n"] for contest in again.contests if contest.blocks] == begun(run)
        told = [event for event in again.derived if event["event"] == "crossover.located"]
        assert [(event["low"], event["high"]) for event in told] == [(560, 1000)]


def test_a_journal_from_before_the_level_was_split_keeps_its_verdicts() -> None:
    run = conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 2, 3]})
    older = [{key: value for key, value in event.items() if key != "level_split"} for event in run.records()]
    assert fold(older).contests[0].level == pytest.approx(0.011)


def test_the_table_has_a_row_for_every_level_that_was_measured() -> None:
    text = render("table", fold(along({"sequential": plain, "processes": overtaking(700)}).records()), width=110)
    assert "     n  sequential  processes  best\n    10 " in text
    assert "\n10,000 " in text


def test_the_advice_begins_with_where_the_winner_changes() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)})
    text = render("advice", fold(run.records()), width=200)
    assert text.startswith("b(n) x 1: processes beats sequential from n between 560 and 1,000 on")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("matrix: {kwargs.n: [1, 2]}", "kwargs.n is no axis of points with 3 different numbers or more; give it more"),
        ("matrix: {kwargs.m: [1, 2, 3]}", 'no axis "kwargs.n" in the matrix; did you mean "kwargs.m"?'),
        ("tasks: 2", 'no axis "kwargs.n" in the matrix; add matrix.kwargs.n with a list of numbers, or delete this'),
    ],
)
def test_an_axis_that_cannot_be_refined_is_told_with_its_place(tmp_path: Path, spec: str, told: str) -> None:
    text = f"workload: {{call: a:b}}\nmodels: [sequential, threads]\n{spec}\nmeasure: {{refine: kwargs.n}}\n"
    (tmp_path / "x.yaml").write_text(text)
    done = orchestrator("plan", "x.yaml", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.startswith(f"orchestrator: x.yaml:4:19: measure.refine: {told}")


# --- advice over a range


@given(st.integers(1, 10**6), st.integers(1, 10**9))
@settings(max_examples=200)
def test_a_grid_keeps_its_ends_and_grows(low: int, more: int) -> None:
    grid = design.log_grid(low, low + more)
    assert (grid[0], grid[-1]) == (low, low + more)
    assert all(isinstance(level, int) for level in grid)
    assert grid == sorted(set(grid))
    assert len(grid) <= design.MOST_LEVELS


def test_a_range_of_six_decades_has_four_levels_for_each() -> None:
    grid = design.log_grid(10, 10_000_000)
    assert (len(grid), grid[:5]) == (25, [10, 18, 32, 56, 100])


def test_an_argument_that_is_no_whole_number_has_a_grid_of_such() -> None:
    assert design.log_grid(0.001, 0.01) == [0.001, 0.0018, 0.0032, 0.0056, 0.01]


def test_a_range_is_an_axis_that_is_refined() -> None:
    asked = Question("mine:work", {"base": 1}, over=Range("n", design.log_grid(10, 10_000)))
    low, high = (Facts(**{**FACTS, "wall_ns": wall_ns}) for wall_ns in (2_000, 2_000_000))
    facts, designed = design.design_over(asked, low, high, 2)
    made = plan_experiment(loads(draft.spec(asked, facts, designed, "run it"), "advice")[0], 2)
    assert (made.experiment.measure.refine, len(made.points), made.level_split) == ("kwargs.n", 13, 13)
    assert [variant.model for variant in made.variants if variant.model != "interpreters"] == [
        "sequential",
        "threads",
        "processes",
        "processes",
    ]
    assert "A call took 2 us at n=10 and 2 ms at n=10,000 when tried" in made.experiment.description
    assert designed.needed_s < designed.max_time_s < design.LONGEST_S


WORK = "def work(n: int, base: int = 0): return sum(range(n)) + base\n"


@pytest.mark.slow
def test_advice_over_a_range_runs_and_its_spec_runs_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORK)
    given_ = ("mine:work", "base=1", "--over", "n=10:1000", "--max-time", "3s", "--save", "over.yaml")
    done = orchestrator("advise", *given_, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    journal = tmp_path / "runs/advise-mine.work-over-n/latest/events.jsonl"
    names = [json.loads(line)["event"] for line in journal.read_text().splitlines()]
    assert "point.skipped" in names
    again = orchestrator("run", "over.yaml", "measure.max_time=1s", cwd=tmp_path)
    assert again.returncode == 0
    assert events(again.stdout)[-1]["event"] == "run.finished"
    assert "orchestrator advise mine:work base=1 --over n=10:1000`" in (tmp_path / "over.yaml").read_text()


BAD = {
    "no range": (["--over", "n"], '"n" is not a range of an argument; write name=low:high, such as n=10:10_000_000'),
    "no numbers": (["--over", "n=a:b"], '"n=a:b" does not end in two numbers; write'),
    "zero": (["--over", "n=0:10"], "0 is not above 0, and the levels are spaced by a factor; write"),
    "equal ends": (["--over", "n=5:5"], '"n=5:5" does not begin below its end; write'),
    "too close": (["--over", "n=5:6"], '"n=5:6" holds 2 levels, and the range needs at least 3; move'),
    "given twice": (["n=3", "--over", "n=5:600"], "n is also given as n=...; keep one of them"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_range_is_told_with_a_remedy_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    arguments, message = BAD[name]
    (tmp_path / "mine.py").write_text(WORK)
    done = in_process("advise", "mine:work", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.startswith(f"orchestrator: --over: {message}")
    assert not (tmp_path / "runs").exists()


def test_an_argument_that_the_function_has_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORK)
    done = orchestrator("advise", "mine:work", "n=3", "--over", "m=5:600", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert "got an unexpected keyword argument 'm'" in done.stderr


@pytest.mark.long
def test_a_range_that_would_take_very_long_is_measured_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import time\ndef slow(n): time.sleep(n / 1000)\n")
    done = orchestrator("advise", "mine:slow", "--over", "n=1:3000", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert "; end the range of --over lower, or give it the time: --max-time " in done.stderr
