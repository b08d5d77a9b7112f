"""The figures and failures of a pilot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.runner.call_times import LARGE, CallTimes
from tests.support.command import in_process

BESIDE_ANOTHER = """
import os, subprocess, sys, time
from orchestrator.runner.call_times import CallTimes

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinner:
    try:
        times = CallTimes()
        for _ in range(6):
            times.begin()
            end_ns = time.thread_time_ns() + 20_000_000
            while time.thread_time_ns() < end_ns: pass
            times.end(None)
    finally:
        spinner.kill()
print(times.figures()["cpu_share"])
"""


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="no schedstat here")
def test_a_call_that_waits_for_a_core_counts_as_one_that_computes() -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE_ANOTHER], capture_output=True, text=True, check=True)
    assert 0.9 < float(done.stdout) < 1.1


def failure(place: Path, body: str, *arguments: str) -> str:
    """Return what `advise` prints for a function that fails."""
    (place / "mine.py").write_text(f"def work(n): {body}\n")
    done = in_process("advise", "mine:work", *arguments, cwd=place)
    assert done.returncode == errors.FAILED
    return done.stderr


GENERAL = "call it with arguments that it can work with"


@pytest.mark.parametrize("text", ["TypeError: no", "after all", "EOFError", "no module named 'x'", "a; b"])
def test_the_remedy_does_not_follow_the_text_of_an_exception(tmp_path: Path, text: str) -> None:
    assert failure(tmp_path, f"raise type('Own', (Exception,), {{}})({text!r})", "n=1").endswith(f"; {GENERAL}\n")


def test_the_remedy_follows_the_class_of_an_exception(tmp_path: Path) -> None:
    assert "; standard input is empty here" in failure(tmp_path, "raise EOFError('x')", "n=1")
    assert "; values are read as YAML (n is a number)" in failure(tmp_path, "raise TypeError('x')", "n=1")


def test_calls_that_wait_do_not_grow_with_their_little_cpu_time() -> None:
    measured = CallTimes()
    measured._walls_ns, measured._own_ns = [2_100_000] * 41, [40_000] * 21 + [130_000] * 20
    assert measured.growth() is None
    measured._walls_ns = [100_000] * 21 + [200_000] * 20
    assert measured.growth() == pytest.approx(3.25)


@pytest.mark.parametrize("count", [10, 2_000_000])
def test_large_results_are_held_in_a_few_further_calls_as_a_batch_holds_them(count: int) -> None:
    measured = CallTimes()
    while measured.wants_more(is_second=False):
        measured.begin()
        measured.end(bytes(count))
        # a call in the memory of a freed result takes 1 ms, others take 20 ms; the first two held have such memory
        measured._walls_ns[-1] = 20_000_000 if len(measured._held) > 2 else 1_000_000
    assert measured.figures()["wall_ns"] == (20_000_000 if count > LARGE else 1_000_000)
