"""The reaper: a process between the orchestrator and its runners, so that none outlives a run.

This is the orchestrator's side; `reaper_process` is the program, and explains how it ends all processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ..errors import FAILED, Failure
from . import reaper_process


class ReaperFailed(Failure):
    """The reaper can't start, or was killed, and all runners with it; earlier measurements are in the journal."""

    status = FAILED


class Reaper:
    """The connection to the reaper process; leaving the `with` block ends all that was started.

    Every method may raise ReaperFailed.
    """

    def __init__(self, scratch: str) -> None:
        self._scratch = scratch

    def __enter__(self) -> Self:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise _unable(error) from error
        with theirs:
            program = reaper_process.__file__
            command = [sys.executable, "-I", "-S", program, str(theirs.fileno()), self._scratch]
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise _unable(error) from error
        self._socket = ours
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.wait()

    def start(
        self, command: Sequence[str], env: Mapping[str, str], pipes: Sequence[int], limits: Mapping[str, int]
    ) -> int:
        """Start a process in a session of its own, with `pipes` as its descriptors 0 to 2; return its id.

        `limits` are those that the spec has for a runner. Raises OSError when it can't be started.
        """
        request = {"op": "start", "command": command, "env": dict(env), "cwd": str(Path.cwd()), "limits": dict(limits)}
        answer = self._ask(request, pipes)
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        pid: int = answer["pid"]
        return pid

    def status(self, pid: int, timeout_s: float) -> int | None:
        """Return the exit status of a started process, -N for signal N; None while it runs."""
        status: int | None = self._ask({"op": "status", "pid": pid, "timeout_s": timeout_s})["status"]
        return status

    def sweep(self) -> None:
        """Kill all that was started and what it has started; return when none is left."""
        self._ask({"op": "sweep"})

    def _ask(self, request: Mapping[str, Any], pipes: Sequence[int] = ()) -> dict[str, Any]:
        data = json.dumps(request).encode() + b"\n"
        try:
            sent = socket.send_fds(self._socket, [data], pipes) if pipes else self._socket.send(data)
            self._socket.sendall(data[sent:])
            line, _ = reaper_process.receive(self._socket)
        except OSError:
            line = b""
        if not line:
            what = "the reaper process, the parent of all runners, was killed, and they with it"
            remedy = "run again; if that happens again, see whether the function sends a signal to its parent"
            raise ReaperFailed(what, remedy=remedy)
        answer: dict[str, Any] = json.loads(line)
        return answer


def _unable(error: OSError) -> ReaperFailed:
    what = f"the reaper process, the parent of all runners, can't be started: {error.strerror}"
    return ReaperFailed(what, remedy="end other processes, or raise the limits (ulimit -a)")
