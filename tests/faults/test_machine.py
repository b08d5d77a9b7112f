"""Faults of the machine: a full disk, too few descriptors, no terminal, another run, a clock that jumps."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.journal import read, write
from orchestrator.journal.read import EVENTS_FILE
from orchestrator.jsonl import dumps
from tests.support.paths import ROOT
from tests.support.place import JOURNAL, SPEC, Place, damaged

pytestmark = pytest.mark.slow


def limited(kind: int, bound: int) -> None:
    resource.setrlimit(kind, (bound, bound))


def test_a_file_that_may_not_grow_stops_the_run_with_74(tmp_path: Path) -> None:
    place = Place(tmp_path)
    done = place.run("run", "x.yaml", preexec_fn=lambda: limited(resource.RLIMIT_FSIZE, 16_384))
    assert done.returncode == errors.UNWRITABLE
    assert "File too large" in done.stderr.splitlines()[-1]
    assert place.leftovers() == []
    assert place.run("run", "x.yaml").returncode == errors.OK
    assert place.problems() == []


def mounted(tmp_path: Path, options: str) -> list[str]:
    """Return the begin of a command that runs another one with a file system of its own at `runs`."""
    (tmp_path / "runs").mkdir()
    prefix = ["unshare", "-m", "sh", "-c", f'mount {options} {tmp_path / "runs"} && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    return prefix


def test_a_disk_that_is_too_small_is_reported_before_the_first_trial(tmp_path: Path) -> None:
    prefix = mounted(tmp_path, "-t tmpfs -o size=64k tmpfs")
    done = Place(tmp_path, SPEC.replace("blocks: 3, rounds: 3, ", "")).run("run", "x.yaml", before=prefix)
    assert done.returncode == errors.UNWRITABLE
    assert re.search(r"[1-9]\d* kB are free in .*, and this run may write [1-9]\d* kB; make room", done.stderr)


def test_a_read_only_directory_is_reported_before_the_first_trial(tmp_path: Path) -> None:
    prefix = mounted(tmp_path, "-t tmpfs -o ro tmpfs")
    done = Place(tmp_path).run("run", "x.yaml", before=prefix)
    assert done.returncode == errors.UNWRITABLE
    assert "Read-only file system" in done.stderr


def test_without_proc_what_cannot_be_had_is_absent_and_named(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    prefix = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /proc && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    place = Place(tmp_path)
    done = place.run("run", "x.yaml", "--format", "table", "--details", before=prefix)
    assert done.returncode == errors.OK
    missing = "waiting for a core, peak memory, private memory of workers"
    assert f"not reported by this system: {missing}" in " ".join(done.stdout.split())
    accounts = [event for event in place.events() if event["event"] == "account.measured"]
    assert accounts
    assert {event["run_queue_share"] for event in accounts} == {None}


def test_too_few_descriptors_are_reported_before_anything_is_written(tmp_path: Path) -> None:
    place = Place(tmp_path)
    done = place.run("run", "x.yaml", preexec_fn=lambda: limited(resource.RLIMIT_NOFILE, 32))
    assert done.returncode == errors.BAD_INPUT
    assert "ulimit -n" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("starts", [4, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_of_many_runs_that_begin_at_once_one_measures_and_the_others_name_it(starts: int, tmp_path: Path) -> None:
    places = []
    for number in range(starts):
        (tmp_path / str(number)).mkdir()
        places.append(Place(tmp_path / str(number)))
    processes = [place.start("run", "x.yaml", env={"ORCHESTRATOR_LOCK": str(tmp_path / "lock")}) for place in places]
    ended = [(process, process.communicate(timeout=600)[1]) for process in processes]
    spans = [_span(place.runs[0]) for place in places if place.runs]
    assert all(a[1] < b[0] for a, b in zip(sorted(spans), sorted(spans)[1:], strict=False))
    pids = {process.pid for process, _ in ended}
    for process, stderr in ended:
        assert process.returncode in (errors.OK, errors.BUSY), stderr
        if process.returncode == errors.BUSY:
            assert any(f"another run holds this machine: pid {pid}, since " in stderr for pid in pids), stderr
    assert {process.returncode for process, _ in ended} == {errors.OK, errors.BUSY}


def _span(run: Path) -> tuple[str, str]:
    events = list(read.Records(run / read.EVENTS_FILE))
    return events[0]["ts"], events[-1]["ts"]


def test_a_run_waits_for_another_one_when_asked_to(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = place.start("run", "x.yaml")
    place.wait_for(JOURNAL, first)
    second = place.run("run", "x.yaml", "--fresh", "--wait", "100s")
    first.communicate()
    assert (first.returncode, second.returncode) == (errors.OK, errors.OK)
    later, earlier = map(_span, place.runs)
    assert earlier[1] < later[0]


def test_the_lock_goes_with_its_holder_however_it_ends(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = place.start("run", "x.yaml")
    place.wait_for(JOURNAL, first)
    first.kill()
    first.communicate()
    assert place.run("run", "x.yaml").returncode == errors.OK


@pytest.mark.long
def test_standard_input_and_error_may_be_closed_and_there_may_be_no_terminal(tmp_path: Path) -> None:
    place = Place(tmp_path)
    command = 'exec setsid "$0" -m orchestrator run x.yaml <&- 2>&-'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", command, sys.executable], cwd=tmp_path, env=env, check=False)
    assert done.returncode == errors.OK
    assert place.problems() == []


@pytest.mark.long
def test_an_empty_environment_with_a_c_locale_changes_no_byte_but_what_is_drawn(tmp_path: Path) -> None:
    place = Place(tmp_path, "description: größer\n" + "workload: {call: 'mine:count'}\nmodels: [sequential, threads]\n"
                  "measure: {blocks: 2, rounds: 3}\n")  # fmt: skip
    done = place.run("run", "x.yaml")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-m", "orchestrator", "report", "runs/x", "--format"]
    bare = subprocess.run([*command, "json"], cwd=tmp_path, env=env, capture_output=True)
    usual = place.run("report", "runs/x", "--format", "json", env={"COLUMNS": "100"})
    assert bare.stdout == usual.stdout.encode() == done.stdout.encode()
    drawn = subprocess.run([*command, "table"], cwd=tmp_path, env=env, capture_output=True)
    assert drawn.returncode == errors.OK
    assert drawn.stdout.startswith(b"count() x ")
    assert drawn.stdout.isascii()


def test_quiet_prints_everything_once_something_is_wrong(tmp_path: Path) -> None:
    place = Place(
        tmp_path, "workload: {call: 'mine:segfault'}\nmodels: [sequential]\nmeasure: {blocks: 2, rounds: 3}\n"
    )
    done = place.run("run", "x.yaml", "--quiet", "--log-file", "x.log")
    assert done.returncode == errors.FAILED
    assert "trial.failed" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("orchestrator: 2 trials failed")
    assert '"event": "verdict.reached"'.replace(" ", "") in done.stdout.replace(" ", "")
    logged = [json.loads(line) for line in (tmp_path / "x.log").read_text().splitlines()]
    assert [line["event"] for line in logged] == ["trial.failed", "trial.failed", "variant.excluded"]


def test_a_clock_that_jumps_changes_nothing_that_is_derived(tmp_path: Path) -> None:
    place = Place(tmp_path)
    code = (
        "import datetime, orchestrator.journal.write, orchestrator.units\n"
        "class Jumping(datetime.datetime):\n"
        "    turns = 0\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n"
        "        cls.turns += 1\n"
        "        return super().now(tz) + datetime.timedelta(days=365 if cls.turns % 2 else -365)\n"
        "orchestrator.journal.write.datetime = orchestrator.units.datetime = Jumping\n"
        "import sys; from orchestrator.cli.main import main; main()\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "run", "x.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == errors.OK, done.stderr
    assert place.problems() == []


def test_a_closed_pipe_stops_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    command = '"$0" -m orchestrator run x.yaml | head -c 10 > /dev/null; exit "${PIPESTATUS[0]}"'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", command, sys.executable], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (errors.OK, "")
    assert place.problems() == []


@pytest.mark.long
def test_old_runs_are_listed_and_deleted_only_with_delete(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for _ in range(3):
        place.run("run", "x.yaml", "measure.blocks=1")
    oldest = place.runs[-1]
    named = place.run("prune", "--keep", "2")
    assert named.stdout.split() == [str(oldest.relative_to(tmp_path))]
    assert "--delete" in named.stderr
    assert len(place.runs) == 3
    place.run("prune", "--keep", "2", "--delete")
    assert oldest not in place.runs
    assert len(place.runs) == 2
    assert place.run("report", "runs/x").returncode == errors.OK


def test_a_run_in_progress_is_never_deleted(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run("run", "x.yaml", "measure.blocks=1")
    running = place.runs[0]
    with write.reopen(running):
        place.run("run", "x.yaml", "--fresh", "measure.blocks=1")
        place.run("prune", "--keep", "1", "--delete")
    assert running in place.runs


def test_verify_accepts_a_complete_journal_and_refuses_a_damaged_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run("run", "x.yaml")
    whole = place.run("verify", "runs/x")
    assert whole.returncode == errors.OK
    assert whole.stdout.splitlines()[0].endswith("3 finished blocks with 18 trials")
    assert whole.stdout.splitlines()[-1] == "complete"
    file = place.runs[0] / EVENTS_FILE
    damaged(file)
    refused = place.run("verify", "runs/x")
    assert refused.returncode == errors.DAMAGED
    assert "byte " in refused.stdout


def test_verify_names_a_trial_that_is_missing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run("run", "x.yaml")
    file = place.runs[0] / EVENTS_FILE
    events = place.events()
    lost = next(number for number, event in enumerate(events) if event["event"] == "trial.finished")
    _rewrite(file, [event for number, event in enumerate(events) if number != lost])
    done = place.run("verify", "runs/x")
    assert done.returncode == errors.DAMAGED
    assert "lacks 1 of 6 trials" in done.stdout


def _rewrite(file: Path, events: list[dict[str, object]]) -> None:
    """Write records as a journal that has lost some, with the numbers and checksums of a whole one."""
    import zlib

    with file.open("wb") as out:
        for number, event in enumerate(events):
            body = dumps({**{k: v for k, v in event.items() if k != "crc32"}, "seq": number})
            out.write(body[:-1] + b',"crc32":"%08x"}\n' % zlib.crc32(body))


def test_the_status_file_holds_the_state_during_and_after_a_run(tmp_path: Path) -> None:
    place = Place(tmp_path)
    process = place.start("run", "x.yaml")
    place.wait_for("runs/x/status.json", process)
    running = place.status()
    process.communicate()
    assert (running["state"], running["pid"]) == ("running", process.pid)
    ended = place.status()
    assert (ended["state"], ended["outcome"], ended["exit_status"]) == ("ended", "undecided", 0)
    assert ended["run_id"] == place.runs[0].name


def test_a_run_directory_that_may_not_be_entered_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    assert place.run("run", "x.yaml").returncode == errors.OK
    stat = os.stat

    def refusing(path: Any, **options: Any) -> os.stat_result:
        if str(path).endswith(EVENTS_FILE):
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refusing)  # root may enter any
    assert read.newest_first(tmp_path / "runs" / "x") == []
    with pytest.raises(errors.BadInput, match=r"holds no events\.jsonl"):
        read.find(tmp_path / "runs" / "x")
