"""Resuming an interrupted run from its journal, wherever the journal ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from orchestrator.analysis.contest import Contest
from orchestrator.analysis.results import fold
from tests.support.synthetic import Clock, Run, conducted

RUNS = {
    "a win": lambda: conducted({"sequential": 20, "threads": 10}),
    "a tie": lambda: conducted({"sequential": 20, "threads": 20}),
    "a futile variant": lambda: conducted({"sequential": 20, "event_loop": 70, "threads": 80, "processes": 10}),
    "a separated variant": lambda: conducted({"sequential": 40, "event_loop": 25, "threads": 10, "processes": 10.3}),
    "a variant that fails": lambda: conducted({"sequential": 20, "threads": 10, "processes": 12}, fails={"threads": 2}),
    "two points": lambda: conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 2]}),
}


def ends(run: Run) -> range:
    """Return lengths that the journal can have had before anything was derived: every third or eleventh of them."""
    length = len(run.stored) + 2
    return range(1, length, 3 if length < 150 else 11)


def counted(records: list[dict[str, Any]], name: str) -> Counter[tuple[Any, ...]]:
    keys = ("point_id", "block", "blocks", "variant", "round")
    return Counter(tuple(r.get(key) for key in keys) for r in records if r["event"] == name)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_interrupted_at_any_record_is_resumed_to_a_journal_without_differences(name: str) -> None:
    run = RUNS[name]()
    winners = fold(run.records()).derived[-1].fields()["winners"]
    for cut in ends(run):
        records = run.resumed(cut)
        found = fold(records)
        assert found.differences == [], cut
        if not run.named("trial.failed"):  # else the variant that failed first has failed once already
            assert found.derived[-1].fields()["winners"] == winners, cut
        for once in ("block.started", "trial.finished", "block.finished", "look.taken", "variant.dropped"):
            assert set(counted(records, once).values()) <= {1}, (cut, once)


def test_all_variants_dropped_at_a_look_are_logged_even_if_the_run_was_interrupted_between() -> None:
    run = RUNS["a separated variant"]()
    look = next(number for number, event in enumerate(run.stored, 1) if event.event == "look.taken")
    for cut in range(look + 1, look + 4):
        dropped = [r["variant"] for r in run.resumed(cut) if r["event"] == "variant.dropped"]
        assert sorted(dropped) == sorted(event["variant"] for event in run.named("variant.dropped")), cut


def test_events_derived_before_a_resume_are_ignored() -> None:
    run = conducted({"sequential": 20, "threads": 10})
    records = run.resumed(len(run.records()))
    assert [r["event"] for r in records].count("run.finished") == 2
    assert fold(records).differences == []


def test_the_time_spent_before_a_resume_counts() -> None:
    run = conducted({"sequential": 20, "threads": 20.4}, measure={"max_time": "20s", "tie": "0.01%"})
    again = Run(run.plan, run.executor, [Contest(run.plan, point) for point in run.plan.points])
    measured = len(run.tasks)
    again.conduct(Clock(), spent_s=15.0)
    assert len(run.tasks) - measured == 5
