"""The runners of a block, asked one at a time; and the two questions that are asked before any block."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from ..runner.account.sensors import TELL_WHERE
from .process import (
    PIPE_BYTES,
    Command,
    Interrupt,
    Interrupted,
    ReaperKilled,
    Runner,
    RunnerEnvironment,
    RunnerFailed,
    is_readable,
)

TELLING_S = 0.3
"""What a runner gets to tell where it hangs, before it is asked to end."""

GRACE_S = 0.5
"""What a runner gets to end by itself, before it is killed."""

SENDING_S = 120.0
"""What a runner gets to read a request."""

LEAVING_S = 1.0
"""What the runners of a block that is over get to leave their `setup` in."""


class RunnerGroup:
    """The runners of one block, alive at once and asked one at a time; leaving the `with` block ends them all."""

    def __init__(self, runner_env: RunnerEnvironment, interrupt: Interrupt) -> None:
        self._runner_env = runner_env
        self._interrupt = interrupt
        self._runners: dict[str, Runner] = {}
        self._poll = select.poll()
        self._poll.register(interrupt.fileno(), select.POLLIN)
        self._noisy: dict[int, Runner] = {}

    def __enter__(self) -> RunnerGroup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self._runners.values():
            runner.end()
        try:
            self._runner_env.reaper.sweep()
        except ReaperKilled:
            for runner in self._runners.values():
                runner.kill()
            raise

    def start(self, name: str, command: Command) -> None:
        """Start a runner; raises RunnerFailed when its interpreter can't be."""
        try:
            runner = Runner(self._runner_env, command)
        except OSError as error:
            raise RunnerFailed("crash", f"cannot start {command.python}: {error.strerror}") from error
        self._runners[name] = runner
        self._noisy[runner.errors] = runner
        self._poll.register(runner.errors, select.POLLIN)

    def age_ns(self, name: str) -> int:
        """Return the time since a runner was started."""
        return time.perf_counter_ns() - self._runners[name].started_ns

    def pid(self, name: str) -> int:
        """Return the process id of a runner."""
        return self._runners[name].pid

    def register_workers(self, name: str, workers: Iterable[int]) -> None:
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
        """Send a request, which may be longer than a pipe holds; raises RunnerFailed or Interrupted.

        That the runner is gone shows when the answer is awaited.
        """
        runner = self._runners[name]
        data = json.dumps(request).encode() + b"\n"
        deadline = time.monotonic() + SENDING_S
        with suppress(BrokenPipeError):
            while data:
                try:
                    data = data[os.write(runner.requests, data) :]
                except BlockingIOError:
                    self._await_room(runner, deadline)

    def _await_room(self, runner: Runner, deadline: float) -> None:
        """Wait until a runner has read of what it was sent."""
        self._poll.register(runner.requests, select.POLLOUT)
        try:
            ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
        finally:
            self._poll.unregister(runner.requests)
        if self._interrupt.fileno() in ready:
            raise Interrupted
        if not ready:
            runner.is_late = True
            raise RunnerFailed("timeout", f"it read no request within {SENDING_S:g} s", None, runner.shown_output())
        self._drain(ready)

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
            raise RunnerFailed(
                answer["cause"],
                answer["error"],
                answer["traceback"],
                runner.shown_output(),
                answer["kind"],
                answer.get("calls", 0),
            )
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
        death = runner.death()
        while runner.errors in self._noisy and is_readable(runner.errors, 0.0):
            self._drain({runner.errors})
        death.output = runner.shown_output()
        return death


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

    problems: Sequence[dict[str, Any] | None]
    identity: Mapping[str, str]


def probe(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Command, variants: list[dict[str, Any]]
) -> Answered:
    """Ask an interpreter about `variants` (as `plan.runner_request` makes them); raises RunnerFailed."""
    with RunnerGroup(runner_env, interrupt) as runner_group:
        runner_group.start("probe", command)
        answer = runner_group.ask("probe", {"op": "probe", "variants": variants}, timeout_s=120)
    return Answered(answer["problems"], answer["identity"])


def scout(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Command, workload: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Return the facts of a pilot (see `runner.first_calls`), or why it is refused; raises RunnerFailed.

    `ready_ns` is what everything but the timed calls took: starting, importing, and probing the models. Results are
    compared with those of a second process, which has another hash seed.
    """
    with RunnerGroup(runner_env, interrupt) as runner_group:
        file = str(runner_env.scratch / "result")
        asked = {"op": "scout", "workload": workload, "file": file, "is_second": False}
        runner_group.start("first", command)
        facts = runner_group.ask("first", asked, timeout_s)
        facts["ready_ns"] = max(0, runner_group.age_ns("first") - facts.get("calling_ns", 0))
        if facts["event"] == "piloted" and facts["unpicklable"] is None and facts["incomparable"] is None:
            runner_group.start("second", replace(command, hash_seed=command.hash_seed + 1))
            again = runner_group.ask("second", {**asked, "is_second": True}, timeout_s)
            facts["incomparable"] = again.get("incomparable")
        return facts
