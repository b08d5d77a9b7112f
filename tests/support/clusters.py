"""A Dask cluster for tests: a scheduler, and workers that act as hosts, each with a lock of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import errors
from orchestrator.journal.read import Records, find
from tests.support.processes import owned
from tests.support.waiting import PATIENCE_S, until

BIN = Path(sys.executable).parent
NAPS = """
name: naps
workload: {call: "mine:nap", kwargs: {seconds: 0.01}}
tasks: 2
models: [sequential, threads]
measure: {blocks: 6, rounds: 3, max_time: 10m}
"""


@dataclass
class Cluster:
    """A scheduler and its workers, by name; each lies in a directory of its own, where there is nothing.

    `net` names the network namespace that something is started in; without, it is in that of the tests.
    """

    place: Path
    env: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, lock: str = "", net: str = "") -> None:
        own = self.place / name
        own.mkdir(exist_ok=True)
        env = {**os.environ, "ORCHESTRATOR_LOCK": str(self.place / f"lock-{lock or name}"), "PYTHONUNBUFFERED": "1"}
        env["TMPDIR"] = str(own)  # where Dask and the runners have their files: whatever is left is found below it
        command = [*within_net(net), str(BIN / "dask"), *arguments, "--no-dashboard"]
        with (own / "log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, cwd=own, env={**env, **self.env}, stdout=log, stderr=log)

    def worker(self, name: str, *arguments: str, lock: str = "", net: str = "") -> None:
        machine = arguments or ("--resources", "MACHINE=1")
        plain = ("--nworkers", "1", "--nthreads", "1", "--name", name)
        self.start(name, "worker", self.address, *plain, *machine, lock=lock, net=net)

    def scheduler(self, host: str = "tcp://127.0.0.1", net: str = "") -> None:
        file = self.place / "scheduler.json"
        self.start("scheduler", "scheduler", "--host", host, "--port", "0", "--scheduler-file", str(file), net=net)
        until(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def workers(self, *names: str) -> None:
        """Start workers, and wait until all are known to the scheduler."""
        for name in names:
            self.worker(name)
        for name in names:
            self.registered(name)

    def registered(self, name: str) -> None:
        """Wait until a worker is known to its scheduler."""
        until(lambda: b"Registered to" in (self.place / name / "log").read_bytes())

    def kill_worker(self, name: str) -> bool:
        """Kill the process that runs the tasks of a worker; its nanny starts another. Return whether it was there."""
        return self.signal_worker(name, signal.SIGKILL)

    def signal_worker(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to the process that runs the tasks of a worker; return whether it was there."""
        command = ["pgrep", "-P", str(self.processes[name].pid), "-f", "spawn_main"]
        found = subprocess.run(command, capture_output=True, text=True).stdout.split()
        subprocess.run(["kill", f"-{number}", *found[:1]], stderr=subprocess.DEVNULL)
        return bool(found)

    def runners(self) -> list[str]:
        """Return the pids of the runners of a worker, found by their import path."""
        command = ["pgrep", "-af", "orchestrator_runner"]
        found = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        return [line for line in found if str(self.place) in line]


@contextmanager
def cluster(place: Path, env: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Yield a cluster below a directory, which is made, and end what it has started."""
    place.mkdir()
    made = Cluster(place, env or {})
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.terminate()
        for process in made.processes.values():
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()


def within_net(net: str) -> list[str]:
    """Return what begins a command that runs in a network namespace."""
    return ["ip", "netns", "exec", net] if net else []


def lay(place: Path) -> Path:
    """Lay a spec and a workload that imports another module into a directory, and return it."""
    (place / "helping.py").write_text("def seconds(asked): return asked\n")
    (place / "mine.py").write_text(
        "import time\nfrom helping import seconds as as_asked\ndef nap(seconds): time.sleep(as_asked(seconds))\n"
    )
    (place / "naps.yaml").write_text(NAPS)
    return place


def started(
    place: Path, address: str, *more: str, net: str = "", env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a run of the spec of `lay` on a cluster."""
    command = [*within_net(net), str(BIN / "orchestrator"), "run", "naps.yaml", "--cluster", address, *more]
    environment = {**os.environ, **(env or {})}
    process = subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return owned(process)


def certified(place: Path, name: str) -> dict[str, str]:
    """Make a self-signed certificate; return the environment in which Dask shows it and trusts no other."""
    key, certificate = place / f"{name}.key", place / f"{name}.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    command = ["openssl", "req", "-x509", *curve, "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    found = {"CA_FILE": str(certificate)}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {f"{role}__KEY": str(key), f"{role}__CERT": str(certificate)}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in found.items()}


def records(place: Path) -> list[dict[str, Any]]:
    """Return the records of the run."""
    return list(Records(find(place / "runs" / "naps")))


def finished(place: Path) -> list[int]:
    """Return the numbers of the blocks that have finished, in the order of the journal."""
    return [record["block"] for record in records(place) if record["event"] == "block.finished"]


def blocks_there(place: Path) -> int:
    """Return how many blocks have finished; 0 while there is no run."""
    try:
        return len(finished(place))
    except (errors.Failure, OSError):
        return 0
