"""Runners that tests start and ask, without a conductor."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.runner.registry import load, unavailable
from orchestrator.spec.plan import Point, Variant, runner_request
from orchestrator.supervisor import group as runner_group
from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.group import RunnerGroup
from orchestrator.supervisor.interrupt import Interrupt
from orchestrator.supervisor.process import Command, RunnerFailed, default_python

from . import workloads
from .ways import (
    ALONE,
    parts,
)

HERE = str(Path(__file__).parent)
PATIENCE_S = 60.0


def task(call: str, twin: bool = True, kwargs: Mapping[str, Any] | None = None, **more: str) -> dict[str, Any]:
    """Return a workload of `workloads`: with its async twin, where it has one and `twin` does not say otherwise."""
    found: dict[str, Any] = {"call": call, "kwargs": dict(kwargs or {}), **more}
    if twin and hasattr(workloads, f"{call}_async"):
        found["async_call"] = f"{call}_async"
    plain = ("kwargs", "item")
    return {
        key: value if key in plain or ":" in value else f"{workloads.__name__.rpartition('.')[2]}:{value}"
        for key, value in found.items()
    }


def order(model: str, workload: dict[str, Any], workers: int = 2, tasks: int = 4, **options: Any) -> dict[str, Any]:
    name, of_way = parts(model)
    defaults = {key: about.default for key, about in load(name).OPTIONS.items() if about.default is not None}
    options = defaults | ALONE.get(name, {}) | of_way | options
    point = Point("point", "point", {}, workload, tasks)
    return runner_request(point, Variant("variant", model, {}, name, workers, None, options))


class Opened:
    """A runner of a runner_group with its workers up."""

    def __init__(self, runner_group: RunnerGroup, name: str, ready: dict[str, Any]) -> None:
        self.runner_group = runner_group
        self.name = name
        self.ready = ready
        self.process = runner_group.runners[name]

    def ask(self, op: str, **request: Any) -> dict[str, Any]:
        return self.runner_group.ask(self.name, {"op": op, **request}, PATIENCE_S)

    def trial(self, repeats: int = 1, turn: int = 0) -> dict[str, Any]:
        """Arm the runner, pass it the token, and return the times of the trial."""
        self.ask("arm", repeats=repeats, keeps=True)
        assert self.runner_group.ask(self.name, turn, PATIENCE_S) == {}
        (trial,) = self.ask("trials")["trials"]
        assert isinstance(trial, dict)
        return trial

    def results(self) -> Any:
        """Return the results of one batch, as `observe: workloads:see` returns them."""
        return json.loads(self.trial()["observed"]["results"])

    def output(self) -> str:
        self.runner_group._drain_all()
        return self.runner_group.runners[self.name].shown_output()

    def status(self) -> int | None:
        """Return the exit status, once the runner has ended."""
        return self.runner_group._runner_env.reaper.status(self.process.pid, PATIENCE_S)

    def close_requests(self) -> None:
        self.process.leave()


def python_for(model: str, options: Mapping[str, Any]) -> str:
    """Return an interpreter that has a model, this one if it does."""
    if unavailable(model, options) is None:
        return default_python()
    return shutil.which("python3.14") or pytest.skip(f"no interpreter here has {model}")


def start(runner_group: RunnerGroup, name: str, asked: dict[str, Any], command: Command | None = None) -> Opened:
    runner_group.start(name, command or Command(python_for(asked["model"], asked["options"]), HERE))
    assert runner_group.ask(name, {"op": "prepare", **asked}, PATIENCE_S)["event"] == "prepared"
    ready = runner_group.ask(name, {"op": "open"}, PATIENCE_S)
    assert ready["event"] == "ready"
    return Opened(runner_group, name, ready)


@contextmanager
def new_runner_group(runner_env: RunnerEnvironment) -> Iterator[RunnerGroup]:
    """Yield a runner_group; after it, no process of its runners may be left."""
    interrupt = Interrupt()
    try:
        with RunnerGroup(runner_env, interrupt) as runner_group:
            yield runner_group
            groups = [runner.pid for runner in runner_group.runners.values()]
        assert eventually(lambda: not any(map(living, groups))), "left behind"
    finally:
        interrupt.close()


@contextmanager
def opened(runner_env: RunnerEnvironment, asked: dict[str, Any], command: Command | None = None) -> Iterator[Opened]:
    with new_runner_group(runner_env) as runner_group:
        yield start(runner_group, asked["model"], asked, command)


@contextmanager
def fails(cause: str, match: str | None = None) -> Iterator[pytest.ExceptionInfo[RunnerFailed]]:
    with pytest.raises(RunnerFailed, match=match) as caught:
        yield caught
    assert caught.value.cause == cause, caught.value.error


def eventually(true: Callable[[], object], within_s: float = PATIENCE_S) -> bool:
    until_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True


def living(group: int) -> set[int]:
    """Return the running processes of a group; zombies that are not reaped yet do not run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(of_group) == group and state not in "ZX":
            found.add(int(status.parent.name))
    return found


def workers_of(ready: Mapping[str, Any]) -> list[tuple[int, int]]:
    return sorted(zip(ready["worker_pids"], ready["worker_threads"], strict=True))


def probe(
    runner_env: RunnerEnvironment, *variants: dict[str, Any], python: str | None = None
) -> Sequence[dict[str, Any] | None]:
    interrupt = Interrupt()
    try:
        return runner_group.probe(runner_env, interrupt, Command(python or default_python(), HERE), list(variants))[0]
    finally:
        interrupt.close()
