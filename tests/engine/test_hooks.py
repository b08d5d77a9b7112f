"""The hooks of a workload: initializers of coroutines, checks for requirements, warnings; its temporary files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

WORKLOADS = """
import os, signal, tempfile
from contextlib import asynccontextmanager
from contextvars import ContextVar

given = None

async def answer():
    return given

def plain():
    return given

@asynccontextmanager
async def connected(initargs):
    global given
    import asyncio
    given = type(asyncio.get_running_loop()).__name__
    yield
    with open("left", "a") as file:
        file.write("left ")

def begin(initargs):
    global given
    given = "begun"

def complete():
    return None

def lacking():
    return "no flux here; not now", "fetch a capacitor"

def broken():
    raise LookupError("where?")

def doubt(results, initargs):
    return {"answers": len(results), "warning": "the server was busy\\x1b[31m"}

def trust(results, initargs):
    return {"warning": None}

def leave_a_file():
    directory = tempfile.mkdtemp(prefix="left-behind-")
    with open("where", "w") as file:
        file.write(directory)
    return os.stat(os.path.dirname(directory)).st_mode & 0o777

def die():
    leave_a_file()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(place: Path, spec: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (place / "mine.py").write_text(WORKLOADS)
    (place / "a.yaml").write_text(spec)
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "run",
        "a.yaml",
        "measure.blocks=1",
        "measure.rounds=2",
        *arguments,
    ]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=120)


def events(place: Path, name: str) -> list[dict[str, Any]]:
    lines = (place / "runs/a/latest/events.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == name]


ANSWERED = (
    "workload: {async_call: 'mine:answer', async_initializer: 'mine:connected', initializer: 'mine:begin',"
    " check: 'mine:right'}\n"
)


@pytest.mark.parametrize("model", ["event_loop", "threads_of_loops", "processes_of_loops"])
def test_loops_enter_the_initializer_of_coroutines_and_leave_it_at_the_end(tmp_path: Path, model: str) -> None:
    (tmp_path / "checks.py").write_text("def right(results):\n    return set(results) == {'_UnixSelectorEventLoop'}\n")
    spec = ANSWERED.replace("mine:right", "checks:right") + f"models: [{model}]\n"
    done = run(tmp_path, spec)
    assert (done.returncode, done.stderr.count("warning")) == (0, 0), done.stdout + done.stderr
    assert set((tmp_path / "left").read_text().split()) == {"left"}


def test_plain_functions_get_the_plain_initializer(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text("def right(results):\n    return set(results) == {'begun'}\n")
    spec = ANSWERED.replace("mine:right", "checks:right").replace("{", "{call: 'mine:plain', ", 1)
    assert run(tmp_path, spec + "models: [threads]\n").returncode == 0


def test_a_contestant_may_have_an_initializer_of_its_own(tmp_path: Path) -> None:
    spec = (
        "workload: {call: 'mine:plain', check: 'checks:right'}\nmodels: [{model: threads, initializer: 'mine:begin'}]\n"
    )
    (tmp_path / "checks.py").write_text("def right(results):\n    return set(results) == {'begun'}\n")
    assert run(tmp_path, spec).returncode == 0
    assert run(tmp_path, spec.replace(", initializer: 'mine:begin'", "")).returncode == 3


def test_a_workload_that_lacks_something_is_refused_with_the_remedy(tmp_path: Path) -> None:
    done = run(tmp_path, "workload:\n  call: mine:plain\n  unavailable: mine:lacking\nmodels: [sequential]\n")
    assert done.returncode == 2
    assert done.stderr == "orchestrator: a.yaml:3:16: workload.unavailable: no flux here; not now; fetch a capacitor\n"
    assert not (tmp_path / "runs/a").exists()


def test_a_plain_text_of_what_is_missing_is_not_split(tmp_path: Path) -> None:
    (tmp_path / "texts.py").write_text("def lacking(): return 'no flux; no clock'\n")
    done = run(tmp_path, "workload: {call: 'mine:plain', unavailable: 'texts:lacking'}\nmodels: [sequential]\n")
    assert done.returncode == 2
    assert "no flux; no clock; install it, or leave this out\n" in done.stderr


def test_a_workload_that_lacks_nothing_runs(tmp_path: Path) -> None:
    done = run(tmp_path, "workload: {call: 'mine:plain', unavailable: 'mine:complete'}\nmodels: [sequential]\n")
    assert done.returncode == 0


def test_an_error_in_the_check_for_requirements_is_reported(tmp_path: Path) -> None:
    done = run(tmp_path, "workload: {call: 'mine:plain', unavailable: 'mine:broken'}\nmodels: [sequential]\n")
    assert done.returncode == 2
    assert "mine:broken failed: LookupError: where?" in done.stderr


def test_what_a_workload_warns_of_stands_beside_the_verdict_and_nowhere_else(tmp_path: Path) -> None:
    spec = "workload: {call: 'mine:plain', observe: 'mine:doubt'}\nmodels: [sequential, threads]\n"
    assert run(tmp_path, spec).returncode == 0
    (verdict,) = events(tmp_path, "verdict.reached")
    warning = "the server was busy\x1b[31m (in 2 of 2 trials)"
    assert verdict["workload_warnings"] == [f"sequential: {warning}", f"threads: {warning}"]
    assert "workload_warned" in verdict["warnings"]
    assert {event["metric"] for event in events(tmp_path, "variant.observed")} == {"observed.answers"}
    command = [sys.executable, "-m", "orchestrator", "report", "runs/a/latest", "--format", "table"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "note: warning of the workload: sequential: the server was busy" in shown
    assert "\x1b" not in shown


def test_a_workload_that_has_nothing_to_warn_of_does_not(tmp_path: Path) -> None:
    assert run(tmp_path, "workload: {call: 'mine:plain', observe: 'mine:trust'}\nmodels: [threads]\n").returncode == 0
    (verdict,) = events(tmp_path, "verdict.reached")
    assert (verdict["workload_warnings"], "workload_warned" in verdict["warnings"]) == (None, False)


@pytest.mark.parametrize("function", ["leave_a_file", "die"])
def test_temporary_files_of_a_workload_go_with_the_run_however_it_ends(tmp_path: Path, function: str) -> None:
    done = run(tmp_path, f"workload: {{call: 'mine:{function}'}}\nmodels: [sequential]\n")
    assert done.returncode == (3 if function == "die" else 0)
    directory = Path((tmp_path / "where").read_text())
    assert directory.name.startswith("left-behind-")
    assert not directory.parent.exists()


def test_another_user_gets_through_to_a_temporary_directory_but_can_not_look_around(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text("def right(results):\n    return set(results) == {0o711}\n")
    spec = "workload: {call: 'mine:leave_a_file', check: 'checks:right'}\nmodels: [sequential]\n"
    assert run(tmp_path, spec).returncode == 0
