"""What trying a function tells of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BESIDE_ANOTHER = """
import os, subprocess, sys, time
from orchestrator.runner.first_calls import CallTimes

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinner:
    times = CallTimes()
    for _ in range(6):
        times.begin()
        end_ns = time.thread_time_ns() + 20_000_000
        while time.thread_time_ns() < end_ns: pass
        times.end(None)
    spinner.kill()
print(times.figures()["cpu_share"])
"""


@pytest.mark.skipif(
    not Path("/proc/thread-self/schedstat").exists(), reason="this system does not tell who waits for a core"
)
def test_a_call_that_waits_for_a_core_counts_as_one_that_computes() -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE_ANOTHER], capture_output=True, text=True, check=True)
    assert 0.9 < float(done.stdout) < 1.1
