"""Kill -9 at any time: no record is lost or doubled, no process is left, and the next run resumes."""

from __future__ import annotations

import itertools
import random
import signal
import time
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.journal.read import EVENTS_FILE, first_and_last
from tests.support.failpoint import DEATHS, ERRORS
from tests.support.journals import journal_bytes
from tests.support.place import JOURNAL, SPEC, Place, damaged, short

pytestmark = pytest.mark.slow


def kept(place: Place) -> bytes:
    """Return the records of the newest journal that are whole."""
    if not place.runs:
        return b""
    content = (place.runs[0] / EVENTS_FILE).read_bytes()
    return content[: content.rfind(b"\n") + 1]


def check_resumed(place: Place, before: bytes) -> None:
    done = place.run("run", "x.yaml")
    assert done.returncode == errors.OK, done.stderr
    assert place.problems() == []
    assert (place.runs[0] / EVENTS_FILE).read_bytes().startswith(before)
    assert len([event for event in place.events() if event["event"] == "block.finished"]) == 3


def die_and_resume(place: Place, point: str, count: int) -> None:
    if point.startswith("cut"):
        assert place.with_fault("write.torn", 40).returncode == -signal.SIGKILL
    died = place.with_fault(point, count)
    assert died.returncode == -signal.SIGKILL, (point, count, died.stderr)
    assert place.leftovers() == []
    check_resumed(place, kept(place))


@pytest.mark.parametrize("point", short(DEATHS, "write.torn", "cut.before"))
def test_a_run_that_dies_at_a_failpoint_is_resumed(point: str, tmp_path: Path) -> None:
    counts = {"write": 40, "sync": 3, "rename": 3, "cut": 1}
    die_and_resume(Place(tmp_path), point, counts[point.partition(".")[0]])


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", DEATHS)
def test_a_run_that_dies_at_a_failpoint_is_resumed_twenty_times(point: str, tmp_path: Path) -> None:
    dice = random.Random(point)
    most = {"write": 50, "sync": 4, "rename": 3, "cut": 1}[point.partition(".")[0]]
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        die_and_resume(Place(tmp_path / str(number)), point, dice.randint(1, most))


@pytest.mark.parametrize("kills", [3, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_a_run_that_is_killed_at_random_times_is_resumed_until_it_ends(kills: int, tmp_path: Path) -> None:
    dice = random.Random(kills)
    number = killed = 0
    while killed < kills:
        number += 1
        directory = tmp_path / str(number)
        directory.mkdir()
        place = Place(directory)
        before = b""
        for attempt in itertools.count():
            process = place.start("run", "x.yaml")
            # longer each time, so that it gets through a block at last, however busy the machine is
            time.sleep(dice.uniform(0.3, 2.5) * 1.2**attempt)
            process.kill()
            _, stderr = process.communicate()
            assert process.returncode in (-signal.SIGKILL, errors.OK), stderr
            assert place.leftovers() == []
            assert kept(place).startswith(before)
            before = kept(place)
            killed += process.returncode != errors.OK
            if before.rpartition(b"\n{")[2].startswith(b'"event":"run.finished"'):  # perhaps killed after it
                break
        assert place.problems() == []
        # one that was killed before its first record has nothing to go on with
        assert len([run for run in place.runs if first_and_last(run)]) == 1
    print(f"{killed} kills of {number} runs")


@pytest.mark.parametrize("point", short(ERRORS, "write.ENOSPC"))
def test_a_disk_that_fails_stops_the_run_with_74_and_the_next_one_goes_on(point: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    failed = place.with_fault(point, 40 if point.startswith("write") else 2)
    assert failed.returncode == errors.UNWRITABLE
    assert "cannot write" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert place.leftovers() == []
    assert place.status()["exit_status"] == errors.UNWRITABLE
    check_resumed(place, kept(place))


@pytest.mark.long
def test_only_a_recently_interrupted_run_is_resumed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    time.sleep(0.1)
    assert place.run("run", "x.yaml", "--resume-within", "1ms").returncode == errors.OK
    assert len(place.runs) == 2


def test_fresh_starts_a_new_run(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    assert place.run("run", "x.yaml", "--fresh").returncode == errors.OK
    assert len(place.runs) == 2


@pytest.mark.long
def test_resume_finds_the_newest_interrupted_run_behind_a_finished_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    place.run("run", "x.yaml", "--fresh")
    assert place.run("run", "x.yaml", "--resume").returncode == errors.OK
    assert len(place.runs) == 2
    assert all(first_and_last(run)[1]["event"] == "run.finished" for run in place.runs)  # type: ignore[index]


@pytest.mark.parametrize("changed", short(["spec", "sources"], "spec"))
def test_a_changed_run_is_not_resumed_and_says_what_changed(changed: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    file = tmp_path / {"spec": "x.yaml", "sources": "mine.py"}[changed]
    file.write_text(file.read_text().replace("seed: 1", "seed: 2").replace("20_000", "20_001"))
    done = place.run("run", "x.yaml", "--resume")
    assert f"{changed} changed since the run was interrupted, so a new run starts" in done.stderr
    assert (done.returncode, len(place.runs)) == (errors.OK, 2)


IDENTITY = ["program", "host", "packages", "interpreter", "models"]


@pytest.mark.parametrize("changed", short(IDENTITY, "host"))
def test_a_run_of_another_identity_is_not_resumed_and_says_what_changed(changed: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    started, *others = place.events()
    assert started["identity"].keys() == {*IDENTITY, "sources"}
    started["identity"][changed] = "another one"
    (place.runs[0] / EVENTS_FILE).write_bytes(journal_bytes([started, *others]))
    done = place.run("run", "x.yaml", "--resume")
    assert f"{changed} changed since the run was interrupted, so a new run starts" in done.stderr
    assert len(place.runs) == 2


def test_a_run_whose_seed_was_drawn_is_resumed_with_it_and_with_the_time_spent(tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC.replace(", seed: 1", ""))
    place.die_at_write(50)
    assert place.run("run", "x.yaml", "--resume").returncode == errors.OK
    assert len(place.runs) == 1
    (resumed,) = [event for event in place.events() if event["event"] == "run.resumed"]
    assert resumed["seed"] == place.events()[0]["seed"]
    assert resumed["spent_s"] > 0
    assert place.problems() == []


@pytest.mark.long
def test_a_run_that_its_user_stopped_is_resumed_only_when_asked(tmp_path: Path) -> None:
    place = Place(tmp_path, spec="workload: {call: 'mine:slow'}\nmodels: [sequential, threads]\nmeasure: {blocks: 2}\n")
    process = place.start("run", "x.yaml")
    place.wait_for(JOURNAL, process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert place.run("run", "x.yaml", "--resume", "measure.seed=1").returncode == errors.OK  # another spec
    assert len(place.runs) == 2
    assert place.run("run", "x.yaml", "--resume").returncode == errors.OK
    assert len(place.runs) == 2


@pytest.mark.long
def test_a_resumed_run_takes_no_look_again(tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC.replace("blocks: 3,", "tie: 0.01%, max_time: 1h,"))
    for count in (150, 60, 60):
        place.die_at_write(count)
    events = place.events()
    looks = [event["blocks"] for event in events if event["event"] == "look.taken"]
    assert looks
    assert looks == sorted(set(looks))
    assert [event["event"] for event in events].count("run.resumed") == 2
    assert place.problems() == ["unfinished"]


def test_resuming_refuses_a_journal_that_was_damaged_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    file = place.runs[0] / EVENTS_FILE
    content = damaged(file)
    done = place.run("run", "x.yaml", "--resume")
    assert done.returncode == errors.DAMAGED
    assert "byte " in done.stderr
    assert file.read_bytes() == content


def test_without_resume_a_damaged_journal_is_kept_and_a_new_run_starts(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.die_at_write(40)
    file = place.runs[0] / EVENTS_FILE
    content = damaged(file)
    done = place.run("run", "x.yaml", "--resume-within", "24h")
    assert done.returncode == errors.OK
    assert "its journal is damaged, so a new run starts" in done.stderr
    assert file.read_bytes() == content
    assert len(place.runs) == 2
