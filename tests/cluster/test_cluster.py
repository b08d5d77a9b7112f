"""Runs on real Dask workers: two of them stand for two hosts, each with a lock of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.spec.load import load
from tests.support import clusters
from tests.support.clusters import Cluster, blocks_there, finished, lay, records, started
from tests.support.command import in_process
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with clusters.cluster(tmp_path_factory.mktemp("cluster") / "there") as made:
        made.scheduler()
        made.workers("a", "b")
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return lay(tmp_path)


def test_two_hosts_share_the_blocks_of_a_workload_that_lies_here_only(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address)
    output, said = process.communicate(timeout=150)
    assert process.returncode == 0, said
    assert sorted(finished(place)) == list(range(6))
    trials = [record for record in records(place) if record["event"] == "trial.finished"]
    assert {record["host"] for record in trials} == {"a", "b"}
    joined = {record["host"]: record for record in records(place) if record["event"] == "host.joined"}
    assert joined["a"]["lock"] == str(cluster.place / "lock-a")
    sentences = [json.loads(line) for line in output.splitlines()]
    assert {event["host"] for event in sentences if event["event"] == "host.judged"} == {"a", "b"}
    assert in_process("verify", "runs/naps/latest", cwd=place).returncode == 0


@pytest.mark.long
def test_nothing_is_left_on_the_hosts_when_a_run_has_ended(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address)
    _, said = process.communicate(timeout=150)
    assert process.returncode == 0, said
    left = [path for name in "ab" for path in (cluster.place / name).rglob("orchestrator-*")]
    assert left == []


@pytest.mark.long
def test_the_blocks_of_a_worker_that_is_killed_run_again(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address, "measure.blocks=12")
    until(lambda: blocks_there(place) >= 2)
    assert cluster.kill_worker("a")
    _, said = process.communicate(timeout=150)
    assert process.returncode == 0, said
    assert sorted(finished(place)) == list(range(12))
    assert "a" in [record["host"] for record in records(place) if record["event"] == "host.left"]
    assert in_process("verify", "runs/naps/latest", cwd=place).returncode == 0


@pytest.mark.long
def test_a_run_resumes_after_its_conductor_was_killed_and_no_block_is_there_twice(
    cluster: Cluster, place: Path
) -> None:
    process = started(place, cluster.address, "measure.blocks=10")
    until(lambda: blocks_there(place) >= 3)
    process.kill()
    process.communicate()
    again = started(place, cluster.address, "measure.blocks=10")
    _, said = again.communicate(timeout=150)
    assert again.returncode == 0, said
    assert "run.resumed" in [record["event"] for record in records(place)]
    assert sorted(finished(place)) == list(range(10))


def test_ctrl_c_ends_the_run_and_stops_the_blocks(cluster: Cluster, place: Path) -> None:
    process = started(place, cluster.address, "kwargs.seconds=30", "measure.timeout=50s")
    until(cluster.runners)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=150)
    assert process.returncode == 130
    until(lambda: not cluster.runners())


@pytest.mark.long
def test_ctrl_c_while_hosts_look_at_the_experiment_ends_it_before_a_run_begins(cluster: Cluster, place: Path) -> None:
    (place / "mine.py").write_text("import time\ntime.sleep(100)\n")
    process = started(place, cluster.address)
    until(cluster.runners, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=150)
    assert process.returncode == 130
    assert not (place / "runs").exists()
    until(lambda: not cluster.runners())


@pytest.mark.long
def test_a_worker_that_hangs_is_reported_and_the_others_measure(cluster: Cluster, place: Path) -> None:
    assert cluster.signal_worker("b", signal.SIGSTOP)
    try:
        process = started(place, cluster.address, "measure.blocks=2")
        _, said = process.communicate(timeout=150)
    finally:
        cluster.signal_worker("b", signal.SIGCONT)
    assert process.returncode == 0, said
    assert "does not answer" in said
    assert {record["host"] for record in records(place) if record["event"] == "host.joined"} == {"a"}


@pytest.mark.long
def test_an_address_without_a_scheduler_is_refused(place: Path, taken_port: int) -> None:
    process = started(place, f"tcp://127.0.0.1:{taken_port}")
    _, said = process.communicate(timeout=150)
    assert process.returncode == errors.BAD_INPUT
    assert "cannot reach a scheduler" in said
    assert "dask scheduler" in said
    assert len(said.splitlines()) == 1


def test_tls_without_certificates_is_refused_with_the_remedy(place: Path) -> None:
    process = started(place, "tls://127.0.0.1:1")
    _, said = process.communicate(timeout=150)
    assert process.returncode == errors.BAD_INPUT
    assert "distributed.comm.tls" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("address", ["nonsense", "local:0", "local:x", "local:1000"])
def test_an_address_that_is_none_is_refused(place: Path, address: str) -> None:
    done = in_process("run", "naps.yaml", "--cluster", address, cwd=place)
    assert (done.returncode, "no cluster" in done.stderr) == (errors.BAD_INPUT, True)


def test_a_cluster_without_a_machine_says_how_to_start_one(tmp_path: Path, place: Path) -> None:
    with clusters.cluster(tmp_path / "bare") as bare:
        bare.scheduler()
        process = started(place, bare.address)
        _, said = process.communicate(timeout=150)
    assert process.returncode == errors.BAD_INPUT
    assert '--resources "MACHINE=1"' in said


def test_a_path_that_only_exists_here_is_refused_by_the_name_of_the_host(cluster: Cluster, place: Path) -> None:
    done = started(place, cluster.address, "models=[sequential, {model: threads, path: /nowhere/at/all}]")
    _, said = done.communicate(timeout=150)
    assert done.returncode == errors.BAD_INPUT
    assert "on host a" in said
    assert "/nowhere/at/all" in said
    assert not (place / "runs").exists()


def test_a_stop_that_reaches_a_host_before_its_request_has_begun_ends_that_one(place: Path) -> None:
    spec = json.dumps(load(place / "naps.yaml")[0].resolved())
    prepare = {"op": "prepare", "spec": spec, "items": [], "cores": 2, "locks": False, "run": "x", "host": "a"}
    requests = "".join(f"{json.dumps(each)}\n" for each in (prepare, {"op": "stop"}, prepare))
    command = [sys.executable, "-c", "from orchestrator.cluster.agent import main; main()"]
    done = subprocess.run(command, cwd=place, input=requests, capture_output=True, text=True, timeout=60)
    first = json.loads(done.stdout.splitlines()[0])
    assert first == {"interrupted": True}
