"""One run from a spec to its exit status: probe, measure, derive, report."""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from . import document, host, journal, launch, plan, pythons, spin, verdict
from .conduct import Conductor, LocalExecutor
from .console import watching
from .contest import Contest
from .document import KeyPath, shown
from .events import (
    ContextSampled,
    Event,
    RunFinished,
    RunStarted,
    TrialFailed,
    VariantExcluded,
    VariantUnavailable,
)
from .journal import Journal
from .launch import Interrupt, Interrupted, Kit, RunnerFailed
from .log import diagnostics
from .plan import Plan, Point, Variant
from .results import Results, fold
from .spec import Experiment, Problem, Source

T = TypeVar("T")


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    results: Results
    status: int
    directory: Path


@dataclass(frozen=True)
class Probed:
    """What the probe found: the executable of each variant, and which variants can't be had here."""

    pythons: dict[str, str]
    unavailable: list[VariantUnavailable]


def run(to_do: Plan, source: Source, runs: Path) -> Ended:
    """Measure what is planned and return how it ended; the journal below `runs` then holds everything.

    Raises BadInput before anything is written, and JournalUnwritable.
    """
    return _in_loop(_run, to_do, source, runs)


def interruptible(work: Callable[[Kit, Interrupt], T]) -> T:
    """Return what `work` returns; it runs in a thread, and a signal ends it by SystemExit, runners and all."""

    async def watched() -> T:
        async with _watching_signals() as (laid, interrupt, signals):
            return await _in_thread(signals, work, laid, interrupt)

    return _in_loop(watched)


def _in_loop(main: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    try:
        return anyio.run(main, *arguments)
    except BaseExceptionGroup as group:
        raise _only(group) from None


def _only(error: BaseException) -> BaseException:
    """Return what a task group wraps: groups of one are how it hands on a plain error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def _watching_signals() -> AsyncIterator[tuple[Kit, Interrupt, list[int]]]:
    """Yield the kit, an interrupt that a signal sets, and the list that receives the signals."""
    with launch.kit() as laid, closing(Interrupt()) as interrupt:
        signals: list[int] = []
        async with anyio.create_task_group() as group:
            await group.start(_interrupt_on_signal, interrupt, signals)
            yield laid, interrupt, signals
            group.cancel_scope.cancel()


async def _in_thread(signals: Sequence[int], work: Callable[..., T], *arguments: Any) -> T:
    """Return what `work` returns; raises SystemExit when a signal has interrupted it."""
    try:
        return await anyio.to_thread.run_sync(work, *arguments)
    except Interrupted:
        raise SystemExit(128 + signals[0]) from None


async def _run(to_do: Plan, source: Source, runs: Path) -> Ended:
    experiment = to_do.experiment
    async with _watching_signals() as (laid, interrupt, signals):
        probed = await _in_thread(signals, probe, to_do, source, laid, interrupt)
        run_id = journal.new_run_id()
        spec = document.dump(experiment.resolved())
        with journal.create(runs, experiment.name, run_id, spec) as book:
            status = await _measure(to_do, probed, book, laid, interrupt, signals)
    directory = runs / experiment.name / run_id
    return Ended(fold(journal.read(directory / journal.EVENTS_FILE).events), status, directory)


async def _measure(
    to_do: Plan, probed: Probed, book: Journal, laid: Kit, interrupt: Interrupt, signals: list[int]
) -> int:
    """Run the experiment into its journal and return the exit status."""
    begun = time.monotonic()
    experiment = to_do.experiment
    spin_cores = await anyio.to_thread.run_sync(spin.spin_cores, to_do.cores)
    seed = experiment.measure.seed if experiment.measure.seed is not None else secrets.randbelow(2**53)
    with watching(experiment.measure.max_time) as watcher:
        log = diagnostics()
        store = _storing(book, log)
        store(_started(to_do, seed))
        store(ContextSampled(when="start", spin_cores=spin_cores, **host.sample()))
        for missing in probed.unavailable:
            store(missing)
        unavailable = [event.variant for event in probed.unavailable]
        contests = [Contest(to_do, point, unavailable) for point in to_do.points]
        executor = LocalExecutor(laid, interrupt, probed.pythons)

        def warn(note: str) -> None:
            log.warning("budget.short", note=note)

        conductor = Conductor(to_do, contests, executor, store, book.sync, watcher, seed, warn)
        conducting = time.monotonic(), time.process_time()
        with suppress(Interrupted):
            await conductor.run()
        conducted = time.monotonic(), time.process_time()
        derived = verdict.derive(to_do, contests)
        for event in derived:
            store(event)
        failures = sum(contest.failures.total() for contest in contests)
        outcome, status = verdict.outcome([event.fields() for event in derived], failures)
        if signals:
            outcome, status = "interrupted", 128 + signals[0]
        store(
            RunFinished(
                outcome=outcome,
                exit_status=status,
                elapsed_s=round(time.monotonic() - begun, 3),
                cpu_s=round(time.process_time(), 3),
                conducting_s=round(conducted[0] - conducting[0], 3),
                conducting_cpu_s=round(conducted[1] - conducting[1], 3),
            )
        )
        book.sync()
    return status


async def _interrupt_on_signal(interrupt: Interrupt, received: list[int], *, task_status: Any) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            received.append(number)
            interrupt.set()


def _storing(book: Journal, log: Any) -> Callable[[Event], None]:
    """Return a store for events that tells the user what went wrong, as it happens."""

    def store(event: Event) -> None:
        book.write(event)
        if isinstance(event, TrialFailed):
            log.warning("trial.failed", point=event.point, variant=event.variant, cause=event.cause, error=event.error)
        elif isinstance(event, VariantExcluded):
            log.warning("variant.excluded", point=event.point, variant=event.variant, failures=event.failures)
        elif isinstance(event, VariantUnavailable):
            log.warning("variant.unavailable", variant=event.variant, reason=event.reason, remedy=event.remedy)

    return store


def _started(to_do: Plan, seed: int) -> RunStarted:
    resolved = to_do.experiment.resolved()
    names = ("orchestrator", "anyio", "numpy", "pydantic")
    return RunStarted(
        experiment=to_do.experiment.name,
        spec=json.dumps(resolved, ensure_ascii=False),
        spec_sha256=hashlib.sha256(plan.canonical(resolved).encode()).hexdigest(),
        seed=seed,
        command=sys.argv,
        cwd=str(Path.cwd()),
        versions={"python": platform.python_version(), **{name: _version(name) for name in names}},
        effective_cores=to_do.cores,
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def probe(to_do: Plan, source: Source, laid: Kit, interrupt: Interrupt) -> Probed:
    """Ask every interpreter whether it can run its variants; raises BadInput with all that it can't.

    Nothing of the workload is called, but its modules are imported, in a runner.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    unavailable: dict[str, VariantUnavailable] = {}
    commands: dict[launch.Command, list[tuple[Point, Variant]]] = {}
    for variant in to_do.variants:
        python = pythons.resolve(variant.python)
        if python is None:
            what = f"no interpreter {shown(variant.python or '')} here"
            problems.append(Problem(_python_place(to_do.experiment, variant), what, pythons.HOW_TO_GET))
        elif variant.path is not None and not Path(variant.path).is_dir():
            what = f"{shown(variant.path)} is no directory here"
            problems.append(Problem(("models", variant.entry, "path"), what, "check the path"))
        else:
            found[variant.label] = python
            path = str(Path(variant.path).absolute()) if variant.path else None
            command = launch.Command(python, path, tuple(sorted(variant.env.items())))
            commands.setdefault(command, []).extend((point, variant) for point in to_do.points)
    for command, asked in commands.items():
        orders = [plan.order(point, variant) for point, variant in asked]
        try:
            answers = launch.probe(laid, interrupt, command, orders)
        except RunnerFailed as error:
            what, remedy = pythons.complaint(command.python) or _unprobed(command.python, error)
            problems.append(Problem(_python_place(to_do.experiment, asked[0][1]), what, remedy))
            continue
        for (point, variant), answer in zip(asked, answers, strict=True):
            if answer and answer["field"] == "model":
                unavailable[variant.label] = VariantUnavailable(
                    variant=variant.label, variant_id=variant.id, reason=answer["what"], remedy=answer["remedy"]
                )
            elif answer:
                problems.append(
                    Problem(_place(to_do.experiment, point, variant, answer["field"]), answer["what"], answer["remedy"])
                )
    if problems:
        unique = {(problem.path, problem.what): problem for problem in problems}
        raise source.failure(*unique.values())
    if len(unavailable) == len(to_do.variants):
        event = next(iter(unavailable.values()))
        raise source.failure(Problem(("models",), f"none can run here: {event.reason}", event.remedy))
    return Probed(found, list(unavailable.values()))


def _unprobed(python: str, error: RunnerFailed) -> tuple[str, str]:
    last = error.output.strip().rpartition("\n")[2]
    return f"{python} can't run the probe: {error.error}" + (f" ({last})" if last else ""), "check the interpreter"


def _place(experiment: Experiment, point: Point, variant: Variant, field: str) -> KeyPath:
    """Return where the spec says what a runner complains about: in the entry, in the matrix, or in the workload."""
    if field in variant.overrides:
        return ("models", variant.entry, field)
    axis = f"workload.{field}"
    if axis in experiment.matrix:
        return ("matrix", axis, experiment.matrix[axis].index(point.workload[field]))
    axes = [axis for axis in experiment.matrix if axis.startswith("kwargs.")]
    if field == "kwargs" and axes and not experiment.workload.kwargs:
        return ("matrix", axes[0])
    return ("workload", field)


def _python_place(experiment: Experiment, variant: Variant) -> KeyPath:
    entry = experiment.models[variant.entry]
    if entry.python is None and variant.python in experiment.matrix.get("python", ()):
        return ("matrix", "python", experiment.matrix["python"].index(variant.python))
    return ("models", variant.entry, "python")
