"""The program as users run it: in a process of its own, or in this one."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.cli.main import main

WORKLOADS = """
import os, threading, time

def double(n): return 2 * n
async def adouble(n): return 2 * n
def fails(): raise ValueError("boom")
def fails_at_length(): raise ValueError(chr(10).join(["one", "two"]))
def lock(): return threading.Lock()
def differs(): return threading.get_ident() == threading.main_thread().ident
def wait(): time.sleep(0.02)
def generator(): yield 1
anonymous = lambda: None
number = 7
"""

GOOD = "workload: {call: 'mine:double', kwargs: {n: 21}}\ntasks: 4\nmodels: [sequential, threads]\n"


def orchestrator(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)


def in_process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in this process, which is faster, for commands that do not measure."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    command = ["orchestrator", *arguments]
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patched.chdir(cwd)
        patched.setattr(sys, "argv", command)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def piloted(*asked: str, cwd: Path) -> dict[str, Any]:
    """Return what `advise` logs when the pilot is over; no run is measured, since none can be written."""
    done = in_process("advise", *asked, "--runs", "/dev/null", cwd=cwd)
    assert done.returncode == errors.UNWRITABLE, done.stderr
    (found,) = logged(done, "function.piloted")
    return found


def findings(*asked: str, cwd: Path) -> str:
    """Return what the pilot calls of `advise` have shown of a function."""
    return " ".join(piloted(*asked, cwd=cwd)["findings"])


def refused(place: Path, *asked: str, status: int = errors.BAD_INPUT) -> str:
    """Return what `advise` says as it ends with this status, before anything is measured."""
    done = in_process("advise", *asked, cwd=place)
    assert (done.returncode, done.stdout) == (status, "")
    return done.stderr


def logged(done: subprocess.CompletedProcess[str], name: str) -> list[dict[str, Any]]:
    """Return the messages of one name; the program has ended with an error, in a plain last line."""
    return [event for event in events(done.stderr.rpartition("orchestrator:")[0]) if event["event"] == name]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
