"""Faults behind the other doors: a kernel, pytest, ten experiments, a server, items, arrivals, a full disk."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.archive.audit import Audit
from orchestrator.journal.read import EVENTS_FILE, Records, first_and_last, newest_first
from tests.support.place import Place
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.slow

ASKING = """
import orchestrator

def work(n): return sum(range(n))

orchestrator.compare(work, args=[20_000], models=["sequential", "processes"], max_time=10)
"""

TESTING = """
def work(n): return sum(range(n))

def test_work(concurrency):
    concurrency.compare(work, args=[20_000], models=["sequential", "processes"], max_time=10)
"""

SERVER = """
import http.client, http.server, os, socket, subprocess, sys, threading
from contextlib import contextmanager

@contextmanager
def server():
    # it dies of the request with this number, in the midst of it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, str(port), os.environ["LAST_REQUEST"]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    try:
        yield port
    finally:
        process.kill()
        process.wait()

def connect(port):
    global PORT
    PORT = port

def ask():
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()

if __name__ == "__main__":
    left = int(sys.argv[2])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            global left
            left -= 1
            if left < 0:
                os._exit(1)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as serving:
        print("ready", flush=True)
        serving.serve_forever()
"""


NOWHERE: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
"""For a program that is not read until it is killed: a full pipe would stop it."""


def journals(place: Place) -> list[Path]:
    return [file for file in place.directory.glob("**/events.jsonl") if not file.parent.is_symlink()]


def has_measured(place: Place) -> bool:
    return any(b'{"event":"block.finished"' in journal.read_bytes() for journal in journals(place))


@pytest.mark.parametrize(
    ("file", "text", "command"),
    [("asking.py", ASKING, ("asking",)), ("test_asking.py", TESTING, ("pytest", "-q", "test_asking.py"))],
    ids=["a program", "pytest"],
)
def test_a_killed_program_that_measures_leaves_no_process_and_the_next_one_measures(
    file: str, text: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    place = Place(tmp_path)
    (tmp_path / file).write_text(text)
    module, *arguments = command
    killed = place.start(*arguments, module=module, **NOWHERE)
    until(lambda: has_measured(place), killed)
    killed.kill()
    killed.wait()
    assert place.leftovers() == []
    again = place.run(*arguments, module=module)
    assert again.returncode == 0, again.stdout + again.stderr
    for journal in journals(place):
        assert Audit(Records(journal)).problems == []


def test_a_killed_kernel_of_a_notebook_leaves_no_process(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    place = Place(tmp_path)
    kernel = manager.KernelManager(kernel_name="python3")
    kernel.start_kernel(cwd=str(tmp_path), env=place.whole_env)
    client = kernel.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        client.execute(ASKING)
        until(lambda: has_measured(place))
        os.kill(kernel.provisioner.pid, signal.SIGKILL)
        assert place.leftovers() == []
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


TEN = [f"x{number}" for number in range(10)]


@pytest.fixture
def ten(tmp_path: Path) -> Place:
    """Ten experiments."""
    place = Place(tmp_path)
    for name in TEN:
        (tmp_path / f"{name}.yaml").write_text((tmp_path / "x.yaml").read_text())
    return place


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.long)])
def test_ten_experiments_killed_at_random_times_are_each_measured_once(kills: int, ten: Place) -> None:
    dice = random.Random(kills)
    command = ("run", *(f"{name}.yaml" for name in TEN), "--resume")
    killed = suites = 0
    while killed < kills:  # again from the beginning once all ten are measured
        suites += 1
        for attempt in itertools.count():
            process = ten.start(*command, **NOWHERE)
            if killed < kills:
                # longer each time, so that it gets through a run at last, however busy the machine is
                time.sleep(dice.uniform(0.3, 6.0) * 1.1**attempt)
                process.kill()
            assert process.wait() in (-signal.SIGKILL, errors.OK)
            assert ten.leftovers() == []
            killed += process.returncode != errors.OK
            if process.returncode == errors.OK:
                break
    for name in TEN:
        runs = [run for run in newest_first(ten.directory / "runs" / name) if first_and_last(run)]
        assert len(runs) == suites
        for run in runs:
            audited = Audit(Records(run / EVENTS_FILE))
            assert audited.is_finished and audited.problems == []
    print(f"{killed} kills in {suites} suites")


CONNECTION_LOST = "ConnectionRefusedError|ConnectionResetError|RemoteDisconnected"


def served(place: Place, last_request: int, more: str = "") -> subprocess.CompletedProcess[str]:
    """Run an experiment on a server that dies of its last request."""
    (place.directory / "serving.py").write_text(SERVER)
    spec = "workload: {call: 'serving:ask', setup: 'serving:server', initializer: 'serving:connect'}\n"
    measure = "metric: p90" if more else "blocks: 2, rounds: 3"
    more += "models: [threads, {model: threads, label: again}]\n"
    (place.directory / "x.yaml").write_text(f"{spec}{more}measure: {{{measure}, max_time: 20s}}\n")
    return place.run("run", "x.yaml", env={"LAST_REQUEST": str(last_request)})


def test_a_server_under_test_that_dies_is_reported_and_nothing_is_left(tmp_path: Path) -> None:
    place = Place(tmp_path)
    done = served(place, last_request=20)
    assert done.returncode == errors.FAILED
    failed = [event for event in place.events() if event["event"] == "trial.failed"]
    assert failed and all(re.search(CONNECTION_LOST, event["error"]) for event in failed)
    assert "Traceback" not in done.stderr
    assert place.leftovers() == []


def test_a_server_that_dies_while_calls_arrive_is_reported_and_nothing_is_left(tmp_path: Path) -> None:
    place = Place(tmp_path)
    done = served(place, last_request=30, more="arrivals: {rate: 50, window: 1s}\n")
    assert done.returncode == errors.FAILED, done.stderr
    failed = [event for event in place.events() if event["event"] == "trial.failed"]
    assert failed and all(re.search(CONNECTION_LOST, event["error"]) for event in failed)
    assert place.leftovers() == []


def test_items_that_never_come_end_the_program_with_the_name_of_their_source(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "rows.py").write_text(
        "import time\ndef rows():\n    yield 1\n    time.sleep(10_000)\ndef double(n): return 2 * n\n"
    )
    (tmp_path / "x.yaml").write_text(
        "workload: {call: 'rows:double', items: 'rows:rows'}\nmodels: [sequential, threads]\n"
    )
    done = place.run("run", "x.yaml", module="tests.support.impatient")
    assert done.returncode == errors.BAD_INPUT
    assert "reading the items of rows:rows took longer than 3 s; give fewer items" in done.stderr
    assert place.leftovers() == []


def test_arrivals_at_ten_times_the_capacity_end_and_are_reported_as_such(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "x.yaml").write_text(
        "workload: {call: 'mine:slow'}\nmodels: [threads, {model: threads, label: again}]\n"
        "matrix: {workers: [2]}\narrivals: {rate: 400, window: 2s}\nmeasure: {metric: p90, max_time: 25s}\n"
    )
    done = place.run("run", "x.yaml")
    assert done.returncode == errors.OK, done.stderr
    served = [event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "variant.served"]
    assert served and all(event["is_saturated"] and event["achieved_rate"] < 60 for event in served)
    assert place.leftovers() == []
    assert Audit(Records(place.runs[0] / EVENTS_FILE)).problems == []


FULL = """
from tests.support import failpoint
failpoint._arm("write", "ENOSPC", 12)
"""


def test_a_full_disk_is_an_exception_with_a_remedy_in_a_program(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "asking.py").write_text(FULL + ASKING)
    done = place.run(module="asking")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("orchestrator.errors.") and "No space left on device" in last and "make room" in last
    assert place.leftovers() == []


def test_a_full_disk_fails_a_test_with_its_reason(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "test_asking.py").write_text(FULL + TESTING)
    done = place.run("-q", "test_asking.py", module="pytest")
    assert done.returncode == 1
    assert "No space left on device" in done.stdout
    assert place.leftovers() == []
