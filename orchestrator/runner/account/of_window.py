"""One more window of arrivals, instrumented: where the time of its calls went, from their arrival to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import arrivals, registry
from ..call import Call
from . import clocks, greenlets
from .figures import CALL_PARTS
from .fold import MOST_CALLS
from .instrumented import prepare, stamped
from .stamps import Returned, StampedResult, Taken, received

OF_SHIM = ("gil_ns", "lock_ns", "run_queue_ns")
"""What is not known without the shim: it is then part of `blocked_ns`."""


async def measure(
    opened: registry.Opened,
    call: Call,
    items: Sequence[Any],
    at_ns: Sequence[int],
    drain_ns: int,
) -> dict[str, Any]:
    """Return the parts of the time of calls, summed over those of a window that ended, and how many they are."""
    workers = opened.workers
    made = stamped(opened, call, items, weighs=False)
    if not opened.per_task:
        await workers.each(prepare)  # workers import what is needed before the clock runs
    results: dict[int, StampedResult] = {}

    def keep(place: int, result: Returned) -> None:
        results[place] = received(result)
        results[place].value = None  # it may be large

    assert workers.submit
    with greenlets.watched(made.call):
        window = await arrivals.run(workers.submit, made.call, made.items, at_ns[:MOST_CALLS], drain_ns, keep)
    sums = summed(window, {place: result.taken for place, result in results.items()})
    unknown = {} if clocks.HAS_SHIM else dict.fromkeys(OF_SHIM)
    return {"calls": len(window.outcomes), "ended": len(results), **sums, **unknown}


def summed(window: arrivals.Window, taken: Mapping[int, Taken]) -> dict[str, int]:
    """Return each part of the time of calls, by their places, summed over them."""
    sums = dict.fromkeys(CALL_PARTS, 0)
    for place, call in taken.items():
        for name, ns in parts(call, window.begun_ns + window.offsets_ns[place]).items():
            sums[name] += ns
    return {f"{name}_ns": ns for name, ns in sums.items()}


def parts(call: Taken, intended_ns: int) -> dict[str, int]:
    """Return the time of a call since its intended arrival by `CALL_PARTS`; together they are all of it."""
    before_ns = max(0, call.begun - intended_ns)
    sent = call.arrived
    spans = ((sent.dump_begun, sent.dump_ended), (sent.load_begun, sent.load_ended)) if sent else ()
    sent_ns = min(before_ns, sum(max(0, end - begin) for begin, end in spans))
    known_ns = call.cpu_ns + call.run_queue_ns + call.gil_ns + call.lock_ns
    return {
        "queued": before_ns - sent_ns,
        "serialisation": sent_ns,
        "on_core": call.cpu_ns,
        "run_queue": call.run_queue_ns,
        "gil": call.gil_ns,
        "lock": call.lock_ns,
        "blocked": max(0, call.busy_ns - known_ns),
        "waiting": max(0, call.ended - call.begun - call.busy_ns),
    }
