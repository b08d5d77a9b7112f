"""Processes with an event loop each, which runs many coroutines, as servers with workers do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import LOOPS, Initializer, Needs, Option, Options, WorkerMode, Workers
from . import event_loop, fleet, loop_worker, processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


SUMMARY = "one multiprocessing.Process per worker, with an event loop in each; each gets its share of the batch"
FORMS: tuple[str, ...] = ("async_call", "call")
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "concurrency": Option("calls in flight in each process", default=loop_worker.CONCURRENCY, minimum=1),
    "loop": Option("the event loop in each process [default: asyncio]", choices=LOOPS),
    "start_method": processes.OPTIONS["start_method"],
}

unavailable = processes.unavailable


def needs(options: Options) -> Needs:
    """Return what the model needs: no loop in the runner, but the packages of the workers' loops."""
    inner = event_loop.needs(options)
    return Needs(
        modules=(*fleet.MODULES, *inner.modules),
        packages=inner.packages,
        pickler="pickle",
        per_worker=loop_worker.concurrency(options),
    )


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` processes with a running loop, each of which has run `initializer`."""
    start_method = processes.start_method(options)
    loop = options.get("loop") or "asyncio"
    concurrency = loop_worker.concurrency(options)
    with fleet.fleet(workers, start_method, _work, loop, call, concurrency, initializer) as ask:
        bind, each = loop_worker.sharing(ask, workers)
        yield Workers(bind, each, {"actual_start_method": start_method})


def _work(connection: Connection, *arguments: Any) -> None:
    loop_worker.work(fleet.Channel(connection), *arguments)
