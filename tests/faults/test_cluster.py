"""Runs on a cluster while its processes die and its connections break."""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.clusters import blocks_there, certified, cluster, finished, lay, records, started
from tests.support.command import in_process
from tests.support.waiting import until

pytestmark = pytest.mark.long


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return lay(tmp_path)


def test_a_scheduler_that_dies_ends_the_run_with_75_and_the_run_resumes_with_another(place: Path) -> None:
    for name in ("first", "second"):
        with cluster(place / name) as there:
            there.scheduler()
            there.workers("a")
            process = started(place, there.address, "measure.blocks=8")
            if name == "first":
                until(lambda: blocks_there(place) >= 2)
                there.processes["scheduler"].kill()
            _, said = process.communicate(timeout=90)
        assert process.returncode == (errors.BUSY if name == "first" else 0), said
        assert ("the scheduler" in said) == (name == "first")
    assert sorted(finished(place)) == list(range(8))
    assert "run.resumed" in [record["event"] for record in records(place)]


def test_two_workers_on_one_machine_are_reported(place: Path) -> None:
    with cluster(place / "one") as there:
        there.scheduler()
        for name in "ab":
            there.worker(name, lock="same")
            there.registered(name)
        process = started(place, there.address, "kwargs.seconds=0.1", "measure.blocks=4")
        _, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "two workers run on one machine" in said
    assert sorted(finished(place)) == list(range(4))


@pytest.mark.timeout(600)
def test_workers_killed_at_random_during_200_blocks_lose_none_and_double_none(place: Path) -> None:
    dice = random.Random(1)
    kills = 0
    with cluster(place / "there") as there:
        there.scheduler()
        there.workers("a", "b", "c")
        more = ("measure.blocks=50", "measure.rounds=1", "measure.max_time=500s", "matrix.tasks=[1, 2, 3, 4]")
        process = started(place, there.address, *more)
        for begun in range(1, 200, 25):
            while blocks_there(place) < begun and process.poll() is None:
                time.sleep(0.1)
            if process.poll() is not None:
                break
            kills += there.kill_worker(dice.choice("abc"))
        _, said = process.communicate()
    assert process.returncode == 0, said
    told_of = records(place)
    done = [(record["point_id"], record["block"]) for record in told_of if record["event"] == "block.finished"]
    given_up = [record for record in told_of if record["event"] == "block.discarded"]
    assert (len(done), len(set(done))) == (200, 200)
    assert len(given_up) <= kills / 2  # each has cost two hosts
    assert kills >= 5
    assert [record["event"] for record in told_of].count("host.left") >= 5
    assert in_process("verify", "runs/naps/latest", cwd=place).returncode == 0


def test_a_cluster_with_tls_accepts_its_certificate_and_reports_why_it_refuses_others(place: Path) -> None:
    right, wrong = certified(place, "right"), certified(place, "wrong")
    with cluster(place / "there", right) as there:
        there.scheduler("tls://127.0.0.1")
        there.workers("a")
        done = [
            started(place, there.address, "measure.blocks=2", env=right),
            started(place, there.address, env=wrong),
            started(place, there.address.replace("tls", "tcp")),
        ]
        said = [each.communicate(timeout=60)[1] for each in done]
    assert [each.returncode for each in done] == [0, errors.BAD_INPUT, errors.BAD_INPUT], said
    assert finished(place) == [0, 1]
    assert "certificate" in said[1]
    assert "distributed.comm.tls" in said[1]
    assert "for TLS use tls://HOST:PORT" in said[2]
    assert [len(each.splitlines()) for each in said[1:]] == [1, 1]


OTHER_PYTHON = """
import distributed.versions as versions
original = versions.get_system_info
versions.get_system_info = lambda: {**original(), "python": "3.9.1.final.0"}
"""


def test_a_worker_of_another_python_is_refused_by_name_and_the_run_goes_on_without(place: Path) -> None:
    (place / "other").mkdir()
    (place / "other" / "sitecustomize.py").write_text(OTHER_PYTHON)
    with cluster(place / "there") as there:
        there.scheduler()
        there.env = {"PYTHONPATH": str(place / "other")}
        there.workers("old")
        alone = started(place, there.address)
        _, said = alone.communicate(timeout=60)
        assert alone.returncode == errors.BAD_INPUT
        assert "runs Python 3.9.1" in said
        there.env = {}
        there.workers("a")
        beside = started(place, there.address)
        _, said = beside.communicate(timeout=60)
    assert beside.returncode == 0, said
    refused = [line for line in said.splitlines() if '"host.refused"' in line]
    assert len(refused) == 1
    assert '"host": "old"' in refused[0]
    assert {record["host"] for record in records(place) if record["event"] == "host.joined"} == {"a"}


# --- two network namespaces, which stand for two hosts


class Wire:
    """Two network namespaces with an address each, and the wire between them."""

    def __init__(self) -> None:
        mark = secrets.token_hex(3)
        self.names = {"a": f"hosta-{mark}", "b": f"hostb-{mark}"}
        self.addresses = {"a": "10.177.0.1", "b": "10.177.0.2"}

    def lay(self) -> None:
        for net in self.names.values():
            ip("netns", "add", net)
            ip("-n", net, "link", "set", "lo", "up")
        ends = ("eth0", "netns", self.names["a"], "type", "veth", "peer", "eth0", "netns", self.names["b"])
        ip("link", "add", *ends)
        for name, net in self.names.items():
            ip("-n", net, "address", "add", f"{self.addresses[name]}/24", "dev", "eth0")
        self.join()

    def join(self) -> None:
        for net in self.names.values():
            ip("-n", net, "link", "set", "eth0", "up")

    def cut(self) -> None:
        ip("-n", self.names["a"], "link", "set", "eth0", "down")

    def remove(self) -> None:
        for net in self.names.values():
            subprocess.run(["ip", "netns", "delete", net], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    try:
        try:
            made.lay()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces can't be made here: {error}")
        yield made
    finally:
        if os.access("/run/netns", os.R_OK):
            made.remove()


@pytest.mark.timeout(300)
def test_a_host_that_is_cut_off_is_gone_and_is_back_when_it_is_joined_again(place: Path, wire: Wire) -> None:
    nets = wire.names
    with cluster(place / "there", {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}) as there:
        there.scheduler(wire.addresses["a"], net=nets["a"])
        for name in "ab":
            there.worker(name, net=nets[name])
        for name in "ab":
            there.registered(name)
        process = started(place, there.address, "measure.blocks=60", "measure.max_time=200s", net=nets["a"])

        def told_of(event: str) -> int:
            return sum(record["event"] == event and record["host"] == "b" for record in records(place))

        until(lambda: blocks_there(place) >= 4)
        assert told_of("host.joined") == 1
        wire.cut()
        until(lambda: told_of("host.left") == 1)
        so_far = blocks_there(place)
        until(lambda: blocks_there(place) > so_far)
        wire.join()
        there.processes["b"].wait(60)  # it gives up on its scheduler, so it has to be started again
        there.worker("b", net=nets["b"])
        until(lambda: told_of("host.joined") == 2)
        _, said = process.communicate(timeout=200)
        assert there.runners() == []
    assert process.returncode == 0, said
    assert sorted(finished(place)) == list(range(60))
    assert in_process("verify", "runs/naps/latest", cwd=place).returncode == 0
