"""The process on a host that runs blocks: each request is a line on stdin, each answer a line on stdout.

It ends with its stdin, or after a while without requests, so that it does not outlive a killed conductor.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import sys
import threading
import time
from contextlib import ExitStack, closing
from typing import Any

from ..engine import block
from ..engine.hosts import BlockTask
from ..errors import BadInput, Busy
from ..interpreters.probe import Refused, probe_plan
from ..jsonl import dumps
from ..machine import host, lock, spin
from ..runner.problem import Problem
from ..spec.expand import plan_experiment
from ..spec.model import Experiment
from ..spec.plan import Items, Plan
from ..spec.problem import SpecProblem
from ..supervisor.environment import RunnerEnvironment, runner_environment
from ..supervisor.interrupt import Interrupt, Interrupted

IDLE_S = 60.0  # it ends after this time without a request; the next request starts a new one

SETS = ("guarded", "without_warmup", "in_first_round", "copied")  # fields of a task that JSON has no form for

LOCK_S = 2.0  # how long a block waits for the machine, as another block may just be ending


class Agent:
    """Answers requests, one at a time; `expect` and `stop` are called by the thread that reads them."""

    def __init__(self, runner_env: RunnerEnvironment) -> None:
        self._runner_env = runner_env
        self._plan: Plan | None = None
        self._pythons: dict[str, str] = {}
        self._request: dict[str, Any] = {}
        self._stopping = threading.Lock()
        self._interrupt: Interrupt | None = None

    def expect(self) -> None:
        """Prepare for a request: from now on, `stop` applies to it, whether it has begun or not."""
        with self._stopping:
            self._interrupt = Interrupt()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to the expected request."""
        assert self._interrupt is not None
        with closing(self._interrupt) as interrupt:
            try:
                return (self._prepared if request["op"] == "prepare" else self._run)(request, interrupt)
            except Interrupted:
                return {"interrupted": True}
            finally:
                with self._stopping:
                    self._interrupt = None

    def stop(self) -> None:
        """Interrupt the current request, if there is one."""
        with self._stopping:
            if self._interrupt:
                self._interrupt.set()

    def _prepared(self, request: dict[str, Any], interrupt: Interrupt) -> dict[str, Any]:
        """Store the experiment, and return whether it can run here."""
        experiment = Experiment.model_validate(json.loads(request["spec"]))
        cpus = experiment.limits.cpus
        if cpus and (missing := host.keep_to(cpus)):
            what, remedy = f"no processor {missing[0]} to run on", "name those that every host has"
            problem = SpecProblem(("limits", "cpus"), Problem("processor_missing", what, remedy))
            return {"problems": [_plain(problem)]}
        items = [Items(**read) for read in request["items"]]
        self._plan = plan_experiment(experiment, request["cores"], items)
        self._request = request
        try:
            probed = probe_plan(self._plan, self._runner_env, interrupt)
        except Refused as refused:
            return {"problems": [_plain(problem) for problem in refused.problems]}
        self._pythons = probed.pythons
        sample = host.sample()
        about = {key: sample[key] for key in ("hostname", "cpu_model", "cores", "effective_cores")}
        about["spin_cores"] = spin.spin_cores(sample["effective_cores"])
        about["lock"] = str(lock.where()) if request["locks"] else None
        return {
            "pythons": probed.pythons,
            "unavailable": [event.fields() for event in probed.unavailable],
            "identity": {key: value for key, value in probed.identity.items() if key != "host"},
            "environments": probed.environments,
            "about": {**about, "python": platform.python_version()},
        }

    def _run(self, request: dict[str, Any], interrupt: Interrupt) -> dict[str, Any]:
        """Run a block while holding the lock of the machine."""
        if self._plan is None:
            return {"unprepared": True}
        with ExitStack() as held:
            if self._request["locks"]:
                try:
                    held.enter_context(lock.hold(LOCK_S))(f"{self._request['run']} on {self._request['host']}")
                except (Busy, BadInput) as refused:
                    return {"busy": refused.what}
            events = block.execute(_task(self._plan, request["task"]), self._runner_env, interrupt, self._pythons)
        return {"events": [event.fields() for event in events]}


def request(task: BlockTask) -> dict[str, Any]:
    """Return the request for a task: its point and variants by their ids, its deadline as the time left."""
    plain = vars(task) | {"point": task.point.id, "variants": [variant.id for variant in task.variants]}
    plain |= {name: sorted(getattr(task, name)) for name in SETS}
    plain["deadline"] = task.deadline - time.monotonic()
    return {"op": "block", "task": plain}


def _task(plan: Plan, plain: dict[str, Any]) -> BlockTask:
    variants = {variant.id: variant for variant in plan.variants}
    parsed = {
        "point": next(point for point in plan.points if point.id == plain["point"]),
        "variants": tuple(variants[name] for name in plain["variants"]),
        **{name: frozenset(plain[name]) for name in SETS},
        "limits": tuple((name, bound) for name, bound in plain["limits"]),
        "deadline": time.monotonic() + plain["deadline"],
    }
    return BlockTask(**plain | parsed)


def _plain(problem: SpecProblem) -> dict[str, Any]:
    return {"path": list(problem.path), **problem.problem.fields()}


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # other output must not mix with the answers
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    with runner_environment() as runner_env:
        agent = Agent(runner_env)

        def read() -> None:
            for line in sys.stdin.buffer:
                asked = json.loads(line)
                if asked["op"] == "stop":
                    agent.stop()
                else:
                    agent.expect()
                    requests.put(asked)
            requests.put(None)
            agent.stop()

        threading.Thread(target=read, daemon=True).start()
        try:
            while (asked := requests.get(timeout=IDLE_S)) is not None:
                answers.write(dumps(agent.answer(asked)) + b"\n")
        except (queue.Empty, BrokenPipeError):
            pass
