"""A timeline for Perfetto or chrome://tracing: one instrumented trial of each variant, a lane for each worker.

The format is Chrome's trace event format, times in microseconds. Only how long a call was on a core, waiting or blocked
is known, not when: its parts are drawn one after the other, in that order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson

from ..results import Results

_PARTS = (
    ("on a core", "on_core_ns"),
    ("waits for the GIL", "gil_ns"),
    ("waits for a core", "run_queue_ns"),
    ("blocked", "blocked_ns"),
)

Slice = dict[str, Any]


def render(results: Results) -> dict[str, bytes]:
    """Return the file; without timelines (a journal of an older version) it holds none."""
    events: list[Slice] = []
    for pid, timeline in enumerate(results.named("timeline.recorded"), 1):
        events += _variant(pid, timeline)
    trace = {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "run_id": results.started["run_id"],
            "experiment": results.started["experiment"],
            "note": "the parts of a call are drawn one after the other: only their lengths are known",
        },
    }
    return {"trace.json": orjson.dumps(trace)}


def _variant(pid: int, timeline: Mapping[str, Any]) -> Iterator[Slice]:
    title = f"{timeline['variant']} | {timeline['point']}"
    yield _name("process_name", pid, 0, title)
    yield {"name": "process_sort_index", "ph": "M", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    yield _name("thread_name", pid, 0, "batch")
    yield _slice("batch", "batch", pid, 0, 0, timeline["wall_ns"])
    calls = _calls(timeline)
    for lane in sorted({call["lane"] for call in calls}):
        yield _name("thread_name", pid, lane + 1, f"worker {lane + 1}")
        own = [call for call in calls if call["lane"] == lane]
        overlapping = any(later["begun_ns"] < earlier["ended_ns"] for earlier, later in pairwise(own))
        if overlapping:
            yield from _coroutines(pid, lane + 1, own)
        else:
            yield from _lane(pid, lane + 1, own)


def _calls(timeline: Mapping[str, Any]) -> list[Slice]:
    names = [name for name, values in timeline.items() if isinstance(values, list)]
    return [
        {"number": number, **dict(zip(names, values, strict=True))}
        for number, values in enumerate(zip(*(timeline[name] for name in names), strict=True))
    ]


def _lane(pid: int, tid: int, calls: Sequence[Slice]) -> Iterator[Slice]:
    """Yield the calls of one worker, their parts inside, and what it did in between."""
    free = 0
    following = [*(call["begun_ns"] for call in calls[1:]), math.inf]
    for call, following_ns in zip(calls, following, strict=True):
        sent = call["unpickled_ns"]
        if sent and free <= sent[0] and sent[1] <= call["begun_ns"]:
            yield from _gap(pid, tid, free, sent[0])
            yield _slice("unpickling", "serialisation", pid, tid, *sent)
            free = sent[1]
        yield from _gap(pid, tid, free, call["begun_ns"])
        figures = {name: call[name] for _, name in _PARTS}
        about = {"call": call["number"], **figures}
        yield _slice(f"call {call['number']}", "call", pid, tid, call["begun_ns"], call["ended_ns"], about)
        at = call["begun_ns"]
        for what, name in _PARTS:
            end = min(at + call[name], call["ended_ns"])
            if end > at:
                yield _slice(what, "part", pid, tid, at, end)
            at = end
        free = call["ended_ns"]
        back = call["pickled_ns"]
        if back and free <= back[0] and back[1] <= following_ns:  # another thread may pickle while the next call runs
            yield _slice("pickling", "serialisation", pid, tid, *back)
            free = back[1]


def _gap(pid: int, tid: int, begun: int, ended: int) -> Iterator[Slice]:
    if ended > begun:
        yield _slice("waits for a call", "dispatch", pid, tid, begun, ended)


def _coroutines(pid: int, tid: int, calls: Sequence[Slice]) -> Iterator[Slice]:
    """Yield calls that overlap in one thread: slices of one thread must nest, so these are asynchronous events."""
    for call in calls:
        common = {
            "name": f"call {call['number']}",
            "cat": "call",
            "pid": pid,
            "tid": tid,
            "id": f"{pid}.{call['number']}",
        }
        args = {name: call[name] for _, name in _PARTS}
        yield {**common, "ph": "b", "ts": call["begun_ns"] / 1000, "args": args}
        yield {**common, "ph": "e", "ts": call["ended_ns"] / 1000}


def _slice(
    name: str, category: str, pid: int, tid: int, begun: int, ended: int, args: Mapping[str, Any] | None = None
) -> Slice:
    times = {"ts": begun / 1000, "dur": (ended - begun) / 1000}
    return {"name": name, "cat": category, "ph": "X", **times, "pid": pid, "tid": tid, "args": args or {}}


def _name(what: str, pid: int, tid: int, name: str) -> Slice:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
