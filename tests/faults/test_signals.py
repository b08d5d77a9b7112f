"""SIGINT, SIGTERM and SIGHUP: the results are printed, the status is 128+N, and no process is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.place import Place, short
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

SPEC = """
workload: {call: "mine:slow"}
tasks: 2
models: [sequential, threads, processes]
measure: {seed: 1}
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop(process: subprocess.Popen[str], number: int) -> tuple[str, str]:
    process.send_signal(number)
    return process.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize("number", short(SIGNALS, signal.SIGTERM))
def test_a_signal_ends_a_run_with_its_results(number: int, tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC)
    process = place.start("run", "x.yaml", "--format", "table")
    place.wait_for_blocks(2, process)
    stdout, stderr = stop(process, number)
    assert process.returncode == 128 + number
    assert "threads" in stdout
    assert f"orchestrator: ended by signal {number}; to resume: orchestrator run " in stderr.splitlines()[-1]
    assert place.leftovers() == []
    assert place.status()["outcome"] == "interrupted"


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_a_signal_at_any_time_leaves_no_process(times: int, tmp_path: Path) -> None:
    dice = random.Random(times)
    for turn in range(times):
        directory = tmp_path / str(turn)
        directory.mkdir()
        place = Place(directory, SPEC)
        process = place.start("run", "x.yaml")
        time.sleep(dice.uniform(0.05, 4))
        number = dice.choice(SIGNALS)
        _, stderr = stop(process, number)
        # before the program has its handlers, a signal simply kills it
        assert process.returncode in (128 + number, -number), stderr
        assert "Traceback" not in stderr
        assert place.leftovers() == []


def test_a_second_signal_ends_a_run_that_cannot_end(tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC)
    # stdout is a pipe that is full, so that printing never ends
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    process = place.start("run", "x.yaml", stdout=writer, stderr=subprocess.DEVNULL)
    place.wait_for_blocks(1, process)
    process.send_signal(signal.SIGTERM)
    time.sleep(2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) in (-signal.SIGTERM, 128 + signal.SIGTERM)
    os.close(reader)
    os.close(writer)
    assert place.leftovers() == []


@pytest.mark.long
def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC)
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731  # as nohup does
    process = place.start("run", "x.yaml", "measure.blocks=4", preexec_fn=ignore)
    place.wait_for_blocks(1, process)
    assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert place.finished_blocks() == 4


def test_a_double_hang_up_still_prints_the_results(tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC)
    process = place.start("run", "x.yaml")
    place.wait_for_blocks(1, process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.005)
    stdout, _ = stop(process, signal.SIGHUP)
    assert process.returncode == 128 + signal.SIGHUP
    assert json.loads(stdout.splitlines()[-1])["event"] == "run.finished"
    assert place.events()[-1]["event"] == "run.finished"
    assert place.leftovers() == []
