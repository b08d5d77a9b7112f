"""The workers' time of one instrumented trial, split without remainder.

The budget is `lanes` x the time of the batch. A lane is one worker's time in a batch, from begin to end: it is in a
call or in a gap. The clocks of a call give its time on a core, and waiting for a core, for the GIL and for locks; the
rest was blocked. CPU time beyond that of the same calls alone is contention (`contention`). A gap is

- serialisation while something is pickled or unpickled, in the lane's worker or in the submitting process;
- a wait for the GIL while the lane's thread or the submitting thread waits for it, or another call has it;
- idle once no call was left to begin;
- dispatch otherwise.

Where the calls run in the thread that submits them (a plain loop, an event loop) there is one lane. The time of its
gaps that was neither on a core nor in a queue is waiting: in select, with calls outstanding. It is a wait for an
executor while one of them waits for a thread of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

from . import places
from .clocks import CPU, GIL, RUN_QUEUE, WALL, Clocks, GilSpans
from .executors import Kind, Waits
from .figures import COLUMNS, SHARES, complete
from .of_calls import OfCalls
from .places import Place
from .stamps import Taken

MOST_CALLS = 20_000  # at most this many calls of a batch are accounted, which bounds the memory to some 10 MB

TIMELINE = 1_000  # this many calls of the first batch are kept one by one, to be drawn

Span = tuple[int, int]


class Budget:
    """Sums over the batches of one trial, in ns, and the timeline of the first batch."""

    def __init__(self, lanes: int, own: tuple[int, int], per_task: bool) -> None:
        """Begin; `own` are the process and the thread that submit, `lanes` the number of standing workers."""
        self._lanes = lanes
        self._own = own
        self._per_task = per_task
        self.batches = 0
        self.calls = 0
        self.wall_ns = 0
        self.lanes = 0
        self.sums = dict.fromkeys(SHARES, 0)
        self._of_calls = OfCalls()
        self.own_cpu_ns = 0
        self.gap_gil_ns = 0
        self.in_own_thread = False
        self.in_this_process = False
        self._executors_at: Counter[Place] = Counter()
        self._executors_wanted: Counter[Kind] = Counter()
        self._executors: dict[Kind, int] = {}
        """How long at least one call waited for each, over all batches."""
        self.timeline: dict[str, Any] = {}

    def add(
        self,
        begun: Clocks,
        ended: Clocks,
        taken: Sequence[Taken],
        gil_spans: GilSpans,
        executor_waits: Waits | None = None,
    ) -> None:
        """Add a batch: the submitting thread's clocks before and after it, its calls, and the GIL.

        `executor_waits` are those of coroutines for executors.
        """
        self.in_own_thread = all((call.pid, call.thread) == self._own for call in taken)
        self.in_this_process = all(call.pid == self._own[0] for call in taken)
        lanes = self._split(taken)
        wall_ns = ended[WALL] - begun[WALL]
        if not self.batches:
            self.timeline = {"wall_ns": wall_ns, **_timeline(begun[WALL], taken, lanes)}
        self.batches += 1
        self.calls += len(taken)
        self.wall_ns += wall_ns
        self.own_cpu_ns += ended[CPU] - begun[CPU]
        self.lanes = len(lanes)
        busy_ns = sum(call.busy_ns for call in taken)
        sums = _in_calls(taken, busy_ns)
        if self.in_own_thread:
            _add_own_gaps(sums, begun, ended, busy_ns, self._in_executors(wall_ns, executor_waits))
        else:
            self._add_gaps(sums, begun[WALL], ended[WALL], lanes, gil_spans)
        for name, ns in sums.items():
            self.sums[name] += ns
        self._of_calls.add(taken)

    def _in_executors(self, wall_ns: int, waits: Waits | None) -> float:
        """Return for what part of a batch some call waited for an executor, and remember for which."""
        if not waits:
            return 0.0
        self._executors_at += waits.seen
        self._executors_wanted |= waits.wanted
        for kind, spans in waits.items():
            waited_ns = sum(end - start for start, end in _union(spans))
            self._executors[kind] = self._executors.get(kind, 0) + waited_ns
        spans = _union(chain.from_iterable(waits.values()))
        # the part of the loop's idle time, else of the batch
        idle = waits.selects or [(0, 0)]
        idle_ns = sum(end - start for start, end in idle)
        if idle_ns:
            return _common(idle, spans) / idle_ns
        return min(1.0, sum(end - start for start, end in spans) / max(1, wall_ns))

    def _split(self, taken: Sequence[Taken]) -> list[list[Taken]]:
        """Return the calls of each lane in the order of time."""
        by_begin = sorted(taken, key=lambda call: call.begun)
        if self._per_task:
            return [[call] for call in by_begin]
        if self.in_own_thread:
            return [by_begin]
        found: dict[tuple[int, int], list[Taken]] = {}
        for call in by_begin:
            found.setdefault((call.pid, call.thread), []).append(call)
        lanes = list(found.values())
        if len(lanes) > self._lanes:  # workers were replaced: a later one takes the lane of one that had ended
            lanes = [[] for _ in range(self._lanes)]
            for call in by_begin:
                min(lanes, key=lambda lane: lane[-1].ended if lane else 0).append(call)
        return lanes + [[] for _ in range(self._lanes - len(lanes))]

    def _add_gaps(
        self, sums: dict[str, int], begun: int, ended: int, lanes: list[list[Taken]], gil_spans: GilSpans
    ) -> None:
        calls = [call for lane in lanes for call in lane]
        last_begun = max(call.begun for call in calls)
        last_ended = max(call.ended for call in calls)
        here = _union(_spans_here(calls))
        gil_taken = _union(chain(gil_spans.waits, gil_spans.holds))
        for lane in lanes:
            gaps = []
            free = begun
            covered_ns = 0
            for in_calls in _union((call.begun, call.ended) for call in lane):  # of coroutines, several at once
                gaps.append((free, in_calls[0]))
                free = in_calls[1]
                covered_ns += in_calls[1] - in_calls[0]
            sums["waiting"] += max(0, covered_ns - sum(call.busy_ns for call in lane))
            was_there = not self._per_task and (bool(lane) or len(calls) >= len(lanes))
            none_left = max(free, last_begun) if was_there else free
            gaps += [(free, none_left), (last_ended, ended)]
            there = chain.from_iterable(map(_spans_there, lane))
            serialisation_ns = _common(gaps, _union(chain(here, there)))
            sums["serialisation"] += serialisation_ns
            left_ns = sum(max(0, end - start) for start, end in gaps) - serialisation_ns
            gil_ns = min(left_ns, _gil_in(gaps, gil_taken, lane, has_one_gil=bool(gil_spans.holds)))
            sums["gil"] += gil_ns
            self.gap_gil_ns += gil_ns
            sums["dispatch"] += left_ns - gil_ns
            sums["idle"] += max(0, last_ended - none_left)

    def shares(self) -> dict[str, float]:
        """Return each part of the budget as a share of it, 0 to 1; together 1."""
        total = sum(self.sums.values())
        return {name: round(ns / total, 6) if total else 0.0 for name, ns in self.sums.items()}

    def figures(self) -> dict[str, Any]:
        """Return the figures of the calls and of the workers' time."""
        executor, size = max(self._executors, key=self._executors.__getitem__, default=(None, None))
        return {
            "lanes": self.lanes,
            "batches": self.batches,
            "calls": self.calls // self.batches,
            "wall_ns": self.wall_ns // self.batches,
            **{f"{name}_share": share for name, share in self.shares().items()},
            "dispatch_gil_share": round(self.gap_gil_ns / (sum(self.sums.values()) or 1), 6),
            "executor_kind": executor,
            "executor_size": size,
            "executor_wanted": self._executors_wanted.get((executor, size)) if executor else None,
            "executor_at": places.most(self._executors_at),
            "in_own_thread": self.in_own_thread,
            "call_cpu_ns": mean(self.sums["on_core"] + self.sums["contention"], self.calls),
            "call_blocked_ns": mean(self.sums["blocked"], self.calls),
            **self._of_calls.figures(),
        }


def mean(total: int, count: int) -> int:
    """Return the mean as a whole number; 0 of nothing."""
    return round(total / count) if count else 0


def _in_calls(taken: Sequence[Taken], busy_ns: int) -> dict[str, int]:
    """Return the parts of the time in calls, of which `busy_ns` is the sum."""
    sums = dict.fromkeys(SHARES, 0)
    sums["on_core"] = sum(call.cpu_ns for call in taken)
    sums["run_queue"] = sum(call.run_queue_ns for call in taken)
    sums["gil"] = sum(call.gil_ns for call in taken)
    sums["lock"] = sum(call.lock_ns for call in taken)
    sums["blocked"] = busy_ns - sum(sums.values())
    return sums


def _add_own_gaps(sums: dict[str, int], begun: Clocks, ended: Clocks, busy_ns: int, in_executors: float) -> None:
    gap_ns = max(0, ended[WALL] - begun[WALL] - busy_ns)
    run_queue_ns = ended[RUN_QUEUE] - begun[RUN_QUEUE] - sums["run_queue"]
    gil_ns = ended[GIL] - begun[GIL] - sums["gil"]
    cpu_ns = ended[CPU] - begun[CPU] - sums["on_core"]
    for name, ns in (("dispatch", cpu_ns), ("run_queue", run_queue_ns), ("gil", gil_ns)):
        part_ns = min(gap_ns, max(0, ns))
        sums[name] += part_ns
        gap_ns -= part_ns
    sums["executor"] += round(gap_ns * in_executors)
    sums["waiting"] += gap_ns - round(gap_ns * in_executors)


def _gil_in(gaps: Sequence[Span], taken: Sequence[Span], lane: Sequence[Taken], *, has_one_gil: bool) -> int:
    """Return for how long a lane waited for the GIL in its gaps.

    The GIL was `taken` while the submitting thread waited for it or a call had it, and whatever happens in a gap needs
    it. With `has_one_gil` the worker needs that same GIL; otherwise it has its own.
    """
    if not has_one_gil:
        return _common(gaps, taken) + _waited_between(lane)
    between = [gap for gap in gaps if lane and lane[0].ended <= gap[0] and gap[1] <= lane[-1].begun]
    between_ns = _common(between, taken)
    return _common(gaps, taken) - between_ns + max(between_ns, _waited_between(lane))


def _waited_between(lane: Sequence[Taken]) -> int:
    """Return for how long a worker waited for the GIL between its calls."""
    return sum(max(0, later.gil_before - earlier.gil_before - earlier.gil_ns) for earlier, later in pairwise(lane))


def _spans_here(calls: Iterable[Taken]) -> Iterator[Span]:
    """Yield when the submitting process pickled calls and unpickled results."""
    for call in calls:
        if call.arrived:
            yield call.arrived.dump_begun, call.arrived.dump_ended
        if call.returned:
            yield call.returned.load_begun, call.returned.load_ended


def _spans_there(call: Taken) -> Iterator[Span]:
    """Yield when a worker unpickled a call and pickled its result."""
    if call.arrived:
        yield call.arrived.load_begun, call.arrived.load_ended
    if call.returned:
        yield call.returned.dump_begun, call.returned.dump_ended


def _union(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as spans in order that do not overlap."""
    union: list[Span] = []
    for begun, ended in sorted(spans):
        if union and begun <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], ended)
        else:
            union.append((begun, ended))
    return union


def _common(gaps: Sequence[Span], union: Sequence[Span]) -> int:
    """Return how much of the gaps, which are in order, lies within the spans of a union."""
    common = place = 0
    for begun, ended in gaps:
        while place < len(union) and union[place][1] <= begun:
            place += 1
        at = place
        while at < len(union) and union[at][0] < ended:
            common += min(ended, union[at][1]) - max(begun, union[at][0])
            at += 1
    return common


def _timeline(begun: int, taken: Sequence[Taken], lanes: Sequence[Sequence[Taken]]) -> dict[str, list[Any]]:
    """Return the columns of the timeline for the first calls of a batch."""
    lane_of = {id(call): number for number, lane in enumerate(lanes) for call in lane}
    first = sorted(taken, key=lambda call: call.begun)[:TIMELINE]
    rows = [_drawn(begun, lane_of[id(call)], call) for call in first]
    return {name: [row[name] for row in rows] for name in COLUMNS}


def _drawn(begun: int, lane: int, call: Taken) -> dict[str, Any]:
    arrived, returned = call.arrived, call.returned
    columns = {
        "lane": lane,
        "begun_ns": call.begun - begun,
        "ended_ns": call.ended - begun,
        "on_core_ns": call.cpu_ns,
        "run_queue_ns": call.run_queue_ns,
        "gil_ns": call.gil_ns,
        "lock_ns": call.lock_ns,
        "blocked_ns": call.busy_ns - call.cpu_ns - call.run_queue_ns - call.gil_ns - call.lock_ns,
        "unpickled_ns": [arrived.load_begun - begun, arrived.load_ended - begun] if arrived else None,
        "pickled_ns": [returned.dump_begun - begun, returned.dump_ended - begun] if returned else None,
    }
    return complete(COLUMNS, columns)
