"""One block: a fresh runner for every variant, warm-ups, then rounds in which one variant at a time holds the token.

The results are checked when the rounds are over: those of the last trials.

`execute` blocks; on this machine it runs in a thread. It returns raw events and writes none: nothing is stored while
a variant is measured.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from ..interpreters.probe import command
from ..journal.event import Event
from ..journal.raw_events import (
    BlockDiscarded,
    BlockFinished,
    BlockStarted,
    ContextSampled,
    PointCalibrated,
    ReferenceTimed,
    RunnerReady,
    RunnerWarmed,
    TrialFailed,
)
from ..machine import host
from ..runner.last_words import still_at
from ..spec.plan import (
    FAR_BEHIND,
    MOST_ROUNDS,
    REFERENCE,
    Variant,
    arrivals_request,
    columns,
    draw_rounds,
    draw_starts,
    first_rounds,
    runner_request,
)
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.group import RunnerGroup
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import RunnerFailed
from . import checks, diagnostics
from .hosts import BlockTask
from .trials import COLLECT_TIMEOUT_S, START_TIMEOUT_S, ReferenceLoop, Trials, load_of_others

ENTERED = ("setup", "async_initializer")  # the hooks of a workload that are context managers

WARMING = 2  # the laps of a block whose runners have started

FAR_BEHIND_S = 0.1  # a shorter trial costs too little to leave it out


class OutOfTime(Exception):
    """The run's time ended in the middle of a block."""


class Failed(Exception):
    """A variant has failed, so the block does not count."""

    def __init__(self, variant: Variant, error: RunnerFailed) -> None:
        super().__init__(error.error)
        self.variant = variant
        self.error = error


def execute(
    task: BlockTask,
    runner_env: RunnerEnvironment,
    interrupt: Interrupt,
    pythons: Mapping[str, str],
    notify: Callable[[str], None] = lambda _: None,
) -> list[Event]:
    """Run one block and return its raw events; `pythons` maps variants to executables. Raises Interrupted."""
    started = BlockStarted(**task.about(), variants=[variant.label for variant in task.variants])
    run = _Block(task, runner_env, pythons, notify)
    needs_ns = None
    try:
        with RunnerGroup(runner_env, interrupt) as runner_group:
            try:
                run.measure(runner_group)
            except (Failed, OutOfTime):
                needs_ns = run.needs_ns()
                run.leave(runner_group)
                raise
            run.leave(runner_group)
    except Failed as failed:
        error = failed.error
        failure = TrialFailed(
            **task.about(failed.variant),
            round=run.round,
            position=run.position,
            cause=error.cause,  # type: ignore[arg-type]  # the runner's causes are those of the schema
            error=error.error,
            traceback=error.traceback,
            output=error.output or None,
        )
        reason = f"{failed.variant.label} failed: {error.error}"
        return [started, *run.events, failure, BlockDiscarded(**task.about(), reason=reason)]
    except OutOfTime:
        cut = BlockDiscarded(**task.about(), reason="max_time was reached", needs_ns=needs_ns)
        return [started, *run.events, cut]
    return [started, *run.events, run.finished()]


class _Block:
    """The steps of one block, and their events."""

    def __init__(
        self, task: BlockTask, runner_env: RunnerEnvironment, pythons: Mapping[str, str], notify: Callable[[str], None]
    ) -> None:
        self._task = task
        self._runner_env = runner_env
        self._pythons = pythons
        self._notify = notify
        self._variants = {variant.label: variant for variant in task.variants}
        self._repeats = dict(task.repeats)
        self._arrivals = task.point.arrivals
        self._rounds = self._arrivals.windows if self._arrivals else task.rounds
        self._clock = [time.perf_counter_ns()]
        self.round: int | None = None
        self.position: int | None = None
        self._unchecked = checks.Unchecked()
        self._guarded = set(task.guarded & self._variants.keys())
        self._trials = Trials(task)
        self._warmed_ns: dict[str, int] = {}
        self._far_behind: set[str] = set()
        # where the rounds are not known yet, the block is the first one of its point, which is checked
        self._is_checked = diagnostics.is_due(task, task.rounds or 1)
        self._holder: str | None = None
        self.events: list[Event] = []

    def measure(self, runner_group: RunnerGroup) -> None:
        """Start and warm up the runners, calibrate new variants, and run the rounds."""
        loop = ReferenceLoop(runner_group)
        self._start(runner_group, loop)
        self._lap()
        self._warm(runner_group)
        self._calibrate(runner_group)
        self._lap()
        self._sample("start")
        self._run_rounds(runner_group, loop)
        self._sample("end")
        self._lap()
        self._check(runner_group)
        self._diagnose(runner_group)
        self._lap()

    def leave(self, runner_group: RunnerGroup) -> None:
        """Let the runners leave their context managers; without any, killing them is faster."""
        given = [runner_request(self._task.point, variant)["workload"] for variant in self._task.variants]
        if any(workload.get(field) for workload in given for field in ENTERED):
            self._notify("leaving the setup")
            runner_group.leave(self._variants)

    def finished(self) -> BlockFinished:
        """Return the event that makes the block count."""
        starting_ns, warming_ns, trials_ns, diagnostics_ns = (b - a for a, b in itertools.pairwise(self._clock))
        wall_ns, cpu_ns = self._trials.total_ns()
        start, end = (event for event in self.events if isinstance(event, ContextSampled))
        return BlockFinished(
            **self._task.about(),
            variants=list(self._variants),
            elapsed_ns=time.perf_counter_ns() - self._clock[0],
            starting_ns=starting_ns,
            warming_ns=warming_ns,
            trials_ns=trials_ns,
            diagnostics_ns=diagnostics_ns,
            unchecked=list(self._unchecked.unpicklable),
            check_failed=list(self._unchecked.failed),
            wait_ns=max(0, trials_ns - wall_ns),
            **load_of_others(start, end, cpu_ns),
        )

    def needs_ns(self) -> int | None:
        """Return about how long a block takes that is cut off, from the steps so far; None while that is unknown.

        A trial takes about as long as a warm-up until the first round shows it.
        """
        before_ns = self._clock[-1] - self._clock[0]
        so_far_ns = time.perf_counter_ns() - self._clock[-1]
        count = len(self._variants)
        if len(self._clock) == WARMING:
            warmed = len(self._warmed_ns)
            return before_ns + round(2 * so_far_ns * count / warmed) if warmed else None
        trials = self._trials.count
        if len(self._clock) < WARMING or not trials:
            return None
        return before_ns + round(so_far_ns * max(1.0, (self._rounds or 1) * count / trials))

    def _lap(self) -> None:
        self._clock.append(time.perf_counter_ns())

    def _ask(
        self, runner_group: RunnerGroup, label: str, request: Mapping[str, Any] | int, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Return a runner's answer within its deadline and the run's; raises OutOfTime and Failed."""
        allowed_s = self._task.timeout_s if timeout_s is None else timeout_s
        left_s = self._task.deadline - time.monotonic()
        try:
            if left_s <= 0:
                raise OutOfTime
            return runner_group.ask(label, request, min(allowed_s, left_s))
        except RunnerFailed as error:
            if error.cause == "timeout" and left_s < allowed_s:
                raise OutOfTime from error
            if error.cause == "timeout" and (at := still_at(error.output)):
                error.error = f"{error.error}: it was still at {at}"
            raise Failed(self._variants[label], error) from error

    def _start(self, runner_group: RunnerGroup, loop: ReferenceLoop) -> None:
        """Start all interpreters and imports at once, then open the models one by one, as start-up is measured."""
        task = self._task
        self._notify("starting runners")
        starts = draw_starts(task.seed, task.point.id, task.number, list(self._variants))
        for start in starts:
            variant = self._variants[start.variant]
            python = self._pythons[variant.label]
            started = command(variant, python, task.limits)
            preload = self._runner_env.shims.preload(python)
            started = replace(started, preload=preload, hash_seed=start.hash_seed, padding=start.padding)
            try:
                runner_group.start(variant.label, started)
            except RunnerFailed as error:
                raise Failed(variant, error) from error
            request = {**runner_request(task.point, variant), "copied": variant.label in task.copied}
            request |= arrivals_request(task.point, task.seed, task.number)
            runner_group.send(variant.label, {"op": "prepare", **request})
        loop.start()
        prepared = {}
        for start in starts:
            try:
                prepared[start.variant] = runner_group.receive(start.variant, START_TIMEOUT_S)
            except RunnerFailed as error:
                raise Failed(self._variants[start.variant], error) from error
        for start in starts:
            answer = self._ask(runner_group, start.variant, {"op": "open"}, START_TIMEOUT_S)
            ready = RunnerReady(
                **task.about(self._variants[start.variant]),
                ready_ns=runner_group.runners[start.variant].age_ns(),
                import_ns=prepared[start.variant]["import_ns"],
                hash_seed=start.hash_seed,
                **{key: value for key, value in answer.items() if key != "event"},
            )
            self.events.append(ready)
            if not self._variants[start.variant].is_per_task:
                # workers of one task have ended, so their pids may belong to other processes
                runner_group.runners[start.variant].workers = answer["worker_pids"]

    def _warm(self, runner_group: RunnerGroup) -> None:
        """Let every worker run the function, where a variant needs that; its first calls are watched in one block."""
        for label in self._variants:
            if label in self._task.without_warmup:
                continue
            self._notify(f"warming up {label}")
            warmed = self._ask(runner_group, label, {"op": "warm", "watches": label not in self._task.repeats})
            self._warmed_ns[label] = warmed["calls_ns"]
            found = {key: value for key, value in warmed.items() if key != "event"}
            self.events.append(RunnerWarmed(**self._task.about(self._variants[label]), **found))

    def _check(self, runner_group: RunnerGroup) -> None:
        """Check results, workers and kept answers; not of a variant with calls that go on, which would not answer.

        Checking large results takes long, so the blocks that have accounts do it, the first one included.
        """
        self.round = self.position = None

        def ask(label: str, request: Mapping[str, Any]) -> dict[str, Any]:
            return self._ask(runner_group, label, request)

        labels = [label for label in self._variants if label not in self._trials.stuck]
        if self._is_checked:
            self._unchecked = checks.results(self._task, labels, self._runner_env.scratch, ask)
        try:
            self.events = list(checks.proved(self.events, labels, ask))
        except checks.Lost as lost:
            raise Failed(self._variants[lost.label], lost.error) from lost
        new = [label for label in labels if label not in self._task.repeats]
        self.events = list(checks.kept(self.events, new, ask))

    def _calibrate(self, runner_group: RunnerGroup) -> None:
        """Choose the repeats of new variants; a window of arrivals has none."""
        for label in self._variants:
            if self._arrivals:
                self._repeats[label] = 1
            elif label not in self._repeats:
                self._notify(f"calibrating {label}")
                self._repeats[label] = self._ask(runner_group, label, {"op": "calibrate"})["repeats"]

    def _run_rounds(self, runner_group: RunnerGroup, loop: ReferenceLoop) -> None:
        task = self._task
        contestants = [*self._variants, *[REFERENCE] * (loop.version is not None)]
        orders = draw_rounds(task.seed, task.point.id, task.number, contestants, self._rounds or MOST_ROUNDS)
        for label in self._variants:
            # results of the first round are kept too, since it is the last one of a variant far behind
            request = {"op": "arm", "repeats": self._repeats[label], "keeps": self._is_checked}
            self._ask(runner_group, label, request)
        for label in self._guarded:
            runner_group.runners[label].signal(signal.SIGSTOP)
        try:
            took_s = self._run_round(runner_group, loop, 0, orders[0])
            self._far_behind = self._find_far_behind(took_s) | task.in_first_round
            if self._rounds is None:
                round_s = sum(seconds for label, seconds in took_s.items() if label not in self._far_behind)
                self._rounds = first_rounds(round_s, (self._clock[-1] - self._clock[0]) / 1e9)
            self._record_calibrated()
            present = [label for label in self._variants if label not in self._far_behind]
            if self._is_checked and self._rounds > 1:
                self._keep(runner_group, present, results=False)
            for number, order in enumerate(orders[1 : self._rounds], start=1):
                if self._is_checked and number == self._rounds - 1:
                    self._keep(runner_group, present, results=True)
                present_in_order = [label for label in order if label not in self._far_behind]
                self._run_round(runner_group, loop, number, present_in_order)
        finally:
            for label in self._guarded:
                runner_group.runners[label].signal(signal.SIGCONT)
            self._collect(runner_group, loop, self._rounds or 1)
        self.events += self._trials.busy()

    def _keep(self, runner_group: RunnerGroup, labels: Iterable[str], *, results: bool) -> None:
        """Let runners keep the results of further trials, or none; those of the last round are checked."""
        for label in labels:
            with self._awake(runner_group, label):
                self._ask(runner_group, label, {"op": "keep", "results": results})

    @contextmanager
    def _awake(self, runner_group: RunnerGroup, label: str) -> Iterator[None]:
        """Let a guarded runner go on inside the block; after a failure there it is not stopped again."""
        if label in self._guarded:
            runner_group.runners[label].signal(signal.SIGCONT)
        yield
        if label in self._guarded:
            runner_group.runners[label].signal(signal.SIGSTOP)

    def _run_round(
        self, runner_group: RunnerGroup, loop: ReferenceLoop, number: int, order: Sequence[str]
    ) -> dict[str, float]:
        """Let variants run a trial each, and return the seconds that each of them took."""
        self.round = number
        self._notify(f"round {number + 1} of {self._rounds}" if self._rounds else "first round")
        took_s = {}
        for self.position, label in enumerate(order):
            begun = time.monotonic()
            if label == REFERENCE:
                loop.time(number)
            else:
                self._run_trial(runner_group, label, number)
            took_s[label] = time.monotonic() - begun
        return took_s

    def _find_far_behind(self, took_s: Mapping[str, float]) -> set[str]:
        """Return the variants that take part in the first round only, so that they don't use up the others' time.

        None where calls arrive at a rate: percentiles are comparable over the same arrivals only.
        """
        if self._arrivals:
            return set()
        batch_s = {label: took_s[label] / self._repeats[label] for label in self._variants}
        limit_s = FAR_BEHIND * min(batch_s.values())
        return {label for label, each_s in batch_s.items() if each_s > limit_s and took_s[label] > FAR_BEHIND_S}

    def _record_calibrated(self) -> None:
        assert self._rounds is not None
        for label, variant in self._variants.items():
            if label not in self._task.repeats:
                about = columns(self._task.point, variant)
                self.events.append(PointCalibrated(**about, repeats=self._repeats[label], rounds=self._rounds))

    def _run_trial(self, runner_group: RunnerGroup, label: str, round_number: int) -> None:
        """Pass the token to a variant; a guarded one is slow after its stop, so its first trial does not count."""
        with self._awake(runner_group, label):
            for counts in (False, True) if label in self._guarded else (True,):
                self._holder = label
                self._ask(runner_group, label, round_number, self._trial_s)
                self._holder = None
                self._trials.add(label, round_number, self.position, counts)

    @property
    def _trial_s(self) -> float:
        """How long a trial may take: `measure.timeout`, beside the window and its drain where calls arrive."""
        return self._task.timeout_s + (2 * self._arrivals.window_s if self._arrivals else 0.0)

    def _collect(self, runner_group: RunnerGroup, loop: ReferenceLoop, rounds: int) -> None:
        """Add what the trials and the reference loop took."""
        self._trials.collect(runner_group, self._repeats, self._holder)
        self.events += self._trials.events
        if (wall_ns := loop.walls_ns(rounds, COLLECT_TIMEOUT_S)) is not None and loop.version is not None:
            self.events.append(ReferenceTimed(**self._task.about(), version=loop.version, wall_ns=wall_ns))

    def _diagnose(self, runner_group: RunnerGroup) -> None:
        """Add the diagnostics of the runners, which run after the last trial."""
        assert self._rounds is not None
        if self._arrivals:
            able = self._variants.keys() - self._trials.stuck
            self.events += diagnostics.window_accounts(self._task, runner_group, able, self._rounds, self._notify)
            return
        runners = [event for event in self.events if isinstance(event, RunnerReady)]
        wall_ns, _ = self._trials.total_ns()
        self.events += diagnostics.overlaps(
            self._task, runner_group, runners, self._rounds, self._warmed_ns, wall_ns, self._notify
        )
        self.events += diagnostics.accounts(
            self._task,
            runner_group,
            self._rounds,
            self._repeats,
            self._trials.times_ns(),
            self._far_behind,
            self._notify,
        )

    def _sample(self, when: Literal["start", "end"]) -> None:
        self.events.append(ContextSampled(block=self._task.number, when=when, **host.sample()))
