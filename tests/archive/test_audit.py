"""`verify` of journals that are damaged although each of their records has its checksum."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import in_process
from tests.support.journals import RECORDED, journaled, recorded

SMALLEST = recorded(min(RECORDED, key=lambda file: file.stat().st_size))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    return journaled(tmp_path / "runs", 1, SMALLEST)


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
    records = [dict(record) for record in SMALLEST]
    place = next(number for number, record in enumerate(records) if record["event"] == "trial.finished")
    records[place] |= {"wall_ns": -5}
    done = in_process(command, str(journaled(tmp_path / "runs", 1, records)), cwd=tmp_path)
    assert done.returncode == errors.DAMAGED
    assert f"record {place} (trial.finished) has wall_ns: -5" in done.stdout + done.stderr


def _verified(file: Path) -> tuple[int, str]:
    done = in_process("verify", str(file), cwd=file.parent)
    return done.returncode, done.stdout
