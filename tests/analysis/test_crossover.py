"""Where along an axis the winner changes, and which values are measured to find that out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import errors
from orchestrator.advice import design, draft
from orchestrator.advice.facts import Facts
from orchestrator.advice.findings import findings
from orchestrator.advice.question import MOST_LEVELS, Question, Range, log_grid
from orchestrator.analysis import crossover, refinement
from orchestrator.analysis.decide import TIE, Faster
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
    """Return times that equal `plain` at this n: half as much for the work, and a constant dispatch."""
    return lambda columns: at / 200 + columns["kwargs_n"] / 200


def along(times: Mapping[str, float | Time], *, refine: bool = True, levels: Any = None, **more: Any) -> Run:
    measure = {"max_time": "1h", **({"refine": "kwargs.n"} if refine else {}), **more.pop("measure", {})}
    return conducted(times, matrix={"kwargs.n": levels or LEVELS, **more.pop("matrix", {})}, measure=measure, **more)


def located(run: Run) -> list[dict[str, Any]]:
    return [event for event in run.records() if event["event"] == "crossover.located"]


def begun(run: Run) -> list[int]:
    return [n for n, contest in zip(LEVELS, run.contests, strict=True) if contest.blocks]


# --- what is reported about a pair


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
def test_a_change_lies_between_two_opposite_significant_values(
    faster: str, expected: list[tuple[str, int, int]]
) -> None:
    symbols: dict[str, Faster] = {"=": TIE, ".": None, "a": "a", "b": "b"}
    found = crossover.locate([symbols[symbol] for symbol in faster], "a", "b")
    assert [(each.decision, each.low, each.high) for each in found] == expected
    assert {each.changes for each in found} == {len(found) if found[0].decision == "found" else 0}


@given(st.lists(st.sampled_from(["a", "b", TIE, None]), min_size=3, max_size=12))
@settings(max_examples=100)
def test_a_change_is_never_found_without_both_sides(faster: list[Faster]) -> None:
    for each in crossover.locate(faster, "a", "b"):
        if each.decision == "found":
            assert (faster[each.low], faster[each.high]) == (each.below, each.above)
            assert not {"a", "b"} & set(faster[each.low + 1 : each.high])
        elif each.decision == "none":
            assert faster[0] is not None and faster[-1] is not None
            assert not {"a", "b"} <= set(faster)


def test_a_change_is_reported_with_the_ratios_at_both_sides() -> None:
    (event,) = located(along({"sequential": plain, "processes": overtaking(700)}, noise=0.00001))
    assert (event["axis"], event["low"], event["high"], event["decision"]) == ("kwargs_n", 560, 1000, "found")
    assert (event["from_variant"], event["to_variant"], event["tasks"]) == ("sequential", "processes", 1)
    assert event["sentence"] == (
        "b(n) x 1: processes beats sequential from n between 560 and 1,000 on (at 560 sequential is 1.12 [1.01, 1.25] "
        "times as fast; at 1,000 processes is 1.18 [1.01, 1.36] times as fast)."
    )


def test_a_crossover_that_half_a_core_could_move_holds_at_this_load_only() -> None:
    times = {"sequential": plain, "processes": overtaking(700)}
    (event,) = located(along(times, tasks=4, cores={"processes": 1.8}))
    assert event["at_this_load"]
    assert " on at this load (" in event["sentence"]


def test_without_a_change_the_faster_variant_is_named() -> None:
    (event,) = located(along({"sequential": plain, "processes": overtaking(1e6)}))
    assert event["decision"] == "none"
    expected = (
        "b(n) x 1: no crossover of sequential and processes for n from 10 to 10,000: sequential is faster at 5 values."
    )
    assert event["sentence"] == expected


def test_variants_that_always_tie_have_no_crossover() -> None:
    (event,) = located(along({"sequential": plain, "threads": plain}))
    assert event["sentence"].endswith("for n from 10 to 10,000: they tie at 5 values.")


def test_noise_is_undecided() -> None:
    times = {"sequential": plain, "threads": plain}
    (event,) = located(along(times, noise=1.0, measure={"max_time": "200s"}))
    assert event["decision"] == "undecided"
    assert event["sentence"] == (
        "b(n) x 1: which of sequential and threads is faster is undecided for n between 10 and 10,000."
    )


def test_without_a_look_there_is_no_crossover_event() -> None:
    run = along({"sequential": plain, "threads": overtaking(700)}, measure={"max_time": "5s"})
    assert not located(run)


def test_three_winners_change_twice() -> None:
    times: dict[str, float | Time] = {
        "sequential": plain,
        "threads": overtaking(100),
        "processes": lambda columns: 10 + columns["kwargs_n"] / 400,
    }
    found = [event for event in located(along(times)) if event["of_winners"] and event["decision"] == "found"]
    changes = {(event["from_variant"], event["to_variant"]): (event["low"], event["high"]) for event in found}
    low, high = changes["sequential", "threads"]
    assert low <= 100 <= high
    low, high = changes["threads", "processes"]
    assert low <= 3800 <= high


def test_a_pair_that_changes_twice_has_two_events() -> None:
    times: dict[str, float | Time] = {
        "sequential": 10,
        "threads": lambda columns: 5 if columns["kwargs_n"] in (2, 3) else 20,
    }
    found = located(along(times, refine=False, levels=[1, 2, 3, 4]))
    assert [(event["to_variant"], event["low"], event["high"]) for event in found] == [
        ("threads", 1, 2),
        ("sequential", 3, 4),
    ]
    assert all(event["sentence"].endswith("; the faster one changes 2 times.") for event in found)


def test_every_combination_of_the_other_columns_has_its_own_crossover() -> None:
    def threads(columns: Mapping[str, Any]) -> float:
        return overtaking(700 if columns["tasks"] == 2 else 50)(columns)

    found = located(along({"sequential": plain, "threads": threads}, matrix={"tasks": [2, 4]}))
    assert {event["tasks"]: (event["low"], event["high"]) for event in found} == {2: (560, 1000), 4: (32, 56)}
    assert {event["points"] for event in found} == {"b(n) x 2", "b(n) x 4"}


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
def test_an_axis_without_three_numbers_has_no_crossover(matrix: dict[str, Any]) -> None:
    run = conducted({"sequential": 10, "threads": 20}, matrix=matrix)
    assert not located(run)
    assert len(run.contests[0].blocks) == 4


def test_the_level_is_split_over_the_points_of_an_axis() -> None:
    run = conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 2, 3]})
    assert run.contests[0].level == pytest.approx(0.010 / 3)
    assert [len(contest.blocks) for contest in run.contests] == [4, 4, 4]


def test_a_variant_that_is_slow_at_one_value_is_still_measured_at_the_others() -> None:
    times: dict[str, float | Time] = {"sequential": plain, "threads": 1e3, "processes": overtaking(700)}
    assert any(event["low"] == 560 for event in located(along(times)))


@given(st.floats(12, 9000), st.floats(0.001, 0.1), st.booleans())
@settings(max_examples=12)
@pytest.mark.slow
def test_the_interval_holds_the_known_crossing(at: float, noise: float, refine: bool) -> None:
    run = along({"sequential": plain, "processes": overtaking(at)}, noise=noise, refine=refine)
    found = located(run)
    assert found
    for event in found:
        if event["decision"] == "found":
            assert event["to_variant"] == "processes"
            assert event["low"] <= at <= event["high"]
        elif 18 <= at <= 5600:
            assert event["decision"] == "undecided"
    assert not fold(run.records()).differences


@pytest.mark.slow
@given(st.floats(0.001, 0.3), st.sampled_from([1.5, 1.2]))
@settings(max_examples=15)
def test_there_is_no_crossover_where_one_variant_is_faster_everywhere(noise: float, factor: float) -> None:
    times: dict[str, float | Time] = {"sequential": plain, "threads": lambda columns: factor * plain(columns)}
    (event,) = located(along(times, noise=noise))
    assert event["decision"] != "found"


# --- which values are measured


@pytest.mark.parametrize(("count", "places"), [(3, [0, 1, 2]), (4, [0, 1, 3]), (9, [0, 4, 8]), (13, [0, 3, 6, 9, 12])])
def test_both_ends_and_some_values_between_come_first(count: int, places: list[int]) -> None:
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
def test_a_change_is_searched_on_both_sides_of_an_undecided_value(
    low: int, high: int, looked: list[int], expected: list[tuple[int, int]]
) -> None:
    assert refinement.unlooked(low, high, looked) == expected


def test_only_the_values_around_the_change_are_measured() -> None:
    assert begun(along({"sequential": plain, "processes": overtaking(700)})) == [10, 56, 320, 560, 1000, 1800, 10000]


def test_without_a_change_only_the_first_values_are_measured() -> None:
    assert begun(along({"sequential": plain, "processes": overtaking(1e6)})) == [10, 56, 320, 1800, 10000]


def test_a_value_with_an_expectation_is_measured_too() -> None:
    expect = [{"of": "processes", "where": {"kwargs.n": 18}, "max": 0.9}]
    run = along({"sequential": plain, "processes": overtaking(700)}, expect=expect)
    assert 18 in begun(run)
    assert [event["outcome"] for event in run.records() if event["event"] == "expectation.checked"] == ["held"]


def test_skipped_values_are_logged_with_the_reason_and_are_in_no_table() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)})
    skipped = {
        event["kwargs_n"]: (event["low"], event["high"], event["reason"]) for event in run.named("point.skipped")
    }
    assert set(skipped) == set(LEVELS) - set(begun(run))
    assert skipped[18] == (10, 56, "same_winners")
    assert skipped[5600] == (1800, 10000, "same_winners")
    verdicts = [event["kwargs_n"] for event in run.records() if event["event"] == "verdict.reached"]
    assert verdicts == begun(run)
    assert "b(n=18)" not in render("table", fold(run.records()), width=110)


def test_a_run_without_a_finished_block_has_no_table_of_values() -> None:
    records = along({"sequential": plain, "processes": overtaking(700)}).records()
    heading = re.compile(r"^ *n +sequential +processes +best$", re.MULTILINE)
    assert heading.search(render("table", fold(records), width=110))
    assert not heading.search(render("table", fold(records[:2]), width=110))


def test_values_without_time_have_the_reason_no_time() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)}, measure={"max_time": "20s"})
    reasons = {event["kwargs_n"]: event["reason"] for event in run.named("point.skipped")}
    assert reasons[1000] == "no_time"


def test_a_value_at_which_neither_is_faster_gets_the_remaining_time() -> None:
    run = along({"sequential": plain, "processes": overtaking(320)}, noise=0.1, measure={"max_time": "1000s"})
    blocks = dict(zip(LEVELS, (len(contest.blocks) for contest in run.contests), strict=True))
    assert blocks[320] > blocks[10]


def test_a_run_interrupted_anywhere_measures_the_same_values() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)}, noise=0.00001)
    records = run.records()
    for cut in range(40, len(records), 97):
        again = fold(run.resumed(cut))
        assert not again.differences
        assert [contest.point.columns["kwargs_n"] for contest in again.contests if contest.blocks] == begun(run)
        found = again.crossovers
        assert [(event.low, event.high) for event in found] == [(560, 1000)]


def test_the_table_has_a_row_for_every_measured_value() -> None:
    text = render("table", fold(along({"sequential": plain, "processes": overtaking(700)}).records()), width=110)
    assert "     n  sequential  processes  best\n    10 " in text
    assert "\n10,000 " in text


def test_the_advice_begins_with_the_crossover() -> None:
    run = along({"sequential": plain, "processes": overtaking(700)})
    text = render("advice", fold(run.records()), width=200)
    assert text.startswith("b(n) x 1: processes beats sequential from n between 560 and 1,000 on")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("matrix: {kwargs.n: [1, 2]}", "kwargs.n is no axis of points with 3 different numbers or more; give it more"),
        ("matrix: {kwargs.m: [1, 2, 3]}", 'no axis "kwargs.n" in the matrix; did you mean "kwargs.m"?'),
        ("tasks: 2", 'no axis "kwargs.n" in the matrix; add matrix.kwargs.n with a list of numbers, or delete this'),
    ],
)
def test_an_axis_that_cannot_be_refined_is_refused_with_its_place(tmp_path: Path, spec: str, message: str) -> None:
    text = f"workload: {{call: a:b}}\nmodels: [sequential, threads]\n{spec}\nmeasure: {{refine: kwargs.n}}\n"
    (tmp_path / "x.yaml").write_text(text)
    done = in_process("plan", "x.yaml", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.startswith(f"orchestrator: x.yaml:4:19: measure.refine: {message}")


# --- advice over a range


@given(st.integers(1, 10**6), st.integers(1, 10**9))
@settings(max_examples=80)
def test_a_grid_keeps_its_ends_and_grows(low: int, more: int) -> None:
    grid = log_grid(low, low + more)
    assert (grid[0], grid[-1]) == (low, low + more)
    assert all(isinstance(level, int) for level in grid)
    assert grid == sorted(set(grid))
    assert len(grid) <= MOST_LEVELS


def test_a_range_of_six_decades_has_four_values_for_each() -> None:
    grid = log_grid(10, 10_000_000)
    assert (len(grid), grid[:5]) == (25, [10, 18, 32, 56, 100])


def test_a_range_of_fractions_has_a_grid_of_fractions() -> None:
    assert log_grid(0.001, 0.01) == [0.001, 0.0018, 0.0032, 0.0056, 0.01]


def test_a_range_is_an_axis_that_is_refined() -> None:
    asked = Question("mine:work", {"base": 1}, over=Range("n", log_grid(10, 10_000)))
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


def test_calls_that_get_shorter_along_a_range_are_described_with_the_time_of_each_end() -> None:
    asked = Question("mine:work", {}, over=Range("n", log_grid(10, 10_000)))
    low, high = (Facts(**{**FACTS, "wall_ns": wall_ns}) for wall_ns in (2_000_000, 2_000))
    facts, designed = design.design_over(asked, low, high, 2)
    text = draft.spec(asked, facts, designed, "run it")
    assert "A call took 2 ms at n=10 and 2 us at n=10,000 when tried" in " ".join(text.split())
    assert "at the lower end of n" in text


def test_what_was_seen_at_one_end_of_a_range_alone_is_said_with_that_end() -> None:
    asked = Question("mine:work", {}, over=Range("n", log_grid(10, 10_000)))
    low, high = (Facts(**{**FACTS, "wall_ns": wall_ns}) for wall_ns in (2_000, 2_000_000))
    changing = replace(low, copied="rows")
    (at_low, *_) = findings(asked, *design.design_over(asked, changing, high, 2))
    assert at_low.startswith("At n=10: It changes its argument rows")
    (at_both, *_) = findings(asked, *design.design_over(asked, changing, replace(high, copied="rows"), 2))
    assert at_both.startswith("It changes its argument rows")


WORK = "def work(n: int, base: int = 0): return sum(range(n)) + base\n"


@pytest.mark.long
@pytest.mark.slow
def test_advice_over_a_range_runs_and_its_spec_runs_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORK)
    given_ = ("mine:work", "base=1", "--over", "n=10:1000", "--max-time", "6s", "--save", "over.yaml")
    done = orchestrator("advise", *given_, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    journal = tmp_path / "runs/advise-mine.work-over-n/latest/events.jsonl"
    names = [json.loads(line)["event"] for line in journal.read_text().splitlines()]
    assert "point.skipped" in names
    again = orchestrator("run", "over.yaml", "measure.max_time=4s", cwd=tmp_path)
    assert again.returncode == 0
    assert events(again.stdout)[-1]["event"] == "run.finished"
    command = "orchestrator advise mine:work base=1 --max-time 6s --over n=10:1000"
    assert f"`{command}`" in (tmp_path / "over.yaml").read_text()


BAD = {
    "no range": (["--over", "n"], '"n" is not a range of an argument; write name=low:high, such as n=10:10_000_000'),
    "no numbers": (["--over", "n=a:b"], '"n=a:b" does not end in two numbers; write'),
    "zero": (["--over", "n=0:10"], "0 is not above 0, and the levels are spaced by a factor; write"),
    "equal ends": (["--over", "n=5:5"], '"n=5:5" does not begin below its end; write'),
    "too close": (["--over", "n=5:6"], '"n=5:6" holds 2 levels, and the range needs at least 3; move'),
    "given twice": (["n=3", "--over", "n=5:600"], "n is also given as n=...; keep one of them"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_range_is_refused_with_a_remedy_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    arguments, message = BAD[name]
    (tmp_path / "mine.py").write_text(WORK)
    done = in_process("advise", "mine:work", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.startswith(f"orchestrator: --over: {message}")
    assert not (tmp_path / "runs").exists()


def test_a_range_of_an_argument_that_the_function_lacks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORK)
    done = in_process("advise", "mine:work", "n=3", "--over", "m=5:600", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert "got an unexpected keyword argument 'm'" in done.stderr


@pytest.mark.long
def test_a_range_that_takes_very_long_needs_an_explicit_max_time(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import time\ndef slow(n): time.sleep(n / 1000)\n")
    done = in_process("advise", "mine:slow", "--over", "n=1:3000", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert "; shorten --over at that end, or allow the time: --max-time " in done.stderr
