"""A suite that is killed or stopped: the same command goes on with what is not done yet."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.journal.read import EVENTS_FILE, Records, newest_first
from tests.support.place import SPEC, Place
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.slow

SUITE = ("run", "x.yaml", "y.yaml", "z.yaml")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Three experiments; the second one takes long enough to be hit."""
    (tmp_path / "y.yaml").write_text(SPEC.replace("count", "slow").replace("blocks: 3", "blocks: 6"))
    (tmp_path / "z.yaml").write_text(SPEC)
    return Place(tmp_path)


def runs(place: Place) -> dict[str, list[str]]:
    """Return the ids of the runs of each experiment, the newest first."""
    return {name: [run.name for run in newest_first(place.directory / "runs" / name)] for name in "xyz"}


def ended(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the lines of a suite about its experiments."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["experiment"]: line for line in lines if line["event"] == "experiment.finished"}


def is_measuring_the_second(place: Place) -> bool:
    journals = place.directory.glob("runs/y/2*/events.jsonl")
    return any(b'{"event":"block.finished"' in journal.read_bytes() for journal in journals)


def killed_in_the_second(place: Place, *arguments: str) -> dict[str, list[str]]:
    """Kill a suite while it measures its second experiment, and return the runs that there are then."""
    process = place.start(*SUITE, *arguments)
    until(lambda: is_measuring_the_second(place), process)
    process.kill()
    process.communicate()
    assert place.leftovers() == []
    return runs(place)


def test_a_killed_suite_goes_on_where_it_was(place: Place) -> None:
    before = killed_in_the_second(place)
    done = place.run(*SUITE)
    assert done.returncode == errors.OK, done.stderr
    after = runs(place)
    assert (after["x"], after["y"], len(after["z"])) == (before["x"], before["y"], 1)
    assert {name: end["was_done"] for name, end in ended(done).items()} == {"x": True, "y": False, "z": False}


@pytest.mark.long
def test_a_resumed_suite_prints_what_one_that_was_never_killed_prints(place: Place) -> None:
    killed_in_the_second(place)
    lines = [json.loads(line) for line in place.run(*SUITE).stdout.splitlines()]
    assert [line["experiment"] for line in lines if line["event"] == "verdict.reached"] == ["x", "y", "z"]


@pytest.mark.long
def test_a_suite_that_was_resumed_to_its_end_is_over(place: Place) -> None:
    killed_in_the_second(place)
    place.run(*SUITE)
    assert not list(place.directory.glob("runs/.suite*"))
    place.run(*SUITE)
    assert [len(found) for found in runs(place).values()] == [2, 2, 2]


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(5, id="status"),
        pytest.param(6, id="record", marks=pytest.mark.long),
        pytest.param(7, id="next run", marks=pytest.mark.long),
    ],
)
@pytest.mark.long
def test_a_suite_that_dies_after_a_run_does_not_measure_it_again(count: int, place: Place) -> None:
    """It dies before a file is replaced: the status of the first run, the record of the suite, or the second spec."""
    died = place.run("rename.before", str(count), *SUITE, module="tests.support.failpoint")
    assert died.returncode == -signal.SIGKILL
    assert list(Records(newest_first(place.directory / "runs" / "x")[0] / EVENTS_FILE))[-1]["event"] == "run.finished"
    done = place.run(*SUITE)
    assert done.returncode == errors.OK, done.stderr
    assert len(runs(place)["x"]) == 1


@pytest.mark.long
def test_fresh_measures_every_experiment_of_a_killed_suite_again(place: Place) -> None:
    killed_in_the_second(place)
    assert place.run(*SUITE, "--fresh").returncode == errors.OK
    assert [len(found) for found in runs(place).values()] == [2, 2, 1]


@pytest.mark.long
def test_a_suite_killed_long_ago_is_measured_again(place: Place) -> None:
    killed_in_the_second(place)
    assert place.run(*SUITE, "--resume-within", "1ms").returncode == errors.OK
    assert [len(found) for found in runs(place).values()] == [2, 2, 1]


@pytest.mark.long
def test_a_finished_run_of_a_killed_suite_is_measured_again_when_its_code_has_changed(place: Place) -> None:
    killed_in_the_second(place)
    file = place.directory / "mine.py"
    file.write_text(file.read_text().replace("20_000", "20_001"))
    done = place.run(*SUITE)
    assert done.returncode == errors.OK, done.stderr
    assert "sources changed since the suite was interrupted, so it is measured again" in done.stderr
    assert [len(found) for found in runs(place).values()] == [2, 2, 1]


@pytest.mark.long
def test_other_experiments_are_another_suite(place: Place) -> None:
    killed_in_the_second(place)
    assert place.run("run", "x.yaml", "z.yaml").returncode == errors.OK
    assert [len(found) for found in runs(place).values()] == [2, 1, 1]


@pytest.mark.long
def test_the_time_of_a_killed_suite_counts(place: Place) -> None:
    killed_in_the_second(place, "--max-time", "1h")
    record = json.loads(next(place.directory.glob("runs/.suite*")).read_text())
    of_x = list(Records(newest_first(place.directory / "runs" / "x")[0] / EVENTS_FILE))[-1]
    assert record["spent_s"] == of_x["elapsed_s"]


@pytest.mark.long
def test_an_experiment_for_which_no_time_is_left_is_skipped(place: Place) -> None:
    killed_in_the_second(place, "--max-time", "1h")
    (file,) = place.directory.glob("runs/.suite*")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"spent_s": 3600}))
    done = place.run(*SUITE, "--max-time", "1h")
    assert done.returncode == errors.UNDECIDED, done.stderr
    assert {name: end["outcome"] for name, end in ended(done).items()} == {
        "x": "undecided",
        "y": "skipped",
        "z": "skipped",
    }


def stopped_in_the_second(place: Place, number: int) -> subprocess.CompletedProcess[str]:
    process = place.start(*SUITE)
    until(lambda: is_measuring_the_second(place), process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert place.leftovers() == []
    return subprocess.CompletedProcess(SUITE, process.returncode, stdout, stderr)


def test_a_signal_ends_the_whole_suite_with_its_summary(place: Place) -> None:
    done = stopped_in_the_second(place, signal.SIGTERM)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert {name: end["outcome"] for name, end in ended(done).items()} == {
        "x": "undecided",
        "y": "interrupted",
        "z": "not_reached",
    }
    last = "orchestrator: ended by signal 15; to resume: orchestrator run x.yaml y.yaml z.yaml --resume"
    assert done.stderr.splitlines()[-1] == last
    assert not runs(place)["z"]


@pytest.mark.long
def test_a_second_signal_ends_a_suite_at_once(place: Place) -> None:
    process = place.start(*SUITE)
    until(lambda: is_measuring_the_second(place), process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert place.leftovers() == []


@pytest.mark.long
def test_a_suite_ended_by_a_signal_is_resumed(place: Place) -> None:
    stopped_in_the_second(place, signal.SIGTERM)
    assert place.run(*SUITE).returncode == errors.OK
    assert [len(found) for found in runs(place).values()] == [1, 1, 1]


@pytest.mark.long
def test_a_suite_that_its_user_stopped_is_resumed_only_when_asked(place: Place) -> None:
    stopped_in_the_second(place, signal.SIGINT)
    assert place.run(*SUITE, "--resume").returncode == errors.OK
    assert [len(found) for found in runs(place).values()] == [1, 1, 1]


@pytest.mark.long
def test_a_suite_that_its_user_stopped_is_measured_again(place: Place) -> None:
    stopped_in_the_second(place, signal.SIGINT)
    assert place.run(*SUITE).returncode == errors.OK
    assert [len(found) for found in runs(place).values()] == [2, 2, 1]


@pytest.mark.long
def test_a_full_disk_in_one_experiment_leaves_the_others(place: Place) -> None:
    done = place.run("write.ENOSPC", "20", *SUITE, module="tests.support.failpoint")
    assert done.returncode == errors.UNWRITABLE
    assert {name: end["exit_status"] for name, end in ended(done).items()} == {"x": 74, "y": 0, "z": 0}
    assert place.leftovers() == []
