"""Derived events: comparisons, verdicts with their sentences, expectations, and the exit status."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import errors
from orchestrator.analysis import verdict
from tests.support.derived import compared
from tests.support.paths import ROOT
from tests.support.synthetic import Run, conducted


def verdict_of(run: Run) -> dict[str, Any]:
    """Return the verdict of a run of one point."""
    return next(event for event in run.records() if event["event"] == "verdict.reached")


def checked(run: Run) -> list[dict[str, Any]]:
    return [event for event in run.records() if event["event"] == "expectation.checked"]


def status(run: Run) -> int:
    found: int = run.records()[-1]["exit_status"]
    return found


def test_the_faster_one_wins_by_the_ratio_of_the_times() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 10}))
    assert (found["verdict"], found["winners"], found["runner_up"]) == ("win", ["threads"], "sequential")
    assert found["ratio"] == pytest.approx(2, rel=0.01)
    assert found["ratio_low"] < found["ratio"] < found["ratio_high"]


def test_a_speedup_above_one_is_faster_than_the_baseline() -> None:
    run = conducted({"sequential": 20, "threads": 10, "event_loop": 40})
    assert compared(run, "threads")["speedup"] == pytest.approx(2, rel=0.01)
    assert compared(run, "event_loop")["speedup"] == pytest.approx(0.5, rel=0.01)
    assert compared(run, "sequential")["speedup"] == 1


def test_the_sentence_of_a_win_has_the_rival_the_interval_and_when_the_start_up_pays_off() -> None:
    sentence = verdict_of(conducted({"sequential": 20, "processes": 10}))["sentence"]
    assert sentence.startswith("b() x 1: processes wins: 2.00 [1.70, 2.35] times as fast as sequential, after 4 blocks")
    assert sentence.endswith("; its start-up of 12 ms pays off after 2 batches.")


def test_a_win_has_an_interval_even_where_all_other_variants_are_futile() -> None:
    found = verdict_of(conducted({"threads": 10, "processes": 60, "sequential": 50}, baseline="threads"))
    assert (found["verdict"], found["winners"], found["runner_up"]) == ("win", ["threads"], "sequential")
    assert found["ratio"] == pytest.approx(5, rel=0.01)
    assert found["ratio_low"] is not None


def test_the_sentence_of_a_win_shows_the_interval_of_the_table() -> None:
    run = conducted({"sequential": 20, "threads": 10, "processes": 13}, noise=0.3)
    found, row = verdict_of(run), compared(run, "threads")
    assert (found["verdict"], found["runner_up"]) == ("win", "processes")
    assert f"[{row['speedup_low']:.2f}, " not in found["sentence"], "the rival is not the baseline here"
    run = conducted({"sequential": 13, "threads": 10, "processes": 30}, noise=0.1)
    found, row = verdict_of(run), compared(run, "threads")
    assert f"{row['speedup']:.2f} [{row['speedup_low']:.2f}, {row['speedup_high']:.2f}] times" in found["sentence"]
    assert found["ratio_low"] < row["speedup_low"] < row["speedup_high"] < found["ratio_high"]


def test_a_tie_names_all_and_the_simplest_of_them() -> None:
    found = verdict_of(conducted({"processes": 10, "threads": 10, "event_loop": 10}))
    assert found["verdict"] == "tie"
    assert found["winners"] == ["event_loop", "threads", "processes"]
    assert found["sentence"] == (
        "b() x 1: event_loop, threads and processes tie within 3 % after 8 blocks; event_loop is the simplest."
    )


def test_the_simplest_of_the_winners_is_recommended() -> None:
    assert verdict_of(conducted({"processes": 10, "threads": 10, "event_loop": 10}))["recommended"] == "event_loop"


def test_before_a_look_the_variant_that_always_led_is_recommended() -> None:
    found = verdict_of(conducted({"threads": 20, "processes": 10}, measure={"max_time": "3s"}))
    assert found["recommended"] == "processes"


def test_before_a_look_the_simplest_of_variants_that_are_alike_is_recommended() -> None:
    found = verdict_of(conducted({"sequential": 10.1, "processes": 10}, measure={"max_time": "3s"}))
    assert found["recommended"] == "sequential"


def test_a_start_up_that_hardly_differs_is_not_mentioned() -> None:
    assert verdict_of(conducted({"sequential": 20, "threads": 10}))["sentence"].endswith("after 4 blocks.")


def test_a_difference_within_the_tie_bounds_is_a_tie_although_the_interval_excludes_one() -> None:
    found = verdict_of(conducted({"sequential": 10, "threads": 10.1}))
    assert found["verdict"] == "tie"
    assert found["ratio_low"] > 1


def test_variants_of_one_model_win_together() -> None:
    models = ["sequential", {"model": "threads", "workers": 2}, {"model": "threads", "workers": 4}]
    times = {"sequential": 20.0, "threads(workers=2)": 10.0, "threads(workers=4)": 10.0}
    found = verdict_of(conducted(times, models=models))
    assert (found["verdict"], found["runner_up"]) == ("win", "sequential")
    assert found["winners"] == ["threads(workers=2)", "threads(workers=4)"]
    assert "threads (threads(workers=2) or threads(workers=4)) wins" in found["sentence"]


def test_variants_of_a_single_model_compete_with_each_other() -> None:
    models = [{"model": "threads", "workers": 2}, {"model": "threads", "workers": 4}]
    found = verdict_of(conducted({"threads(workers=2)": 20, "threads(workers=4)": 10}, models=models))
    assert (found["winners"], found["runner_up"]) == (["threads(workers=4)"], "threads(workers=2)")


def test_the_sentence_names_all_functions_of_a_contest_or_none() -> None:
    def point(*names: str) -> str:
        models = [{"model": "sequential", "label": name, "call": f"a:{name}"} for name in names]
        times: dict[str, float] = dict.fromkeys(names, 10.0)
        sentence = verdict_of(conducted(times, models=models, measure={"max_time": "3s"}))["sentence"]
        return str(sentence).partition(":")[0]

    assert point("plain", "coroutine") == "plain or coroutine() x 1"
    assert point("one", "two", "three", "four") == "4 functions() x 1"


def test_a_labelled_entry_competes_with_other_entries_of_its_model() -> None:
    models = ["sequential", "threads", {"model": "threads", "label": "locked", "kwargs": {"lock": True}}]
    found = verdict_of(conducted({"sequential": 20, "threads": 10, "locked": 15}, models=models))
    assert (found["winners"], found["runner_up"]) == (["threads"], "locked")


def test_too_few_blocks_are_undecided_with_the_ratio_and_the_blocks_that_agree() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 10}, measure={"max_time": "3s"}))
    assert (found["verdict"], found["ratio_low"], found["warnings"]) == ("undecided", None, ["too_few_blocks"])
    assert found["sentence"] == (
        "b() x 1: undecided after 3 blocks: threads is 2.00 times as fast as sequential, faster in 3 of 3; "
        "about 910 ns more would probably decide; for now, choose threads."
    )
    assert found["more_blocks"] == 1


def test_an_end_before_a_tie_can_be_found_is_warned_of() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 20}, measure={"max_time": "5s"}))
    assert (found["verdict"], found["blocks"], found["warnings"]) == ("undecided", 5, ["too_few_blocks"])


def test_fixed_blocks_too_few_for_a_tie_are_warned_of() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 20}, measure={"blocks": 5}))
    assert (found["verdict"], found["blocks"], found["warnings"]) == ("undecided", 5, ["too_few_blocks"])


def test_an_undecided_end_with_enough_blocks_for_a_tie_has_no_warning_of_too_few() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 20}, noise=0.2, measure={"max_time": "9s"}))
    assert (found["verdict"], found["blocks"], found["warnings"]) == ("undecided", 9, [])


def test_an_early_win_has_no_warning_of_too_few_blocks() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 10}))
    assert (found["verdict"], found["blocks"], found["warnings"]) == ("win", 4, [])


def test_an_undecided_ratio_is_bounded_and_says_what_to_choose() -> None:
    times: dict[str, Any] = {"sequential": 10, "threads": 10}
    found = verdict_of(conducted(times, noise=0.05, measure={"max_time": "9s", "tie": "1%"}))
    assert (found["verdict"], found["recommended"]) == ("undecided", "sequential")
    assert " faster and at most " in found["sentence"]
    assert " slower; more than 64 blocks would be needed; " in found["sentence"]
    assert found["sentence"].endswith("for now, choose sequential.")


def test_a_loop_that_a_single_other_one_beats_is_not_recommended_while_undecided() -> None:
    run = conducted(
        {"sequential": 10, "threads": 10, "thread_per_task": 8.4, "processes": 8.4},
        noise=0.1,
        measure={"max_time": "9s"},
    )
    found = verdict_of(run)
    assert (found["verdict"], found["winners"][0]) == ("undecided", "sequential")  # by the level that all looks share
    assert compared(run, "processes")["speedup_low"] > 1
    assert found["recommended"] == "thread_per_task"


def test_what_more_blocks_would_not_decide_is_said() -> None:
    found = verdict_of(conducted({"sequential": 10, "threads": 10}, noise=0.5, measure={"max_time": "1h"}))
    assert (found["more_blocks"], found["more_s"]) == (None, None)
    assert "more than 64 blocks would be needed" in found["sentence"]


def test_an_interval_on_both_sides_is_undecided() -> None:
    found = verdict_of(conducted({"sequential": 10, "threads": 10}, noise=0.5, measure={"max_time": "12s"}))
    assert found["verdict"] == "undecided"
    assert "undecided after 11 blocks" in found["sentence"]


def test_a_variant_alone_has_nothing_to_win_against() -> None:
    found = verdict_of(conducted({"threads": 10}))
    assert found["verdict"] == "undecided"
    assert found["sentence"] == "b() x 1: undecided: threads ran alone, so there is nothing to compare it with."


def test_the_only_variant_that_did_not_fail_wins_without_a_ratio() -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 99})
    found = verdict_of(run)
    assert (found["verdict"], found["winners"], found["ratio"]) == ("win", ["sequential"], None)
    assert found["sentence"] == "b() x 1: sequential wins: every other variant failed."
    assert found["warnings"] == ["variants_excluded", "blocks_discarded"]
    assert status(run) == errors.FAILED


def test_a_point_is_undecided_when_every_variant_fails() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 10}, fails={"sequential": 99, "threads": 99}))
    assert found["sentence"] == "b() x 1: undecided: every variant failed."


def test_an_excluded_variant_cannot_win_and_its_failures_are_counted() -> None:
    run = conducted({"sequential": 20, "threads": 10, "processes": 1}, fails={"processes": 99})
    assert verdict_of(run)["winners"] == ["threads"]
    assert (compared(run, "processes")["failures"], compared(run, "processes")["excluded"]) == (2, True)


def test_without_the_baseline_there_are_no_speedups() -> None:
    expect = [{"of": "threads", "min": 1.5}]
    run = conducted({"sequential": 20, "threads": 10, "event_loop": 30}, fails={"sequential": 99}, expect=expect)
    assert compared(run, "threads")["speedup"] is None
    assert verdict_of(run)["winners"] == ["threads"]
    assert checked(run)[0]["outcome"] == "undecided"
    assert checked(run)[0]["reason"] == "sequential, which it is compared with, did not run"


def test_a_precision_that_the_budget_does_not_allow_gives_a_warning() -> None:
    found = verdict_of(conducted({"sequential": 20, "threads": 10}, measure={"precision": "0.01%", "max_time": "12s"}))
    assert (found["verdict"], found["warnings"]) == ("win", ["precision_missed"])


def test_a_lead_that_half_a_core_could_remove_holds_at_this_load_only() -> None:
    found = verdict_of(conducted({"sequential": 20, "processes": 18}, tasks=2, cores={"processes": 1.8}))
    assert found["at_this_load"] and found["warnings"] == ["cores_decide"]
    assert "processes wins at this load: 1.11 " in found["sentence"]


def test_one_task_needs_no_second_core() -> None:
    found = verdict_of(conducted({"sequential": 18, "processes": 20}, tasks=1))
    assert (found["at_this_load"], found["warnings"]) == (False, [])


def test_a_lead_that_half_a_core_could_not_remove_holds_without_a_warning() -> None:
    found = verdict_of(conducted({"sequential": 20, "processes": 11}, tasks=2, cores={"processes": 1.8}))
    assert (found["at_this_load"], found["warnings"]) == (False, [])


def test_a_lead_that_missing_cores_could_remove_holds_at_this_load_only() -> None:
    run = conducted({"sequential": 20, "processes": 14}, tasks=2, cores={"processes": 1.8}, free_cores=1.2)
    assert verdict_of(run)["at_this_load"]


def test_less_than_a_free_core_gives_the_warning_crowded() -> None:
    assert "crowded" in verdict_of(conducted({"sequential": 20, "threads": 10}, free_cores=0.5))["warnings"]
    assert "crowded" not in verdict_of(conducted({"sequential": 20, "threads": 10}, free_cores=0.9))["warnings"]


def test_a_small_lead_of_a_variant_that_uses_as_many_cores_holds_without_a_warning() -> None:
    assert not verdict_of(conducted({"processes": 20, "threads": 18}))["at_this_load"]


def test_a_small_lead_between_models_on_a_crowded_machine_holds_at_this_load_only() -> None:
    assert verdict_of(conducted({"processes": 20, "threads": 18}, free_cores=0.8))["at_this_load"]


def test_a_small_lead_between_versions_of_one_model_holds_on_a_crowded_machine_too() -> None:
    models = [{"model": "sequential", "label": "old"}, {"model": "sequential", "label": "new"}]
    assert not verdict_of(conducted({"old": 20, "new": 18}, models=models, free_cores=0.8))["at_this_load"]


def test_a_ratio_that_changes_with_the_load_has_a_slope() -> None:
    load: dict[str, Any] = {"steal": lambda block: block % 4 / 10, "follows": -0.5}
    run = conducted({"sequential": 10, "processes": 20}, **load, measure={"blocks": 8})
    found = verdict_of(run)
    assert (found["load_signal"], found["at_this_load"]) == ("steal_share", True)
    assert found["load_slope"] == pytest.approx(-0.5, abs=0.05)
    assert found["load_slope_low"] < found["load_slope"] < found["load_slope_high"] < 0
    assert "load_dependent" in found["warnings"]


def test_a_ratio_that_does_not_change_with_the_load_has_no_slope() -> None:
    found = verdict_of(conducted({"sequential": 10, "processes": 20}, steal=lambda block: block % 4 / 10))
    assert (found["load_signal"], found["load_slope"], found["at_this_load"]) == (None, None, False)


def test_a_variant_that_becomes_slower_within_a_block_has_no_steady_state() -> None:
    run = conducted({"sequential": 10, "processes": 20}, grows=0.1, measure={"blocks": 8})
    assert verdict_of(run)["warnings"] == ["no_steady_state"]
    assert compared(run, "processes")["drift"] == pytest.approx(1.06, abs=0.01)
    assert compared(run, "sequential")["drift"] == pytest.approx(1.0, abs=0.01)


def test_correlated_blocks_give_a_warning() -> None:
    run = conducted(
        {"sequential": 10, "processes": 20}, steal=lambda block: block / 100, follows=1.0, measure={"blocks": 8}
    )
    found = verdict_of(run)
    assert "blocks_correlated" in found["warnings"]
    assert found["autocorrelation"] > 0.5


@pytest.mark.parametrize(
    ("bound", "outcome", "exit_status"),
    [
        ({"min": 1.9}, "held", errors.OK),
        ({"min": 1.9, "max": 2.1}, "held", errors.OK),
        ({"max": 1.9}, "broken", errors.BROKEN),
        ({"min": 2.1}, "broken", errors.BROKEN),
        ({"min": 2.0}, "undecided", errors.UNDECIDED),
    ],
)
def test_an_expectation_holds_when_its_whole_interval_does(
    bound: dict[str, float], outcome: str, exit_status: int
) -> None:
    run = conducted({"sequential": 20, "threads": 10}, noise=0.01, expect=[{"of": "threads", **bound}])
    assert checked(run)[0]["outcome"] == outcome
    assert status(run) == exit_status


def test_a_claim_is_undecided_when_other_processes_used_the_cores() -> None:
    expect = [{"of": "threads", "min": 2.1}]
    run = conducted({"sequential": 20, "threads": 10}, free_cores=1.2, expect=expect)
    assert (checked(run)[0]["outcome"], checked(run)[0]["reason"]) == ("undecided", "only 1.2 of 2 cores were free")


def test_a_claim_that_missing_cores_do_not_explain_is_broken() -> None:
    run = conducted({"sequential": 20, "threads": 10}, free_cores=1.2, expect=[{"of": "threads", "min": 5}])
    assert checked(run)[0]["outcome"] == "broken"


def test_a_wrong_claim_about_calls_that_wait_is_broken_without_free_cores() -> None:
    waits = {"sequential": 0.02, "threads": 0.06}
    run = conducted(
        {"sequential": 20, "threads": 6}, cores=waits, free_cores=0.1, expect=[{"of": "threads", "max": 1.1}]
    )
    assert checked(run)[0]["outcome"] == "broken"


def test_a_time_can_be_expected_in_nanoseconds() -> None:
    expect = [{"of": "threads", "metric": "wall_ns", "max": 11e6}, {"of": "threads", "metric": "startup_ns", "max": 9}]
    run = conducted({"sequential": 20, "threads": 10}, expect=expect)
    assert [event["outcome"] for event in checked(run)] == ["held", "broken"]


@pytest.mark.parametrize(
    ("bound", "outcome"),
    [
        ({"equals": 3}, "held"),
        ({"equals": 4}, "broken"),
        ({"min": 3, "max": 3}, "held"),
        ({"max": 2}, "broken"),
    ],
)
def test_an_observed_value_is_checked_against_the_bounds(bound: dict[str, Any], outcome: str) -> None:
    expect = [{"of": "threads", "metric": "observed.count", **bound}]
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_count": 3}, expect=expect)
    assert checked(run)[0]["outcome"] == outcome


def test_a_claim_about_a_key_that_was_never_observed_is_undecided() -> None:
    expect = [{"of": "threads", "metric": "observed.count", "equals": 3}]
    run = conducted({"sequential": 20, "threads": 10}, expect=expect)
    assert checked(run)[0]["reason"] == "nothing was observed as 'count'"


@pytest.mark.parametrize(
    ("minima", "failures", "exit_status"),
    [
        ([], 0, errors.OK),
        ([1.5], 0, errors.OK),
        ([2.0], 0, errors.UNDECIDED),
        ([2.0, 2.5], 0, errors.BROKEN),
        ([2.5], 1, errors.FAILED),
    ],
)
def test_the_worst_result_decides_the_exit_status(minima: list[float], failures: int, exit_status: int) -> None:
    expect = [{"of": "threads", "min": least} for least in minima]
    run = conducted({"sequential": 20, "threads": 10}, noise=0.01, expect=expect)
    run.contests[0].failures["threads"] += failures
    assert verdict.outcome(verdict.derive(run.plan, run.contests), run.contests)[1] == exit_status


def test_an_undecided_verdict_is_no_failure() -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"max_time": "3s"})
    assert verdict.outcome(verdict.derive(run.plan, run.contests), run.contests) == ("undecided", errors.OK)


def test_statuses_have_the_order_that_the_docs_promise() -> None:
    text = (ROOT / "docs/log-format.md").read_text()
    _, _, listed = text.partition("the first of these is returned: 128+N, ")
    order = [int(status) for status in listed.partition(".")[0].split(", ")]
    assert [errors.worst(order[place:][::-1]) for place in range(len(order))] == order
