"""Starting runners and talking to them: blocking, with deadlines, in one thread that owns them all.

Blocking pipes with `poll` hand the token over in about 0.3 ms with half the CPU of an asynchronous transport, and a
conductor that computes while somebody is measured is noise of our own making.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from . import host
from .errors import FAILED, Failure
from .runner.sensors import TELL_WHERE
from .shim import Shims
from .warden import Warden, WardenLost

BORROWED = ("anyio", "idna", "sniffio", "exceptiongroup", "typing_extensions")
"""What an interpreter without anyio gets of this environment's packages: anyio, and all that anyio may import."""

OUTPUT_KEPT = 16_384
"""Bytes kept of the end of what a runner writes to stdout and stderr; the rest is read and thrown away."""

PIPE_BYTES = 65_536
"""What a pipe holds on Linux: a buffer for more would be made and cut down at each read."""

TELLING_S = 0.3
"""What a runner gets to tell where it hangs, before it is asked to end."""

GRACE_S = 0.5
"""What a runner gets to end by itself, before it is killed."""

LEAVING_S = 1.0
"""What the runners of a block that is over get to leave their `setup` in."""

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
    """A runner has failed, died, or not answered in time; `cause` as in `trial.failed`."""

    def __init__(self, cause: str, error: str, traceback: str | None = None, output: str = "") -> None:
        super().__init__(error)
        self.cause = cause
        self.error = error
        self.traceback = traceback
        self.output = output


class Unguarded(Failure):
    """The warden was killed, and with it all runners; what was measured before is in the journal."""

    status = FAILED


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
class Kit:
    """What runners are started with: who guards them, and two directories for their import path.

    `runner` holds the runner alone, and `borrowed` what an interpreter may have to borrow. `scratch` is for files that
    go with the run, `temporary` in it for those of runners, and `shims` are preloaded.
    """

    warden: Warden
    scratch: Path
    temporary: Path
    runner: Path
    borrowed: Path
    shims: Shims


@contextmanager
def kit() -> Iterator[Kit]:
    """Lay out the runner so that any interpreter finds it, but nothing else of this environment.

    The runner becomes a package of its own there, so a workload may have an `orchestrator` of its own too. Nothing that
    was started is left at the end, and no temporary file of a runner, however it ended.
    """
    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-", ignore_cleanup_errors=True) as directory,
        Warden(directory) as warden,
    ):
        scratch = Path(directory)
        laid = Kit(warden, scratch, scratch / "tmp", scratch / "runner", scratch / "borrowed", Shims(scratch))
        for made in (laid.temporary, laid.runner, laid.borrowed):
            made.mkdir()
        for passed in (scratch, laid.temporary):
            passed.chmod(0o711)  # a server that a workload starts under another user gets through to its own directory
        (laid.runner / "orchestrator_runner").symlink_to(Path(__file__).parent / "runner")
        for name in BORROWED:
            spec = find_spec(name)
            if spec and spec.origin:
                origin = Path(spec.origin)
                origin = origin.parent if origin.name == "__init__.py" else origin
                (laid.borrowed / origin.name).symlink_to(origin)
        yield laid


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
    """One runner process with its pipes; ended by `Crew`."""

    def __init__(self, laid: Kit, command: Command) -> None:
        env = {
            **os.environ,
            "TMPDIR": str(laid.temporary),
            **dict(command.env),
            # not -I or -E: they would ignore the hash seed; workers inherit both of these
            "PYTHONHASHSEED": str(command.hash_seed),
            "ORCHESTRATOR_PADDING": "x" * command.padding,
        }
        if command.preload:
            env["LD_PRELOAD"] = " ".join(filter(None, (command.preload, env.get("LD_PRELOAD"))))
        boot = [command.python, "-c", _BOOT, str(laid.runner), command.path or "", str(laid.borrowed)]
        self.started_ns = time.perf_counter_ns()
        self._warden = laid.warden
        with ExitStack() as theirs, ExitStack() as ours:
            given, self.requests = _pipe(theirs, ours)
            self.answers, told = _pipe(ours, theirs)
            self.errors, said = _pipe(ours, theirs)
            self.pid = laid.warden.start(boot, env, (given, told, said), dict(command.limits))
            # workers inherit the pipe of the answers, so its end does not tell that the runner is gone
            self.exit = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
            if self.exit is not None:
                ours.callback(os.close, self.exit)
            self._open = ours.pop_all()
        os.set_blocking(self.errors, False)
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
        return _is_readable(self.exit, timeout_s)

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


def _is_readable(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()  # select() takes no descriptor beyond 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


class Crew:
    """The runners of one block, alive at once and asked one at a time; leaving the `with` block ends them all."""

    def __init__(self, laid: Kit, interrupt: Interrupt) -> None:
        self._kit = laid
        self._interrupt = interrupt
        self._runners: dict[str, Runner] = {}
        self._poll = select.poll()
        self._poll.register(interrupt.fileno(), select.POLLIN)
        self._noisy: dict[int, Runner] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self._runners.values():
            runner.end()
        try:
            self._kit.warden.sweep()
        except WardenLost as lost:
            for runner in self._runners.values():
                runner.kill()
            raise _unguarded() from lost

    def start(self, name: str, command: Command) -> None:
        """Start a runner; raises RunnerFailed when its interpreter can't be."""
        try:
            runner = Runner(self._kit, command)
        except OSError as error:
            raise RunnerFailed("crash", f"cannot start {command.python}: {error.strerror}") from error
        except WardenLost as lost:
            raise _unguarded() from lost
        self._runners[name] = runner
        self._noisy[runner.errors] = runner
        self._poll.register(runner.errors, select.POLLIN)

    def age_ns(self, name: str) -> int:
        """Return the time since a runner was started."""
        return time.perf_counter_ns() - self._runners[name].started_ns

    def pid(self, name: str) -> int:
        """Return the process id of a runner."""
        return self._runners[name].pid

    def employ(self, name: str, workers: Iterable[int]) -> None:
        """Take note of a runner's worker processes, which signals to it are for too."""
        self._runners[name].workers = tuple(workers)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a runner with all its processes."""
        self._runners[name].signal(number)

    def leave(self, names: Iterable[str]) -> None:
        """Let runners end by themselves, so that they leave their `setup`; who takes too long is killed later."""
        leaving = [self._runners[name] for name in names if name in self._runners]
        for runner in leaving:
            runner.leave()
        deadline = time.monotonic() + LEAVING_S
        for runner in leaving:
            runner.has_ended(max(0.0, deadline - time.monotonic()))

    def ask(self, name: str, request: Mapping[str, Any] | int, timeout_s: float) -> dict[str, Any]:
        """Send a request and return the answer; raises RunnerFailed or Interrupted.

        A number is the token: the runner runs a trial, and answers nothing but that it is over.
        """
        self.send(name, request)
        return self.receive(name, timeout_s)

    def send(self, name: str, request: Mapping[str, Any] | int) -> None:
        """Send a request; that the runner is gone shows when the answer is awaited."""
        data = json.dumps(request).encode() + b"\n"
        with suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._runners[name].requests, data) :]

    def receive(self, name: str, timeout_s: float) -> dict[str, Any]:
        """Return the next answer of a runner; raises RunnerFailed or Interrupted."""
        runner = self._runners[name]
        if runner.is_late:
            raise RunnerFailed("timeout", "an earlier answer is still awaited", None, runner.shown_output())
        watched = [runner.answers] + ([runner.exit] if runner.exit is not None else [])
        for descriptor in watched:
            self._poll.register(descriptor, select.POLLIN)
        try:
            line = self._line(runner, time.monotonic() + timeout_s, timeout_s)
        finally:
            for descriptor in watched:
                self._poll.unregister(descriptor)
        if not line:  # the token comes back
            return {}
        answer = _answer(line)
        if answer["event"] == "failed":
            self._drain_all()
            raise RunnerFailed(answer["cause"], answer["error"], answer["traceback"], runner.shown_output())
        return answer

    def _line(self, runner: Runner, deadline: float, timeout_s: float) -> bytes:
        while b"\n" not in runner.buffer:
            ready = self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                runner.is_late = True
                self._ask_where(runner)
                raise RunnerFailed("timeout", f"no answer within {timeout_s:.3g} s", None, runner.shown_output())
            descriptors = {descriptor for descriptor, _ in ready}
            if self._interrupt.fileno() in descriptors:
                raise Interrupted
            self._drain(descriptors)
            if runner.answers in descriptors:
                data = os.read(runner.answers, PIPE_BYTES)
                runner.buffer += data
                if not data:
                    raise self._gone(runner)
            elif runner.exit in descriptors:
                raise self._gone(runner)
        line, _, runner.buffer = runner.buffer.partition(b"\n")
        return line

    def _drain(self, descriptors: set[int]) -> None:
        for descriptor in descriptors & self._noisy.keys():
            if not self._noisy[descriptor].drain():
                self._poll.unregister(descriptor)
                del self._noisy[descriptor]

    def _drain_all(self) -> None:
        self._drain(set(self._noisy))

    def _ask_where(self, runner: Runner) -> None:
        """Let a runner that hangs, and its workers, write to their output where; then ask it to end."""
        for number, patience_s in ((signal.SIGCONT, 0.0), (TELL_WHERE, TELLING_S), (signal.SIGTERM, GRACE_S)):
            runner.signal(number)
            runner.has_ended(patience_s)
            self._drain_all()

    def _gone(self, runner: Runner) -> RunnerFailed:
        try:
            death = runner.death()
        except WardenLost as lost:
            raise _unguarded() from lost
        while runner.errors in self._noisy and _is_readable(runner.errors, 0.0):
            self._drain({runner.errors})
        death.output = runner.shown_output()
        return death


def _unguarded() -> Unguarded:
    return Unguarded("the process that guards the runners was killed, and they with it", remedy="run again")


def _answer(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line.decode())  # whole numbers of any size, as observed values may be: not orjson
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "event" not in answer:  # an executable that is no Python may print anything
        raise RunnerFailed("crash", f"no runner answers like this: {line[:80]!r}")
    return answer


@dataclass(frozen=True)
class Answered:
    """What an interpreter says of variants: what it could not run of each, and what its results depend on."""

    problems: Sequence[dict[str, str] | None]
    identity: Mapping[str, str]


def probe(laid: Kit, interrupt: Interrupt, command: Command, variants: list[dict[str, Any]]) -> Answered:
    """Ask an interpreter about `variants` (as `plan.order` makes them); raises RunnerFailed."""
    with Crew(laid, interrupt) as crew:
        crew.start("probe", command)
        answer = crew.ask("probe", {"op": "probe", "variants": variants}, timeout_s=120)
    return Answered(answer["problems"], answer["identity"])


def scout(
    laid: Kit, interrupt: Interrupt, command: Command, workload: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Return what a first look at a function tells (see `runner.scout`), or why it is refused; raises RunnerFailed.

    `ready_ns` is what starting and importing took: everything but the calls. Results are compared with those of a
    second process, which has another hash seed.
    """
    with Crew(laid, interrupt) as crew:
        file = str(laid.scratch / "result")
        asked = {"op": "scout", "workload": workload, "file": file, "is_second": False}
        crew.start("first", command)
        told = crew.ask("first", asked, timeout_s)
        told["ready_ns"] = max(0, crew.age_ns("first") - told.get("calling_ns", 0))
        if told["event"] == "scouted" and told["unpicklable"] is None and told["incomparable"] is None:
            crew.start("second", replace(command, hash_seed=command.hash_seed + 1))
            again = crew.ask("second", {**asked, "is_second": True}, timeout_s)
            told["incomparable"] = again.get("incomparable")
        return told


def capture(laid: Kit, interrupt: Interrupt, command: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a program that is no runner to its end: its exit status and what it wrote to stdout and to stderr.

    Nothing of it is left afterwards, also when it was interrupted. Raises OSError and Interrupted.
    """
    try:
        try:
            with ExitStack() as theirs, ExitStack() as ours:
                empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                theirs.callback(os.close, empty)
                (output, told), (errors, said) = _pipe(ours, theirs), _pipe(ours, theirs)
                pid = laid.warden.start(command, env, (empty, told, said), {})
                theirs.close()
                written = _read_all(interrupt, (output, errors))
            status = laid.warden.status(pid, timeout_s=5)
        finally:
            laid.warden.sweep()
    except WardenLost as lost:
        raise _unguarded() from lost
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
