"""Runs on real Dask workers: two of them stand for two hosts, each with a lock of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors, journal
from tests.test_cli import told

BIN = Path(sys.executable).parent
SPEC = """
name: naps
workload: {call: "mine:nap", kwargs: {seconds: 0.01}}
tasks: 2
models: [sequential, threads]
measure: {blocks: %d, rounds: 3, max_time: 60s}
"""


@dataclass
class Cluster:
    """A scheduler and its workers, by name; each lies in a directory of its own, where there is nothing."""

    place: Path
    address: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, lock: str = "") -> None:
        own = self.place / name
        own.mkdir(exist_ok=True)
        env = {**os.environ, "ORCHESTRATOR_LOCK": str(self.place / f"lock-{lock or name}"), "PYTHONUNBUFFERED": "1"}
        with (own / "log").open("wb") as log:
            command = [str(BIN / "dask"), *arguments, "--no-dashboard"]
            self.processes[name] = subprocess.Popen(command, cwd=own, env=env, stdout=log, stderr=log)

    def worker(self, name: str, *arguments: str, lock: str = "") -> None:
        machine = arguments or ("--resources", "MACHINE=1")
        plain = ("--nworkers", "1", "--nthreads", "1", "--name", name)
        self.start(name, "worker", self.address, *plain, *machine, lock=lock)

    def scheduler(self) -> None:
        file = self.place / "scheduler.json"
        self.start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        within(20, lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def end(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(20)


def within(patience_s: float, holds: Any) -> None:
    """Wait until something holds; fail when it does not within the time."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def registered(cluster: Cluster, name: str) -> None:
    """Wait until a worker is known to its scheduler."""
    within(30, lambda: b"Registered to" in (cluster.place / name / "log").read_bytes())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    with ExitStack() as ended:
        ended.callback(made.end)
        made.scheduler()
        for name in "ab":
            made.worker(name)
        for name in "ab":
            registered(made, name)
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "helping.py").write_text("def seconds(asked): return asked\n")
    (tmp_path / "mine.py").write_text(
        "import time\nfrom helping import seconds as as_asked\ndef nap(seconds): time.sleep(as_asked(seconds))\n"
    )
    (tmp_path / "naps.yaml").write_text(SPEC % 6)
    return tmp_path


def started(place: Path, address: str, *more: str) -> subprocess.Popen[str]:
    command = [str(BIN / "orchestrator"), "run", "naps.yaml", "--cluster", address, *more]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def records(place: Path) -> list[dict[str, Any]]:
    return list(journal.Records(journal.find(place / "runs" / "naps")))


def finished(place: Path) -> list[int]:
    return [record["block"] for record in records(place) if record["event"] == "block.finished"]


def blocks_there(place: Path) -> int:
    try:
        return len(finished(place))
    except (errors.Failure, OSError):
        return 0


def test_two_hosts_share_the_blocks_of_a_workload_that_lies_here_only(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address)
    output, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert sorted(finished(place)) == list(range(6))
    trials = [record for record in records(place) if record["event"] == "trial.finished"]
    assert {record["host"] for record in trials} == {"a", "b"}
    joined = {record["host"]: record for record in records(place) if record["event"] == "host.joined"}
    assert joined["a"]["lock"] == str(cluster.place / "lock-a")
    sentences = [json.loads(line) for line in output.splitlines()]
    assert {event["host"] for event in sentences if event["event"] == "host.judged"} == {"a", "b"}
    assert told("verify", "runs/naps/latest", cwd=place).returncode == 0


def test_nothing_is_left_on_the_hosts_when_a_run_has_ended(cluster: Cluster, place: Path) -> None:
    started(place, cluster.address).communicate(timeout=60)
    left = [path for name in "ab" for path in (cluster.place / name).rglob("orchestrator-*")]
    assert left == []


def test_the_blocks_of_a_worker_that_is_killed_run_again(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address, "measure.blocks=12")
    within(40, lambda: blocks_there(place) >= 2)
    nanny = cluster.processes["a"].pid
    children = subprocess.run(["pgrep", "-P", str(nanny), "-f", "spawn_main"], capture_output=True, text=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert sorted(finished(place)) == list(range(12))
    assert "a" in [record["host"] for record in records(place) if record["event"] == "host.left"]
    assert told("verify", "runs/naps/latest", cwd=place).returncode == 0


def test_a_run_whose_conductor_was_killed_goes_on_and_no_block_is_there_twice(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address, "measure.blocks=10")
    within(40, lambda: blocks_there(place) >= 3)
    process.kill()
    process.communicate()
    again = started(place, cluster.address, "measure.blocks=10")
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert "run.resumed" in [record["event"] for record in records(place)]
    assert sorted(finished(place)) == list(range(10))


def test_ctrl_c_ends_the_run_and_stops_the_blocks(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address, "kwargs.seconds=30", "measure.timeout=50s")
    within(40, lambda: any((place / "runs").glob("naps/2*/events.jsonl")))
    time.sleep(2)  # for blocks to be under way; nothing goes wrong where they are not yet
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    within(20, lambda: not runners(cluster))


def runners(cluster: Cluster) -> list[str]:
    """Return the runners whose import path lies with a worker of the cluster."""
    found = subprocess.run(["pgrep", "-af", "orchestrator_runner"], capture_output=True, text=True).stdout.splitlines()
    return [line for line in found if str(cluster.place) in line]


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_run_with_75_and_it_goes_on_with_another(tmp_path: Path, place: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        cluster = Cluster(tmp_path / name)
        try:
            cluster.scheduler()
            cluster.worker("a")
            registered(cluster, "a")
            process = started(place, cluster.address, "measure.blocks=8")
            if name == "first":
                within(40, lambda: blocks_there(place) >= 2)
                cluster.processes["scheduler"].kill()
            _, said = process.communicate(timeout=90)
        finally:
            cluster.end()
        assert process.returncode == (errors.BUSY if name == "first" else 0), said
    assert "the scheduler" in said or sorted(finished(place)) == list(range(8))
    assert "run.resumed" in [record["event"] for record in records(place)]


@pytest.mark.slow
def test_two_workers_that_claim_one_machine_are_told_of(tmp_path: Path, place: Path) -> None:
    (tmp_path / "one").mkdir()
    cluster = Cluster(tmp_path / "one")
    try:
        cluster.scheduler()
        cluster.worker("a", lock="same")
        registered(cluster, "a")
        cluster.worker("b", lock="same")
        registered(cluster, "b")
        process = started(place, cluster.address, "kwargs.seconds=0.1", "measure.blocks=4")
        _, said = process.communicate(timeout=90)
    finally:
        cluster.end()
    assert process.returncode == 0, said
    assert "two workers claim one machine" in said
    assert sorted(finished(place)) == list(range(4))


def test_no_scheduler_at_the_address_is_told_within_seconds(place: Path, taken_port: int) -> None:
    process = started(place, f"tcp://127.0.0.1:{taken_port}")
    _, said = process.communicate(timeout=30)
    assert process.returncode == errors.BAD_INPUT
    assert "cannot reach a scheduler" in said
    assert "dask scheduler" in said
    assert len(said.splitlines()) == 1


def test_tls_without_certificates_is_told_with_the_remedy(place: Path) -> None:
    process = started(place, "tls://127.0.0.1:1")
    _, said = process.communicate(timeout=30)
    assert process.returncode == errors.BAD_INPUT
    assert "distributed.comm.tls" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("address", ["nonsense", "local:0", "local:x", "local:1000"])
def test_an_address_that_is_none_is_refused(place: Path, address: str) -> None:
    done = told("run", "naps.yaml", "--cluster", address, cwd=place)
    assert (done.returncode, "no cluster" in done.stderr) == (errors.BAD_INPUT, True)


def test_a_cluster_without_a_machine_says_how_to_start_one(tmp_path: Path, place: Path) -> None:
    (tmp_path / "bare").mkdir()
    cluster = Cluster(tmp_path / "bare")
    try:
        cluster.scheduler()
        process = started(place, cluster.address)
        _, said = process.communicate(timeout=30)
    finally:
        cluster.end()
    assert process.returncode == errors.BAD_INPUT
    assert '--resources "MACHINE=1"' in said


def test_a_path_that_only_exists_here_is_refused_by_the_name_of_the_host(cluster: Cluster, place: Path) -> None:
    done = started(place, cluster.address, "models=[sequential, {model: threads, path: /nowhere/at/all}]")
    _, said = done.communicate(timeout=60)
    assert done.returncode == errors.BAD_INPUT
    assert "on host a" in said
    assert "/nowhere/at/all" in said
    assert not (place / "runs").exists()
