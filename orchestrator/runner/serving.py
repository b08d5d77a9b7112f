"""Serving one variant: import what it needs, start its workers, then answer requests."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from . import registry
from .account import sensors
from .measure import Bench
from .workload import bound, call_for, entered, find, form_for, initializer_for


async def serve(link: Any, order: dict[str, Any], begun_ns: int) -> None:
    """Import all that the request `order` needs, open the model on request, then answer until the pipe closes.

    The answer to `order` has how many `threads` the imports have left running.
    """
    workload = order["workload"]
    model = registry.load(order["model"])
    if hasattr(model, "prepare"):
        model.prepare(order["options"])
    earlier = sys._current_frames().keys()
    call = call_for(model, workload)
    initializer = initializer_for(model, workload)
    batch = _batch(order)
    hook = {name: find(workload[name], name) for name in ("reset", "observe") if workload.get(name)}
    needs = model.needs(order["options"])
    for name in needs.modules:
        importlib.import_module(name)
    if order.get("arrivals"):
        from . import windows  # noqa: F401  # here, and not in the time of the start-up
    found = {"import_ns": time.perf_counter_ns() - begun_ns, "threads": len(sys._current_frames().keys() - earlier)}
    gc.collect()  # else the garbage of the imports might be collected during the start-up, or not, by chance
    link.send({"event": "prepared", **found})
    if link.receive() is None:
        return
    form = form_for(model, workload)
    with entered(workload.get("setup")) as initargs:
        call = bound(call, workload[form], form, initargs)
        begin = functools.partial(initializer, initargs) if initializer else None
        opening = model.open(call, order["workers"], order["options"], begin)
        before = sensors.threads()
        opening_ns = time.perf_counter_ns()
        async with opening as workers:
            startup_ns = time.perf_counter_ns() - opening_ns
            opened = registry.Opened(workers, model.WORKERS, needs.pickles, sensors.threads() - before)
            bench = Bench(opened, call, workload[form], batch, hook, initargs)
            if order.get("arrivals"):
                bench.serve_arrivals(order["arrivals"])
            if order.get("copied"):
                bench.copy_arguments()
            link.send({"event": "ready", "startup_ns": startup_ns, **await bench.prove()})
            while (request := link.receive()) is not None:
                if isinstance(request, int):
                    await bench.run_trial(request)
                    link.return_token()
                else:
                    link.send(await getattr(bench, "do_" + request.pop("op"))(**request))


def _batch(order: dict[str, Any]) -> Sequence[Any]:
    """Return the items of a batch; without any, the numbers of its calls."""
    if not order.get("items"):
        return range(order["tasks"])
    from .items import unpack  # not at the top: it loads pickle, which not every runner needs

    return unpack(order["items"])
