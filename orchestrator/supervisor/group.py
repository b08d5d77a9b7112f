"""The runners of a block, and the requests before any block: `probe`, `read_items`, `functions` and `pilot`."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..runner.account.sensors import DUMP_STACKS, descendants, process_cpu_ns
from ..runner.last_words import CLOSE, last_words, shortage
from ..runner.pilot_progress import stuck
from .environment import RunnerEnvironment
from .interrupt import Interrupt, Interrupted
from .process import PIPE_BYTES, Command, Runner, RunnerFailed, is_readable
from .reaper import ReaperFailed

DUMPING_S = 0.3  # the time for a runner that hangs, or a worker of it, to begin to write its stacks
DUMPED_S = 0.03  # all stacks of a process are written when nothing came for so long
MOST_DUMPED = 4  # workers, whose stacks are much alike

GRACE_S = 0.5  # the time for a runner to end after SIGTERM, before it is killed

SENDING_S = 120.0  # the time for a runner to read a request

LEAVING_S = 1.0  # the time for the runners of a finished block to leave their `setup`


class RunnerGroup:
    """The runners of one block, asked one at a time; leaving the `with` block ends them all."""

    def __init__(self, runner_env: RunnerEnvironment, interrupt: Interrupt) -> None:
        self._runner_env = runner_env
        self._interrupt = interrupt
        self.runners: dict[str, Runner] = {}
        self._poll = select.poll()
        self._poll.register(interrupt.fileno(), select.POLLIN)
        self._noisy: dict[int, Runner] = {}

    def __enter__(self) -> RunnerGroup:
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self.runners.values():
            runner.end()
        try:
            self._runner_env.reaper.sweep()
        except ReaperFailed:
            for runner in self.runners.values():
                runner.kill()
            raise

    def start(self, name: str, command: Command) -> None:
        """Start a runner, in the place of one that has ended; raises RunnerFailed when its interpreter can't start."""
        try:
            runner = Runner(self._runner_env, command)
        except OSError as error:
            raise RunnerFailed("crash", f"cannot start {command.python}: {error.strerror}") from error
        if (ended := self.runners.get(name)) is not None:
            if self._noisy.pop(ended.errors, None):
                self._poll.unregister(ended.errors)
            ended.end()
        self.runners[name] = runner
        self._noisy[runner.errors] = runner
        self._poll.register(runner.errors, select.POLLIN)

    def leave(self, names: Iterable[str]) -> None:
        """Let runners end by themselves and leave their `setup`; one that takes too long is killed later."""
        leaving = [self.runners[name] for name in names if name in self.runners]
        for runner in leaving:
            runner.leave()
        deadline = time.monotonic() + LEAVING_S
        for runner in leaving:
            runner.has_ended(max(0.0, deadline - time.monotonic()))

    def ask(self, name: str, request: Mapping[str, Any] | int, timeout_s: float) -> dict[str, Any]:
        """Send a request and return the answer; raises RunnerFailed or Interrupted.

        A number is the token: the runner runs a trial, and the answer is empty.
        """
        self.send(name, request)
        return self.receive(name, timeout_s)

    def send(self, name: str, request: Mapping[str, Any] | int) -> None:
        """Send a request, which may be longer than a pipe holds; raises RunnerFailed or Interrupted.

        A runner that has ended raises when the answer is received.
        """
        runner = self.runners[name]
        data = memoryview(json.dumps(request).encode() + b"\n")  # items may be 64 MiB
        deadline = time.monotonic() + SENDING_S
        with suppress(BrokenPipeError):
            while data:
                try:
                    data = data[os.write(runner.requests, data) :]
                except BlockingIOError:
                    self._await_room(runner, deadline)

    def _await_room(self, runner: Runner, deadline: float) -> None:
        """Wait until the pipe to a runner has room."""
        self._poll.register(runner.requests, select.POLLOUT)
        try:
            ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
        finally:
            self._poll.unregister(runner.requests)
        if self._interrupt.fileno() in ready:
            raise Interrupted
        if not ready:
            runner.is_late = True
            error = f"the runner read no request within {SENDING_S:g} s"
            raise RunnerFailed("timeout", error, output=runner.shown_output())
        self._drain(ready)

    def receive(self, name: str, timeout_s: float) -> dict[str, Any]:
        """Return the next answer of a runner; raises RunnerFailed or Interrupted."""
        runner = self.runners[name]
        if runner.is_late:
            raise RunnerFailed("timeout", "the runner has not answered an earlier request", None, runner.shown_output())
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
            output = runner.shown_output()
            error, parts = answer["error"], dict(answer["parts"])
            if answer["cause"] in ("worker_lost", "result") and (words := last_words(output)) and words not in error:
                error, parts["last_output"] = f"{error.rstrip('.')}; last output: {words}", words
            if why := shortage(error, f"{answer['traceback']}\n{output}"):
                error, parts["shortage"] = f"{error}: {why}; {CLOSE}", f"{error}: {why}"
            where = {"calls": answer.get("calls", 0), "item": answer.get("item"), "parts": parts}
            raise RunnerFailed(answer["cause"], error, answer["traceback"], output, answer["kind"], **where)
        return answer

    def _line(self, runner: Runner, deadline: float, timeout_s: float) -> bytes:
        searched = 0
        while (end := runner.buffer.find(b"\n", searched)) < 0:
            searched = len(runner.buffer)
            ready = self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                runner.is_late = True
                cpu_s = sum(map(process_cpu_ns, {runner.pid, *descendants(runner.pid)})) / 1e9
                stacks = self._dump_stacks(runner)
                error = f"no answer within {timeout_s:.3g} s"
                output = runner.shown_output()
                raise RunnerFailed("timeout", error, output=output, cpu_s=cpu_s, workers_stacks=stacks)
            descriptors = {descriptor for descriptor, _ in ready}
            if self._interrupt.fileno() in descriptors:
                raise Interrupted
            self._drain(descriptors)
            if runner.answers in descriptors:
                data = os.read(runner.answers, PIPE_BYTES)
                runner.buffer += data
                if not data:
                    raise self._ended(runner)
            elif runner.exit in descriptors:
                raise self._ended(runner)
        line = bytes(runner.buffer[:end])
        del runner.buffer[: end + 1]
        return line

    def _drain(self, descriptors: set[int]) -> None:
        for descriptor in descriptors & self._noisy.keys():
            if not self._noisy[descriptor].drain():
                self._poll.unregister(descriptor)
                del self._noisy[descriptor]

    def _drain_all(self) -> None:
        self._drain(set(self._noisy))

    def _dump_stacks(self, runner: Runner) -> str:
        """Make a runner that hangs write its stacks to stderr, and some workers theirs; then send SIGTERM.

        Return the stacks of the workers. One process writes after the other, since all write to one pipe.
        """
        runner.signal(signal.SIGCONT)
        workers = sorted(descendants(runner.pid) | set(runner.workers))[:MOST_DUMPED]
        self._dump_stacks_of(runner, runner.pid)
        written = runner.written
        for pid in workers:
            self._dump_stacks_of(runner, pid)
        stacks = runner.output_since(written)
        runner.signal(signal.SIGTERM)
        runner.has_ended(GRACE_S)
        self._drain_all()
        return stacks

    def _dump_stacks_of(self, runner: Runner, pid: int) -> None:
        """Let one process of a runner write its stacks, and read them."""
        self._drain_all()
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, DUMP_STACKS)
        deadline, patience_s = time.monotonic() + DUMPING_S, DUMPING_S
        while runner.errors in self._noisy and is_readable(runner.errors, max(0.0, patience_s)):
            self._drain({runner.errors})
            patience_s = min(DUMPED_S, deadline - time.monotonic())  # the workload may write without end
            if patience_s <= 0:
                return

    def _ended(self, runner: Runner) -> RunnerFailed:
        death = runner.death()
        while runner.errors in self._noisy and is_readable(runner.errors, 0.0):
            self._drain({runner.errors})
        death.output = runner.shown_output()
        return death


def _answer(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line.decode())  # not orjson: observed values may be integers of any size
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "event" not in answer:  # an executable other than Python may print anything
        raise RunnerFailed("crash", f"the executable is not a Python that runs the runner; it answered {line[:80]!r}")
    return answer


def probe(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Command, variants: list[dict[str, Any]]
) -> tuple[list[dict[str, Any] | None], dict[str, str]]:
    """Return the problem of each variant, or None, and the identity of the interpreter; raises RunnerFailed."""
    answer = _ask_once(runner_env, interrupt, command, {"op": "probe", "variants": variants}, timeout_s=120)
    return answer["problems"], answer["identity"]


def _ask_once(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Command, request: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Return the answer to the only request to a runner; raises RunnerFailed."""
    with RunnerGroup(runner_env, interrupt) as runner_group:
        runner_group.start(request["op"], command)
        return runner_group.ask(request["op"], request, timeout_s)


def read_items(
    runner_env: RunnerEnvironment,
    interrupt: Interrupt,
    command: Command,
    source: object,
    tasks: list[int | None],
    timeout_s: float,
) -> dict[str, Any]:
    """Return the items of a source for each number of tasks (see `runner.items`), or why not; raises RunnerFailed."""
    request = {"op": "items", "source": source, "tasks": tasks}
    return _ask_once(runner_env, interrupt, command, request, timeout_s)


def functions(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Command, source: str, timeout_s: float
) -> dict[str, Any]:
    """Return the functions of a module or a file (see `runner.listing`), or why it is refused; raises RunnerFailed."""
    return _ask_once(runner_env, interrupt, command, {"op": "list", "source": source}, timeout_s)


def pilot(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Command, workload: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Return the facts of a pilot (see `runner.first_calls`), or why it is refused; raises RunnerFailed.

    `ready_ns` is the time outside of the timed calls: starting, importing, and probing the models. Results are compared
    with those of a second process, which has another hash seed.
    """
    with RunnerGroup(runner_env, interrupt) as runner_group:
        file, progress = (str(runner_env.scratch / name) for name in ("result", "progress"))
        asked = {"op": "pilot", "workload": workload, "file": file, "progress": progress, "is_second": False}
        runner_group.start("first", command)
        try:
            facts = runner_group.ask("first", asked, timeout_s)
        except RunnerFailed as error:
            if error.cause == "timeout":
                error.calls, error.item, error.queue = stuck(progress)
            raise
        facts["ready_ns"] = max(0, runner_group.runners["first"].age_ns() - facts.get("calling_ns", 0))
        if facts["event"] == "piloted" and facts["unpicklable"] is None and facts["incomparable"] is None:
            runner_group.start("second", replace(command, hash_seed=command.hash_seed + 1))
            again = runner_group.ask("second", {**asked, "is_second": True}, timeout_s)
            facts["incomparable"] = again.get("incomparable")
        return facts
