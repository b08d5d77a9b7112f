"""Which block comes next, when a run stops, and what it records; the blocks of its executor take no time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.engine.hosts import BlockTask
from tests.support.synthetic import ROUNDS, conducted


def labels(tasks: Sequence[BlockTask]) -> list[list[str]]:
    return [[variant.label for variant in task.variants] for task in tasks]


def test_two_variants_that_differ_much_take_four_blocks() -> None:
    run = conducted({"sequential": 20, "threads": 10})
    assert len(run.tasks) == 4
    assert [look.decision for look in run.contests[0].looks] == ["win"]


def test_four_variants_are_first_looked_at_after_four_blocks() -> None:
    run = conducted({"sequential": 20, "event_loop": 20.2, "threads": 25, "processes": 10})
    assert [look.blocks for look in run.contests[0].looks] == [4]


def test_two_variants_that_differ_little_are_decided_by_ranks() -> None:
    run = conducted({"sequential": 20, "threads": 19})
    assert [(look.blocks, look.decision) for look in run.contests[0].looks][-1] == (8, "win")


def test_the_same_time_ends_in_a_tie() -> None:
    run = conducted({"sequential": 20, "threads": 20})
    assert [(look.blocks, look.decision) for look in run.contests[0].looks][-1] == (8, "tie")


def test_many_variants_tie_at_the_same_look_as_two() -> None:
    run = conducted({"sequential": 20, "event_loop": 20, "threads": 20, "processes": 20})
    assert [(look.blocks, look.decision) for look in run.contests[0].looks][-1] == (8, "tie")


def test_a_dropped_variant_is_not_measured_while_others_contend() -> None:
    # 0.1 % apart is neither a tie nor separated at the first look
    times = {"sequential": 40, "event_loop": 25, "threads": 10, "processes": 10.01}
    run = conducted(times, noise=0.01, measure={"tie": "0.01%", "max_time": "20s"})
    looks = run.contests[0].looks
    assert "event_loop" in looks[0].dropped
    later = labels(run.tasks)[looks[0].blocks :]
    assert later
    assert all("event_loop" not in block for block in later)


def test_a_much_slower_variant_is_dropped_for_futility_after_three_blocks() -> None:
    run = conducted({"sequential": 20, "event_loop": 29, "threads": 31, "processes": 10})
    assert [("threads" in block) for block in labels(run.tasks)] == [True] * 3 + [False]
    assert all({"event_loop", "processes"} <= set(block) for block in labels(run.tasks))
    (left,) = [event for event in run.named("variant.dropped") if event["reason"] == "futility"]
    assert (left["variant"], left["best"], left["blocks"]) == ("threads", "processes", 3)
    assert (left["ratio_low"], left["ratio_high"]) == (None, None)
    assert 3 < left["ratio"] < 3.2


def test_a_much_slower_baseline_stays() -> None:
    run = conducted({"sequential": 90, "threads": 20, "processes": 10})
    assert all("sequential" in block for block in labels(run.tasks))
    assert run.contests[0].dropped["sequential"] == 2


def test_a_baseline_far_behind_runs_only_the_first_round_of_further_blocks() -> None:
    run = conducted({"sequential": 90, "threads": 20, "processes": 10})
    assert [sorted(task.in_first_round) for task in run.tasks] == [[], [], ["sequential"], ["sequential"]]


def test_a_baseline_far_behind_runs_all_rounds_while_a_claim_about_it_is_open() -> None:
    claim = {"of": "processes", "metric": "speedup", "min": 9}
    run = conducted({"sequential": 90, "threads": 20, "processes": 10}, measure={"max_time": "20s"}, expect=[claim])
    assert all(not task.in_first_round for task in run.tasks)


def test_threads_that_wait_for_the_gil_stay_to_the_first_look() -> None:
    run = conducted({"sequential": 20, "threads": 90, "processes": 10}, overlap=2.0)
    assert all("threads" in block for block in labels(run.tasks))


def test_an_expectation_keeps_a_much_slower_variant() -> None:
    spec: dict[str, Any] = {"expect": [{"of": "threads", "max": 0.5}]}
    run = conducted({"sequential": 20, "threads": 90, "processes": 10}, **spec)
    assert all("threads" in block for block in labels(run.tasks))


def test_a_variant_dropped_behind_a_leader_that_fails_comes_back() -> None:
    run = conducted({"sequential": 40, "event_loop": 50, "threads": 45, "processes": 10}, fails_later={"processes": 4})
    assert run.contests[0].excluded == {"processes"}
    assert any({"event_loop", "threads"} <= set(block) for block in labels(run.tasks)[5:])
    assert run.contests[0].looks[-1].best == "sequential"


def test_no_variant_is_dropped_when_all_have_failed_after_three_blocks() -> None:
    run = conducted({"sequential": 40, "threads": 45}, fails_later={"sequential": 4, "threads": 4})
    assert run.contests[0].excluded == {"sequential", "threads"}
    assert len(run.contests[0].blocks) == 3


def test_the_baseline_goes_on_out_of_the_contest_until_ratios_to_it_have_an_exact_interval() -> None:
    spec: dict[str, Any] = {"expect": [{"of": "threads", "min": 0.9999, "max": 1.0001, "against": "processes"}]}
    run = conducted({"sequential": 40, "threads": 10, "processes": 10.0}, **spec)
    assert len(run.tasks) > 8
    assert ["sequential" in block for block in labels(run.tasks)] == [True] * 8 + [False] * (len(run.tasks) - 8)


def test_an_open_expectation_keeps_its_variants_in_the_blocks() -> None:
    spec: dict[str, Any] = {"expect": [{"of": "event_loop", "min": 0.49999, "max": 0.50001}]}
    run = conducted({"sequential": 20, "event_loop": 40, "threads": 10}, **spec)
    assert len(run.tasks) == 64
    assert all({"sequential", "event_loop"} <= set(block) for block in labels(run.tasks))
    assert "threads" not in labels(run.tasks)[-1]


def test_the_rounds_of_a_block_are_those_of_the_spec_where_it_names_them() -> None:
    assert conducted({"sequential": 20, "threads": 10}).tasks[0].rounds is None
    assert conducted({"sequential": 20, "threads": 10}, measure={"rounds": 4}).tasks[0].rounds == 4


def test_points_take_turns() -> None:
    run = conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 2, 3]})
    assert [task.point.tasks for task in run.tasks[:6]] == [1, 2, 3, 1, 2, 3]


def test_the_budget_ends_a_run_that_is_not_decided() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"max_time": "3s"})
    assert len(run.tasks) == 3
    assert not run.contests[0].looks


def test_no_block_is_started_that_can_not_reach_the_next_look() -> None:
    spec: dict[str, Any] = {"measure": {"max_time": "13s", "tie": "0.01%"}}
    run = conducted({"sequential": 20, "threads": 20}, **spec)
    assert [look.blocks for look in run.contests[0].looks] == [4, 5, 6, 7, 8, 9, 10, 11]
    assert len(run.tasks) == 11


def test_a_point_never_goes_beyond_the_last_look() -> None:
    run = conducted({"sequential": 20, "threads": 20}, measure={"max_time": "1h", "tie": "0.01%"})
    assert len(run.tasks) == 64


def test_a_variant_that_fails_twice_is_excluded_and_the_others_continue() -> None:
    run = conducted({"sequential": 20, "threads": 10, "processes": 5}, fails={"processes": 99})
    assert [event["variant"] for event in run.named("variant.excluded")] == ["processes"]
    assert len(run.named("block.discarded")) == 2
    assert all("processes" not in block for block in labels(run.tasks)[2:])
    assert run.contests[0].looks[-1].decision == "win"


def test_a_variant_that_failed_once_is_still_in_the_contest() -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 1})
    assert not run.named("variant.excluded")
    assert len(run.contests[0].blocks) == 4


def test_a_variant_that_is_left_alone_is_measured_up_to_one_look() -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 99})
    assert len(run.contests[0].blocks) == 4


def test_a_run_in_which_all_variants_fail_ends() -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"sequential": 99, "threads": 99})
    assert len(run.tasks) == 4


def test_every_block_and_every_look_is_synced() -> None:
    run = conducted({"sequential": 20, "threads": 10})
    decisive = ("block.finished", "rounds.chosen")
    ends = [place + 1 for place, event in enumerate(run.stored) if event.event in decisive]
    assert run.synced_after == [*ends, len(run.stored)]


def test_later_blocks_use_the_calibration_of_the_first() -> None:
    run = conducted({"sequential": 20, "threads": 10})
    assert (run.tasks[0].repeats, run.tasks[0].rounds) == ({}, None)
    assert (run.tasks[1].repeats, run.tasks[1].rounds) == ({"sequential": 1, "threads": 1}, ROUNDS)


def test_precision_goes_on_after_the_win() -> None:
    quick = conducted({"sequential": 20, "threads": 10})
    precise = conducted({"sequential": 20, "threads": 10}, measure={"precision": "0.05%", "max_time": "1h"})
    assert len(precise.tasks) > len(quick.tasks)


def test_fixed_blocks_run_every_variant_and_have_one_look() -> None:
    run = conducted({"sequential": 90, "threads": 40, "processes": 10}, measure={"blocks": 9, "max_time": "1h"})
    assert labels(run.tasks) == [["sequential", "threads", "processes"]] * 9
    assert [(look.blocks, look.decision) for look in run.contests[0].looks] == [(9, "win")]


def test_fixed_blocks_need_no_correction_for_looks_that_are_not_taken() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"blocks": 6, "max_time": "1h"})
    assert [look.decision for look in run.contests[0].looks] == ["win"]


def test_too_few_fixed_blocks_are_undecided() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"blocks": 3, "max_time": "1h"})
    (reached,) = [event for event in run.records() if event["event"] == "verdict.reached"]
    assert (reached["verdict"], reached["warnings"]) == ("undecided", ["too_few_blocks"])


def test_a_budget_that_ends_before_the_fixed_blocks_is_undecided() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"blocks": 20, "max_time": "9s"})
    (reached,) = [event for event in run.records() if event["event"] == "verdict.reached"]
    assert (reached["verdict"], reached["warnings"], reached["blocks"]) == ("undecided", ["too_few_blocks"], 9)


def test_a_time_too_short_for_the_first_look_is_reported_after_the_first_block(
    capsys: pytest.CaptureFixture[str],
) -> None:
    conducted({"sequential": 20, "threads": 10}, measure={"max_time": "3s"})
    assert capsys.readouterr().err.count("the first look needs 3 s, and 2 s are left; there may be no verdict") == 1


def test_a_first_block_with_long_diagnostics_leaves_time_for_shorter_ones() -> None:
    run = conducted({"sequential": 20, "threads": 10}, diagnostics_s=15, measure={"max_time": "25s"})
    assert [(look.blocks, look.decision) for look in run.contests[0].looks] == [(4, "win")]


def test_a_first_block_with_variants_that_are_dropped_leaves_time_for_shorter_ones() -> None:
    times = {"sequential": 20, "threads": 10, "processes": 2_000}  # five rounds of it take 10 of the 12 s of a block
    run = conducted(times, block_s=12, measure={"max_time": "22s"})
    assert [len(task.variants) for task in run.tasks] == [3, 2]


def test_the_expected_time_is_shown_once_every_point_had_a_block() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"max_time": "20s"})
    assert run.expected == [(4, 8, 20)]


def test_without_max_time_a_run_may_take_a_minute() -> None:
    assert conducted({"sequential": 20, "threads": 10}, measure={}).expected == [(4, 8, 60)]


def test_enough_time_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    conducted({"sequential": 20, "threads": 10})
    assert capsys.readouterr().err == ""


def test_a_guarded_variant_stays_guarded_in_later_blocks() -> None:
    run = conducted({"sequential": 20, "threads": 10}, burns="threads")
    assert [set(task.guarded) for task in run.tasks] == [set(), *[{"threads"}] * 3]
