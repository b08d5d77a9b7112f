"""A directory with a workload and a spec, and runs in it, marked so that every process of theirs is found."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.analysis.results import fold
from orchestrator.archive.audit import Audit
from orchestrator.journal.read import EVENTS_FILE, Records, newest_first
from tests.support.paths import ROOT
from tests.support.processes import owned
from tests.support.waiting import PATIENCE_S, until

MARK = "ORCHESTRATOR_TESTS_MARK"
JOURNAL = "runs/x/2*/events.jsonl"

WORKLOAD = """
import ctypes, os, signal, sys, time

def count(**_): return sum(range(20_000))
def slow(): time.sleep(0.05)
def hang():
    open("hangs", "w").close()
    time.sleep(10_000)
def hang_in_c(): ctypes.PyDLL(None).sleep(10_000)  # with the GIL
def hang_deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(10_000)
def stop(): os.kill(os.getpid(), signal.SIGSTOP)
def die(number): os.kill(os.getpid(), number)
def segfault(): ctypes.string_at(0)
def leave(): os._exit(3)
def fill_memory(): return len(bytearray(2**34))
def open_files(): return [open(os.devnull) for _ in range(10_000)]
def shout():
    for _ in range(200): os.write(1, bytes(range(256)) * 4096)
def share():
    import multiprocessing.shared_memory
    lock = multiprocessing.get_context("spawn").Lock()  # has a name, for other processes to find it by
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=8)
    with open("names", "a") as file: file.write(f"sem.{lock._semlock.name[1:]} {memory.name} ")
def share_and_hang():
    share()
    time.sleep(10_000)
def escape():
    for _ in range(2):
        if os.fork(): return os.wait() and None
        os.setsid()
    if os.fork(): os._exit(0)
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(10_000)"])
"""

SPEC = """
workload: {call: "mine:count"}
models: [sequential, {model: sequential, label: again}]
measure: {blocks: 3, rounds: 3, seed: 1}
"""


def short(values: Sequence[Any], *quick: Any) -> list[Any]:
    """Return parameters of a test; the suite runs the `quick` ones, `make faults` all."""
    return [pytest.param(value, marks=[] if value in quick else [pytest.mark.long]) for value in values]


def damaged(file: Path) -> bytes:
    """Change a byte in the middle of a file, and return what it holds then."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return bytes(content)


class Place:
    """One directory, and the program in it."""

    def __init__(self, directory: Path, spec: str = SPEC) -> None:
        self.directory = directory
        self.mark = secrets.token_hex(8)
        (directory / "mine.py").write_text(WORKLOAD)
        (directory / "x.yaml").write_text(spec)

    @property
    def whole_env(self) -> dict[str, str]:
        """The environment of the program; what it starts inherits the mark."""
        return {**os.environ, MARK: self.mark, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": ""}

    def start(
        self, *arguments: str, module: str = "orchestrator", before: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """Start the program, behind the command `before` if there is one."""
        env = {**self.whole_env, **options.pop("env", {})}
        command = [*before, sys.executable, "-m", module, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return owned(subprocess.Popen(command, cwd=self.directory, env=env, text=True, errors="replace", **pipes))

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the program to its end; options are those of `start`."""
        process = self.start(*arguments, **options)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def with_fault(self, point: str, count: int) -> subprocess.CompletedProcess[str]:
        """Run the program with a fault in it (see `failpoint`)."""
        return self.run(point, str(count), "run", "x.yaml", module="tests.support.failpoint")

    def die_at_write(self, count: int) -> None:
        """Run the program, and kill it when it has written this many records."""
        assert self.with_fault("write.after", count).returncode == -signal.SIGKILL

    def leftovers(self) -> list[str]:
        """Return the processes that are left, after a while for those that are ending."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := _marked(f"{MARK}={self.mark}".encode())) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    @property
    def runs(self) -> list[Path]:
        """The runs, the newest first."""
        return newest_first(self.directory / "runs" / "x")

    def events(self) -> list[dict[str, Any]]:
        """Return what the newest journal holds."""
        return list(Records(self.runs[0] / EVENTS_FILE))

    def wait_for(self, file: str, process: subprocess.Popen[str]) -> None:
        """Wait until there is a file, named by a pattern; fail when the program ends before, or after a minute."""
        until(lambda: any(self.directory.glob(file)), process)

    def wait_for_blocks(self, count: int, process: subprocess.Popen[str]) -> None:
        """Wait until a run has finished so many blocks; fail when it ends before, or after a minute."""
        until(lambda: self.finished_blocks() >= count, process)

    def finished_blocks(self) -> int:
        """Return how many blocks the newest journal holds, also while it is written."""
        return (self.runs[0] / EVENTS_FILE).read_bytes().count(b'{"event":"block.finished"') if self.runs else 0

    def problems(self) -> list[str]:
        """Return the problems of the newest journal, and its differences from a recomputation."""
        audited = Audit(Records(self.runs[0] / EVENTS_FILE))
        differences = fold(self.events()).differences
        reported = self.run("report", str(self.runs[0])).stderr.splitlines()
        return [*audited.problems, *["unfinished"] * (not audited.is_finished), *differences, *reported]

    def status(self) -> dict[str, Any]:
        """Return the content of the status file."""
        status: dict[str, Any] = json.loads((self.directory / "runs" / "x" / "status.json").read_text())
        return status


def _marked(mark: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has ended, or is not ours
    return found
