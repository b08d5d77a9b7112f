"""One more trial, instrumented, with what timed trials leave out: calls alone, and memory."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import Any, NamedTuple

from .. import fd_limit, gil, loops, registry
from ..call import Call
from ..items import shown
from ..results import pickled_bytes
from . import clocks, contention, executors, greenlets, sensors, shared
from .figures import FIGURES, complete
from .fold import MOST_CALLS, Budget, mean
from .of_calls import longest
from .sampler import native, sampling
from .stamps import Stamped, StampedItem, StampedResult, Taken, received
from .usage import Usage

ALONE_CALLS, ALONE_SHARE = 16, 0.25
"""At most this many calls are made one at a time, and for no longer than this share of the trial, but short ones."""

FEW_CALLS, FEW_NS = 6, 50_000_000  # so many calls are made alone where they take no longer: the first ones are cold

LEAST_CALLS, LEAST_NS = 3, 50_000_000
"""So many calls are made alone where one took no longer in the batch: the first alone may find its memory gone."""

SMALL_BYTES = 1024  # a call of fewer bytes is pickled in less time than its stamps take

WEIGHED_RESULTS = 16  # results of which the pickle is measured

PER_TASK = "the calls run in processes that end with them"
GREENLETS = "the calls are greenlets, which share the frames of one thread"
"""Why lines can't be looked for."""

NOT_SOUGHT = "the variant is far behind"
"""Why contention is not measured: it would take long and change no decision."""


class _Trial(NamedTuple):
    """A batch of stamped calls, and the model that makes it.

    `call` is the one without stamps. `takes_turns`: calls in one thread do not wait for each other's ends.
    """

    opened: registry.Opened
    call: Call
    run: registry.RunBatch
    items: Sequence[Any]
    before_batch: Callable[[], None]
    is_async: bool
    takes_turns: bool

    @property
    def shares_gil(self) -> bool:
        """Whether the calls need the GIL of this process."""
        return not self.opened.pickles and gil.enabled()

    async def batch(self) -> list[StampedResult]:
        """Make the batch once."""
        self.before_batch()
        return list(map(received, await self.run(self.items)))


class Made(NamedTuple):
    """A call with time stamps and its items, and the bytes of their pickles: None and 0 where they are not sent."""

    call: Stamped
    items: Sequence[Any]
    call_bytes: int | None
    item_bytes: int


def stamped(opened: registry.Opened, call: Call, items: Sequence[Any], *, weighs: bool) -> Made:
    """Return a call with stamps as its model needs them; `weighs`: it also measures the memory of its worker."""
    facts, pickles = opened.workers.facts, opened.pickles
    is_sent = pickles and not (opened.per_task and facts.get("actual_start_method") == "fork")
    call_bytes = pickled_bytes(call) if is_sent else None
    item_bytes = _mean_pickled_bytes(items) if is_sent and call.plain is None else 0
    is_small = call_bytes is not None and call_bytes < SMALL_BYTES
    in_greenlets = "patched_modules" in facts
    made = greenlets.InGreenlet(call) if in_greenlets else Stamped(call, weighs, is_small, pickles)
    items = [StampedItem(item) for item in items] if item_bytes >= SMALL_BYTES else items
    return Made(made, items, call_bytes, item_bytes)


async def measure(
    opened: registry.Opened,
    call: Call,
    items: Sequence[Any],
    named: Sequence[Any] | None,
    repeats: int,
    before_batch: Callable[[], None],
    *,
    is_far_behind: bool,
) -> dict[str, Any]:
    """Return the `Figures` of `repeats` batches of stamped calls and of some calls alone, and `timeline`.

    `named` are the items as the user knows them, None where calls are alike. `is_far_behind`: contention is not looked
    for.
    """
    workers, per_task, pickles = opened.workers, opened.per_task, opened.pickles
    if per_task:  # each thread that is accounted keeps a file open
        fd_limit.raise_to(resource.getrlimit(resource.RLIMIT_NOFILE)[0] + len(items))
    made = stamped(opened, call, items[:MOST_CALLS], weighs=per_task and pickles)
    items, is_async = made.items, made.call.is_async
    in_greenlets = isinstance(made.call, greenlets.InGreenlet)
    run = workers.bind(made.call)
    trial = _Trial(opened, call, run, items, before_batch, is_async, is_async or in_greenlets)
    if not per_task:
        await workers.each(prepare)  # workers import what is needed before the clock runs
    each = workers.each if pickles and not per_task else None
    unseen = PER_TASK if pickles and per_task else GREENLETS if in_greenlets else None
    async with sampling(native(call.function), each, unseen) as sampler:
        ours = opened.machinery | sampler.threads
        before = Usage(await _read(opened), ours)
        for pid in before.tree:
            sensors.forget_peak(pid)
        budget = Budget(len(before.workers) or len(items), (os.getpid(), threading.get_native_id()), per_task)
        with greenlets.watched(made.call):
            batch, memory, turns_ns = await _run(trial, repeats, budget)
        after = Usage(await _read(opened), ours)
    taken = [result.taken for result in batch]
    made_alone = await _made_alone(trial, budget, taken)
    alone = _of_alone(*made_alone, are_alike=named is None)
    gil_figures = _estimate_gil(budget, after.run_queue_ns(before), alone, shares_gil=trial.shares_gil)
    sample = contention.Sample(taken, made_alone[0])
    unsought = NOT_SOUGHT if is_far_behind else None
    contended = await _contended(trial, budget, sample, named is None, unsought)
    figures = {
        **budget.figures(),
        **contended,
        **({"run_queue_share": None} if clocks.run_queue_ns() is None else {}),
        **gil_figures,
        "is_async": is_async,
        **sampler.figures(),
        **alone,
        "longest_item": None if named is None else shown(named[longest(taken)]),
        "call_bytes": made.call_bytes and made.call_bytes + made.item_bytes,
        "result_bytes": _result_bytes(batch) if pickles else None,
        **after.counts(before, budget.batches),
        **loops.lag(turns_ns, budget.wall_ns),
        **after.memory(per_task, memory),
        "outside_cpu_ns": None
        if per_task
        else max(0, mean(after.outside_cpu_ns(before) - sampler.far_cpu_ns, budget.batches)),
    }
    return {**complete(FIGURES, figures), "timeline": budget.timeline}


async def _run(
    trial: _Trial, repeats: int, budget: Budget
) -> tuple[list[StampedResult], list[tuple[int, int]], list[int]]:
    """Add batches to a budget; return the last batch, the memory of ended workers, and the loop's turns."""
    batch: list[StampedResult] = []
    memory: list[tuple[int, int]] = []
    turns_ns: list[int] = []
    keeper = clocks.GilSpanKeeper()
    clocks.read()
    time.sleep(0)  # gives the GIL away and takes it, so that the shim knows which one is this thread's
    for _ in range(repeats):
        trial.before_batch()
        executors_watched = executors.watched(trial.is_async)
        with keeper.kept() as gil_spans, executors_watched as waits, loops.watched(turns_ns, waits.selects):
            begun = clocks.read()
            returned = await trial.run(trial.items)
            ended = clocks.read()
        batch = list(map(received, returned))
        taken = [result.taken for result in batch]
        budget.add(begun, ended, taken, gil_spans, waits)
        memory += [call.memory for call in taken if call.memory]
    return batch, memory, turns_ns


def prepare() -> None:
    """Import the clocks in a worker."""
    clocks.read()


async def _read(opened: registry.Opened) -> list[dict[str, Any]]:
    return [] if opened.per_task else await opened.workers.each(sensors.usage)


async def _contended(
    trial: _Trial, budget: Budget, sample: contention.Sample, are_alike: bool, unsought: str | None
) -> dict[str, Any]:
    """Move contention in the budget; return the machine's part of it, shared objects, and what is missing.

    `unsought` is the reason not to look for it.
    """

    async def again() -> contention.Sample:
        batch = [result.taken for result in await trial.batch()]
        return contention.Sample(batch, (await _made_alone(trial, budget, batch))[0])

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    missing = unsought or await contention.move(budget, sample, again, are_alike, cores)
    machine = objects = objects_missing = None
    total_ns = sum(budget.sums.values())
    opened = trial.opened
    if not opened.per_task:
        with suppress(Exception):  # the account goes on without
            machine = await contention.of_machine(budget, opened.workers.each, trial.shares_gil)
    beyond_ns = budget.sums["contention"] - (machine or 0.0) * total_ns
    has_shared_objects = not (opened.pickles or trial.shares_gil)
    if has_shared_objects and beyond_ns >= contention.MUCH * total_ns > 0:
        objects, objects_missing = await shared.sought(trial.call, trial.batch)
    return {
        **({"contention_share": None} if missing else {}),
        "contention_missing": missing,
        "contention_machine_share": machine,
        "contended_objects": objects,
        "objects_missing": objects_missing,
    }


async def _made_alone(trial: _Trial, budget: Budget, batch: Sequence[Taken]) -> tuple[list[tuple[int, Taken]], int]:
    """Return calls with no other call beside them, by their places in the batch, and the time of their batches in ns.

    A plain loop makes its calls so anyway. Other models make some of the batch, evenly spread, one at a time.
    """
    plain = budget.in_own_thread and not trial.takes_turns
    found = list(enumerate(batch)) if plain else []
    begun_ns = time.monotonic_ns()
    runs_ns = 0
    within_ns = ALONE_SHARE * budget.wall_ns
    step = max(1, len(trial.items) // ALONE_CALLS)
    least = LEAST_CALLS if median(call.ended - call.begun for call in batch) < LEAST_NS else 1
    for place in () if plain else range(0, len(trial.items), step):
        is_over = time.monotonic_ns() - begun_ns > max(within_ns, FEW_NS * (len(found) < FEW_CALLS))
        if is_over and len(found) >= least:
            break
        trial.before_batch()
        run_ns = time.monotonic_ns()
        alone = await trial.run(trial.items[place : place + 1])
        runs_ns += time.monotonic_ns() - run_ns
        found += [(place, received(result).taken) for result in alone]
    return found, runs_ns


def _of_alone(made: Sequence[tuple[int, Taken]], runs_ns: int, *, are_alike: bool) -> dict[str, int]:
    """Return the figures of calls made alone, in ns: means, but the CPU time of calls that are alike as for contention.

    That is the median of the later half (`contention.alone_ns`).
    """
    found = [call for _, call in made]
    cpu_ns = sum(call.cpu_ns for call in found)
    lock_ns = sum(call.lock_ns for call in found)
    waited_ns = sum(call.run_queue_ns + call.gil_ns for call in found) + lock_ns
    spans_ns = sum(call.ended - call.begun for call in found)  # a coroutine is blocked between its steps, too
    return {
        "alone_calls": len(found),
        "alone_cpu_ns": round(contention.alone_ns(made)) if are_alike else mean(cpu_ns, len(found)),
        "alone_blocked_ns": mean(max(0, spans_ns - cpu_ns - waited_ns), len(found)),
        "alone_lock_ns": mean(lock_ns, len(found)),
        "alone_dispatch_ns": mean(max(0, runs_ns - spans_ns), len(found)),
    }


def _estimate_gil(budget: Budget, run_queue_ns: int | None, alone: dict[str, int], shares_gil: bool) -> dict[str, Any]:
    """Return the estimated share of the GIL, and whether the budget holds a measured or an estimated one.

    The estimate is what calls are blocked, and what their dispatch takes, beyond what calls alone do. Without the shim
    it replaces the measured value in `budget`, and the time in queues is that of the workers over the whole trial.
    """
    sums = budget.sums
    if not clocks.HAS_SHIM and run_queue_ns:
        for name in ("blocked", "waiting"):
            part_ns = min(sums[name], run_queue_ns)
            sums[name] -= part_ns
            sums["run_queue"] += part_ns
            run_queue_ns -= part_ns
    in_calls_ns = in_gaps_ns = 0
    if shares_gil and budget.in_this_process and not budget.in_own_thread:
        in_calls_ns = sums["gil"] - budget.gap_gil_ns + sums["blocked"] - alone["alone_blocked_ns"] * budget.calls
        # the submitting thread keeps the others waiting while it works, GIL or not
        dispatch_ns = max(alone["alone_dispatch_ns"] * budget.calls, budget.own_cpu_ns * budget.lanes)
        in_gaps_ns = budget.gap_gil_ns + sums["dispatch"] - dispatch_ns
    parts_ns = {"blocked": max(0, in_calls_ns), "dispatch": max(0, in_gaps_ns)}
    share = round(sum(parts_ns.values()) / (sum(sums.values()) or 1), 6)
    if not clocks.HAS_SHIM:
        for name, ns in parts_ns.items():
            sums[name] -= ns
            sums["gil"] += ns
    return {"gil_source": "measured" if clocks.HAS_SHIM else "estimated", "gil_share_estimated": share}


def _result_bytes(batch: Sequence[StampedResult]) -> int | None:
    """Return the mean size of a pickled result, over some of the batch."""
    sizes = [pickled_bytes(result.value) for result in batch[:: max(1, len(batch) // WEIGHED_RESULTS)]]
    known = [size for size in sizes if size is not None]
    return mean(sum(known), len(known)) if known else None


def _mean_pickled_bytes(items: Sequence[Any]) -> int:
    """Return the mean size of a pickled item, over some of the batch; 0 where pickle fails."""
    sizes = [pickled_bytes(item) or 0 for item in items[:: max(1, len(items) // WEIGHED_RESULTS)]]
    return mean(sum(sizes), len(sizes))
