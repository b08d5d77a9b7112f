"""One runner process and its pipes, used synchronously and with deadlines by the one thread that owns all runners.

Pipes with `poll` pass the token in about 0.3 ms, with half the CPU of an asynchronous transport; CPU time of
the conductor during a trial would be noise in the measurement.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from ..machine import host
from .environment import BOOTSTRAP, RunnerEnvironment

OUTPUT_KEPT = 16_384  # bytes kept of the end of a runner's stdout and stderr; the rest is read and dropped

PIPE_BYTES = 65_536  # the capacity of a pipe on Linux: a larger buffer would be allocated and cut down at each read


@dataclass(eq=False)
class RunnerFailed(Exception):
    """A runner has failed, died, or not answered in time; `cause` as in `trial.failed`.

    `kind` is the class of the exception, if there was one.

    Of a pilot: `calls` is how many calls had returned, `item` the item of the call that failed or hangs, and `queue`
    the name of the empty queue on which a call hangs.

    `parts` has the pieces of `error` by name (see `_parts` in `runner.__main__`), also `last_output` of a lost worker,
    and `shortage` where the process could open no more files.

    Of a timeout: `cpu_s` is the CPU time of the runner and its descendants, and `workers_stacks` the stacks that its
    worker processes wrote.
    """

    cause: str
    error: str
    traceback: str | None = None
    output: str = ""
    kind: str | None = None
    calls: int = 0
    item: str | None = None
    queue: str = ""
    cpu_s: float | None = None
    workers_stacks: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.error


@dataclass(frozen=True)
class Command:
    """How a runner is started."""

    python: str
    path: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, int], ...] = ()
    preload: str | None = None
    hash_seed: int = 0
    padding: int = 0


class Runner:
    """One runner process with its pipes; ended by `RunnerGroup`."""

    def __init__(self, runner_env: RunnerEnvironment, command: Command) -> None:
        env = {
            **os.environ,
            "TMPDIR": str(runner_env.temporary),
            **dict(command.env),
            # not -I or -E: they would ignore the hash seed; workers inherit both of these
            "PYTHONHASHSEED": str(command.hash_seed),
            "ORCHESTRATOR_PADDING": "x" * command.padding,
        }
        if command.preload:
            env["LD_PRELOAD"] = " ".join(filter(None, (command.preload, env.get("LD_PRELOAD"))))
        start = [command.python, "-c", BOOTSTRAP, str(runner_env.runner), command.path or "", str(runner_env.borrowed)]
        self._started_ns = time.perf_counter_ns()
        self._reaper = runner_env.reaper
        with ExitStack() as theirs, ExitStack() as ours:
            given, self.requests = open_pipe(theirs, ours)
            self.answers, answering = open_pipe(ours, theirs)
            self.errors, erring = open_pipe(ours, theirs)
            self.pid = runner_env.reaper.start(start, env, (given, answering, erring), dict(command.limits))
            # workers inherit the pipe of the answers, so end-of-file does not show that the runner has ended
            self.exit = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
            if self.exit is not None:
                ours.callback(os.close, self.exit)
            self._open = ours.pop_all()
        os.set_blocking(self.errors, False)
        os.set_blocking(self.requests, False)
        self.workers: Sequence[int] = ()
        """Worker processes, which signals to the runner are also to reach."""
        self.is_late = False
        """It has not answered in time: a later answer does not belong to the next request."""
        self._oom_kills = host.oom_kills()
        self.buffer = bytearray()
        self.output = b""
        self.dropped = 0

    def age_ns(self) -> int:
        """Return the time since the runner was started."""
        return time.perf_counter_ns() - self._started_ns

    @property
    def written(self) -> int:
        """How many bytes of the runner's output have been read."""
        return self.dropped + len(self.output)

    def output_since(self, written: int) -> str:
        """Return what is kept of the output after its first `written` bytes."""
        return self.output[max(0, written - self.dropped) :].decode("utf-8", "replace")

    def drain(self) -> bool:
        """Read the runner's stderr; return whether there can be more."""
        try:
            data = os.read(self.errors, PIPE_BYTES)
        except BlockingIOError:
            return True
        self.dropped += max(0, len(self.output) + len(data) - OUTPUT_KEPT)
        self.output = (self.output + data)[-OUTPUT_KEPT:]
        return bool(data)

    def shown_output(self) -> str:
        """Return the end of the output as text, marked when it is not all."""
        text = self.output.decode("utf-8", "replace")
        return f"[{self.dropped} bytes before this are not kept]\n{text}" if self.dropped else text

    def signal(self, number: int) -> None:
        """Send a signal to the runner's process group, and to its workers that have left the group."""
        for send, target in ((os.killpg, self.pid), *((os.kill, pid) for pid in self.workers)):
            with suppress(ProcessLookupError, PermissionError):
                send(target, number)

    def has_ended(self, timeout_s: float) -> bool:
        """Return whether the runner ends within a time."""
        if self.exit is None:
            return self._reaper.status(self.pid, timeout_s) is not None
        return is_readable(self.exit, timeout_s)

    def death(self) -> RunnerFailed:
        """Return a RunnerFailed that states how the runner ended; the caller adds the output."""
        status = self._reaper.status(self.pid, timeout_s=5)
        if status is None:
            return RunnerFailed("crash", "the runner has closed its pipe")
        if status == -signal.SIGKILL and host.oom_kills() != self._oom_kills:
            return RunnerFailed("memory", "the system killed the runner because memory ran out")
        if status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
            return RunnerFailed("signal", f"the runner was killed by {name}")
        return RunnerFailed("crash", f"the runner exited with status {status}")

    def leave(self) -> None:
        """Close the request pipe, which ends a runner that works."""
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, self.requests, inheritable=False)
        os.close(null)

    def end(self) -> None:
        """Close the pipes; a runner that does not end by itself is ended by the reaper's sweep."""
        self._open.close()

    def kill(self) -> None:
        """Kill the runner with its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def open_pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    """Return the ends of a new pipe, each closed with its owner."""
    reader, writer = os.pipe()
    reading.callback(os.close, reader)
    writing.callback(os.close, writer)
    return reader, writer


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Return whether the descriptor has data, or is at its end, within the time."""
    poll = select.poll()  # select() takes no descriptor beyond 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def default_python() -> str:
    """Return the interpreter of variants that name none: this one."""
    return sys.executable
