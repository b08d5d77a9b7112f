"""The program of the reaper; it imports the standard library only, and runs without site-packages.

It starts the runners, and is the child subreaper of all that they start (prctl(2)): a process that loses its parent
becomes a child of the reaper, also after a double fork and setsid. A sweep kills until no child is left. When its
socket closes, because the orchestrator has ended or was killed with SIGKILL, the reaper sweeps, clears the scratch
directory, and ends. It has a session of its own, so that it survives a signal to the orchestrator's group. The kernel
kills the runners when the reaper itself is killed (`PR_SET_PDEATHSIG`).

Only Linux has subreapers. Elsewhere process groups are killed, and a process that has left its group stays.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

SWEEP_S = 5.0  # a process that survives SIGKILL for this long hangs in the kernel; it can't be ended

TRACKERS_S = 1.0
"""Time for the resource trackers of multiprocessing, loky and joblib to remove what killed processes have left:
semaphores, shared memory and folders in /dev/shm. Trackers end by themselves once their clients have ended."""

_TRACKER = b"resource_tracker import main"
_PIPES = 3
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def receive(stream: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next line and its descriptors; an empty line when the other side has closed."""
    line, descriptors = b"", []
    while not line.endswith(b"\n"):
        data, received, _, _ = socket.recv_fds(stream, 65536, _PIPES, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        descriptors += received
        if not data:
            return b"", descriptors
        line += data
    return line, descriptors


class _Children:
    """The processes that the reaper has started; each public method answers one request."""

    def __init__(self) -> None:
        self._started: set[int] = set()
        self._ended: dict[int, int] = {}

    def start(self, pipes: Sequence[int], request: Mapping[str, Any]) -> dict[str, Any]:
        """Fork and execute; the error number comes back through a pipe that a successful exec closes."""
        reader, writer = os.pipe()
        reaper = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no more processes: the caller reports it, and the reaper goes on
            os.close(reader)
            os.close(writer)
            return {"errno": error.errno}
        if pid == 0:
            try:
                _become(pipes, request, reaper)
            except OSError as error:
                os.write(writer, str(error.errno).encode())
            finally:
                os._exit(127)
        os.close(writer)
        with os.fdopen(reader, "rb") as failed:
            errno = failed.read()
        if errno:
            os.waitpid(pid, 0)
            return {"errno": int(errno)}
        self._started.add(pid)
        self._ended.pop(pid, None)  # the system may use a number again
        return {"pid": pid}

    def status(self, pid: int, timeout_s: float) -> dict[str, Any]:
        """Return how a started process has ended, as soon as it has."""
        end = time.monotonic() + timeout_s
        while pid in self._started and time.monotonic() < end:
            self._reap()
            time.sleep(0.001)
        return {"status": self._ended.get(pid)}

    def sweep(self) -> dict[str, Any]:
        """Kill until there are no children: orphans become children. Resource trackers go last."""
        begun = time.monotonic()
        while self._reap() and time.monotonic() < begun + SWEEP_S:
            patient = time.monotonic() < begun + TRACKERS_S
            for pid in _descendants(os.getpid()) or self._started:
                if patient and _is_tracker(pid):
                    continue
                # a group is killed at once, also what forks meanwhile; but trackers are in it, too
                for kill in (os.kill,) if patient and sys.platform == "linux" else (os.killpg, os.kill):
                    with suppress(ProcessLookupError, PermissionError):
                        kill(pid, signal.SIGKILL)
            time.sleep(0.001)
        self._ended.clear()
        return {"swept": True}

    def _reap(self) -> bool:
        """Reap the processes that have ended; return whether children are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid in self._started:
                    self._started.remove(pid)
                    self._ended[pid] = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            return False


def _become(pipes: Sequence[int], request: Mapping[str, Any], reaper: int) -> None:
    """Turn this process, fresh from the fork, into the requested one; raises OSError."""
    os.setsid()
    end_with_parent(reaper)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    for target, pipe in enumerate(pipes):
        os.dup2(pipe, target)
    os.chdir(request["cwd"])
    _limit(**request["limits"])
    os.execvpe(request["command"][0], request["command"], request["env"])


def _limit(memory: int | None = None, open_files: int | None = None, processes: int | None = None) -> None:
    """Bound this process and all that it starts (getrlimit(2)); raises OSError."""
    import resource

    bounds = ((resource.RLIMIT_AS, memory), (resource.RLIMIT_NOFILE, open_files), (resource.RLIMIT_NPROC, processes))
    for kind, bound in bounds:
        if bound is not None:
            hard = resource.getrlimit(kind)[1]
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(kind, (bound, bound))


def _descendants(root: int) -> list[int]:
    """Return the processes below `root`; none where the system has no /proc (proc_pid_stat(5))."""
    children: dict[int, list[int]] = {}
    with suppress(FileNotFoundError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, fresh = [], [root]
    while fresh:
        fresh = [child for pid in fresh for child in children.get(pid, ())]
        found += fresh
    return found


def _is_tracker(pid: int) -> bool:
    """Return whether a process is a resource tracker."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return _TRACKER in file.read()
    except OSError:
        return False


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when `parent`, which started it, ends; on Linux only."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before prctl
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _serve(stream: socket.socket, scratch: str) -> None:
    """Answer the orchestrator's requests until it has ended, then end and delete all that is left."""
    import shutil

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    children = _Children()
    try:
        while True:
            line, pipes = receive(stream)
            if not line:
                return
            request = json.loads(line)
            operation = request.pop("op")
            answer = children.start(pipes, request) if operation == "start" else getattr(children, operation)(**request)
            for pipe in pipes:
                os.close(pipe)
            stream.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        return  # the orchestrator was killed during a request
    finally:
        children.sweep()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _stream:
        _stream.set_inheritable(False)
        _serve(_stream, sys.argv[2])
