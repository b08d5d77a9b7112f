"""The decisions of a contest: when to look, what is a tie, what is futile, and which of two is faster."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from orchestrator.analysis import decide
from orchestrator.analysis.contest import Contest
from orchestrator.analysis.decide import TIE
from orchestrator.analysis.looks import LOOKS, first_look, first_tie_look
from orchestrator.analysis.stats import Ratio
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from tests.support.synthetic import conducted


def contest(count: int = 2, **measure: Any) -> Contest:
    """Return a contest of so many variants without blocks."""
    models = [{"model": "sequential", "label": f"v{number}"} for number in range(count)]
    value = {"name": "x", "workload": {"call": "a:b"}, "models": models, "measure": measure}
    plan = plan_experiment(Experiment.model_validate(value), cores=2)
    return Contest(plan, plan.points[0])


def ended(times_ms: dict[str, float], **spec: Any) -> Contest:
    """Return the contest of a run at its end; its threads run in parallel."""
    (found,) = conducted(times_ms, **{"cores": {"threads": 2}, **spec}).contests
    return found


@pytest.mark.parametrize("count", [2, 3, 13])
def test_the_first_look_is_at_four_blocks_and_the_first_that_can_find_a_tie_at_eight(count: int) -> None:
    begun = contest(count)
    assert (decide.next_look(begun), first_look(begun.plan), first_tie_look(begun.plan)) == (4, 4, 8)


def test_blocks_may_begin_up_to_the_first_look_that_can_find_a_tie() -> None:
    assert decide.horizon(contest()) == 8


def test_a_worker_for_each_call_and_its_pool_win_together() -> None:
    times = {"sequential": 20.0, "threads": 10.0, "thread_per_task": 10.2}
    found = decide.finding(ended(times, noise=0.02))
    assert (found.verdict, found.winners) == ("win", ["threads", "thread_per_task"])
    assert found.look and found.look.blocks == 4


@pytest.mark.parametrize(("per_task", "used"), [(9.9, "threads"), (9.4, "threads"), (8.5, "thread_per_task")])
def test_of_winners_of_one_kind_the_simplest_that_is_about_as_fast_as_the_fastest_is_to_be_used(
    per_task: float, used: str
) -> None:
    won = ended({"sequential": 20.0, "threads": 10.0, "thread_per_task": per_task}, noise=0.001)
    assert decide.recommended(won, decide.finding(won)) == used


def test_a_pool_that_a_worker_for_each_call_beats_by_little_wins_with_it() -> None:
    won = ended({"sequential": 20.0, "threads": 10.0, "thread_per_task": 9.5}, noise=0.0001, measure={"blocks": 12})
    assert decide.finding(won).winners == ["threads", "thread_per_task"]
    assert decide.recommended(won, decide.finding(won)) == "threads"


def test_a_pool_that_is_kept_beside_its_per_task_model_does_not_hinder_a_tie() -> None:
    times = {"sequential": 20.0, "threads": 10.6, "thread_per_task": 10.0, "processes": 10.0}
    tied = decide.finding(ended(times, noise=0.0001))
    assert (tied.verdict, tied.winners) == ("tie", ["thread_per_task", "processes"])


def test_a_loop_that_makes_other_calls_is_not_advised_in_the_place_of_what_beats_it() -> None:
    models = [{"model": "sequential", "call": "a:old"}, "threads"]
    won = ended({"sequential": 10.0, "threads": 9.3}, models=models, noise=0.005)
    won.started["threads"] = 2
    assert decide.recommended(won, decide.finding(won)) == "threads"


@pytest.mark.parametrize(("threads", "used"), [(9.7, "sequential"), (9.3, "sequential"), (6.0, "threads")])
def test_calls_that_are_parallel_by_themselves_stay_in_a_loop_unless_the_gain_is_surely_worth_it(
    threads: float, used: str
) -> None:
    won = ended({"sequential": 10.0, "threads": threads}, noise=0.005)
    won.started["threads"] = 2
    assert decide.finding(won).winners == ["threads"]
    assert decide.recommended(won, decide.finding(won)) == used


@pytest.mark.parametrize(("cores", "used"), [(1.05, "first"), (2.0, "second")])
def test_of_variants_that_tie_the_first_of_the_spec_is_used_unless_it_takes_much_more_cpu_time(
    cores: float, used: str
) -> None:
    models = [{"model": "processes", "workers": 2, "label": label} for label in ("first", "second")]
    tied = ended({"first": 10.0, "second": 10.0}, models=models, cores={"first": cores, "second": 1.0}, noise=0.001)
    assert decide.finding(tied).verdict == "tie"
    assert decide.recommended(tied, decide.finding(tied)) == used


def test_a_worker_for_each_call_and_its_pool_are_rivals_where_nothing_else_is() -> None:
    found = decide.finding(ended({"threads": 10.0, "thread_per_task": 12.0}))
    assert (found.verdict, found.winners) == ("win", ["threads"])


def test_a_fixed_number_of_blocks_has_one_look() -> None:
    fixed = contest(blocks=5)
    assert (decide.next_look(fixed), decide.horizon(fixed)) == (5, 5)
    assert decide.next_look(ended({"sequential": 20, "threads": 10}, measure={"blocks": 5})) is None


def test_there_is_no_look_after_the_last() -> None:
    undecided = ended({"sequential": 10, "threads": 10}, noise=0.5)
    assert undecided.looks[-1].blocks == LOOKS[-1]
    assert decide.next_look(undecided) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.98, 1.02, True), (1.01, 1.02, True), (0.98, 1.04, False), (0.96, 1.02, False), (1.04, 1.05, False)],
)
def test_a_tie_is_an_interval_within_the_bounds(low: float, high: float, expected: bool) -> None:
    assert decide.is_tie(contest(tie="3%"), Ratio(1.0, low, high, 8, 8, is_ranked=True)) is expected


def test_a_ratio_without_an_interval_is_no_tie() -> None:
    assert not decide.is_tie(contest(), Ratio(1.0, None, None, 3, 3, is_ranked=False))


def test_the_interval_of_an_early_look_is_no_tie_however_narrow() -> None:
    assert not decide.is_tie(contest(tie="30%"), Ratio(1.0, 0.99, 1.01, 4, 4, is_ranked=False))


def test_an_early_look_decides_neither_a_tie_nor_a_win_within_wide_bounds() -> None:
    found = ended({"sequential": 20, "threads": 24}, noise=0.001, measure={"tie": "60%"})
    assert [look.decision for look in found.looks] == [None, None, None, None, "tie"]


@pytest.mark.parametrize(("threads_ms", "expected"), [(10, "threads"), (40, "sequential"), (20, TIE)])
def test_one_of_two_is_faster_or_they_tie(threads_ms: float, expected: object) -> None:
    assert decide.faster(ended({"sequential": 20, "threads": threads_ms}), "sequential", "threads") == expected


def test_which_of_two_is_faster_is_unknown_before_a_look() -> None:
    before = ended({"sequential": 20, "threads": 10}, measure={"max_time": "3s"})
    assert decide.faster(before, "sequential", "threads") is None


def test_an_excluded_variant_is_not_compared() -> None:
    found = ended({"sequential": 20, "threads": 10, "processes": 30}, fails={"processes": 99})
    assert decide.faster(found, "threads", "processes") is None


def futile_of(times_ms: dict[str, float], **spec: Any) -> set[str]:
    return ended(times_ms, **spec).dropped_for_futility


def test_a_variant_is_futile_at_three_times_the_time_of_the_best() -> None:
    assert futile_of({"sequential": 10, "threads": 12, "processes": 31}) == {"processes"}
    assert futile_of({"sequential": 10, "threads": 12, "processes": 29}) == set()


def test_a_variant_is_not_futile_while_one_of_its_blocks_is_within_three_times() -> None:
    assert futile_of({"sequential": 10, "threads": 12, "processes": 31}, noise=0.1) == set()


def test_the_nearest_rival_is_never_futile() -> None:
    assert futile_of({"sequential": 10, "threads": 150, "processes": 160}) == {"processes"}


@pytest.mark.parametrize(("processes_ms", "blocks"), [(101, 1), (51, 2), (31, 3)])
def test_a_variant_is_dropped_the_sooner_the_further_it_is_behind(processes_ms: float, blocks: int) -> None:
    found = ended({"sequential": 10, "threads": 11, "processes": processes_ms})
    assert found.dropped["processes"] == blocks


def test_no_variant_is_futile_where_a_precision_is_asked_for() -> None:
    assert futile_of({"sequential": 10, "threads": 12, "processes": 31}, measure={"precision": "5%"}) == set()


def test_threads_with_a_measured_overlap_are_not_futile() -> None:
    assert futile_of({"sequential": 10, "processes": 12, "threads": 50}, overlap=1.5) == set()


def test_the_rival_is_the_nearest_of_another_kind_and_that_of_a_tie_the_slowest() -> None:
    win = decide.finding(ended({"sequential": 30, "threads": 10, "processes": 20}))
    assert (win.verdict, win.best, win.rival) == ("win", "threads", "processes")
    undecided = decide.finding(ended({"threads": 10, "thread_per_task": 10.01, "processes": 10.3}, noise=0.08))
    assert (undecided.verdict, undecided.best in ("threads", "thread_per_task"), undecided.rival) == (
        "undecided",
        True,
        "processes",
    )
    tie = decide.finding(ended({"sequential": 10, "threads": 10.05, "processes": 10.1}, noise=0.0001))
    assert (tie.verdict, tie.best, tie.rival) == ("tie", "sequential", "processes")


TURNS: Any = {"cores": {"threads": 1.01}, "noise": 0.1}
"""Threads that hold the GIL: they keep one core busy, as a plain loop does."""


def test_threads_that_take_turns_are_no_rivals_of_the_loop() -> None:
    times_ms = {"sequential": 20, "threads": 20.5, "processes": 60}
    alike, parallel = decide.finding(ended(times_ms, **TURNS)), decide.finding(ended(times_ms, noise=0.1))
    assert (alike.verdict, alike.winners, alike.rival) == ("win", ["sequential"], "processes")
    assert (alike.look.blocks if alike.look else 0, parallel.verdict) == (4, "undecided")


def test_the_rival_of_a_win_is_the_loop_and_not_what_repeats_it() -> None:
    win = decide.finding(ended({"sequential": 40, "threads": 41, "processes": 20}, **TURNS))
    assert (win.verdict, win.best, win.rival) == ("win", "processes", "sequential")


def test_threads_that_take_turns_and_are_faster_all_the_same_are_rivals() -> None:
    found = ended({"sequential": 20, "threads": 15, "processes": 60}, **TURNS)
    assert decide.finding(found).winners == ["threads"]


def test_threads_that_took_turns_up_to_the_first_look_stay_no_rivals() -> None:
    found = ended({"sequential": 20, "threads": 20.5, "processes": 21}, **TURNS)
    assert len(found.blocks) > 4 and set(found.repeated_loops) == {"threads"}
    for block in found.blocks[4:]:
        block.cpus["threads"] = array("q", (2 * ns for ns in block.cpus["threads"]))
    assert set(found.repeated_loops) == {"threads"}


def test_threads_that_take_turns_are_rivals_of_a_loop_that_waits() -> None:
    waiting = {"cores": {"sequential": 0.1, "threads": 0.1}, "noise": 0.1}
    assert not ended({"sequential": 20, "threads": 20, "processes": 60}, **waiting).repeated_loops


def test_threads_that_take_turns_are_the_rival_of_a_loop_that_has_no_other() -> None:
    assert not ended({"sequential": 20, "threads": 20}, **TURNS).repeated_loops


def test_a_futile_variant_is_back_in_the_contest_when_another_is_excluded() -> None:
    found = ended({"sequential": 10, "threads": 12, "processes": 40}, fails_later={"sequential": 5})
    assert (found.excluded, found.dropped_for_futility) == ({"sequential"}, set())
    assert found.dropped.get("processes", 4) >= 4
