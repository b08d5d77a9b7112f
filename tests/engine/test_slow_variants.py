"""Real runs with a variant that is far slower than the others, or hangs: it costs them little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.archive.audit import Audit
from orchestrator.journal.read import Records, find
from tests.support.command import orchestrator
from tests.support.journals import journal_bytes

WORK = """
import time

def nap(seconds):
    time.sleep(seconds)
"""


def measured(place: Path, slow_s: float, *more: str, others: int = 1) -> list[dict[str, Any]]:
    """Return the journal of a run of naps of 10 ms beside one of `slow_s`."""
    quick = [{"model": "sequential", "label": f"quick{number}"} for number in range(others)]
    slow = {"model": "sequential", "label": "slow", "kwargs": {"seconds": slow_s}}
    workload = {"call": "work:nap", "kwargs": {"seconds": 0.01}, "check": "none"}
    spec = {"name": "x", "workload": workload, "models": [*quick, slow], "baseline": "quick0"}
    (place / "work.py").write_text(WORK)
    (place / "x.yaml").write_text(yaml.safe_dump(spec))
    orchestrator("run", "x.yaml", "--no-report", "--fresh", *more, cwd=place)
    return list(Records(find(place / "runs" / "x")))


def rounds_of(records: list[dict[str, Any]], variant: str, block: int) -> int:
    trials = [record for record in records if record["event"] == "trial.finished" and record["block"] == block]
    return sum(trial["variant"] == variant for trial in trials)


@pytest.fixture(scope="module")
def far_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one block with a variant that is 30 times slower."""
    place = tmp_path_factory.mktemp("far_behind")
    measured(place, 0.3, "measure.blocks=1")
    return place / "runs" / "x"


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that four blocks decide, with a variant that is twice as slow."""
    place = tmp_path_factory.mktemp("decided")
    measured(place, 0.02)
    return place / "runs" / "x"


def test_a_variant_far_behind_runs_one_round_of_each_block_and_does_not_set_those_of_the_others(
    far_behind: Path,
) -> None:
    records = list(Records(find(far_behind)))
    (calibrated, _) = [record for record in records if record["event"] == "point.calibrated"]
    assert calibrated["rounds"] > 1
    assert [rounds_of(records, label, 0) for label in ("slow", "quick0")] == [1, calibrated["rounds"]]


def test_a_journal_with_a_variant_far_behind_is_complete(far_behind: Path) -> None:
    assert Audit(Records(find(far_behind))).problems == []


def test_a_journal_with_rounds_that_were_chosen_is_complete(decided: Path) -> None:
    assert Audit(Records(find(decided))).problems == []


def test_a_journal_that_lacks_a_later_trial_is_not_complete(decided: Path, tmp_path: Path) -> None:
    records = list(Records(find(decided)))
    later = next(each for each in records if each["event"] == "trial.finished" and each["round"] == 1)
    journal = tmp_path / "events.jsonl"
    kept = [{**each, "seq": place} for place, each in enumerate(each for each in records if each is not later)]
    journal.write_bytes(journal_bytes(kept))
    assert any("lacks 1 of" in problem for problem in Audit(Records(journal)).problems)


@pytest.mark.long
def test_a_variant_far_behind_has_its_results_checked_in_later_blocks_too(tmp_path: Path) -> None:
    records = measured(tmp_path, 0.3, "measure.blocks=3", "workload.check=same")
    assert [record for record in records if record["event"] in ("trial.failed", "block.discarded")] == []
    assert [rounds_of(records, "slow", block) for block in range(3)] == [1, 1, 1]


@pytest.mark.long
def test_a_variant_ten_times_behind_leaves_after_the_first_block(tmp_path: Path) -> None:
    records = measured(tmp_path, 0.2, "measure.max_time=4s", others=2)
    (left,) = [record for record in records if record["event"] == "variant.dropped" and record["variant"] == "slow"]
    assert (left["reason"], left["blocks"]) == ("futility", 1)


def test_a_variant_that_hangs_in_its_first_call_costs_its_timeout_once(tmp_path: Path) -> None:
    records = measured(tmp_path, 600, "measure.timeout=1s", "measure.blocks=1", "measure.rounds=2", others=2)
    failures = [record for record in records if record["event"] == "trial.failed"]
    assert [(failed["variant"], failed["cause"]) for failed in failures] == [("slow", "timeout")]
    assert any(record["event"] == "variant.excluded" for record in records)


def test_the_blocks_after_the_second_have_the_rounds_that_were_chosen(decided: Path) -> None:
    records = list(Records(find(decided)))
    (chosen,) = [record for record in records if record["event"] == "rounds.chosen"]
    assert chosen["blocks"] == 2
    assert {rounds_of(records, "quick0", block) for block in (2, 3)} == {chosen["rounds"]}
