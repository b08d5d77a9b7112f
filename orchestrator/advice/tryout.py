"""A try-out of processes and of threads at once, before the experiment: a model that fails there is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..interpreters import find
from ..interpreters.probe import command
from ..runner import registry
from ..runner.last_words import place, waiting
from ..spec.plan import Plan, Variant, runner_request
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.group import RunnerGroup
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import RunnerFailed
from . import known_failures
from .agreement import ALONE, CALLS_NS, FEWEST_CALLS, Agreement, Differ
from .facts import Facts
from .known_failures import one_line

THREADS = "threads"

LONG_NS = 1_000_000_000
"""Longer calls are made in the warm-up only, and not in threads."""

PATIENCE_S = 10.0

PATIENCE = 4
"""The timeout of one request to a runner: `PATIENCE_S`, or the time of `PATIENCE` calls if that is longer."""

SWITCH_INTERVAL_US = 1
"""Calls shorter than the default interval, 5 ms, mostly end before another thread gets the GIL."""

DAEMONIC = "daemonic processes are not allowed to have children"
"""The text of the exception where a worker of a pool starts processes."""


class _Failure(NamedTuple):
    """Why a model can't run the function.

    `at_once` is the reason if the model that starts a worker for each call would fail in the same way; else None.
    `of_fork` is the reason without the remedy if forked workers hang or crash: spawned ones may work.
    """

    why: str
    at_once: str | None = None
    of_fork: str = ""


class Tried(NamedTuple):
    """The reason for each model that is `unable`, and for each whose workers are `spawned` since forked ones fail.

    `incomparable` is why results can't be checked, which the pilot has not seen; None where nothing more was seen.
    """

    unable: dict[str, str]
    spawned: dict[str, str]
    incomparable: str | None = None


def try_out(plan: Plan, facts: Facts, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Tried:
    """Return which models of the plan can't run the first point, or only with spawned workers; raises Interrupted.

    One call in a thread was tried in the pilot; here, short calls are made in threads at once.
    """
    tried: dict[str, Variant] = {}
    for variant in plan.variants:
        pickles = variant.needs.pickles
        is_threads = variant.model == THREADS and facts.wall_ns < LONG_NS
        if (pickles or is_threads) and variant.model != plan.baseline.model:
            tried.setdefault(variant.model, variant)
    if not tried:
        return Tried({}, {})
    with RunnerGroup(runner_env, interrupt) as runner_group:
        trying = _TryOut(plan, facts, runner_group, str(runner_env.scratch / "results"))
        failed = trying.failures(tried)
        of_fork = {model: failure.of_fork for model, failure in failed.items() if failure.of_fork}
        spawned = {model: why for model, why in of_fork.items() if trying.can_be_spawned(model, tried[model])}
    for variant in plan.variants:
        pool = variant.needs.pool
        if pool in failed and variant.model not in failed and (why := failed[pool].at_once):
            # one call in such a worker was good, and a batch makes them at once, as that of the pool does
            failed[pool] = failed[variant.model] = _Failure(why)
    able = spawned.keys() | {variant.model for variant in plan.variants if variant.model not in failed}
    found = {variant.model: failed[variant.model].why for variant in plan.variants if variant.model not in able}
    return Tried(found, spawned, trying.agreement.incomparable)


class _TryOut:
    """Runners of all models that are tried, and one of a plain loop where results are checked."""

    def __init__(self, plan: Plan, facts: Facts, runner_group: RunnerGroup, file: str) -> None:
        self._point, self._baseline = plan.points[0], plan.baseline
        self._bounds = plan.experiment.limits.bounds()
        self._facts = facts
        self._is_short = facts.wall_ns < LONG_NS
        self._runner_group = runner_group
        self._timeout_s = max(PATIENCE_S, PATIENCE * facts.wall_ns / 1e9)
        calls = min(self._point.tasks, max(FEWEST_CALLS, round(CALLS_NS / facts.wall_ns)))
        is_same = self._point.workload.get("check", "same") == "same"
        self.agreement = Agreement(self, calls, file, threads_model=THREADS, is_same=is_same)
        self._forks: set[str] = set()
        """The models whose workers are forked."""
        self._forks_beside_threads: set[str] = set()
        """Those whose workers are forked from a process in which an import has left threads running."""
        self._crashed: set[str] = set()
        """Those whose forked workers have ended without an answer."""
        self._started: dict[str, Variant] = {}
        self._changes: dict[str, Mapping[str, Any]] = {}
        """What the orders of started runners have other than those of their variants."""
        self._prepared: dict[str, dict[str, Any] | RunnerFailed] = {}
        """The answers of runners that have imported what they need, or how that failed."""
        self._one_worker_works: dict[str, bool] = {}
        """By pool, whether one worker that is alone can run the function."""

    def failures(self, tried: Mapping[str, Variant]) -> dict[str, _Failure]:
        """Return how models have failed, in a first call of each worker or in calls at once."""
        for model, variant in tried.items():
            more = {"switch_interval_us": SWITCH_INTERVAL_US} if model == THREADS else {}
            self._start(model, variant, {"options": {**variant.options, **more}})
        if self._is_short:
            model = "event_loop" if self._facts.is_async else "sequential"
            self._start(ALONE, self._baseline, {"model": model, "options": {}})
        self._import_again()
        failed = self._failures_to_begin(tried)
        if self._is_short:
            self.agreement.expect()
        # of a worker for each task, a batch may start very many
        able = [model for model in tried if model not in failed and registry.load(model).WORKERS != "per_task"]
        for model in able if self._is_short else ():
            try:
                self.agreement.check(model)
            except RunnerFailed as error:
                failed[model] = self._failure(model, error)
            except Differ as differing:
                why = f"{'calls at once' if model == THREADS else 'workers'} give {differing}"
                failed[model] = _Failure(why, at_once=why)
        return failed

    def _import_again(self) -> None:
        """Wait until all runners have imported, which they do at once; those that failed do it again, one by one.

        An import that makes a file which it lacks disturbs others at the same moment. A run imports once before.
        """
        names = list(self._started)
        for name in names:
            self._prepared[name] = self._imported(name)
        for name in names:
            failed = self._prepared[name]
            if isinstance(failed, RunnerFailed) and "unusable" in failed.parts:
                self._start(name, self._started[name], self._changes[name])
                self._prepared[name] = self._imported(name)

    def _imported(self, name: str) -> dict[str, Any] | RunnerFailed:
        try:
            return self._runner_group.receive(name, 2 * self._timeout_s)
        except RunnerFailed as error:
            return error

    def _failures_to_begin(self, tried: Mapping[str, Variant]) -> dict[str, _Failure]:
        failed: dict[str, _Failure] = {}
        for model, variant in tried.items():
            pool = variant.needs.pool
            if pool in failed and failed[pool].of_fork:
                continue  # it would fail in the same way
            try:
                self.open(model)
                self.ask(model, "warm")
            except RunnerFailed as error:
                failed[model] = self._failure(model, error)
        return failed

    def can_be_spawned(self, model: str, variant: Variant) -> bool:
        """Return whether a model whose forked workers hang or crash runs the function with workers that are spawned."""
        if model not in self._forks_beside_threads | self._crashed or variant.needs.pool:
            return False  # a process for each call takes much longer to spawn
        return self._runs(f"{model} (spawn)", variant, {"options": {**variant.options, "start_method": "spawn"}})

    def _start(self, name: str, variant: Variant, changes: Mapping[str, Any]) -> None:
        self._started[name], self._changes[name] = variant, changes
        python = find.resolve(variant.python)
        assert python is not None, "the pilot ran under it"
        self._runner_group.start(name, command(variant, python, self._bounds))
        request = {**runner_request(self._point, variant), "copied": self._facts.copied is not None, **changes}
        self._runner_group.send(name, {"op": "prepare", **request})

    def start_one(self, name: str, model: str) -> None:
        self._start(name, self._started[model], {**self._changes[model], "workers": 1})

    def ask(self, name: str, op: str, **arguments: Any) -> dict[str, Any]:
        return self._runner_group.ask(name, {"op": op, **arguments}, self._timeout_s * arguments.get("batches", 1))

    def open(self, name: str) -> None:
        prepared = self._prepared.get(name) or self._imported(name)
        if isinstance(prepared, RunnerFailed):
            raise prepared
        ready = self.ask(name, "open")
        if ready.get("actual_start_method") == "fork":
            self._forks.add(name)
            if prepared["threads"]:
                self._forks_beside_threads.add(name)

    def _failure(self, model: str, error: RunnerFailed) -> _Failure:
        """Return why a model's workers failed."""
        if "unusable" in error.parts:
            why = _reason(error)
            return _Failure(why, why)
        why = reason = _reason(error)
        if error.cause == "timeout" and model in self._forks_beside_threads:
            reason += f"; {known_failures.FORKS_BESIDE_THREADS}"
            why = f"{reason}: {known_failures.SPAWN}"
        at_once = f"calls at once fail ({why})"
        if model == THREADS:
            return _Failure(at_once, at_once)
        if error.cause == "worker_lost" and model in self._forks:
            self._crashed.add(model)
            return _Failure(why, why, reason)
        if error.cause == "timeout" and waiting(error.workers_stacks):
            return _Failure(why, why, reason)
        is_of_call = error.cause == "exception" and place(error.traceback or "") and DAEMONIC not in error.error
        if not is_of_call:
            return _Failure(why)
        return _Failure(at_once if self._can_work_alone(model) else why, at_once)

    def _can_work_alone(self, model: str) -> bool:
        """Return whether a single worker can run the function, so that only calls at once fail.

        A process for each call can't be alone, and is like a worker of its pool.
        """
        variant = self._started[model]
        pool = variant.needs.pool or model
        if pool not in self._one_worker_works:
            self._one_worker_works[pool] = pool in self._started and self._runs(
                f"{pool} (one worker)", self._started[pool], {"workers": 1}
            )
        return self._one_worker_works[pool]

    def _runs(self, name: str, variant: Variant, changes: Mapping[str, Any]) -> bool:
        """Return whether a further runner runs the function, and gives the results expected."""
        self._start(name, variant, changes)
        try:
            self.open(name)
            self.ask(name, "warm")
            if self._is_short:
                self.agreement.check(name)
        except (RunnerFailed, Differ):
            return False
        return True


def _reason(error: RunnerFailed) -> str:
    """Return in a few words why a model's workers failed."""
    text = one_line(error.error)
    if error.cause == "timeout":
        at = waiting(error.workers_stacks)
        return f"its workers gave {text}{f' (waiting at {at})' if at else ''}"
    if DAEMONIC in text:
        return f"it starts processes of its own, which a worker must not ({text})"
    if what := error.parts.get("unusable"):
        return f"{one_line(what)}: it works in one process only, so it must not lock or write what others use"
    if unreadable := error.parts.get("unreadable"):
        return f"its results can't be unpickled ({one_line(unreadable)})"
    if error.cause == "worker_lost":
        said = error.parts.get("last_output")
        return f"a worker ended ({one_line(said)})" if said else one_line(error.parts.get("message", text))
    at = place(error.traceback or "") if error.cause == "exception" else ""
    return f"{text} at {at}" if at and at not in text else text
