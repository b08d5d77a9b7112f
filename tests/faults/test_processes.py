"""Workloads and workers that die, hang or hide: each is reported with its cause, and none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from tests.support.place import Place
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.slow


def spec(call: str, model: str = "sequential", more: str = "", **kwargs: Any) -> str:
    return (
        f"workload: {{call: 'mine:{call}', kwargs: {kwargs or '{}'}, check: none}}\n"
        f"models:\n  - {{model: {model}, label: bad}}\n"
        "  - {model: sequential, label: good, call: 'mine:count', kwargs: {}}\n"
        f"baseline: good\nmeasure: {{blocks: 2, rounds: 3, seed: 1}}\n{more}"
    )


def failures(place: Place) -> list[dict[str, Any]]:
    return [event for event in place.events() if event["event"] == "trial.failed"]


@pytest.mark.parametrize(
    ("call", "kwargs", "model", "cause", "error"),
    [
        ("die", {"number": 9}, "sequential", "signal", "killed by SIGKILL"),
        ("die", {"number": 7}, "sequential", "signal", "killed by SIGBUS"),
        ("segfault", {}, "sequential", "signal", "killed by SIGSEGV"),
        ("segfault", {}, "threads", "signal", "killed by SIGSEGV"),
        ("leave", {}, "sequential", "crash", "exited with status 3"),
        ("die", {"number": 9}, "processes", "worker_lost", "BrokenProcessPool"),
        ("segfault", {}, "processes", "worker_lost", "BrokenProcessPool"),
    ],
)
def test_a_death_is_reported_with_its_cause_and_the_others_continue(
    call: str, kwargs: dict[str, Any], model: str, cause: str, error: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, spec(call, model, **kwargs))
    done = place.run("run", "x.yaml")
    assert done.returncode == errors.FAILED
    found = failures(place)
    assert [failure["cause"] for failure in found] == [cause, cause]
    assert error in found[0]["error"]
    assert [event["variant"] for event in place.events() if event["event"] == "variant.excluded"] == ["bad"]
    assert len([event for event in place.events() if event["event"] == "block.finished"]) == 2
    assert place.leftovers() == []


def test_memory_beyond_the_limit_is_reported_as_such(tmp_path: Path) -> None:
    place = Place(tmp_path, spec("fill_memory", more="limits: {memory: 1GiB}\n"))
    assert place.run("run", "x.yaml").returncode == errors.FAILED
    assert [failure["cause"] for failure in failures(place)] == ["memory", "memory"]


def test_files_beyond_the_limit_are_reported_as_such(tmp_path: Path) -> None:
    place = Place(tmp_path, spec("open_files", more="limits: {open_files: 64}\n"))
    assert place.run("run", "x.yaml").returncode == errors.FAILED
    assert "Too many open files" in failures(place)[0]["error"]


def test_a_run_keeps_to_the_processors_that_it_is_given(tmp_path: Path) -> None:
    first = min(os.sched_getaffinity(0))
    place = Place(tmp_path, spec("count", more=f"limits: {{cpus: [{first}]}}\n"))
    assert place.run("run", "x.yaml").returncode == errors.OK
    assert {event["core"] for event in place.events() if event["event"] == "trial.finished"} == {first}
    assert place.events()[0]["effective_cores"] == 1


def test_a_processor_that_is_not_there_is_refused_with_its_place(tmp_path: Path) -> None:
    place = Place(tmp_path, spec("count", more="limits: {cpus: [0, 8000]}\n"))
    done = place.run("run", "x.yaml")
    assert done.returncode == errors.BAD_INPUT
    assert "x.yaml:7:20: limits.cpus[1]: no processor 8000 to run on here" in done.stderr


@pytest.mark.parametrize(
    ("call", "model"),
    [
        *(("hang_in_c", "threads"), ("stop", "processes")),
        *(pytest.param(call, "sequential", marks=pytest.mark.long) for call in ("hang_in_c", "hang_deaf", "stop")),
    ],
)
def test_a_call_that_hangs_ends_at_its_deadline(call: str, model: str, tmp_path: Path) -> None:
    place = Place(tmp_path, spec(call, model).replace("blocks: 2", "timeout: 1s, blocks: 1"))
    done = place.run("run", "x.yaml")
    assert done.returncode == errors.FAILED
    found = failures(place)
    assert {failure["cause"] for failure in found} == {"timeout"}
    if call != "stop":  # it goes on when asked where
        assert f"in {call}" in found[0]["output"], found[0]["output"]
    assert place.leftovers() == []


def test_a_worker_process_that_hangs_reports_where(tmp_path: Path) -> None:
    place = Place(tmp_path, spec("hang", "processes").replace("blocks: 2", "timeout: 1s, blocks: 1"))
    place.run("run", "x.yaml")
    found = failures(place)
    assert found[0]["cause"] == "timeout"
    assert "in hang" in found[0]["output"]


@pytest.mark.parametrize("model", ["sequential", "processes"])
def test_what_a_workload_hides_behind_a_double_fork_is_found(model: str, tmp_path: Path) -> None:
    place = Place(tmp_path, spec("escape", model))
    place.run("run", "x.yaml")
    assert place.leftovers() == []


@pytest.mark.parametrize("killed", ["orchestrator", "reaper"])
def test_what_hides_is_found_even_when_its_keepers_are_killed(killed: str, tmp_path: Path) -> None:
    place = Place(tmp_path, spec("hang", "processes"))
    process = place.start("run", "x.yaml")
    place.wait_for("hangs", process)
    reaper = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
    os.kill(process.pid if killed == "orchestrator" else int(reaper), signal.SIGKILL)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in stderr
    assert place.leftovers() == []


def test_a_run_leaves_no_files_behind_but_its_own_when_it_is_killed(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    place = Place(tmp_path, spec("hang"))
    process = place.start("run", "x.yaml", env={"TMPDIR": str(scratch)})
    place.wait_for("hangs", process)
    assert list(scratch.iterdir())
    process.kill()
    process.communicate()
    assert place.leftovers() == []
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("call", ["share", "share_and_hang"])
def test_what_processes_share_goes_with_them_however_they_end(call: str, tmp_path: Path) -> None:
    place = Place(tmp_path, spec(call))
    process = place.start("run", "x.yaml")
    names = tmp_path / "names"
    if call == "share_and_hang":
        until(lambda: names.exists() and names.read_text().endswith(" "), process)
        process.kill()
    process.communicate(timeout=120)
    assert place.leftovers() == []
    assert names.read_text().split()
    assert [name for name in names.read_text().split() if Path("/dev/shm", name).exists()] == []


def test_a_setup_is_left_when_its_block_is_over(tmp_path: Path) -> None:
    place = Place(tmp_path, "")
    (tmp_path / "mine.py").write_text(
        "import contextlib, pathlib, os\n"
        "def count(): return sum(range(20_000))\n"
        "@contextlib.contextmanager\n"
        "def file():\n"
        "    mine = pathlib.Path(f'made-{os.getpid()}')\n"
        "    mine.touch()\n"
        "    yield mine\n"
        "    mine.unlink()\n"
    )
    (tmp_path / "x.yaml").write_text(
        "workload: {call: 'mine:count', setup: 'mine:file'}\nmodels: [sequential, threads, processes]\n"
        "measure: {blocks: 2, rounds: 3}\n"
    )
    assert place.run("run", "x.yaml").returncode == errors.OK
    assert list(tmp_path.glob("made-*")) == []


def test_a_flood_of_output_costs_no_memory(tmp_path: Path) -> None:
    place = Place(tmp_path, spec("shout").replace("rounds: 3", "rounds: 1"))
    process = place.start("run", "x.yaml")
    most_kb = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            most_kb = max(most_kb, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")))
        except (OSError, TypeError):
            break
        time.sleep(0.1)
    _, stderr = process.communicate()
    assert process.returncode == errors.OK, stderr
    assert 0 < most_kb < 100_000


@pytest.mark.parametrize("blocks", [12, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_blocks_leave_nothing_open_in_the_program(blocks: int, tmp_path: Path) -> None:
    place = Place(tmp_path, spec("count").replace("blocks: 2, rounds: 3", f"blocks: {blocks}, rounds: 1, max_time: 1h"))
    process = place.start("run", "x.yaml", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    samples = []
    while process.poll() is None:
        # not at the end, when everything is derived from the blocks at once
        if 0 < (finished := place.finished_blocks()) < blocks and (held := _held_by(process.pid)):
            samples.append((finished, *held))
        time.sleep(0.2 if blocks < 100 else 2)
    assert process.returncode == errors.OK
    early = [sample for sample in samples if sample[0] <= blocks // 3]
    late = [sample for sample in samples if sample[0] > blocks // 2]
    assert early and late, samples
    for column, what in ((1, "descriptors"), (2, "threads")):  # more of them while runners are started
        assert min(sample[column] for sample in late) <= max(sample[column] for sample in early), (what, samples)
    assert max(sample[3] for sample in late) - max(sample[3] for sample in early) < 10_000, samples  # kB


def _held_by(pid: int) -> tuple[int, int, int] | None:
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return (
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            int(status["Threads"]),
            int(status["VmRSS"].split()[0]),
        )
    except (OSError, KeyError):
        return None
