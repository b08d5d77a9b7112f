"""Synthetic runs: blocks made from given times, conducted, with the records of their journal."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from orchestrator.analysis import results, verdict
from orchestrator.analysis.contest import Contest
from orchestrator.engine.conductor import Conductor, Watcher
from orchestrator.engine.hosts import BlockTask, Host
from orchestrator.journal.event import SCHEMA, Event
from orchestrator.journal.raw_events import (
    AccountMeasured,
    BlockDiscarded,
    BlockFinished,
    BlockStarted,
    OverlapMeasured,
    PointCalibrated,
    ReferenceTimed,
    RunFinished,
    RunnerGuarded,
    RunnerReady,
    RunStarted,
    TrialFailed,
    TrialFinished,
    TrialObserved,
)
from orchestrator.journal.window_events import WindowAccounted, WindowFinished
from orchestrator.runner.account.figures import CALL_PARTS, FIGURES, SHARES
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.plan import Plan, Variant, columns

ROUNDS = 5


Times = Mapping[str, float | Callable[[Mapping[str, Any]], float]]
"""The time of a batch by variant, in milliseconds, or a function from the columns of a point to it."""


class Clock:
    """A monotonic clock that blocks advance."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


class Executor:
    """Makes blocks from the time of each variant, with a little noise."""

    def __init__(
        self,
        clock: Clock,
        times_ms: Times,
        block_s: float,
        fails: Mapping[str, int],
        fails_later: Mapping[str, int],
        free_cores: float,
        observed: Mapping[str, Any],
        overlap: float | None,
        noise: float,
        cores: Mapping[str, float],
        steal: Callable[[int], float],
        follows: float,
        grows: float,
        burns: str | None,
        reference_ms: float | None,
        accounts: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._accounts = accounts
        self._reference_ms = reference_ms
        self._cores = cores
        self._steal = steal
        self._follows = follows
        self._grows = grows
        self._burns = burns
        self.tasks: list[BlockTask] = []
        self.is_known = False
        self.clock = clock
        self._times_ms = times_ms
        self._block_s = block_s
        self._fails = dict(fails)
        self._fails_later = fails_later
        self._free_cores = free_cores
        self._observed = observed
        self._overlap = overlap
        self._noise = noise
        self._dice = random.Random(1)

    name: str | None = None
    about: Mapping[str, Any] = {}
    diagnostics_s = 0.0  # of the first block, beside the time of every block

    async def next_host(self) -> Host | None:
        was_known, self.is_known = self.is_known, True
        return None if was_known else self

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        self.tasks.append(task)
        diagnostics_s = 0.0 if task.number else self.diagnostics_s
        self.clock.now_s += self._block_s + diagnostics_s
        about = {**columns(task.point), "block": task.number}
        labels = [variant.label for variant in task.variants]
        started = BlockStarted(**about, variants=labels)
        if failed := next(filter(self._fails_now, task.variants), None):
            failure: dict[str, Any] = dict.fromkeys(("round", "position", "traceback"))
            text: dict[str, Any] = {"cause": "exception", "error": "ValueError: no"}
            trial = TrialFailed(**_about(task, failed), **failure, **text)
            return [started, trial, BlockDiscarded(**about, reason="no")]
        events: list[Event] = [self._ready(task, variant) for variant in task.variants]
        for variant in task.variants:
            if variant.label not in task.repeats:
                events.append(PointCalibrated(**columns(task.point, variant), repeats=1, rounds=ROUNDS))
        for number in range(ROUNDS):
            for variant in task.variants:
                events += self._trial(task, variant, number)
        events += self._beside_trials(task)
        parts = {"starting_ns": 100, "warming_ns": 200, "trials_ns": 600, "wait_ns": 20, "elapsed_ns": 910}
        finished = BlockFinished(
            **about,
            variants=labels,
            unchecked=[],
            check_failed=[],
            diagnostics_ns=round(diagnostics_s * 1e9),
            free_cores=self._free_cores,
            steal_share=self._steal(task.number),
            pressure=0.0,
            **parts,  # type: ignore[arg-type]  # mypy tries every field
        )
        return [started, *events, finished]

    def _fails_now(self, variant: Variant) -> bool:
        if 0 < self._fails_later.get(variant.label, 0) <= len(self.tasks):
            return True
        if not self._fails.get(variant.label):
            return False
        self._fails[variant.label] -= 1
        return True

    def _trial(self, task: BlockTask, variant: Variant, number: int) -> list[Event]:
        factor = self._dice.lognormvariate(0, self._noise)
        if variant is task.variants[-1]:
            factor *= math.exp(self._follows * self._steal(task.number)) * (1 + self._grows * number / ROUNDS)
        time_ms = self._times_ms[variant.label]
        time_ms = time_ms(task.point.columns) if callable(time_ms) else time_ms
        wall_ns = round(time_ms * 1e6 * factor)
        cpu_ns = round(wall_ns * self._cores.get(variant.label, 1))
        if task.point.arrivals:
            return [_window(task, variant, number, wall_ns)]
        where = {**_about(task, variant), "round": number, "position": 0, "repeats": 1}
        trial = TrialFinished(**where, started_ns=0, wall_ns=wall_ns, cpu_ns=cpu_ns)
        return [trial, TrialObserved(**where, **self._observed)] if self._observed else [trial]

    def _beside_trials(self, task: BlockTask) -> list[Event]:
        """Return the events about idle runners, the reference loop, overlaps and accounts."""
        found: list[Event] = []
        if self._burns and self._burns not in task.guarded:
            (burner,) = (variant for variant in task.variants if variant.label == self._burns)
            found.append(RunnerGuarded(**_about(task, burner), idle_ns=10**8, idle_cpu_ns=10**7))
        if self._reference_ms:
            walls_ns = [round(self._reference_ms * 1e6)] * ROUNDS
            found.append(ReferenceTimed(**columns(task.point), block=task.number, version=1, wall_ns=walls_ns))
        for variant in task.variants:
            if self._overlap and variant.model == "threads":
                together_ns = [round(1e6 * self._overlap * self._dice.lognormvariate(0, self._noise)) for _ in range(3)]
                times: dict[str, Any] = {"alone_ns": [1_000_000] * 3, "together_ns": together_ns}
                found.append(OverlapMeasured(**_about(task, variant), calls=1, **times))
        for variant in task.variants:
            if variant.label in self._accounts:
                given = self._accounts[variant.label]
                if task.point.arrivals:
                    found.append(WindowAccounted(**_about(task, variant), **call_account(**given)))
                else:
                    found.append(AccountMeasured(**_about(task, variant), **account(**given)))
        return found

    def _ready(self, task: BlockTask, variant: Variant) -> RunnerReady:
        return RunnerReady(
            **_about(task, variant),
            ready_ns=90_000_000,
            import_ns=1_000_000,
            startup_ns=12_000_000 if variant.model == "processes" else 1_000,
            hash_seed=1,
            runner_python="3.11.7",
            executable="python",
            gil=True,
            actual_loop=None,
            worker_pids=[1],
            worker_threads=list(range(2 if variant.model in ("threads", "processes") else 1)),
        )


def _window(task: BlockTask, variant: Variant, number: int, latency_ns: int) -> WindowFinished:
    """Return a window in which every call takes equally long; none has ended where that is longer than the drain."""
    assert task.point.arrivals
    calls, drain_ns = task.point.tasks, task.point.arrivals.window_ns
    ended = calls if latency_ns <= drain_ns else 0
    counts: dict[str, Any] = {
        "calls": calls,
        "ended": ended,
        "failed": 0,
        "cancelled": calls - ended,
        "running": 0,
        "late_calls": 0,
    }
    return WindowFinished(
        **_about(task, variant),
        **counts,
        round=number,
        position=0,
        started_ns=0,
        wall_ns=2 * drain_ns,
        cpu_ns=drain_ns,
        latency_total_ns=ended * latency_ns,
        queue_total_ns=0,
        arrived_span_ns=drain_ns,
        ended_span_ns=drain_ns,
        late_p99_ns=None,
        late_max_ns=None,
        latency_ns=[latency_ns if ended else None] * calls,
        queue_ns=[0 if ended else None] * calls,
    )


def _about(task: BlockTask, variant: Variant) -> dict[str, Any]:
    return {**columns(task.point, variant), "block": task.number}


def account(**given: Any) -> dict[str, Any]:
    """Return the fields of an account, from shares by name (`gil=0.5`; the rest is on a core) and other fields."""
    shares = {f"{name}_share": given.pop(name, 0.0) for name in SHARES}
    shares["on_core_share"] = 1 - sum(share or 0.0 for share in shares.values())
    plain: dict[str, Any] = {
        **dict.fromkeys(FIGURES, 0),
        **dict.fromkeys(("call_bytes", "result_bytes", "outside_cpu_ns", "longest_item", "contended_objects"), None),
        **dict.fromkeys(("contention_missing", "objects_missing"), None),
        **dict.fromkeys(("executor_kind", "executor_size", "executor_wanted", "lines_missing"), None),
        **dict.fromkeys((name for name in FIGURES if name.endswith("_at")), None),
        **dict.fromkeys(("loop_lag_p50_ns", "loop_lag_p99_ns", "loop_longest_ns"), None),
        **{"lanes": 2, "batches": 1, "calls": 4, "wall_ns": 20_000_000},
        **{"call_cpu_ns": 5_000_000, "call_blocked_ns": 0, "longest_call_ns": 5_000_000, "longest_share": 0.25},
        **{"alone_calls": 1, "alone_cpu_ns": 5_000_000, "alone_blocked_ns": 0, "alone_dispatch_ns": 100_000},
        **{"voluntary_switches": 10, "involuntary_switches": 1},
        **{"peak_pss_bytes": 10_000_000, "worker_private_bytes": 5_000_000},
        **{
            "gil_source": "measured",
            "gil_share_estimated": shares["gil_share"],
            "in_own_thread": False,
            "dispatch_gil_share": 0.0,
            "is_async": False,
        },
    }
    return {**plain, **shares, **given}


def call_account(**given: int | None) -> dict[str, Any]:
    """Return the fields of an instrumented window, from the ns of its parts by name (`gil=5`)."""
    return {"calls": 10, "ended": 10, **{f"{name}_ns": given.get(name, 0) for name in CALL_PARTS}}


class _Expecting(Watcher):
    def __init__(self, times: list[tuple[float, float, float]]) -> None:
        self._times = times

    def expected(self, win_s: float, tie_s: float, most_s: float) -> None:
        self._times.append((win_s, tie_s, most_s))


class Run:
    """A conducted run: the tasks that the executor got, and the events that were stored and derived."""

    def __init__(self, planned: Plan, executor: Executor, contests: list[Contest]) -> None:
        self.plan = planned
        self.executor = executor
        self.tasks = executor.tasks
        self.contests = contests
        self.stored: list[Event] = []
        self.synced_after: list[int] = []
        self.expected: list[tuple[float, float, float]] = []
        """The times to a win, to a tie and to the end of the run that the watcher got."""

    def conduct(self, clock: Clock, spent_s: float = 0.0) -> None:
        """Run the conductor until it needs no more blocks."""
        self.executor.clock = clock
        self.executor.is_known = False
        store, sync = self.stored.append, lambda: self.synced_after.append(len(self.stored))
        given = self.plan, self.contests, self.executor, store, sync, _Expecting(self.expected), 1
        conductor = Conductor(*given, clock=clock.monotonic, spent_s=spent_s)
        anyio.run(conductor.run)

    def resumed(self, cut: int) -> list[dict[str, Any]]:
        """Return the records of this run if it is interrupted after `cut` records, and then resumed."""
        kept = self.records()[:cut]
        replayed = results.replay(kept)
        again = Run(self.plan, self.executor, list(replayed.contests))
        again.conduct(Clock(), spent_s=replayed.spent_s)
        about = {"schema": SCHEMA, "run_id": "a-run", "ts": "then"}
        stored = [{**about, **event.fields()} for event in (*again.stored, *again.derived())]
        return [*kept, {**about, "event": "run.resumed"}, *json.loads(json.dumps(stored))]

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the fields of the events of one name."""
        return [event.fields() for event in self.stored if event.event == name]

    def written(self) -> list[Event]:
        """Return the events that are written to the journal of this run."""
        started = RunStarted(
            experiment=self.plan.experiment.name,
            spec=json.dumps(self.plan.experiment.resolved()),
            spec_sha256="0" * 64,
            seed=1,
            command=["orchestrator"],
            cwd="/",
            versions={"orchestrator": "0.1.0"},
            effective_cores=self.plan.cores,
            level_split=self.plan.level_split,
            identity={},
        )
        return [started, *self.stored, *self.derived()]

    def derived(self) -> list[Event]:
        """Return the events that end a journal."""
        derived = verdict.derive(self.plan, self.contests)
        outcome, status = verdict.outcome(derived, self.contests)
        return [*derived, RunFinished(outcome=outcome, exit_status=status, elapsed_s=12.3)]

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the journal."""
        plain: list[dict[str, Any]] = json.loads(json.dumps([event.fields() for event in self.written()]))
        return [
            {"event": fields.pop("event"), "schema": SCHEMA, "run_id": "a-run", "seq": seq, "ts": "then", **fields}
            for seq, fields in enumerate(plain)
        ]


def conducted(
    times_ms: Times,
    *,
    block_s: float = 1.0,
    fails: Mapping[str, int] | None = None,
    fails_later: Mapping[str, int] | None = None,
    free_cores: float = 2.0,
    observed: Mapping[str, Any] | None = None,
    overlap: float | None = None,
    noise: float = 0.002,
    cores: Mapping[str, float] | None = None,
    steal: Callable[[int], float] = lambda _: 0.0,
    follows: float = 0.0,
    grows: float = 0.0,
    burns: str | None = None,
    reference_ms: float | None = 3.0,
    accounts: Mapping[str, Mapping[str, Any]] | None = None,
    diagnostics_s: float = 0.0,
    **spec: Any,
) -> Run:
    """Return a run of variants that take `times_ms`.

    `fails` is the number of failures by variant, `fails_later` the block, counted from 1, from which on one fails.
    `overlap` is the time of two threads at once divided by that of one alone. `cores` is how many cores each variant
    keeps busy. The last variant's time grows by `follows` with the `steal` of a block, and by `grows` within a block.
    `burns` names a variant that uses a core without the token. The first block has diagnostics that take
    `diagnostics_s`. `accounts` holds arguments of `account` by variant, of `call_account` where calls arrive at a rate.
    """
    clock = Clock()
    value = {"name": "x", "workload": {"call": "a:b"}, "models": list(times_ms), "measure": {"max_time": "1h"}, **spec}
    planned = plan_experiment(Experiment.model_validate(value), cores=2)
    executor = Executor(
        clock,
        dict(times_ms),
        block_s,
        fails or {},
        fails_later or {},
        free_cores,
        observed or {},
        overlap,
        noise,
        cores or {},
        steal,
        follows,
        grows,
        burns,
        reference_ms,
        accounts or {},
    )
    executor.diagnostics_s = diagnostics_s
    made = Run(planned, executor, [Contest(planned, point) for point in planned.points])
    made.conduct(clock)
    return made
