"""What a worker said before it died is in the reason, however it was started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import orchestrator
from tests.support.place import short

FARM = "import multiprocessing\n\nmultiprocessing.set_start_method('spawn')\n\ndef crunch(n): return sum(range(n))\n"

CRASHES = """
import ctypes, multiprocessing, os

def killed(order):
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), 15)
    return order

def convert(order):
    if order == 2 and multiprocessing.parent_process() is not None:  # crashes at once would write into one another
        ctypes.string_at(0)
    return order
"""

SETTLE = """
class Declined(Exception):
    def __init__(self, order, reason):
        super().__init__(f"{order}: {reason}")

def settle(order): return Declined(order, "no funds") if order == 3 else order

class Lazy:
    def __init__(self, path, *, size): self.path = path
    def __reduce__(self): return (Lazy, (self.path,))

def lazy(order): return Lazy("x", size=order)
"""


def failures(place: Path, call: str, models: str) -> dict[str, str]:
    """Return the error of each variant that failed in a run."""
    spec = f"workload: {{call: {call!r}, item: order, check: none}}\ntasks: 4\nmodels: [{models}]\n"
    spec += "measure: {blocks: 1, rounds: 1}\n"
    (place / "spec.yaml").write_text(spec)
    (place / "farm.py").write_text(FARM.replace("crunch(n)", "crunch(order)").replace("range(n)", "range(order)"))
    (place / "pay.py").write_text(SETTLE)
    (place / "native.py").write_text(CRASHES)
    done = orchestrator("run", "spec.yaml", cwd=place)
    found = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return {event["variant"]: event["error"] for event in found if event["event"] == "trial.failed"}


@pytest.mark.parametrize(
    "model",
    short(
        [
            "processes",
            "{model: processes, start_method: forkserver}",
            "{model: processes, pool: multiprocessing}",
            "process_per_task",
            "processes_of_threads",
            "loky",
            "joblib",
        ],
        "processes",
        "loky",
    ),
)
def test_the_exception_that_ended_a_worker_is_named_with_its_line(tmp_path: Path, model: str) -> None:
    (error,) = failures(tmp_path, "farm:crunch", f"sequential, {model}").values()
    assert "RuntimeError: context has already been set (farm.py:3)" in error


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("pay:settle", "Declined.__init__() missing 1 required positional argument: 'reason'"),
        pytest.param(
            "pay:lazy", "Lazy.__init__() missing 1 required keyword-only argument: 'size'", marks=pytest.mark.long
        ),
    ],
)
@pytest.mark.parametrize(
    "model", short(["processes", "{model: processes, pool: multiprocessing}", "process_per_task", "loky"], "processes")
)
def test_a_result_that_cannot_be_unpickled_names_its_class(tmp_path: Path, call: str, named: str, model: str) -> None:
    (error,) = failures(tmp_path, call, f"sequential, {model}").values()
    assert named in error
    assert "unpickle" in error or "un-serialize" in error


def test_a_crash_of_a_worker_is_named_with_its_line(tmp_path: Path) -> None:
    found = failures(tmp_path, "native:convert", "sequential, processes, process_per_task")
    assert all("Segmentation fault (native.py:11)" in error for error in found.values())
    assert found.keys() == {"processes", "process_per_task"}


def test_a_worker_that_was_killed_is_said_to_have_been_with_the_signal(tmp_path: Path) -> None:
    found = failures(tmp_path, "native:killed", "sequential, processes, process_per_task")
    assert all("a worker was killed by SIGTERM" in error for error in found.values())
    assert found.keys() == {"processes", "process_per_task"}
