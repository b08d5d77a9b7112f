"""One trial more, instrumented, and what else is only asked for when nobody's time counts: calls alone, and memory."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from .. import fd_limit, gil, loops, registry
from ..call import Call
from . import clocks, sensors
from .fold import MOST_CALLS, Account
from .stamps import Stamped, StampedResult, Taken

ALONE_CALLS, ALONE_SHARE = 16, 0.25
"""So many calls are made one at a time at most, and for no longer than this share of the trial; one at least."""

SMALL_BYTES = 1024
"""A call of fewer bytes is pickled in less time than its stamps take."""

WEIGHED_RESULTS = 16
"""Results whose pickles are measured."""


async def measure(
    workers: registry.Workers,
    call: Call,
    items: Sequence[int],
    repeats: int,
    before_batch: Callable[[], None],
    count: registry.WorkerMode,
    pickles: bool,
    machinery: set[int],
) -> dict[str, Any]:
    """Run `repeats` batches of calls that carry stamps, then some calls alone, and return the account of both.

    `machinery` are the threads of this process that came with the model and not with the workload.
    """
    per_task = count == "per_task"
    _make_room(len(items) if per_task else 0)
    items = items[:MOST_CALLS]
    is_sent = pickles and not (per_task and workers.facts.get("actual_start_method") == "fork")
    call_bytes = _pickled_bytes(call) if is_sent else None
    is_small = call_bytes is not None and call_bytes < SMALL_BYTES
    stamped = Stamped(call.function, call.kwargs, call.item, per_task and pickles, is_small)
    is_async = stamped.is_async
    run = workers.bind(stamped)
    if not per_task:
        await workers.each(_prepare)  # workers import what is needed before the clock runs
    used_before = _Usage(await _asked(workers, per_task), machinery)
    for pid in used_before.tree:
        sensors.forget_peak(pid)
    account = Account(len(used_before.workers) or len(items), (os.getpid(), threading.get_ident()), per_task)
    batch, weights, turns_ns = await _run(run, items, repeats, before_batch, account)
    used_after = _Usage(await _asked(workers, per_task), machinery)
    alone = await _alone(run, before_batch, items, account, [measured.taken for measured in batch], is_async)
    spent = used_after.since(used_before)
    shares_gil = not pickles and gil.enabled()
    gil_source, gil_estimated = _estimate(account, spent.pop("queue_ns"), alone, shares_gil)
    tree = _weighed(used_after, weights, per_task)
    outside_ns = None if per_task else spent.pop("outside_cpu_ns") / account.batches
    return {
        "event": "accounted",
        **_of_calls(account),
        "gil_source": gil_source,
        "gil_share_estimated": gil_estimated,
        "is_async": is_async,
        **alone,
        "call_bytes": call_bytes,
        "result_bytes": _result_bytes(batch) if pickles else None,
        "voluntary_switches": round(spent["voluntary"] / account.batches),
        "involuntary_switches": round(spent["involuntary"] / account.batches),
        **_lag(turns_ns, account.wall_ns),
        **tree,
        "outside_cpu_ns": None if outside_ns is None else max(0, round(outside_ns)),
    }


async def _run(
    run: registry.RunBatch, items: Sequence[int], repeats: int, before_batch: Callable[[], None], account: Account
) -> tuple[list[StampedResult], list[tuple[int, int]], list[int]]:
    """Run batches into an account; return the last one, the memory of workers that end with their call, and turns."""
    batch: list[StampedResult] = []
    weights: list[tuple[int, int]] = []
    turns_ns: list[int] = []
    for _ in range(repeats):
        before_batch()
        with clocks.kept_gil_waits() as waits, loops.watched(turns_ns):
            begun = clocks.read()
            batch = await run(items)
            ended = clocks.read()
        taken = [measured.taken for measured in batch]
        account.add(begun, ended, taken, waits)
        weights += [call.memory for call in taken if call.memory]
    return batch, weights, turns_ns


def _of_calls(account: Account) -> dict[str, Any]:
    """Return what an account says of the calls and of the workers' time."""
    return {
        "lanes": account.lanes,
        "batches": account.batches,
        "calls": account.calls // account.batches,
        "wall_ns": account.wall_ns // account.batches,
        **{f"{name}_share": share for name, share in account.shares().items()},
        **({"run_queue_share": None} if clocks.queue_ns() is None else {}),
        "dispatch_gil_share": round(account.gap_gil_ns / (sum(account.sums.values()) or 1), 6),
        "in_own_thread": account.in_own_thread,
        "call_cpu_ns": _mean(account.sums["on_core"], account.calls),
        "call_blocked_ns": _mean(account.sums["blocked"], account.calls),
        "longest_call_ns": round(median(account.longest_ns)),
        "longest_share": round(median(account.longest_shares), 6),
        "timeline": account.timeline,
        "timeline_wall_ns": account.first_wall_ns,
    }


def _make_room(threads: int) -> None:
    """Allow more open files: each thread that is accounted keeps one open."""
    if (now := fd_limit.soft_limit()) is not None:
        fd_limit.raise_to(now + threads)


def _prepare() -> None:
    clocks.read()


async def _asked(workers: registry.Workers, per_task: bool) -> list[dict[str, Any]]:
    return [] if per_task else await workers.each(sensors.usage)


class _Usage:
    """What the tree of processes has used so far."""

    def __init__(self, workers: list[dict[str, Any]], machinery: set[int]) -> None:
        self.workers = {(each["pid"], each["thread"]): each for each in workers}
        self.own = sensors.usage()
        self.tree = {os.getpid(), *sensors.descendants()}
        self.tree_cpu_ns = sensors.cpu_ns(self.tree - {os.getpid()})
        self.machinery = {thread: sensors.thread_cpu_ns(thread) for thread in machinery}

    def _processes(self) -> dict[int, dict[str, Any]]:
        return {**{each["pid"]: each for each in self.workers.values()}, self.own["pid"]: self.own}

    def since(self, before: _Usage) -> dict[str, Any]:
        """Return what was used in between; `queue_ns` by the workers, `outside_cpu_ns` by nobody of the model."""
        pairs = [(after, before.workers[who]) for who, after in self.workers.items() if who in before.workers]
        mine, theirs = self._processes(), before._processes()
        shared = [(mine[pid], theirs[pid]) for pid in mine if pid in theirs]
        queues = [
            after["queue_ns"] - earlier["queue_ns"]
            for after, earlier in pairs
            if after["queue_ns"] is not None and earlier["queue_ns"] is not None
        ]
        known = {(each["pid"], each["thread"]): each["cpu_ns"] for each in (*self.workers.values(), self.own)}
        known_before = {
            (each["pid"], each["thread"]): each["cpu_ns"] for each in (*before.workers.values(), before.own)
        }
        here = {thread for pid, thread in known if pid == os.getpid()}
        controlled_ns = sum(ns - known_before.get(who, 0) for who, ns in known.items())
        controlled_ns += sum(
            ns - before.machinery.get(thread, 0) for thread, ns in self.machinery.items() if thread not in here
        )
        # what has ended in the tree counts among the children of its parent, if that is asked
        ended_ns = sum(a["children_cpu_ns"] - b["children_cpu_ns"] for a, b in shared if a["pid"] != os.getpid())
        return {
            "queue_ns": sum(queues) if queues else None,
            "outside_cpu_ns": self.tree_cpu_ns - before.tree_cpu_ns + ended_ns - controlled_ns,
            **{
                name: sum(after[name] - earlier[name] for after, earlier in shared)
                for name in ("voluntary", "involuntary")
            },
        }


async def _alone(
    run: registry.RunBatch,
    before_batch: Callable[[], None],
    items: Sequence[int],
    account: Account,
    batch: Sequence[Taken],
    is_async: bool,
) -> dict[str, int]:
    """Return the mean CPU time and blocked time of calls with no other call beside them, in ns.

    A plain loop makes them so anyway. Else some of the batch, evenly spread, are made one at a time.
    """
    plain = account.in_own_thread and not is_async
    found = list(batch) if plain else []
    begun_ns = time.monotonic_ns()
    runs_ns = 0
    within_ns = ALONE_SHARE * account.wall_ns
    step = max(1, len(items) // ALONE_CALLS)
    for place in () if plain else range(0, len(items), step):
        if found and time.monotonic_ns() - begun_ns > within_ns:
            break
        before_batch()
        run_ns = time.monotonic_ns()
        alone = await run(items[place : place + 1])
        runs_ns += time.monotonic_ns() - run_ns
        found += [measured.taken for measured in alone]
    cpu_ns = sum(call.cpu_ns for call in found)
    waited_ns = sum(call.queue_ns + call.gil_ns for call in found)
    # a coroutine is blocked between its steps, too
    blocked_ns = sum(map(_span_ns, found)) - cpu_ns - waited_ns
    return {
        "alone_calls": len(found),
        "alone_cpu_ns": _mean(cpu_ns, len(found)),
        "alone_blocked_ns": _mean(max(0, blocked_ns), len(found)),
        "alone_dispatch_ns": _mean(max(0, runs_ns - sum(map(_span_ns, found))), len(found)),
    }


def _span_ns(call: Taken) -> int:
    return call.ended - call.begun


def _estimate(account: Account, queue_ns: int | None, alone: dict[str, int], shares_gil: bool) -> tuple[str, float]:
    """Return where the share of the GIL is from, and what it is by the other way: beyond what calls alone are.

    That is what calls block beyond it, and what their hand-over takes beyond it.

    Without the shim, the time in queues is that of the workers over the whole trial, and the estimate takes the place
    of the measurement.
    """
    sums = account.sums
    if not clocks.HAS_SHIM and queue_ns:
        for name in ("blocked", "waiting"):
            part_ns = min(sums[name], queue_ns)
            sums[name] -= part_ns
            sums["run_queue"] += part_ns
            queue_ns -= part_ns
    in_calls_ns = in_gaps_ns = 0
    if shares_gil and account.in_this_process and not account.in_own_thread:
        in_calls_ns = sums["gil"] - account.gap_gil_ns + sums["blocked"] - alone["alone_blocked_ns"] * account.calls
        # who hands over lets the others wait while it works, GIL or not
        handing_ns = max(alone["alone_dispatch_ns"] * account.calls, account.own_cpu_ns * account.lanes)
        in_gaps_ns = account.gap_gil_ns + sums["dispatch"] - handing_ns
    parts_ns = {"blocked": max(0, in_calls_ns), "dispatch": max(0, in_gaps_ns)}
    share = round(sum(parts_ns.values()) / (sum(sums.values()) or 1), 6)
    if clocks.HAS_SHIM:
        return "measured", share
    for name, ns in parts_ns.items():
        sums[name] -= ns
        sums["gil"] += ns
    return "estimated", share


def _mean(total_ns: int, count: int) -> int:
    return round(total_ns / count) if count else 0


def _pickled_bytes(value: object) -> int | None:
    """Return how many bytes something is when it is sent; None where this pickler can't, while the model's own can."""
    try:
        return len(pickle.dumps(value))
    except Exception:
        return None


def _result_bytes(batch: Sequence[StampedResult]) -> int | None:
    """Return how many bytes a result is when it is sent, the mean of some."""
    sizes = [_pickled_bytes(measured.value) for measured in batch[:: max(1, len(batch) // WEIGHED_RESULTS)]]
    known = [size for size in sizes if size is not None]
    return _mean(sum(known), len(known)) if known else None


def _weighed(used: _Usage, weights: Sequence[tuple[int, int]], per_task: bool) -> dict[str, int | None]:
    """Return the memory of the tree at its peak, shared parts counted once, and what is a worker's own."""
    found = {pid: memory for pid in used.tree if (memory := sensors.memory(pid))}
    workers = [found[pid][1] for pid in {pid for pid, _ in used.workers} if pid in found and pid != os.getpid()]
    if per_task:
        workers = [private for _, private in weights]
    peak = sum(pss + sensors.beyond_now(pid) for pid, (pss, _) in found.items()) + sum(pss for pss, _ in weights)
    own = found.get(os.getpid())
    return {
        "peak_pss_bytes": peak if found else None,
        "worker_private_bytes": round(median(workers)) if workers else own[1] if own else None,
    }


def _lag(turns_ns: Sequence[int], wall_ns: int) -> dict[str, int | None]:
    """Return how long something that comes at a random moment of the trial waits for the loop, and the longest turn.

    Who comes in the midst of a turn waits for its end: longer than x with the probability
    sum(max(0, turn - x)) / wall.
    """
    if not turns_ns:
        return {"loop_lag_p50_ns": None, "loop_lag_p99_ns": None, "loop_longest_ns": None}
    longest = max(turns_ns)

    def quantile(share: float) -> int:
        low, high = 0, longest
        while high - low > 1000:
            middle = (low + high) // 2
            if sum(turn - middle for turn in turns_ns if turn > middle) > (1 - share) * wall_ns:
                low = middle
            else:
                high = middle
        return 0 if low == 0 else high

    return {"loop_lag_p50_ns": quantile(0.5), "loop_lag_p99_ns": quantile(0.99), "loop_longest_ns": longest}
