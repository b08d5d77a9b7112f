"""A try-out of processes and of threads at once, before the experiment: a model that fails there is left out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
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
from .design import Facts

THREADS = "threads"

LONG_NS = 1_000_000_000
"""Longer calls are made in the warm-up only, and not in threads."""

PATIENCE_S = 10.0

PATIENCE = 4
"""The time for a model to start its workers and to warm them up, at least, and in calls."""

CALLS_NS, FEWEST_CALLS = 400e6, 2
"""So many calls are compared with those of a plain loop as take so long there, or so many."""

REPEATING_S = 0.2
"""Calls in threads are repeated for so long: two of them get in each other's way by chance."""

CONFIRMATIONS = 6
"""So many batches are compared with those of a plain loop where results repeat."""

LEAST_REPEATS, MORE_REPEATS = 5, 5
"""So many results must repeat before that is no chance, and in threads so many more for each of a plain loop's."""

SWITCH_INTERVAL_US = 1
"""Calls shorter than the default interval, 5 ms, mostly end before another thread gets the GIL."""

ANEW = (
    ": each process begins anew, as forked copies of a counter or of a seeded generator do; seed each call, or number"
    " them in the caller"
)

DAEMONIC = "daemonic processes are not allowed to have children"
"""The text of the exception where a worker of a pool starts processes."""

ALONE = "a plain loop"
"""The runner with which results are compared."""


class _Failure(NamedTuple):
    """Why a model can't run the function, and how that is said if only calls at once fail, None if it is its own.

    `of_fork` is the reason, without the remedy, where its workers hang or crash: spawned ones may not.
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


class _Differ(Exception):
    """The results of a model are not those of a plain loop; the text says how."""


def try_out(plan: Plan, facts: Facts, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Tried:
    """Return the models of the plan whose workers can't run the first point; raises Interrupted.

    One call in a thread was tried in the pilot; here, short calls are made in threads at once.
    """
    tried: dict[str, Variant] = {}
    for variant in plan.variants:
        pickles = registry.load(variant.model).needs(variant.options).pickles
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
        pool = registry.load(variant.model).needs(variant.options).pool
        if pool in failed and variant.model not in failed and (why := failed[pool].at_once):
            # one call in such a worker was good, and a batch makes them at once, as that of the pool does
            failed[pool] = failed[variant.model] = _Failure(why)
    able = spawned.keys() | {variant.model for variant in plan.variants if variant.model not in failed}
    found = {variant.model: failed[variant.model].why for variant in plan.variants if variant.model not in able}
    return Tried(found, spawned, trying.incomparable)


class _TryOut:
    """Runners of all models that are tried, and one of a plain loop where results are checked."""

    def __init__(self, plan: Plan, facts: Facts, runner_group: RunnerGroup, file: str) -> None:
        self._point, self._baseline = plan.points[0], plan.baseline
        self._bounds = plan.experiment.limits.bounds()
        self._facts = facts
        self._is_short = facts.wall_ns < LONG_NS
        self._runner_group = runner_group
        self._file = file
        self._timeout_s = max(PATIENCE_S, PATIENCE * facts.wall_ns / 1e9)
        self._calls = min(self._point.tasks, max(FEWEST_CALLS, round(CALLS_NS / facts.wall_ns)))
        self._expected: str | None = None
        """The digest of the results of a plain loop, None where there is nothing to compare with."""
        self._is_saved = False
        """Whether the results themselves are in the file: they may be large, and most digests are equal."""
        self.incomparable: str | None = None
        """Why results can't be checked, None unless a plain loop has given others in another batch."""
        self._are_distinct = False
        """Whether a plain loop gives another result at each call, as one of calls that count or draw numbers does."""
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
            self._expect()
        # of a worker for each task, a batch may start very many
        able = [model for model in tried if model not in failed and registry.load(model).WORKERS != "per_task"]
        for model in able if self._is_short else ():
            try:
                self._check(model)
            except RunnerFailed as error:
                failed[model] = self._failure(model, error)
            except _Differ as differing:
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
            pool = registry.load(model).needs(variant.options).pool
            if pool in failed and failed[pool].of_fork:
                continue  # it would fail in the same way
            try:
                self._open(model)
                self._ask(model, "warm")
            except RunnerFailed as error:
                failed[model] = self._failure(model, error)
        return failed

    def can_be_spawned(self, model: str, variant: Variant) -> bool:
        """Return whether a model whose forked workers hang or crash runs the function with workers that are spawned."""
        loaded = registry.load(model)
        if model not in self._forks_beside_threads | self._crashed or loaded.needs(variant.options).pool:
            return False  # a process for each call takes much longer to spawn
        return self._runs(f"{model} (spawn)", variant, {"options": {**variant.options, "start_method": "spawn"}})

    def _start(self, name: str, variant: Variant, changes: Mapping[str, Any]) -> None:
        self._started[name], self._changes[name] = variant, changes
        python = find.resolve(variant.python)
        assert python is not None, "the pilot ran under it"
        self._runner_group.start(name, command(variant, python, self._bounds))
        request = {**runner_request(self._point, variant), "copied": self._facts.copied is not None, **changes}
        self._runner_group.send(name, {"op": "prepare", **request})

    def _ask(self, name: str, op: str, **arguments: Any) -> dict[str, Any]:
        return self._runner_group.ask(name, {"op": op, **arguments}, self._timeout_s * arguments.get("batches", 1))

    def _open(self, name: str) -> None:
        prepared = self._prepared.get(name) or self._imported(name)
        if isinstance(prepared, RunnerFailed):
            raise prepared
        ready = self._ask(name, "open")
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
        pool = registry.load(model).needs(variant.options).pool or model
        if pool not in self._one_worker_works:
            self._one_worker_works[pool] = pool in self._started and self._runs(
                f"{pool} (one worker)", self._started[pool], {"workers": 1}
            )
        return self._one_worker_works[pool]

    def _begins_anew(self, model: str) -> bool:
        """Return whether two fresh pools of one worker give the same results."""
        given = set()
        for name in (f"{model} (one)", f"{model} (other)"):
            try:
                self._start(name, self._started[model], {**self._changes[model], "workers": 1})
                self._open(name)
                self._ask(name, "warm")
                given.add(self._ask(name, "try", calls=self._calls)["digest"])
            except RunnerFailed:
                return False
        return len(given) == 1 and None not in given

    def _runs(self, name: str, variant: Variant, changes: Mapping[str, Any]) -> bool:
        """Return whether a further runner runs the function, and gives the results expected."""
        self._start(name, variant, changes)
        try:
            self._open(name)
            self._ask(name, "warm")
            if self._is_short:
                self._check(name)
        except (RunnerFailed, _Differ):
            return False
        return True

    @property
    def _are_compared(self) -> bool:
        """Whether results are to be those of a plain loop: they are not where two calls give different ones."""
        return bool(self._point.workload.get("check", "same") == "same")

    def _expect(self) -> None:
        """Keep the results of a plain loop, unless it fails."""
        with suppress(RunnerFailed):
            self._open(ALONE)
            tried = self._ask(ALONE, "try", calls=self._calls)
            self._are_distinct = tried["repeated"] is not None and not _count(tried)
            if self._are_compared:
                self._expected = tried["digest"]

    def _check(self, model: str) -> None:
        """Let a model make calls at once, again and again in threads; raises RunnerFailed and _Differ."""
        until = time.monotonic() + (REPEATING_S if model == THREADS else 0.0)
        are_distinct = self._are_distinct
        while True:
            tried = self._ask(model, "try", calls=self._calls)
            is_other = self._expected is not None and tried["digest"] not in (None, self._expected)
            if is_other and not self._compare(model):
                return
            if are_distinct and _count(tried):
                self._confirm_repeats(model)
                are_distinct = False  # by chance: this model is not checked again
            if time.monotonic() >= until:
                return

    def _confirm_repeats(self, model: str) -> None:
        """Raise _Differ where many of a model's results repeat, and next to none of those of a plain loop.

        Such calls count, or draw numbers from one generator: in threads they lose counts, and each process begins
        anew. Processes get ahead of each other, so results are looked for in all batches. Small random numbers repeat
        by chance, as often in a plain loop: in threads, of those fewer than one in a hundred passes. Processes show
        that they begin anew.
        """
        again = self._ask(model, "try", calls=self._calls, batches=CONFIRMATIONS)
        if _count(again) < LEAST_REPEATS:
            return
        try:
            alone = _count(self._ask(ALONE, "try", calls=self._calls, batches=CONFIRMATIONS))
        except RunnerFailed:
            return
        if model == THREADS and _count(again) < LEAST_REPEATS + MORE_REPEATS * alone:
            return
        if model != THREADS and not self._begins_anew(model):
            return  # such as calls that return the time
        differ = f"those of a plain loop {'mostly' if alone else 'all'} differ{'' if model == THREADS else ANEW}"
        raise _Differ(f"results that repeat ({again['repeated'][1]}), while {differ}")

    def _compare(self, model: str) -> bool:
        """Return whether results are only pickled differently; raises _Differ where a plain loop repeats its own.

        A runner ends when it finds that results differ.
        """
        if not self._save():
            return False
        try:
            self._ask(model, "compare", path=self._file, other=ALONE)
        except RunnerFailed as error:
            if error.cause != "result":
                raise
            if self._repeats_itself():
                raise _Differ(f"wrong results ({_line(error.parts['message'])})") from error
            return False
        return True

    def _save(self) -> bool:
        """Return whether the results of a plain loop are in the file; later there is nothing to compare with if not."""
        try:
            if not self._is_saved:
                self._ask(ALONE, "save", path=self._file)
                self._is_saved = True
        except RunnerFailed:
            self._expected = None
        return self._is_saved

    def _repeats_itself(self) -> bool:
        """Return whether a plain loop still gives the same results, unlike one of calls that return the time."""
        try:
            self._ask(ALONE, "try", calls=self._calls)
            self._ask(ALONE, "compare", path=self._file, other=ALONE)
        except RunnerFailed as error:
            self._expected = None
            if error.cause == "result":
                self.incomparable = "two batches of a plain loop gave results that are not equal"
        return self._expected is not None


def _count(tried: Mapping[str, Any]) -> int:
    """Return how many results were repeated, 0 where that is unknown."""
    return tried["repeated"][0] if tried["repeated"] else 0


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _reason(error: RunnerFailed) -> str:
    """Return in a few words why a model's workers failed."""
    text = _line(error.error)
    if error.cause == "timeout":
        at = waiting(error.workers_stacks)
        return f"its workers gave {text}{f' (waiting at {at})' if at else ''}"
    if DAEMONIC in text:
        return f"it starts processes of its own, which a worker must not ({text})"
    if what := error.parts.get("unusable"):
        return f"{_line(what)}: it works in one process only, so it must not lock or write what others use"
    if unreadable := error.parts.get("unreadable"):
        return f"its results can't be unpickled ({_line(unreadable)})"
    if error.cause == "worker_lost":
        said = error.parts.get("last_output")
        return f"a worker ended ({_line(said)})" if said else _line(error.parts.get("message", text))
    at = place(error.traceback or "") if error.cause == "exception" else ""
    return f"{text} at {at}" if at and at not in text else text
