"""What is checked of a block's variants when its rounds are over: their results, their workers, and kept answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..journal.event import Event
from ..journal.raw_events import RunnerReady, RunnerWarmed
from ..supervisor.process import RunnerFailed
from .hosts import BlockTask

Ask = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Ask the runner of a variant, by its label."""


class Lost(Exception):
    """A variant has other workers than before its trials."""

    def __init__(self, label: str, error: RunnerFailed) -> None:
        super().__init__(error.error)
        self.label = label
        self.error = error


def results(task: BlockTask, labels: Sequence[str], scratch: Path, ask: Ask) -> list[str]:
    """Check that results are the same in every variant, or as the user's check says; return those that can't be."""
    check = task.point.workload.get("check", "same")
    if check == "same":
        return _compare(task, labels, scratch, ask) if labels else []
    if check != "none":
        for label in labels:
            ask(label, {"op": "check", "reference": check})
    return []


def _compare(task: BlockTask, labels: Sequence[str], scratch: Path, ask: Ask) -> list[str]:
    reference = task.baseline if task.baseline in labels else labels[0]
    digests = {label: ask(label, {"op": "digest"})["digest"] for label in labels}
    unchecked = [label for label, digest in digests.items() if digest is None]
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
    """Yield the events with what answered the calls after the first, where they were not computed."""
    for event in events:
        if isinstance(event, RunnerWarmed) and event.variant in labels:
            yield event.model_copy(update={"kept_by": ask(event.variant, {"op": "kept"})["kept_by"]})
        else:
            yield event
