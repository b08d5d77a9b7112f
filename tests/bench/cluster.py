"""`make bench-cluster`: what the conductor of a cluster costs, simulated for hundreds of hosts, and with real workers.

The simulation drives the real conductor with a real journal through a fake executor: 500 hosts, each of which answers
after 0.2 to 0.6 s with a block of made-up times. What making those takes is measured and taken off. Every number of
blocks is a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio

from orchestrator.analysis.contest import Contest
from orchestrator.engine.conductor import Conductor, Watcher
from orchestrator.engine.hosts import BlockTask, Host
from orchestrator.journal.event import Event
from orchestrator.journal.read import EVENTS_FILE, Records
from orchestrator.journal.write import create, new_run_id
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from tests.support.paths import ROOT
from tests.support.synthetic import Clock, Executor

HOSTS = 500
BLOCKS = 20
"""Of each point."""
SIZES = (10_000, 30_000, 100_000)
TIMES_MS = {"sequential": 20.0, "threads": 10.0}
NAPS = """
name: naps
workload: {{call: experiments.io:wait}}
tasks: 4
matrix: {{kwargs.seconds: {seconds}}}
models: [sequential, threads]
measure: {{blocks: {blocks}, rounds: {rounds}, max_time: 600s}}
"""


def main() -> None:
    """Print both sections, or simulate as many blocks as are named on the command line."""
    if len(sys.argv) > 1:
        print(json.dumps(simulate(int(sys.argv[1]))))
        return
    simulation()
    workers()


def simulation() -> None:
    """The conductor's own cost for each block, and its memory, in runs of more and more blocks."""
    print(f"{HOSTS} fake hosts, {BLOCKS} blocks of each point; goals: < 5 ms for each block, the same in larger runs")
    print(f"{'blocks':>9}{'points':>9}{'CPU/block':>13}{'blocks/s':>10}{'memory/block':>14}{'journal':>10}")
    for size in SIZES:
        command = [sys.executable, "-m", "tests.bench.cluster", str(size)]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"{size:>9,}{size // BLOCKS:>9,}{figures['cpu_s'] / size * 1e3:>10.2f} ms{size / figures['wall_s']:>10.0f}"
            f"{figures['grown_bytes'] / size / 1e3:>11.2f} kB{figures['journal_bytes'] / 1e6:>7.0f} MB",
            flush=True,
        )


def workers() -> None:
    """Real workers: how many blocks 4 of them do in the time that one does one, and what a small block costs."""
    print("\nreal Dask workers on this machine; goals: >= 3.6 times the blocks per second, < 5 ms of CPU a block")
    one, four = (_naps(count, seconds=[0.1, 0.101, 0.102, 0.103], blocks=8, rounds=6) for count in (1, 4))
    per_second = [figures["blocks"] / figures["conducting_s"] for figures in (one, four)]
    print(f"blocks per second: one {per_second[0]:.2f}, four {per_second[1]:.2f}: {per_second[1] / per_second[0]:.2f}x")
    small = _naps(4, seconds=[0.001, 0.002, 0.003, 0.004], blocks=100, rounds=1)
    for name, figures in (("blocks of naps", four), ("small blocks", small)):
        each_ms = figures["conducting_cpu_s"] / figures["blocks"] * 1e3
        share = figures["conducting_cpu_s"] / figures["conducting_s"] * 100
        print(f"{figures['blocks']} {name}: {each_ms:.1f} ms of CPU for each, {share:.1f} % of a core")


def simulate(blocks: int) -> dict[str, float]:
    """Return what conducting so many blocks took."""
    value = {
        "name": "simulated",
        "workload": {"call": "a:b"},
        "models": list(TIMES_MS),
        "measure": {"max_time": "10h", "blocks": BLOCKS},
        "matrix": {"kwargs.n": list(range(blocks // BLOCKS))},
    }
    planned = plan_experiment(Experiment.model_validate(value), cores=2)
    contests = [Contest(planned, point) for point in planned.points]
    hosts = _Hosts()
    with (
        tempfile.TemporaryDirectory() as runs,
        create(Path(runs), "simulated", new_run_id(), "") as book,
    ):
        conductor = Conductor(planned, contests, hosts, book.write, book.sync, Watcher(), seed=1)
        begun = time.monotonic(), time.process_time(), _resident_bytes()
        anyio.run(conductor.run)
        ended = time.monotonic(), time.process_time(), _resident_bytes()
        journal_bytes = (book.directory / EVENTS_FILE).stat().st_size
    assert sum(len(contest.blocks) for contest in contests) == blocks
    wall_s, cpu_s, grown_bytes = (after - before for before, after in zip(begun, ended, strict=True))
    cpu_s -= hosts.faking_s
    return {"wall_s": wall_s, "cpu_s": cpu_s, "grown_bytes": grown_bytes, "journal_bytes": journal_bytes}


class _Hosts:
    """The executor: so many hosts, that stay."""

    def __init__(self) -> None:
        self.faking_s = 0.0
        plain: dict[str, Any] = {"observed": {}, "overlap": None, "noise": 0.002, "cores": {}, "follows": 0.0}
        more: dict[str, Any] = {"grows": 0.0, "burns": None, "reference_ms": 3.0, "accounts": {}, "free_cores": 2.0}
        self.inner = Executor(Clock(), TIMES_MS, 0.0, {}, {}, steal=lambda _: 0.0, **plain, **more)
        self._coming = [_Host(self, f"host-{number}") for number in range(HOSTS)]

    async def next_host(self) -> Host | None:
        if self._coming:
            return self._coming.pop()
        await anyio.sleep_forever()
        raise AssertionError


class _Host:
    """Answers after a while; what it takes to make the answer up is no cost of the conductor's."""

    def __init__(self, hosts: _Hosts, name: str) -> None:
        self._hosts = hosts
        self.name: str | None = name
        about = {"address": "tcp://a:1", "hostname": name, "cpu_model": None, "cores": 2, "effective_cores": 2}
        self.about: Mapping[str, Any] = {**about, "spin_cores": None, "python": "3.11.7", "lock": None}
        self._dice = random.Random(name)

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        await anyio.sleep(self._dice.uniform(0.2, 0.6))
        begun = time.process_time()
        events = await self._hosts.inner.run(task, notify)
        self._hosts.inner.tasks.clear()
        found = [event.model_copy(update={"host": self.name}) for event in events]
        self._hosts.faking_s += time.process_time() - begun
        return found


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _naps(workers: int, **values: Any) -> dict[str, Any]:
    """Return the `run.finished` of a run on so many workers, and its number of blocks."""
    with tempfile.TemporaryDirectory() as directory:
        spec = Path(directory) / "naps.yaml"
        spec.write_text(NAPS.format(**values))
        command = [sys.executable, "-m", "orchestrator", "run", str(spec), "--runs", directory]
        command += ["--cluster", f"local:{workers}"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        events = Records(Path(directory) / "naps/latest" / EVENTS_FILE)
        blocks = sum(event["event"] == "block.finished" for event in events)
        return {**json.loads(done.stdout.splitlines()[-1]), "blocks": blocks}


if __name__ == "__main__":
    main()
