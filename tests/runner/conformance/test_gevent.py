"""Greenlets: the patched standard library, and accounts of calls that take turns in one thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.runner.registry import unavailable
from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance.runners import fails, opened, order, task
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(unavailable("gevent", {}) is not None, reason="gevent is not installed")

WINDOW = """
from gevent import monkey
monkey.patch_all()
from tests.runner.test_arrivals import nap, window
from tests.support.arrivals import calls_of
MS = 1_000_000
found = window("gevent", nap, [0, 0, 0, 5 * MS])
assert [call.outcome for call in calls_of(found)] == ["ended"] * 4
first, second, third, _ = calls_of(found)
assert second.started_ns < first.ended_ns <= third.started_ns  # two workers
assert first.intended_ns <= first.submitted_ns <= first.started_ns <= first.ended_ns - MS
"""


def test_the_standard_library_is_patched_before_the_workload_takes_its_functions(
    runner_env: RunnerEnvironment, cwd: Path
) -> None:
    (cwd / "sleeper.py").write_text("from time import sleep\ndef of(): return sleep.__module__\n")
    with opened(runner_env, order("gevent", {"call": "sleeper:of", "observe": "workloads:see"})) as runner:
        assert runner.results() == ["gevent.hub"] * 4
        assert {"socket", "threading", "time"} <= set(runner.ready["patched_modules"])
        assert runner.ready["actual_loop"].startswith("gevent.")


def test_other_models_patch_nothing(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("power"))) as runner:
        assert "patched_modules" not in runner.ready


def test_calls_that_wait_let_others_run_and_their_work_counts_once(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("gevent", task("nap", twin=False), workers=4, tasks=8)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["waiting_share"] > 0.5
    assert account["blocked_share"] < account["waiting_share"]
    assert (account["lanes"], account["in_own_thread"], account["is_async"]) == (1, True, False)
    assert account["lines_missing"] == "the calls are greenlets, which share the frames of one thread"


def test_calls_that_wait_in_c_code_block_the_others(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("gevent", task("block"), workers=4, tasks=4)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["blocked_share"] > 0.5


def test_an_exit_in_a_greenlet_is_the_failure_of_its_call(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("gevent", task("leave", twin=False))) as runner:
        with fails("exception", "^SystemExit: 7"):
            runner.trial()
        assert "Traceback" not in runner.output()


def test_calls_that_arrive_one_by_one_are_made_two_at_a_time() -> None:
    done = subprocess.run([sys.executable, "-c", WINDOW], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_workload_that_patches_its_threads_is_accounted_in_its_own(runner_env: RunnerEnvironment, cwd: Path) -> None:
    (cwd / "patches.py").write_text("from gevent import monkey\nmonkey.patch_all()\ndef f(): return 1\n")
    with opened(runner_env, order("sequential", {"call": "patches:f"})) as runner:
        assert runner.ask("account", repeats=1)["in_own_thread"]
