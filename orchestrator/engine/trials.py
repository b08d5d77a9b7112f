"""What the rounds of a block measure: the trials, the reference loop, and what else is busy meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..journal.raw_events import ContextSampled, RunnerGuarded, TrialFinished, TrialObserved
from ..journal.window_events import WindowFinished
from ..machine import host
from ..spec.plan import REFERENCE
from ..supervisor.group import RunnerGroup
from ..supervisor.process import Command, RunnerFailed, default_python
from .hosts import BlockTask

BUSY_SHARE = 0.01
"""A runner that uses more than this part of a core while it waits for the token is guarded from the next block on."""

COLLECT_TIMEOUT_S = 10.0  # how long a runner may take to report its trials, which takes some milliseconds

START_TIMEOUT_S = 120.0  # how long a runner may take to start

HANDLING_NS = 500_000
"""The CPU time of a waiting runner and its workers for each trial, to answer and to wake up: none can do without."""


class Trials:
    """The trials that have run; the runners report their times after the last one."""

    def __init__(self, task: BlockTask) -> None:
        self._task = task
        self._variants = {variant.label: variant for variant in task.variants}
        self._idle = dict.fromkeys(self._variants, (0, 0))
        """By label: the time between trials in ns, and its CPU time in ns beyond the handling."""
        self._order: dict[str, list[tuple[int, int | None, bool]]] = {label: [] for label in self._variants}
        """By label: the round and the position of each trial, and whether it counts."""
        self.events: list[TrialFinished | TrialObserved | WindowFinished] = []
        self.stuck: set[str] = set()
        """The variants with calls that went on after the last window's end: they can't be asked anything else."""

    @property
    def count(self) -> int:
        """The number of trials that have run."""
        return sum(map(len, self._order.values()))

    def add(self, label: str, round_number: int, position: int | None, counts: bool) -> None:
        """Note that a trial has run."""
        self._order[label].append((round_number, position, counts))

    def collect(self, runner_group: RunnerGroup, repeats: Mapping[str, int], holder: str | None) -> None:
        """Ask the runners for their trials; not the `holder` of the token, which failed or is still in a trial."""
        for label, order in self._order.items():
            if label == holder or not order:
                continue
            with suppress(RunnerFailed):
                trials = runner_group.ask(label, {"op": "trials"}, COLLECT_TIMEOUT_S)["trials"]
                for (number, position, counts), trial in zip(order, trials, strict=True):
                    idle_ns, cpu_ns = self._idle[label]
                    burnt_ns = max(0, trial["idle_cpu_ns"] - HANDLING_NS)
                    self._idle[label] = idle_ns + trial["idle_ns"], cpu_ns + burnt_ns
                    if counts:
                        self._keep(label, number, position, trial, repeats[label])
        self.events.sort(key=lambda event: (event.round, event.position))

    def times_ns(self) -> dict[str, list[int]]:
        """Return the time of each trial of each variant."""
        found: dict[str, list[int]] = {label: [] for label in self._variants}
        for trial in self.events:
            if isinstance(trial, TrialFinished):
                found[trial.variant].append(trial.wall_ns * trial.repeats)
        return found

    def total_ns(self) -> tuple[int, int]:
        """Return the time of all trials, and their CPU time."""
        trials = [trial for trial in self.events if not isinstance(trial, TrialObserved)]
        return sum(map(taken_ns, trials)), sum(t.cpu_ns * getattr(t, "repeats", 1) for t in trials)

    def busy(self) -> Iterator[RunnerGuarded]:
        """Yield which runners use a core while they wait for the token; they are guarded from the next block on."""
        for label, (idle_ns, cpu_ns) in self._idle.items():
            if label not in self._task.guarded and cpu_ns > BUSY_SHARE * idle_ns:
                yield RunnerGuarded(**self._task.about(self._variants[label]), idle_ns=idle_ns, idle_cpu_ns=cpu_ns)

    def _keep(self, label: str, number: int, position: int | None, trial: Mapping[str, Any], repeats: int) -> None:
        where = self._task.about(self._variants[label])
        where |= {"round": number, "position": position}
        if "calls" in trial:
            window = {key: value for key, value in trial.items() if key not in ("idle_ns", "idle_cpu_ns")}
            self.events.append(WindowFinished(**where, **window))
            (self.stuck.add if trial["running"] else self.stuck.discard)(label)
            return
        where |= {"repeats": repeats}
        measured = {key: trial[key] for key in ("started_ns", "wall_ns", "cpu_ns", "core")}
        self.events.append(TrialFinished(**where, **measured))
        if "observed" in trial:
            seen = {f"observed_{key}": value for key, value in trial["observed"].items()}
            self.events.append(TrialObserved(**where, **seen))


def taken_ns(trial: TrialFinished | WindowFinished) -> int:
    """Return the time that a trial took, all of its batches, or the window with its drain."""
    return trial.wall_ns * trial.repeats if isinstance(trial, TrialFinished) else trial.wall_ns


class ReferenceLoop:
    """The runner of the reference loop, which every round times; `version` is None once it has failed."""

    def __init__(self, runner_group: RunnerGroup) -> None:
        self._runner_group = runner_group
        self.version: int | None = None

    def start(self) -> None:
        """Start the runner."""
        with suppress(RunnerFailed):
            self._runner_group.start(REFERENCE, Command(default_python()))
            self._runner_group.send(REFERENCE, {"op": "reference"})
            self.version = self._runner_group.receive(REFERENCE, START_TIMEOUT_S)["version"]

    def time(self, round_number: int) -> None:
        """Time the loop once."""
        try:
            self._runner_group.ask(REFERENCE, round_number, START_TIMEOUT_S)
        except RunnerFailed:
            self.version = None  # it is left out of the block

    def walls_ns(self, rounds: int, timeout_s: float) -> list[int] | None:
        """Return the loop's time in each round; None when it was not timed in all of them."""
        wall_ns: list[int] = []
        if self.version is not None:
            with suppress(RunnerFailed):
                wall_ns = self._runner_group.ask(REFERENCE, {"op": "trials"}, timeout_s)["wall_ns"]
        return wall_ns if len(wall_ns) == rounds else None


def load_of_others(start: ContextSampled, end: ContextSampled, ours_ns: int) -> dict[str, Any]:
    """Return `free_cores`, `steal_share` and `pressure` between two samples; our trials used cores for `ours_ns`."""
    used = host.usage(vars(start), vars(end))
    found = {"free_cores": None, "steal_share": used.steal_share, "pressure": used.pressure}
    if used.busy_cores is None or used.stolen_cores is None:
        return {**found, "steal_share": None}
    others = max(0.0, used.busy_cores - ours_ns / used.elapsed_ns)
    return {**found, "free_cores": round(max(0.0, end.effective_cores - used.stolen_cores - others), 3)}
