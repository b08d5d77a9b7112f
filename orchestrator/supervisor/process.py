"""Starting runners and talking to them: blocking, with deadlines, in one thread that owns them all.

Blocking pipes with `poll` hand the token over in about 0.3 ms with half the CPU of an asynchronous transport, and a
conductor that computes while somebody is measured is noise of our own making.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import FAILED, Failure
from ..machine import host
from .gil_shim import Shims
from .reaper import Reaper, ReaperLost

BORROWED = ("anyio", "idna", "sniffio", "exceptiongroup", "typing_extensions")
"""What an interpreter without anyio gets of this environment's packages: anyio, and all that anyio may import."""

OUTPUT_KEPT = 16_384
"""Bytes kept of the end of what a runner writes to stdout and stderr; the rest is read and thrown away."""

PIPE_BYTES = 65_536
"""What a pipe holds on Linux: a buffer for more would be made and cut down at each read."""

_BOOT = (
    "import sys, os; _, runner, path, borrowed = sys.argv; del sys.argv[1:];"
    "theirs = [p for p in sys.path if p];"
    "has_anyio = any(f.find_spec('anyio', theirs) for f in sys.meta_path);"
    "sys.path[:] = [runner, *[path][:bool(path)], os.getcwd(), *[borrowed][has_anyio:], *theirs];"
    "from orchestrator_runner.__main__ import main; main()"
)


class Interrupted(Exception):
    """The run is to end: somebody called `Interrupt.set`."""


class RunnerFailed(Exception):
    """A runner has failed, died, or not answered in time; `cause` as in `trial.failed`.

    `kind` is the class of the exception, where there was one; `calls` have returned before a pilot call failed.
    """

    def __init__(
        self,
        cause: str,
        error: str,
        traceback: str | None = None,
        output: str = "",
        kind: str | None = None,
        calls: int = 0,
    ) -> None:
        super().__init__(error)
        self.cause = cause
        self.error = error
        self.traceback = traceback
        self.output = output
        self.kind = kind
        self.calls = calls


class ReaperKilled(Failure):
    """The reaper was killed, and with it all runners; what was measured before is in the journal."""

    status = FAILED


class RunnerReaper(Reaper):
    """The reaper, whose death is told as a failure: every method may raise ReaperKilled."""

    def _ask(self, request: Mapping[str, Any], pipes: Sequence[int] = ()) -> dict[str, Any]:
        try:
            return super()._ask(request, pipes)
        except ReaperLost as lost:
            what = "the process that guards the runners was killed, and they with it"
            raise ReaperKilled(what, remedy="run again") from lost


class Interrupt:
    """A flag that wakes whoever waits for a runner; it may be set from any thread or signal handler."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable once set."""
        return self._reader

    def set(self) -> None:
        """Wake the waiting, now and for ever."""
        with suppress(OSError):
            os.write(self._writer, b"!")

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._reader)
        os.close(self._writer)


@dataclass(frozen=True)
class RunnerEnvironment:
    """What runners are started with: who guards them, and two directories for their import path.

    `runner` holds the runner alone, and `borrowed` what an interpreter may have to borrow. `scratch` is for files that
    go with the run, `temporary` in it for those of runners, and `shims` are preloaded.
    """

    reaper: RunnerReaper
    scratch: Path
    temporary: Path
    runner: Path
    borrowed: Path
    shims: Shims


@contextmanager
def runner_environment() -> Iterator[RunnerEnvironment]:
    """Lay out the runner so that any interpreter finds it, but nothing else of this environment.

    The runner becomes a package of its own there, so a workload may have an `orchestrator` of its own too. Nothing that
    was started is left at the end, and no temporary file of a runner, however it ended.
    """
    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-", ignore_cleanup_errors=True) as directory,
        RunnerReaper(directory) as reaper,
    ):
        scratch = Path(directory)
        runner_env = RunnerEnvironment(
            reaper, scratch, scratch / "tmp", scratch / "runner", scratch / "borrowed", Shims(scratch)
        )
        for made in (runner_env.temporary, runner_env.runner, runner_env.borrowed):
            made.mkdir()
        for passed in (scratch, runner_env.temporary):
            passed.chmod(0o711)  # a server that a workload starts under another user gets through to its own directory
        (runner_env.runner / "orchestrator_runner").symlink_to(Path(__file__).parent.parent / "runner")
        for name in BORROWED:
            spec = find_spec(name)
            if spec and spec.origin:
                origin = Path(spec.origin)
                origin = origin.parent if origin.name == "__init__.py" else origin
                (runner_env.borrowed / origin.name).symlink_to(origin)
        yield runner_env


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
        boot = [command.python, "-c", _BOOT, str(runner_env.runner), command.path or "", str(runner_env.borrowed)]
        self.started_ns = time.perf_counter_ns()
        self._warden = runner_env.reaper
        with ExitStack() as theirs, ExitStack() as ours:
            given, self.requests = _pipe(theirs, ours)
            self.answers, answering = _pipe(ours, theirs)
            self.errors, erring = _pipe(ours, theirs)
            self.pid = runner_env.reaper.start(boot, env, (given, answering, erring), dict(command.limits))
            # workers inherit the pipe of the answers, so its end does not tell that the runner is gone
            self.exit = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
            if self.exit is not None:
                ours.callback(os.close, self.exit)
            self._open = ours.pop_all()
        os.set_blocking(self.errors, False)
        os.set_blocking(self.requests, False)
        self.workers: tuple[int, ...] = ()
        self.is_late = False
        """It has not answered in time: what it still says is no answer to what it is asked next."""
        self._oom_kills = host.oom_kills()
        self.buffer = b""
        self.output = b""
        self.dropped = 0

    def drain(self) -> bool:
        """Read what the runner has written to stderr; return whether there can be more."""
        try:
            data = os.read(self.errors, 65536)
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
        """Send a signal to the runner with its process group, and to those of its workers that have left the group."""
        for send, target in ((os.killpg, self.pid), *((os.kill, pid) for pid in self.workers)):
            with suppress(ProcessLookupError, PermissionError):
                send(target, number)

    def has_ended(self, timeout_s: float) -> bool:
        """Return whether the runner ends within a time."""
        if self.exit is None:
            return self._warden.status(self.pid, timeout_s) is not None
        return is_readable(self.exit, timeout_s)

    def death(self) -> RunnerFailed:
        """Return how the runner has ended, as a failure; output that is still to be drained is not in it."""
        status = self._warden.status(self.pid, timeout_s=5)
        if status is None:
            return RunnerFailed("crash", "the runner has closed its pipe")
        if status == -signal.SIGKILL and host.oom_kills() != self._oom_kills:
            return RunnerFailed("memory", "the system has killed it for want of memory")
        if status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
            return RunnerFailed("signal", f"the runner was killed by {name}")
        return RunnerFailed("crash", f"the runner exited with status {status}")

    def leave(self) -> None:
        """Close the request pipe, which ends a runner that is well."""
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, self.requests, inheritable=False)
        os.close(null)

    def end(self) -> None:
        """Close the pipes; what ends the runner, if that does not, is a sweep."""
        self._open.close()

    def kill(self) -> None:
        """Kill the runner with its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    """Return the ends of a new pipe, each closed with its owner."""
    reader, writer = os.pipe()
    reading.callback(os.close, reader)
    writing.callback(os.close, writer)
    return reader, writer


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Return whether there is something to read, or nothing more to come, within the time."""
    poll = select.poll()  # select() takes no descriptor beyond 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def capture(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Sequence[str], env: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run a program that is no runner to its end: its exit status and what it wrote to stdout and to stderr.

    Nothing of it is left afterwards, also when it was interrupted. Raises OSError, Interrupted and ReaperKilled.
    """
    try:
        with ExitStack() as theirs, ExitStack() as ours:
            empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            theirs.callback(os.close, empty)
            (output, out), (errors, err) = _pipe(ours, theirs), _pipe(ours, theirs)
            pid = runner_env.reaper.start(command, env, (empty, out, err), {})
            theirs.close()
            written = _read_all(interrupt, (output, errors))
        status = runner_env.reaper.status(pid, timeout_s=5)
    finally:
        runner_env.reaper.sweep()
    output_text, errors_text = (each.decode("utf-8", "replace") for each in written)
    return 1 if status is None else status, output_text, errors_text


def _read_all(interrupt: Interrupt, pipes: tuple[int, int]) -> tuple[bytes, bytes]:
    """Return what comes through two pipes until both are closed; raises Interrupted."""
    written = dict.fromkeys(pipes, b"")
    poll = select.poll()
    for descriptor in (interrupt.fileno(), *pipes):
        poll.register(descriptor, select.POLLIN)
    left = set(pipes)
    while left:
        for descriptor, _ in poll.poll():
            if descriptor == interrupt.fileno():
                raise Interrupted
            data = os.read(descriptor, PIPE_BYTES)
            written[descriptor] += data
            if not data:
                poll.unregister(descriptor)
                left.remove(descriptor)
    return written[pipes[0]], written[pipes[1]]


def default_python() -> str:
    """Return the interpreter that runs what names none: this one."""
    return sys.executable
