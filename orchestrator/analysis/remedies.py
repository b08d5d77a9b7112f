"""Advice about a cause, and the overrides of the spec that try it. Pure.

Advice follows from the account: a share can shrink only to what remains without its cause.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .. import units
from ..runner import registry
from ..runner.account.figures import Figures
from ..spec.plan import Variant
from . import load
from .accounts import Summary, is_of_machine
from .contest import Contest

WORTH = 0.15  # the least share of the workers' time that gets advice
GAIN = 0.2  # chunks are advised where they save at least this share of the workers' time: not all of dispatch shrinks
SMALL_NS = 1_000_000  # calls shorter than this do not pay for their dispatch to a process
FEW = 0.5  # below this share of busy cores, more workers are advised; from this many idle cores on, processes are
CHUNKS_PER_WORKER = 4  # this many chunks for each worker keep the load even
MOST_THREADS = 200  # no wider executor is advised


Code = Literal[
    "await_instead",
    "chunks",
    "fewer_workers",
    "fit_cache",
    "hold_less",
    "larger_limit",
    "longest_first",
    "model",
    "more_tasks",
    "more_work",
    "more_workers",
    "own_copies",
    "plain_loop",
    "pool",
    "send_less",
    "smaller_chunks",
    "wider_executor",
]


@dataclass(frozen=True)
class Remedy:
    """Advice: a code for programs, the text, and the overrides that add it to the spec."""

    code: Code
    advice: str
    overrides: tuple[str, ...] = ()


HOLD_LESS = Remedy(
    "hold_less", "hold the lock for less time, or share it among fewer calls: more workers only wait for it"
)


def remedy(contest: Contest, variant: Variant, found: Summary, causes: Mapping[str, float]) -> Remedy | None:
    """Return the advice for the first of a variant's causes (with their shares) that has any."""
    worth = (_REMEDIES[cause] for cause, share in causes.items() if cause in _REMEDIES and share >= WORTH)
    return next((advised for advise in worth if (advised := advise(contest, variant, found))), None)


def _loop_blocked(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle = found.median
    if found.waits:
        has_coroutines = any(each.is_async for block in contest.counting for each in block.accounts.values())
        clause = ": calls can wait at the same time" if has_coroutines else ", or make the function `async`"
        return _use(contest, variant, found, "threads", clause)
    if middle.call_cpu_ns >= SMALL_NS and contest.plan.cores >= 2:
        return _use(contest, variant, found, "processes", ": the calls compute and do not wait")
    if _loop_does(contest, variant, found):
        return Remedy("plain_loop", "use a plain loop: the calls compute, and an event loop gains nothing")
    return None


def _gil(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    if variant.needs.pickles:
        return _dispatch(contest, variant, found) if found.waits_to_dispatch else None
    if found.median.call_cpu_ns >= SMALL_NS:
        return _use(contest, variant, found, "processes", ": each has its own GIL")
    if _loop_does(contest, variant, found):
        return Remedy(
            "plain_loop", "use a plain loop, or do more work per call: the GIL lets one thread compute at a time"
        )
    return None


def _contention(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle = found.median
    if is_of_machine(middle.contention_machine_share, found.shares["contention"]):
        return None
    if middle.contended_objects:
        return Remedy("own_copies", f"give each thread its own copy: they share {middle.contended_objects}")
    if middle.contended_objects is None and not middle.objects_missing:
        return Remedy("fit_cache", "work on pieces that fit into a core's cache: the workers share the memory")
    return _use(contest, variant, found, "processes", ": they share no objects")


def _loop_does(contest: Contest, variant: Variant, found: Summary) -> bool:
    """Return whether a plain loop may be as fast as a variant, as far as is known."""
    loops = [other.label for other in contest.variants.values() if other.model == "sequential"]
    surely_slower = any(_surely_faster(contest, variant.label, loop) for loop in loops)
    return not (found.median.is_async or found.waits or surely_slower)


def _on_core(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle, cores = found.median, contest.plan.cores
    left = load.free_cores(contest)  # by other processes
    free = (cores if left is None else left) - found.busy_cores
    if middle.lanes > 1 or free < FEW or middle.call_cpu_ns < SMALL_NS or contest.point.tasks < 2:
        return None
    return _use(contest, variant, found, "processes", f": {_count_idle(round(free), cores, 'cores')}")


def _count_idle(idle: int, of: int, things: str) -> str:
    return f"{idle} of {of} {things} {'was' if idle == 1 else 'were'} idle"


def _run_queue(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise the fewest workers that keep the cores busy while some of them are blocked."""
    middle, cores = found.median, contest.plan.cores
    alone_ns = middle.alone_cpu_ns + middle.alone_blocked_ns + middle.alone_lock_ns
    enough = math.ceil(cores * alone_ns / max(1, middle.alone_cpu_ns))
    if middle.lanes <= enough or variant.workers is None:
        return None
    return Remedy("fewer_workers", f"use `workers: {enough}`: that keeps the cores busy, and more only queue for them")


def _waiting(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise more workers where they are blocked and the cores are idle."""
    middle, tasks = found.median, contest.point.tasks
    in_flight = variant.at_once(tasks)
    if middle.is_async and found.shares["blocked"] > max(FEW, found.shares["waiting"]):
        return Remedy(
            "await_instead",
            "await what it waits for, or use `asyncio.to_thread`: the coroutines block their event loop",
        )
    if found.busy_cores > FEW * contest.plan.cores or found.shares_something or found.shares_a_lock:
        return None
    if variant.workers is None or registry.load(variant.model).WORKERS != "asked":
        if middle.lanes == 1 and tasks > 1 and not variant.overrides:
            return _use(contest, variant, found, "threads", ": calls can wait at the same time")
        return None
    alike = [v for v in contest.variants.values() if (v.entry, v.options) == (variant.entry, variant.options)]
    if in_flight >= tasks or in_flight < max(v.workers or 0 for v in alike):
        return None
    if is_unequal(middle) and middle.longest_call_ns > FEW * middle.wall_ns:
        return None  # a batch takes as long as its longest call
    more = min(tasks, 4 * in_flight)
    advice = f"use more workers, {more} instead of {in_flight}: more calls can wait at the same time"
    return Remedy("more_workers", advice, _on_axis(contest, variant, "workers", in_flight, more))


def _blocked(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    if variant.needs.yields:
        return _use(contest, variant, found, "threads", ": the calls wait in code that lets no other one run")
    return _waiting(contest, variant, found)


def _lock(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    if not found.shares_a_lock:
        return _waiting(contest, variant, found)
    clause = ": each has its own locks, which guard or limit only that process"
    advised = _use(contest, variant, found, "processes", clause)
    return advised or HOLD_LESS


def _executor(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise an executor with room for all that was given to it at once."""
    middle = found.median
    wanted = middle.executor_wanted or variant.at_once(contest.point.tasks)
    if middle.executor_kind == "asyncio lock":
        return HOLD_LESS
    if middle.executor_kind is None or not middle.executor_kind.endswith("executor"):
        what = "a larger semaphore" if middle.executor_kind == "semaphore" else "a limiter with more tokens"
        return Remedy("larger_limit", f"use {what}, if what it protects can serve more calls at once")
    given = f"ThreadPoolExecutor({min(wanted, MOST_THREADS)})"
    how = f"`loop.set_default_executor({given})`" if middle.executor_kind == "default executor" else f"`{given}`"
    advice = f"use a wider executor, such as {how}: {middle.executor_size} threads serve up to {wanted} calls at once"
    return Remedy("wider_executor", advice)


def _dispatch(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise chunks where the model has them: a chunk of calls costs one dispatch."""
    model, middle = registry.load(variant.model), found.median
    if model.WORKERS == "none" or middle.is_async:
        return None
    service = units.duration(middle.call_cpu_ns + middle.call_blocked_ns)
    now = int(variant.options.get("chunksize") or 1)
    most = contest.point.tasks // (CHUNKS_PER_WORKER * middle.lanes)
    if _takes(variant.model, variant.options, "chunksize", 2 * now) and most >= 2 * now:
        dispatching = sum(found.shares[name] for name in ("dispatch", "serialisation", "gil"))
        size = now
        while size * 2 <= most and _left(dispatching, size / now) > 0.1:
            size *= 2
        if dispatching - _left(dispatching, size / now) >= GAIN:
            before, after = units.percent(dispatching), units.percent(_left(dispatching, size / now))
            advice = f"use `chunksize: {size}`: it would cut the dispatch of calls of {service}"
            overrides = _on_axis(contest, variant, "chunksize", now, size)
            return Remedy("chunks", f"{advice} from {before} to {after}", overrides)
    if middle.call_cpu_ns + middle.call_blocked_ns < SMALL_NS:
        if variant.is_per_task:
            return Remedy("pool", f"use a pool: calls of {service} are too short to start a worker for each")
        loop = ", or use a plain loop" if _loop_does(contest, variant, found) else ""
        advice = f"do more work per call{loop}: calls of {service} are too short to pay for their dispatch"
        return Remedy("more_work", advice)
    if not variant.is_per_task:
        return None
    pool, clause = variant.needs.pool, ", which starts its workers only once"
    return _use(contest, variant, found, pool, clause) if pool else Remedy("pool", f"use a pool{clause}")


def _left(share: float, factor: float) -> float:
    """Return the new share of a part that becomes `factor` times smaller while the rest stays."""
    return share / factor / (share / factor + 1 - share)


def _idle(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle = found.median
    if int(variant.options.get("chunksize") or 1) > 1:
        overrides = _on_axis(contest, variant, "chunksize", variant.options["chunksize"], 1)
        return Remedy("smaller_chunks", "use smaller chunks, which divide the calls more evenly", overrides)
    if middle.calls < middle.lanes:
        idle = _count_idle(middle.lanes - middle.calls, middle.lanes, "workers")
        return Remedy("more_tasks", f"use at least as many tasks as workers: {idle}")
    if is_unequal(middle):
        advice = "start the longest calls first, or split them: other workers are idle until they end"
        return Remedy("longest_first", advice)
    return None


def is_unequal(middle: Figures) -> bool:
    """Return whether the longest call takes more than twice as long as the calls do on average."""
    return middle.longest_share * middle.calls > 2


def _surely_faster(contest: Contest, label: str, other: str) -> bool:
    ratio = contest.compare(label, other, contest.look_level)
    return ratio is not None and ratio.low is not None and ratio.low > 1


def _use(contest: Contest, variant: Variant, found: Summary, model: str, clause: str) -> Remedy | None:
    """Advise a model: one of the contest only where it was faster, others with an override."""
    others = [other for other in contest.variants.values() if other.model == model]
    alike = [other for other in others if other.python == variant.python]
    present = [other.label for other in alike or others]
    if present:
        better = [other for other in present if _surely_faster(contest, other, variant.label)]
        return Remedy("model", f"use `{better[0]}`{clause}") if better else None
    if model in contest.plan.experiment.left_out:
        return None
    workload = contest.point.workload
    runs_plain = workload.get("call") and (workload.get("async_call") or not found.median.is_async)
    if not runs_plain and "async_call" not in registry.load(model).FORMS:
        return None
    if any(workload.get(name) for name in ("setup", "initializer", "reset", "observe")):
        return None  # a workload with state may behave differently under another model
    entries = [entry.model_dump(exclude_defaults=True) for entry in contest.plan.experiment.models]
    plain = all(entry.keys() <= {"model"} for entry in entries)
    names = [entry.model for entry in contest.plan.experiment.models]
    return Remedy("model", f"use `{model}`{clause}", (f"models={json.dumps([*names, model])}",) if plain else ())


def _on_axis(contest: Contest, variant: Variant, axis: str, *values: object) -> tuple[str, ...]:
    """Return the override that tries some values; none where the spec has no room for them.

    The override is for all entries of the spec, so one that can't take it would make the command fail.
    """
    entries = contest.plan.experiment.models
    if axis in entries[variant.entry].model_dump(exclude_defaults=True):
        return ()
    alike = [other for other in contest.variants.values() if axis in registry.load(other.model).OPTIONS]
    if not all(_takes(other.model, other.options, axis, value) for other in alike for value in values):
        return ()
    return (f"matrix.{axis}={json.dumps(values)}",)


def _takes(model: str, options: Mapping[str, Any], name: str, value: object) -> bool:
    """Return whether a model with these options can have another one."""
    loaded = registry.load(model)
    try:
        return name in loaded.OPTIONS and bool(loaded.needs({**options, name: value}))
    except registry.Conflict:
        return False


_REMEDIES = {
    "loop_blocked": _loop_blocked,
    "gil": _gil,
    "on_core": _on_core,
    "contention": _contention,
    "run_queue": _run_queue,
    "lock": _lock,
    "blocked": _blocked,
    "executor": _executor,
    "waiting": _waiting,
    "dispatch": _dispatch,
    "serialisation": lambda *_: Remedy(
        "send_less", "send less: a path, a key or a range instead of the data, and aggregated results"
    ),
    "idle": _idle,
}
