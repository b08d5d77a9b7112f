"""What is checked of a block's variants when its rounds are over: their results, their workers, and kept answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..journal.event import Event
from ..journal.raw_events import RunnerReady, RunnerWarmed
from ..supervisor.process import RunnerFailed
from .hosts import BlockTask

Ask = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Ask the runner of a variant, by its label."""


class Unchecked(NamedTuple):
    """The variants whose results were not checked: they can't be pickled, or the calls that make them failed."""

    unpicklable: Sequence[str] = ()
    failed: Sequence[str] = ()


class Lost(Exception):
    """A variant has another number of workers than before its trials."""

    def __init__(self, label: str, error: RunnerFailed) -> None:
        super().__init__(error.error)
        self.label = label
        self.error = error


def results(task: BlockTask, labels: Sequence[str], scratch: Path, ask: Ask) -> Unchecked:
    """Check that results are the same in every variant, or as the user's check says; return what can't be checked."""
    check = task.point.workload.get("check", "same")
    if check == "same":
        return _compare(task, labels, scratch, ask) if labels else Unchecked()
    if check == "none":
        return Unchecked()
    answers = {label: ask(label, {"op": "check", "reference": check}) for label in labels}
    return Unchecked(failed=[label for label, answer in answers.items() if answer["failed"]])


def _compare(task: BlockTask, labels: Sequence[str], scratch: Path, ask: Ask) -> Unchecked:
    answers = {label: ask(label, {"op": "digest"}) for label in labels}
    failed = [label for label, answer in answers.items() if answer["failed"]]
    digests = {label: answer["digest"] for label, answer in answers.items() if not answer["failed"]}
    unchecked = Unchecked([label for label, digest in digests.items() if digest is None], failed)
    if not digests:
        return unchecked
    reference = task.baseline if task.baseline in digests else next(iter(digests))
    differing = [label for label, digest in digests.items() if digest not in (None, digests[reference])]
    if not differing or digests[reference] is None:
        return unchecked
    # equal objects may have different pickles (sets, shared references): then == decides
    file = str(scratch / "results")
    ask(reference, {"op": "save", "path": file})
    for label in differing:
        ask(label, {"op": "compare", "path": file, "other": reference})
    return unchecked


def proved(events: Sequence[Event], labels: Collection[str], ask: Ask) -> Iterator[Event]:
    """Yield the events with the GIL after the trials; raises Lost.

    The workers must be as many as before the trials.
    """
    for event in events:
        if isinstance(event, RunnerReady) and event.variant in labels:
            yield _proved(event, ask)
        else:
            yield event


def _proved(ready: RunnerReady, ask: Ask) -> RunnerReady:
    now = ask(ready.variant, {"op": "prove"})
    before, after = (len(set(threads)) for threads in (ready.worker_threads, now["worker_threads"]))
    if after != before:
        lost = RunnerFailed("worker_lost", f"{before} workers before the trials, {after} after them")
        raise Lost(ready.variant, lost)
    gil = {"gil_after": now["gil"], "gil_enabled_by": ready.gil_enabled_by or now["gil_enabled_by"]}
    return ready.model_copy(update=gil)


def kept(events: Sequence[Event], labels: Collection[str], ask: Ask) -> Iterator[Event]:
    """Yield the events; `runner.warmed` gets `kept_by`: the cache or ended source that answered later calls, if any."""
    for event in events:
        if isinstance(event, RunnerWarmed) and event.variant in labels:
            yield event.model_copy(update={"kept_by": ask(event.variant, {"op": "kept"})["kept_by"]})
        else:
            yield event
