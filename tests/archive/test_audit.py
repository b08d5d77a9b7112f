"""`verify` of journals that are damaged although each of their records has its checksum."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from tests.support.command import in_process
from tests.support.journals import journaled, recorded
from tests.support.paths import GOLDEN

RECORDED = recorded(GOLDEN / "journals/shared_threads.jsonl.gz")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    return journaled(tmp_path / "runs", 1, RECORDED)


@pytest.mark.parametrize("tail", [b"garbage\n", b"\n", bytes(64), b'{"event":"trial.fin'])
def test_bytes_after_the_end_of_a_finished_run_are_a_problem_with_a_remedy_that_works(run: Path, tail: bytes) -> None:
    file = run / "events.jsonl"
    before = _verified(file)
    assert before[0] == errors.OK
    with file.open("ab") as journal:
        end = journal.tell()
        journal.write(tail)
    code, out = _verified(file)
    assert code == errors.DAMAGED
    assert f"byte {end} follows run.finished, the last record" in out
    assert "complete" not in out
    remedy = next(line for line in out.splitlines() if "truncate" in line).partition("cut the file there: ")[2]
    subprocess.run(remedy, shell=True, check=True)
    assert _verified(file) == before


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_time_that_no_run_can_have_measured_is_refused_with_its_field(tmp_path: Path, command: str) -> None:
    records = [dict(record) for record in RECORDED]
    place = next(number for number, record in enumerate(records) if record["event"] == "trial.finished")
    records[place] |= {"wall_ns": -5}
    done = in_process(command, str(journaled(tmp_path / "runs", 1, records)), cwd=tmp_path)
    assert done.returncode == errors.DAMAGED
    assert f"record {place} (trial.finished) has wall_ns: -5" in done.stdout + done.stderr


Recorded = list[dict[str, Any]]


def place_of(records: Recorded, event: str, block: int = 0) -> int:
    return next(place for place, each in enumerate(records) if each["event"] == event and each.get("block") == block)


def trial_twice(records: Recorded) -> None:
    place = place_of(records, "trial.finished")
    records.insert(place, records[place])


def trials_swapped(records: Recorded) -> None:
    for record in records:
        if record["event"] == "trial.finished" and record["block"] == 0:
            record["position"] = 3 - record["position"]


def trial_of_another_round(records: Recorded) -> None:
    records[place_of(records, "trial.finished")]["round"] = 7


def block_begun_twice(records: Recorded) -> None:
    place = place_of(records, "block.started")
    records.insert(place, records[place])


def trial_before_its_block(records: Recorded) -> None:
    records.insert(place_of(records, "block.started", 1), records.pop(place_of(records, "trial.finished", 1)))


def block_never_begun(records: Recorded) -> None:
    del records[place_of(records, "block.started")]


def another_best(records: Recorded) -> None:
    next(record for record in records if record["event"] == "look.taken")["best"] = "locked"


def drop_that_no_look_shows(records: Recorded) -> None:
    next(record for record in records if record["event"] == "variant.dropped")["variant"] = "unlocked"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (trial_twice, "has a trial 2 times: unlocked in round 1"),
        (trials_swapped, "ran its trials in another order than its seed defines"),
        (trial_of_another_round, "has an unplanned trial: unlocked in round 8"),
        (block_begun_twice, "started twice"),
        (trial_before_its_block, "has a trial before its start or after its end"),
        (block_never_begun, "ended without a start"),
        (another_best, "look at 4 blocks: the journal says best locked, recomputed unlocked at 4 blocks"),
        (drop_that_no_look_shows, "the journal drops unlocked, recomputing does not"),
    ],
)
def test_records_that_no_run_can_have_written_are_a_problem(
    tmp_path: Path, change: Callable[[Recorded], None], problem: str
) -> None:
    records = [dict(record) for record in RECORDED]
    change(records)
    numbered = [{**record, "seq": place} for place, record in enumerate(records)]
    code, out = _verified(journaled(tmp_path / "runs", 1, numbered) / "events.jsonl")
    assert (code, problem in out) == (errors.DAMAGED, True), out


def test_a_report_names_the_figures_that_the_raw_records_do_not_give(tmp_path: Path) -> None:
    changed = [record | {"speedup": 7.0} if record.get("speedup") else record for record in RECORDED]
    done = in_process("report", str(journaled(tmp_path / "runs", 1, changed)), cwd=tmp_path)
    warned = [event for line in done.stderr.splitlines() if (event := json.loads(line))["event"] == "journal.differs"]
    assert warned
    assert all("speedup is 7.0 in the journal" in event["what"] for event in warned)


def _verified(file: Path) -> tuple[int, str]:
    done = in_process("verify", str(file), cwd=file.parent)
    return done.returncode, done.stdout
