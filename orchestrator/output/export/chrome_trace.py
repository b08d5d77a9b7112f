"""A timeline for Perfetto or chrome://tracing: one instrumented trial of each variant, a lane for each worker.

The format is Chrome's trace event format, times in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ...analysis.results import Results
from ...journal.raw_events import TimelineRecorded
from .. import timeline
from ..timeline import Call

_NAMES = {
    "on_core": ("on a core", "part"),
    "gil": ("waits for the GIL", "part"),
    "run_queue": ("waits for a core", "part"),
    "lock": ("waits for a lock", "part"),
    "blocked": ("blocked", "part"),
    "unpickling": ("unpickling", "serialisation"),
    "pickling": ("pickling", "serialisation"),
    "waiting": ("waits for a call", "dispatch"),
}
"""The name and the category of a slice, by what a worker does."""

Slice = dict[str, Any]


def render(results: Results) -> dict[str, bytes]:
    """Return the file."""
    events: list[Slice] = []
    for pid, recorded in enumerate(results.events(TimelineRecorded), 1):
        events += _variant(pid, recorded)
    trace = {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "run_id": results.run_id,
            "experiment": results.started.experiment,
            "note": "the parts of a call are drawn one after the other: only their lengths are known",
        },
    }
    return {"trace.json": orjson.dumps(trace)}


def _variant(pid: int, recorded: TimelineRecorded) -> Iterator[Slice]:
    title = f"{recorded.variant} | {recorded.point}"
    yield _name("process_name", pid, 0, title)
    yield {"name": "process_sort_index", "ph": "M", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    yield _name("thread_name", pid, 0, "batch")
    yield _slice("batch", "batch", pid, 0, 0, recorded.wall_ns)
    for lane, own in timeline.by_lane(timeline.calls(recorded)).items():
        yield _name("thread_name", pid, lane + 1, f"worker {lane + 1}")
        yield from (_coroutines if timeline.overlap(own) else _lane)(pid, lane + 1, own)


def _lane(pid: int, tid: int, own: Sequence[Call]) -> Iterator[Slice]:
    """Yield the calls of one worker, their parts inside, and what it did in between."""
    for call in own:
        about = {"call": call.number, **_figures(call)}
        yield _slice(f"call {call.number}", "call", pid, tid, call.begun_ns, call.ended_ns, about)
    for piece in timeline.pieces(own):
        yield _slice(*_NAMES[piece.what], pid, tid, piece.begun_ns, piece.ended_ns)


def _coroutines(pid: int, tid: int, own: Sequence[Call]) -> Iterator[Slice]:
    """Yield calls that overlap in one thread: slices of one thread must nest, so these are asynchronous events."""
    for call in own:
        common = {"name": f"call {call.number}", "cat": "call", "pid": pid, "tid": tid, "id": f"{pid}.{call.number}"}
        yield {**common, "ph": "b", "ts": call.begun_ns / 1000, "args": _figures(call)}
        yield {**common, "ph": "e", "ts": call.ended_ns / 1000}


def _figures(call: Call) -> dict[str, int]:
    return {f"{part}_ns": taken for part, taken in call.parts_ns.items()}


def _slice(
    name: str, category: str, pid: int, tid: int, begun: int, ended: int, args: Mapping[str, Any] | None = None
) -> Slice:
    times = {"ts": begun / 1000, "dur": (ended - begun) / 1000}
    return {"name": name, "cat": category, "ph": "X", **times, "pid": pid, "tid": tid, "args": args or {}}


def _name(what: str, pid: int, tid: int, name: str) -> Slice:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
