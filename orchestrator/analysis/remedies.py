"""What can be done about a cause: one piece of advice, and the overrides of the spec that try it. Pure.

What is advised follows from the account: a share can shrink only to what remains when its cause is gone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from .. import units
from ..runner import registry
from ..spec.plan import Variant
from .accounts import Summary
from .contest import Contest

WORTH = 0.15
"""Advice is given about a share of at least so much of the workers' time."""

GAIN = 0.2
"""Chunks are advised where they save at least so much of the workers' time: not all of a hand-over shrinks."""

SMALL_NS = 1_000_000
"""Calls shorter than this are not worth a process each."""

FEW = 0.5
"""Workers keep the cores busy for less than this part of the time: there is room for more of them."""

CHUNKS_PER_WORKER = 4
"""So many chunks for each worker keep the load even."""


@dataclass(frozen=True)
class Remedy:
    """Advice, with overrides of the spec that try it, beside what there is."""

    advice: str
    overrides: tuple[str, ...] = ()


def remedy(contest: Contest, variant: Variant, found: Summary, causes: Mapping[str, float]) -> Remedy | None:
    """Return what to do about the first of a variant's causes, with their shares, that something can be done about."""
    for cause, share in causes.items():
        advised = _REMEDIES[cause](contest, variant, found) if cause in _REMEDIES and share >= WORTH else None
        if advised:
            return advised
    return None


def _loop_blocked(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle = found.median
    if found.waits:
        return _use(contest, variant, found, "threads", " or make it `async`")
    if middle.call_cpu_ns < SMALL_NS or contest.plan.cores < 2:
        return Remedy("a plain loop does as well: these calls compute") if _loop_does(contest, variant, found) else None
    return _use(contest, variant, found, "processes", ": its calls compute, and do not wait")


def _gil(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    if registry.load(variant.model).needs(variant.options).pickles:
        return _dispatch(contest, variant, found) if found.waits_to_dispatch else None
    if found.median.call_cpu_ns >= SMALL_NS:
        return _use(contest, variant, found, "processes", ": each has a GIL of its own")
    if _loop_does(contest, variant, found):
        return Remedy("threads can't help calls that compute; run them in a plain loop, or put more work into one")
    return None


def _loop_does(contest: Contest, variant: Variant, found: Summary) -> bool:
    """Return whether a plain loop may do as well as a variant, as far as is known."""
    loops = [other.label for other in contest.variants.values() if other.model == "sequential"]
    surely_slower = any(_surely_faster(contest, variant.label, loop) for loop in loops)
    return not (found.median.is_async or found.waits or surely_slower)


def _on_core(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle, cores = found.median, contest.plan.cores
    free = cores - found.busy_cores
    if middle.lanes > 1 or free < FEW or middle.call_cpu_ns < SMALL_NS or contest.point.tasks < 2:
        return None
    return _use(contest, variant, found, "processes", f": {free:.0f} of {cores} cores had nothing to do")


def _run_queue(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise as many workers as keep the cores busy while others of them wait."""
    middle, cores = found.median, contest.plan.cores
    alone_ns = middle.alone_cpu_ns + middle.alone_blocked_ns
    enough = math.ceil(cores * alone_ns / max(1, middle.alone_cpu_ns))
    if middle.lanes <= enough or variant.workers is None:
        return None
    return Remedy(f"more workers than keep the cores busy only queue for them: `workers: {enough}` does as well")


def _waiting(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise more workers where they wait and the cores do not work."""
    middle, tasks = found.median, contest.point.tasks
    in_flight = variant.at_once(tasks)
    if found.busy_cores > FEW * contest.plan.cores or found.shares_something:
        return None
    if variant.workers is None or registry.load(variant.model).WORKERS != "asked":
        if middle.lanes == 1 and tasks > 1 and not variant.overrides:
            return _use(contest, variant, found, "threads", ": the calls can wait at the same time")
        return None
    others = [
        v.workers or 0 for v in contest.variants.values() if (v.entry, v.options) == (variant.entry, variant.options)
    ]
    if in_flight >= tasks or in_flight < max(others):
        return None
    more = min(tasks, 4 * in_flight)
    advice = f"let more of the calls wait at once: workers {more} instead of {in_flight}"
    return Remedy(advice, _on_axis(contest, variant, "workers", in_flight, more))


def _dispatch(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    """Advise chunks where the model has them: a chunk is handed over as one call is, so that part falls by its size."""
    model, middle = registry.load(variant.model), found.median
    if model.WORKERS == "none" or middle.is_async:
        return None
    service = units.duration(middle.call_cpu_ns + middle.call_blocked_ns)
    now = int(variant.options.get("chunksize") or 1)
    most = contest.point.tasks // (CHUNKS_PER_WORKER * middle.lanes)
    if "chunksize" in model.OPTIONS and most >= 2 * now:
        handing = sum(found.shares[name] for name in ("dispatch", "serialisation", "gil"))
        size = now
        while size * 2 <= most and _left(handing, size / now) > 0.1:
            size *= 2
        if handing - _left(handing, size / now) >= GAIN:
            before, after = units.percent(handing), units.percent(_left(handing, size / now))
            advice = f"calls of {service} are too small to send one by one: chunksize {size} would cut the hand-over"
            return Remedy(f"{advice} from {before} to {after}", _on_axis(contest, variant, "chunksize", now, size))
    if middle.call_cpu_ns + middle.call_blocked_ns < SMALL_NS:
        if model.WORKERS == "per_task":
            return Remedy(f"calls of {service} are too small to start a worker for each: keep workers in a pool")
        loop = ", or use a plain loop" if _loop_does(contest, variant, found) else ""
        return Remedy(f"calls of {service} are too small to hand over: put more work into one{loop}")
    if model.WORKERS == "per_task":
        pool = model.needs(variant.options).pool
        if pool is None:
            return Remedy("keep workers in a pool, instead of starting one for every call")
        return _use(contest, variant, found, pool, ", which starts its workers once, and not for every call")
    return None


def _left(share: float, factor: float) -> float:
    """Return what is left of a share of the whole when it is made `factor` times smaller, and the rest stays."""
    return share / factor / (share / factor + 1 - share)


def _serialisation(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    return Remedy("send less: a path, a key or a range instead of the data, and results that are summed up")


def _idle(contest: Contest, variant: Variant, found: Summary) -> Remedy | None:
    middle = found.median
    if int(variant.options.get("chunksize") or 1) > 1:
        overrides = _on_axis(contest, variant, "chunksize", variant.options["chunksize"], 1)
        return Remedy("smaller chunks share the calls more evenly", overrides)
    if middle.calls < middle.lanes:
        return Remedy(f"{middle.lanes - middle.calls} of {middle.lanes} workers never have a call: give a batch more")
    if middle.longest_share * middle.calls > 2:
        return Remedy("begin with the longest calls, or split them: the others' workers wait for them at the end")
    return None


def _surely_faster(contest: Contest, label: str, other: str) -> bool:
    ratio = contest.compare(label, other, contest.look_level)
    return ratio is not None and ratio.low is not None and ratio.low > 1


def _use(contest: Contest, variant: Variant, found: Summary, model: str, clause: str) -> Remedy | None:
    """Advise a model: one of the contest only if it was faster there, else with the override that puts it there."""
    others = [other for other in contest.variants.values() if other.model == model]
    alike = [other for other in others if other.python == variant.python]
    present = [other.label for other in alike or others]
    if present:
        better = [other for other in present if _surely_faster(contest, other, variant.label)]
        return Remedy(f"use `{better[0]}`{clause}") if better else None
    workload = contest.point.workload
    runs_plain = workload.get("call") and (workload.get("async_call") or not found.median.is_async)
    if not runs_plain and "async_call" not in registry.load(model).FORMS:
        return None
    if any(workload.get(name) for name in ("setup", "initializer", "reset", "observe")):
        return None  # what keeps a state may not do the same elsewhere
    entries = [entry.model_dump(exclude_defaults=True) for entry in contest.plan.experiment.models]
    plain = all(entry.keys() <= {"model"} for entry in entries)
    names = [entry.model for entry in contest.plan.experiment.models]
    return Remedy(f"use `{model}`{clause}", (f"models={json.dumps([*names, model])}",) if plain else ())


def _on_axis(contest: Contest, variant: Variant, axis: str, *values: object) -> tuple[str, ...]:
    """Return the override that measures a variant with each of some values; none where its entry fixes the value."""
    entry = contest.plan.experiment.models[variant.entry].model_dump(exclude_defaults=True)
    return () if axis in entry else (f"matrix.{axis}={json.dumps(values)}",)


_REMEDIES = {
    "loop_blocked": _loop_blocked,
    "gil": _gil,
    "on_core": _on_core,
    "run_queue": _run_queue,
    "blocked": _waiting,
    "waiting": _waiting,
    "dispatch": _dispatch,
    "serialisation": _serialisation,
    "idle": _idle,
}
